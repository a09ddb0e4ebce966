/* pop_recover.c - consumer offsets after a crash.
 *
 * The table of consumer offsets is saved every few seconds; what was popped since the last save
 * would be popped again after a crash. Each checkpoint of ours says which consumer offset it led
 * to, and the saved table says where the log ended, so what is behind is read and applied before
 * anybody pops.
 *
 *   noted end ──> checkpoints up to the end at start ──> found ──> the broker's table ──> pops
 *       └─────── by a worker, in portions ───────┘         └─ in steps on the loop ─┘
 *
 * Nothing else waits for it: sends, pulls, acks and changes of invisible time go by the log alone.
 * The filter looks at the tag that the consume queue keeps, so other people's timers cost 20 bytes
 * of reading each. Until all is applied the notes of the last save stand: a crash in the midst
 * begins at the same place.
 */
#include <assert.h>

#include "base/fault.h"
#include "base/java_hash.h"
#include "base/log.h"
#include "delivery/pop_internal.h"
#include "wire/names.h"
#include "wire/properties.h"

enum { READ_COUNT = 1024, READ_BYTES = 1 << 20, READS_PER_JOB = 16 };
/* Of a portion that the disk does not give, POP_BUSY_RETRY_MS apart. */
enum { READ_TRIES = 50 };
/* Topics and groups applied in one pass of the loop. */
enum { APPLY_BUDGET = 64 };

/* The group under which the ends of the log are noted among the consumer offsets. */
#define NOTED_GROUP "CID_RMQ_SYS_POP_NOTED"

static struct slice topic_of(const struct pop_keeper *keeper, int at)
{
    assert(at >= 0);
    assert(at <= keeper->options.revive_queue_count);
    return at == 0 ? SLICE(TOPIC_TIMER) : keeper->options.revive_topic;
}

static int32_t queue_id_of(int at)
{
    return at == 0 ? 0 : at - 1;
}

/* ---- what is noted ------------------------------------------------------------------------- */

/* In the place of a queue id of the timer topic, which has one queue. */
enum { NOTED_POP_TIME = 1 };

int64_t keeper_noted_pop_ms(const struct pop_keeper *keeper)
{
    return offsets_get(keeper->options.offsets, SLICE(TOPIC_TIMER), SLICE(NOTED_GROUP),
                       NOTED_POP_TIME);
}

/* The next start may come after the clock was set back. */
static void note_pop_time(struct pop_keeper *keeper, int64_t newest_ms, int64_t now_ms)
{
    if (newest_ms > keeper_noted_pop_ms(keeper))
        offsets_put(keeper->options.offsets, SLICE(TOPIC_TIMER), SLICE(NOTED_GROUP), NOTED_POP_TIME,
                    newest_ms, now_ms);
}

void pop_keeper_note_log_end(struct pop_keeper *keeper, int64_t now_ms)
{
    struct offsets *offsets = keeper->options.offsets;
    note_pop_time(keeper, pop_newest_ms(keeper->table), now_ms);
    if (keeper->recovery.is_running)
        return;
    for (int at = 0; at <= keeper->options.revive_queue_count; at++) {
        struct slice topic = topic_of(keeper, at);
        int32_t queue_id = queue_id_of(at);
        int64_t end = store_queue_max(keeper->options.store, topic, queue_id);
        assert(end >= 0);
        if (end != offsets_get(offsets, topic, SLICE(NOTED_GROUP), queue_id))
            offsets_put(offsets, topic, SLICE(NOTED_GROUP), queue_id, end, now_ms);
    }
}

/* ---- by a worker: what the log says -------------------------------------------------------- */

static bool is_checkpoint(void *ctx, int64_t tags_code)
{
    return tags_code == *(const int64_t *)ctx;
}

/* Ours, and not one that the timer has brought: that was read where it was put. */
static bool is_put_by_pop(const struct pop_keeper *keeper, const struct record *record)
{
    if (keeper->recovery.at == 0)
        return slice_eq(property_get(record->properties, SLICE(PROPERTY_REAL_TOPIC)),
                        keeper->options.revive_topic);
    return property_get(record->properties, SLICE(PROPERTY_TIMER_OUT_MS)).data == NULL;
}

static void find_in_record(struct pop_keeper *keeper, const struct record *record)
{
    struct pop_recovery *r = &keeper->recovery;
    struct pop_checkpoint c;
    int64_t next;
    if (!is_put_by_pop(keeper, record) || pop_checkpoint_decode(record->body, &r->arena, &c) != 0)
        return;
    if (c.pop_time_ms > r->newest_ms)
        r->newest_ms = c.pop_time_ms;
    if (!slice_to_i64(property_get(record->properties, SLICE(PROPERTY_POP_NEXT)), &next))
        return;
    if (next > offsets_get(r->found, c.topic, c.group, c.queue_id))
        offsets_put(r->found, c.topic, c.group, c.queue_id, next, record->store_timestamp);
}

static void find_in_records(struct pop_keeper *keeper, struct slice records)
{
    struct record record;
    while (records.len > 0 && record_decode(records, RECORD_CHECK_BODY_CRC, &record) == 0) {
        find_in_record(keeper, &record);
        arena_reset(&keeper->recovery.arena);
        records = slice_from(records, (size_t)record.total_bytes);
    }
}

static struct pop_keeper *by_job(struct pop_job *job)
{
    return (struct pop_keeper *)((char *)job - offsetof(struct pop_keeper, recovery.job));
}

/* What cannot be read for a while is left, or pops would wait for ever: messages behind it may be
 * popped again. */
static bool is_given_up(struct pop_recovery *r, int err)
{
    r->tries = err == 0 ? 0 : r->tries + 1;
    return err == 0 || r->tries >= READ_TRIES;
}

/* Reads a portion of the queue at hand. */
static void read_portion(struct pop_job *job)
{
    struct pop_keeper *keeper = by_job(job);
    struct pop_recovery *r = &keeper->recovery;
    int64_t checkpoint_code = java_hash(SLICE(POP_TAG_CHECKPOINT));
    struct store_get_result got;
    struct store_get_request request = {
        .topic = topic_of(keeper, r->at),
        .queue_id = queue_id_of(r->at),
        .queue_offset = r->queues[r->at].next,
        .max_count = READ_COUNT,
        .max_bytes = READ_BYTES,
        .filter = is_checkpoint,
        .filter_ctx = &checkpoint_code,
        .may_block = true,
    };
    for (int i = 0; i < READS_PER_JOB && request.queue_offset < r->queues[r->at].end; i++) {
        buf_clear(&r->records);
        int err = store_get(keeper->options.store, &request, &r->records, &got);
        if (err == 0 && got.next_offset > request.queue_offset) {
            r->tries = 0;
            find_in_records(keeper, buf_slice(&r->records));
            request.queue_offset = got.next_offset;
            continue;
        }
        if (!is_given_up(r, err))
            break;
        log_warn("pop_recovery_cut_short topic=%.*s queue=%d offset=%lld reason=%s",
                 SLICE_FMT(request.topic), request.queue_id, (long long)request.queue_offset,
                 err != 0 ? err_name(err) : store_get_status_name(got.status));
        request.queue_offset = r->queues[r->at].end;
    }
    assert(request.queue_offset >= r->queues[r->at].next);
    r->queues[r->at].next = request.queue_offset;
}

/* ---- on the loop --------------------------------------------------------------------------- */

/* Offsets only grow by what is found: a commit that came meanwhile may be ahead. */
static void apply_pair(struct pop_keeper *keeper, struct slice topic, struct slice group,
                       int64_t now_ms)
{
    struct pop_recovery *r = &keeper->recovery;
    struct offsets *offsets = keeper->options.offsets;
    size_t cursor = 0;
    int64_t next;
    int32_t queue_id;
    while ((queue_id = offsets_next_queue(r->found, topic, group, &cursor, &next)) >= 0) {
        if (next <= offsets_get(offsets, topic, group, queue_id) ||
            offsets_get(r->kept, topic, group, queue_id) >= 0)
            continue;
        offsets_put(offsets, topic, group, queue_id, next, now_ms);
        r->moved++;
    }
}

static void end(struct pop_keeper *keeper, int64_t now_ms)
{
    struct pop_recovery *r = &keeper->recovery;
    assert(r->is_running);
    assert(!r->is_job_out);
    r->is_running = false;
    /* by a clock that was ahead: no note was saved of it, and the next start does not find it */
    pop_know_from(keeper->table, r->newest_ms + 1);
    note_pop_time(keeper, r->newest_ms, now_ms);
    if (r->moved > 0)
        log_info("pop_offsets_recovered queues=%d", r->moved);
    keeper_recover_free(keeper);
    keeper->options.offsets_changed(keeper->options.ctx);
    keeper->options.recovered(keeper->options.ctx);
}

static void apply(struct pop_keeper *keeper, int64_t now_ms)
{
    struct pop_recovery *r = &keeper->recovery;
    struct slice topic, group;
    for (int budget = APPLY_BUDGET; budget > 0; budget--) {
        if (!offsets_next(r->found, &r->cursor, &topic, &group)) {
            end(keeper, now_ms);
            return;
        }
        apply_pair(keeper, topic, group, now_ms);
    }
}

static bool has_queue_left(struct pop_keeper *keeper)
{
    struct pop_recovery *r = &keeper->recovery;
    while (r->at <= keeper->options.revive_queue_count &&
           r->queues[r->at].next >= r->queues[r->at].end)
        r->at++;
    return r->at <= keeper->options.revive_queue_count;
}

static void portion_read(struct pop_job *job, int64_t now_ms)
{
    struct pop_keeper *keeper = by_job(job);
    assert(keeper->recovery.is_job_out);
    keeper->recovery.is_job_out = false;
    keeper->recovery.go_on_ms = keeper->recovery.tries > 0 ? now_ms + POP_BUSY_RETRY_MS : now_ms;
    keeper_look(keeper);
}

void keeper_recover_go_on(struct pop_keeper *keeper, int64_t now_ms)
{
    struct pop_recovery *r = &keeper->recovery;
    assert(r->is_running && !r->is_job_out && !keeper->is_stopped);
    if (!has_queue_left(keeper)) {
        apply(keeper, now_ms);
        return;
    }
    r->job = (struct pop_job){ .work = read_portion, .done = portion_read };
    r->is_job_out =
        fault_check("pop.recover") == 0 && keeper->options.submit(keeper->options.ctx, &r->job);
    r->go_on_ms = r->is_job_out ? INT64_MAX : now_ms + POP_BUSY_RETRY_MS;
}

/* ---- begin and end ------------------------------------------------------------------------- */

/* A queue that no note is in has nothing to go by. */
static void find_ends(struct pop_keeper *keeper)
{
    for (int at = 0; at <= keeper->options.revive_queue_count; at++) {
        int64_t noted = offsets_get(keeper->options.offsets, topic_of(keeper, at),
                                    SLICE(NOTED_GROUP), queue_id_of(at));
        if (noted < 0)
            continue;
        keeper->recovery.queues[at].next = noted;
        keeper->recovery.queues[at].end =
            store_queue_max(keeper->options.store, topic_of(keeper, at), queue_id_of(at));
    }
}

/* A store that no note is in (it is new, or the reference's) gets one before anybody pops, or a
 * crash before the first save would leave nothing to go by. */
int keeper_recover_begin(struct pop_keeper *keeper, int64_t now_ms)
{
    struct pop_recovery *r = &keeper->recovery;
    assert(!r->is_running);
    arena_init(&r->arena);
    if (offsets_get(keeper->options.offsets, SLICE(TOPIC_TIMER), SLICE(NOTED_GROUP), 0) < 0) {
        pop_keeper_note_log_end(keeper, now_ms);
        keeper->options.save_offsets_here(keeper->options.ctx);
        return 0;
    }
    find_ends(keeper);
    if (!has_queue_left(keeper))
        return 0;
    int err = offsets_new(&r->found);
    if (err == 0)
        err = offsets_new(&r->kept);
    if (err != 0)
        return err;
    r->is_running = true;
    r->go_on_ms = now_ms;
    return 0;
}

void keeper_recover_free(struct pop_keeper *keeper)
{
    struct pop_recovery *r = &keeper->recovery;
    assert(!r->is_job_out);
    offsets_free(r->found);
    offsets_free(r->kept);
    r->found = r->kept = NULL;
    buf_fini(&r->records);
    arena_fini(&r->arena);
}

bool pop_keeper_is_recovering(const struct pop_keeper *keeper)
{
    return keeper->recovery.is_running;
}

void pop_keeper_keep_offset(struct pop_keeper *keeper, struct slice topic, struct slice group,
                            int32_t queue_id, int64_t now_ms)
{
    if (keeper->recovery.is_running)
        offsets_put(keeper->recovery.kept, topic, group, queue_id, 0, now_ms);
}
