/* pop_recover.c - consumer offsets after a crash.
 *
 * The table of consumer offsets is saved every few seconds; what was popped since the last save
 * would be popped again after a crash. Each checkpoint of ours says which consumer offset it led
 * to, and the saved table says where the log ended, so what is behind is read and applied before
 * anybody pops.
 *
 *   noted end ──> checkpoints up to the end at start ──> found ──> the broker's table ──> pops go
 * on └──── by a worker, in portions ────┘       └─ in steps on the loop
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
#include "broker/pop/pop_hold.h"
#include "broker/pop/pops_internal.h"
#include "broker/saver.h"
#include "wire/properties.h"

enum { READ_COUNT = 1024, READ_BYTES = 1 << 20, READS_PER_JOB = 16 };
/* Topics and groups applied in one pass of the loop. */
enum { APPLY_BUDGET = 64 };
/* How soon to look again when no worker was free. */
enum { BUSY_RETRY_MS = 100 };

/* The group under which the ends of the log are noted among the consumer offsets. */
#define NOTED_GROUP "CID_RMQ_SYS_POP_NOTED"

static struct slice topic_of(const struct pops *pops, int at)
{
    return at == 0 ? SLICE(TOPIC_TIMER) : pops->revive_topic;
}

static int32_t queue_id_of(int at)
{
    return at == 0 ? 0 : at - 1;
}

/* ---- what is noted ------------------------------------------------------------------------- */

void pops_note_log_end(struct pops *pops)
{
    struct broker *broker = pops->broker;
    if (pops->recovery.is_running)
        return;
    for (int at = 0; at <= pops->revive_queue_count; at++) {
        struct slice topic = topic_of(pops, at);
        int32_t queue_id = queue_id_of(at);
        int64_t end = store_queue_max(broker->store, topic, queue_id);
        if (end != offsets_get(broker->offsets, topic, SLICE(NOTED_GROUP), queue_id))
            offsets_put(broker->offsets, topic, SLICE(NOTED_GROUP), queue_id, end,
                        loop_now_ms(broker->loop));
    }
}

/* ---- by a worker: what the log says -------------------------------------------------------- */

static bool is_checkpoint(void *ctx, int64_t tags_code)
{
    return tags_code == *(const int64_t *)ctx;
}

/* Ours, and not one that the timer has brought: that was read where it was put. */
static bool is_put_by_pop(const struct pops *pops, const struct record *record)
{
    if (pops->recovery.at == 0)
        return slice_eq(property_get(record->properties, SLICE(PROPERTY_REAL_TOPIC)),
                        pops->revive_topic);
    return property_get(record->properties, SLICE(PROPERTY_TIMER_OUT_MS)).data == NULL;
}

static void find_in_record(struct pops *pops, const struct record *record)
{
    struct pop_recovery *r = &pops->recovery;
    struct pop_checkpoint c;
    int64_t next;
    if (!is_put_by_pop(pops, record) ||
        !slice_to_i64(property_get(record->properties, SLICE(PROPERTY_POP_NEXT)), &next) ||
        pop_checkpoint_decode(record->body, &r->arena, &c) != 0)
        return;
    if (next > offsets_get(r->found, c.topic, c.group, c.queue_id))
        offsets_put(r->found, c.topic, c.group, c.queue_id, next, record->store_timestamp);
}

static void find_in_records(struct pops *pops, struct slice records)
{
    struct record record;
    while (records.len > 0 && record_decode(records, RECORD_CHECK_BODY_CRC, &record) == 0) {
        find_in_record(pops, &record);
        arena_reset(&pops->recovery.arena);
        records = slice_from(records, (size_t)record.total_bytes);
    }
}

/* Reads a portion of the queue at hand. What cannot be read is left: it would not be read later
 * either, and pops would wait for ever. */
static void read_portion(struct job *job)
{
    struct pops *pops = (struct pops *)((char *)job - offsetof(struct pops, recovery.job));
    struct pop_recovery *r = &pops->recovery;
    int64_t checkpoint_code = java_hash(SLICE(POP_TAG_CHECKPOINT));
    struct store_get_result got;
    struct store_get_request request = {
        .topic = topic_of(pops, r->at),
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
        int err = store_get(pops->broker->store, &request, &r->records, &got);
        if (err != 0 || got.next_offset <= request.queue_offset) {
            log_warn("pop_recovery_cut_short topic=%.*s queue=%d offset=%lld reason=%s",
                     SLICE_FMT(request.topic), request.queue_id, (long long)request.queue_offset,
                     err != 0 ? err_name(err) : store_get_status_name(got.status));
            request.queue_offset = r->queues[r->at].end;
            break;
        }
        find_in_records(pops, buf_slice(&r->records));
        request.queue_offset = got.next_offset;
    }
    r->queues[r->at].next = request.queue_offset;
}

/* ---- on the loop --------------------------------------------------------------------------- */

/* Offsets only grow by what is found: a commit that came meanwhile may be ahead. */
static void apply_pair(struct pops *pops, struct slice topic, struct slice group)
{
    struct pop_recovery *r = &pops->recovery;
    struct broker *broker = pops->broker;
    size_t cursor = 0;
    int64_t next;
    int32_t queue_id;
    while ((queue_id = offsets_next_queue(r->found, topic, group, &cursor, &next)) >= 0) {
        if (next <= offsets_get(broker->offsets, topic, group, queue_id) ||
            offsets_get(r->kept, topic, group, queue_id) >= 0)
            continue;
        offsets_put(broker->offsets, topic, group, queue_id, next, loop_now_ms(broker->loop));
        r->moved++;
    }
}

static void end(struct pops *pops)
{
    struct pop_recovery *r = &pops->recovery;
    r->is_running = false;
    if (r->moved > 0)
        log_info("pop_offsets_recovered queues=%d", r->moved);
    pops_recover_free(pops);
    saver_changed(pops->broker->saver, TABLE_OFFSETS);
    pop_hold_release_all(pops->broker->pop_hold);
}

static void apply(struct pops *pops)
{
    struct pop_recovery *r = &pops->recovery;
    struct slice topic, group;
    for (int budget = APPLY_BUDGET; budget > 0; budget--) {
        if (!offsets_next(r->found, &r->cursor, &topic, &group)) {
            end(pops);
            return;
        }
        apply_pair(pops, topic, group);
    }
    loop_timer_start(pops->broker->loop, &r->timer, 0);
}

static bool has_queue_left(struct pops *pops)
{
    struct pop_recovery *r = &pops->recovery;
    while (r->at <= pops->revive_queue_count && r->queues[r->at].next >= r->queues[r->at].end)
        r->at++;
    return r->at <= pops->revive_queue_count;
}

static void portion_read(struct job *job)
{
    struct pops *pops = (struct pops *)((char *)job - offsetof(struct pops, recovery.job));
    pops->recovery.is_job_out = false;
    if (!pops->is_stopped)
        loop_timer_start(pops->broker->loop, &pops->recovery.timer, 0);
}

static void go_on(struct loop_timer *timer)
{
    struct pops *pops = (struct pops *)((char *)timer - offsetof(struct pops, recovery.timer));
    struct pop_recovery *r = &pops->recovery;
    assert(r->is_running && !r->is_job_out && !pops->is_stopped);
    if (!has_queue_left(pops)) {
        apply(pops);
        return;
    }
    r->job = (struct job){ .run = read_portion, .done = portion_read };
    r->is_job_out = fault_check("pop.recover") == 0 &&
                    workers_submit(pops->broker->workers, pops->broker->loop, &r->job) == 0;
    if (!r->is_job_out)
        loop_timer_start(pops->broker->loop, timer, BUSY_RETRY_MS);
}

/* ---- begin and end ------------------------------------------------------------------------- */

/* A queue that no note is in has nothing to go by. */
static void find_ends(struct pops *pops)
{
    struct broker *broker = pops->broker;
    for (int at = 0; at <= pops->revive_queue_count; at++) {
        int64_t noted =
            offsets_get(broker->offsets, topic_of(pops, at), SLICE(NOTED_GROUP), queue_id_of(at));
        if (noted < 0)
            continue;
        pops->recovery.queues[at].next = noted;
        pops->recovery.queues[at].end =
            store_queue_max(broker->store, topic_of(pops, at), queue_id_of(at));
    }
}

/* A store that no note is in (it is new, or the reference's) gets one before anybody pops, or a
 * crash before the first save would leave nothing to go by. */
int pops_recover_begin(struct pops *pops)
{
    struct pop_recovery *r = &pops->recovery;
    struct broker *broker = pops->broker;
    loop_timer_init(&r->timer, go_on);
    arena_init(&r->arena);
    if (offsets_get(broker->offsets, SLICE(TOPIC_TIMER), SLICE(NOTED_GROUP), 0) < 0) {
        pops_note_log_end(pops);
        saver_save_here(broker->saver, TABLE_OFFSETS);
        return 0;
    }
    find_ends(pops);
    if (!has_queue_left(pops))
        return 0;
    int err = offsets_new(&r->found);
    if (err == 0)
        err = offsets_new(&r->kept);
    if (err != 0)
        return err;
    r->is_running = true;
    loop_timer_start(broker->loop, &r->timer, 0);
    return 0;
}

void pops_recover_free(struct pops *pops)
{
    struct pop_recovery *r = &pops->recovery;
    assert(!r->is_job_out);
    offsets_free(r->found);
    offsets_free(r->kept);
    r->found = r->kept = NULL;
    buf_fini(&r->records);
    arena_fini(&r->arena);
}

bool pops_are_recovering(const struct pops *pops)
{
    return pops->recovery.is_running;
}

void pops_keep_offset(struct pops *pops, struct slice topic, struct slice group, int32_t queue_id)
{
    if (pops->recovery.is_running)
        offsets_put(pops->recovery.kept, topic, group, queue_id, 0,
                    loop_now_ms(pops->broker->loop));
}
