/* pop_revive.c - puts popped messages that nobody acknowledged in time on the retry topic.
 *
 * For each message of a due checkpoint that is not acknowledged: the record is read (by a worker
 * when it is not in memory), put on the retry topic with one more reconsume time, and taken off the
 * checkpoint. At last an ack for those that were put goes to the log, so that a restart does not
 * put them once more; only a crash between the two does. A message whose record, topic or group is
 * gone goes with it. When the store refuses, the checkpoint is due again later.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "delivery/pop_internal.h"
#include "wire/multi_dispatch.h"

/* The timer brings a checkpoint's record into the log a second before it is due. Until it has,
 * nothing is put again, for the ack that tells of it must stand behind: whoever read the log after
 * a crash would put it again. A timer that is later than this is not waited for; the ack then
 * follows by the timer too. */
enum { RECORD_LOOK_MS = 20, RECORD_LATE_MS = 10 * 1000 };
/* How soon to look again whether the retry topic is on the disk, or a worker is free. */
enum { TOPIC_LOOK_MS = 20 };
enum { ACK_BEHIND_MS = 2 * POP_CHECKPOINT_AHEAD_MS };
enum { REVIVE_JOBS_MAX = 8 };

/* A checkpoint whose messages a worker reads. Its place in the table is looked up again afterwards:
 * acks may have finished it meanwhile. */
struct revive_job {
    struct pop_job job;
    struct pop_keeper *keeper;
    struct pop_key key; /* names are in `names` */
    int count;
    int64_t queue_offsets[POP_CHECKPOINT_MESSAGES_MAX];
    int errs[POP_CHECKPOINT_MESSAGES_MAX];    /* of each read */
    size_t ends[POP_CHECKPOINT_MESSAGES_MAX]; /* where each record ends in `records` */
    struct buf records;
    uint8_t names[];
};

/* What was put again of one checkpoint. */
struct revived {
    int64_t queue_offsets[POP_CHECKPOINT_MESSAGES_MAX];
    int count;
};

/* Appends the record of a message. ERR_NOT_FOUND: it is no more. Another error: it may be there. */
static int read_message(struct store *store, const struct pop_key *key, int64_t queue_offset,
                        bool may_block, struct buf *out)
{
    struct store_get_request get = {
        .topic = key->topic,
        .queue_id = key->queue_id,
        .queue_offset = queue_offset,
        .max_count = 1,
        .may_block = may_block,
    };
    struct store_get_result got;
    struct record record;
    size_t start = out->len;
    int err = store_get(store, &get, out, &got);
    if (err != 0)
        return err;
    struct slice bytes = slice_from(buf_slice(out), start);
    if (got.status != GET_FOUND || record_decode(bytes, RECORD_CHECK_BODY_CRC, &record) != 0 ||
        multi_dispatch_place(&record, key->topic) != queue_offset) {
        out->len = start;
        return ERR_NOT_FOUND;
    }
    assert(out->len > start);
    return 0;
}

/* The delay the message once had is over: it is put as it is. */
static int put_again(struct pop_keeper *keeper, const struct pop_key *key, struct slice bytes,
                     int64_t now_ms)
{
    struct record record;
    struct store_put_result result;
    struct slice retry_topic;
    int err = keeper->options.retry_topic(keeper->options.ctx, key->topic, key->group,
                                          &keeper->arena, &retry_topic);
    if (err == ERR_NOT_FOUND)
        log_info("pop_dropped topic=%.*s group=%.*s reason=\"topic or group is gone\"",
                 SLICE_FMT(key->topic), SLICE_FMT(key->group));
    if (err != 0)
        return err;
    err = record_decode(bytes, RECORD_CHECK_LENGTHS, &record);
    assert(err == 0); /* it was decoded when read */
    pop_retry_record(&record, retry_topic, key->pop_time_ms, keeper->options.self, &keeper->arena);
    return store_put(keeper->options.store, &record, 1, now_ms, &result, NULL);
}

/* Tells the log what was put again. Its loss is no more than a message twice after a restart. */
static void log_revived(struct pop_keeper *keeper, const struct popped *popped, bool is_in_log,
                        const struct revived *revived, int64_t now_ms)
{
    assert(revived->count >= 0);
    assert(revived->count <= POP_CHECKPOINT_MESSAGES_MAX);
    int64_t end;
    int64_t due_ms = popped->key.pop_time_ms + popped->invisible_ms; /* behind the record */
    if (due_ms < now_ms + ACK_BEHIND_MS)
        due_ms = now_ms + ACK_BEHIND_MS;
    /* the record of one that passes for an earlier process's may come first */
    bool may_come = !pop_is_known(keeper->table, popped->key.pop_time_ms);
    for (int i = 0; i < revived->count && may_come; i++)
        pop_ack_early(keeper->table, &popped->key, due_ms, revived->queue_offsets[i]);
    if (is_in_log)
        due_ms = 0;
    if (revived->count > 0 && keeper_put_ack(keeper, popped, revived->queue_offsets, revived->count,
                                             due_ms, now_ms, &end) != 0)
        log_warn("pop_revive_not_logged topic=%.*s group=%.*s count=%d",
                 SLICE_FMT(popped->key.topic), SLICE_FMT(popped->key.group), revived->count);
}

/* One message was read with `err` (bytes: its record): puts it again and takes it off. An error:
 * the world refuses, all that is left waits. */
static int revive_message(struct pop_keeper *keeper, const struct pop_key *key,
                          int64_t queue_offset, int err, struct slice bytes,
                          struct revived *revived, int64_t now_ms)
{
    struct pop_point *p = pop_find(keeper->table, key);
    int index = p == NULL ? -1 : pop_index_of(p, queue_offset);
    if (index < 0 || pop_is_acked(p, index))
        return 0; /* acknowledged while it was read */
    assert(pop_offset_at(p, index) == queue_offset);
    assert(revived->count < POP_CHECKPOINT_MESSAGES_MAX);
    if (err == 0) {
        err = put_again(keeper, key, bytes, now_ms);
        arena_reset(&keeper->arena);
        if (err == 0)
            revived->queue_offsets[revived->count++] = queue_offset;
    }
    if (err != 0 && err != ERR_NOT_FOUND)
        return err;
    p = pop_find(keeper->table, key); /* the put may have run callbacks */
    if (p != NULL)
        pop_mark(keeper->table, p, index);
    return 0;
}

/* What is left of the checkpoint waits: a moment for its topic or a worker, longer for the world.
 */
static void put_back_if_left(struct pop_keeper *keeper, const struct pop_key *key, int err,
                             int64_t now_ms)
{
    struct pop_point *p = pop_find(keeper->table, key);
    if (p == NULL)
        return;
    if (err == ERR_WOULD_BLOCK) {
        pop_put_off(keeper->table, p, now_ms + TOPIC_LOOK_MS);
        return;
    }
    log_warn("pop_revive_failed topic=%.*s group=%.*s queue=%d offset=%lld reason=%s",
             SLICE_FMT(key->topic), SLICE_FMT(key->group), key->queue_id,
             (long long)key->start_offset, err_name(err));
    pop_put_back(keeper->table, p, now_ms);
}

/* ---- by a worker --------------------------------------------------------------------------- */

static struct revive_job *job_of(struct pop_job *job)
{
    return (struct revive_job *)((char *)job - offsetof(struct revive_job, job));
}

static void read_all(struct pop_job *job)
{
    struct revive_job *r = job_of(job);
    for (int i = 0; i < r->count; i++) {
        r->errs[i] =
            read_message(r->keeper->options.store, &r->key, r->queue_offsets[i], true, &r->records);
        r->ends[i] = r->records.len;
    }
}

static void job_free(struct revive_job *r)
{
    assert(r->keeper->revive_jobs > 0);
    r->keeper->revive_jobs--;
    buf_fini(&r->records);
    free(r);
}

static struct popped popped_of(const struct pop_key *key, const struct pop_point *p)
{
    return (struct popped){ *key, p == NULL ? 0 : p->invisible_ms,
                            p == NULL ? 0 : p->revive_queue_id };
}

static void all_read(struct pop_job *job, int64_t now_ms)
{
    struct revive_job *r = job_of(job);
    struct pop_keeper *keeper = r->keeper;
    struct pop_point *p = pop_find(keeper->table, &r->key);
    struct revived revived = { .count = 0 };
    struct popped popped = popped_of(&r->key, p);
    bool is_in_log = p != NULL && p->log_offset >= 0;
    int err = keeper->is_stopped ? ERR_CLOSED : 0;
    size_t start = 0;
    for (int i = 0; i < r->count && err == 0; start = r->ends[i++])
        err =
            revive_message(keeper, &r->key, r->queue_offsets[i], r->errs[i],
                           slice_of(r->records.data + start, r->ends[i] - start), &revived, now_ms);
    log_revived(keeper, &popped, is_in_log, &revived, now_ms);
    if (err != ERR_CLOSED)
        put_back_if_left(keeper, &r->key, err, now_ms);
    keeper_log_commit(keeper, popped.revive_queue_id, now_ms);
    job_free(r);
    keeper_look(keeper);
}

/* The rest of the checkpoint is read by a worker. */
static void hand_over(struct pop_keeper *keeper, const struct pop_point *p, int64_t now_ms)
{
    const struct pop_queue *queue = p->queue;
    struct revive_job *r = memory_zeroed(1, sizeof *r + queue->topic.len + queue->group.len);
    memcpy(r->names, queue->topic.data, queue->topic.len);
    memcpy(r->names + queue->topic.len, queue->group.data, queue->group.len);
    r->job = (struct pop_job){ .work = read_all, .done = all_read };
    r->keeper = keeper;
    r->key = (struct pop_key){ slice_of(r->names, queue->topic.len),
                               slice_of(r->names + queue->topic.len, queue->group.len),
                               queue->queue_id, p->start_offset, p->pop_time_ms };
    for (int i = 0; i < p->count; i++)
        if (!pop_is_acked(p, i))
            r->queue_offsets[r->count++] = pop_offset_at(p, i);
    assert(r->count > 0);
    assert(r->count <= POP_CHECKPOINT_MESSAGES_MAX);
    keeper->revive_jobs++;
    if (!keeper->options.submit(keeper->options.ctx, &r->job)) {
        put_back_if_left(keeper, &r->key, ERR_WOULD_BLOCK, now_ms);
        job_free(r);
    }
}

/* ---- on the loop --------------------------------------------------------------------------- */

static void revive(struct pop_keeper *keeper, struct pop_point *p, int64_t now_ms)
{
    assert(p->is_taken);
    assert(keeper->revive_jobs < REVIVE_JOBS_MAX);
    /* finishing the checkpoint takes its names along: they are copied */
    struct revived revived = { .count = 0 };
    struct arena names;
    arena_init(&names);
    struct pop_key key = { arena_copy(&names, p->queue->topic), arena_copy(&names, p->queue->group),
                           p->queue->queue_id, p->start_offset, p->pop_time_ms };
    struct popped popped = popped_of(&key, p);
    bool is_in_log = p->log_offset >= 0;
    bool is_cold = false;
    int err = 0;
    for (int i = 0; p != NULL && i < p->count && err == 0 && !is_cold; i++) {
        if (pop_is_acked(p, i))
            continue;
        int64_t queue_offset = pop_offset_at(p, i);
        buf_clear(&keeper->record);
        int read_err =
            read_message(keeper->options.store, &key, queue_offset, false, &keeper->record);
        is_cold = read_err == ERR_WOULD_BLOCK;
        if (!is_cold)
            err = revive_message(keeper, &key, queue_offset, read_err, buf_slice(&keeper->record),
                                 &revived, now_ms);
        p = pop_find(keeper->table, &key);
    }
    log_revived(keeper, &popped, is_in_log, &revived, now_ms);
    if (p != NULL && p->count == 0)
        pop_finish(keeper->table, p);
    else if (is_cold)
        hand_over(keeper, p, now_ms);
    else
        put_back_if_left(keeper, &key, err, now_ms);
    keeper_log_commit(keeper, popped.revive_queue_id, now_ms);
    arena_fini(&names);
}

/* After the clock was set back to before the pop the record comes too late to be waited for. */
static bool waits_for_record(const struct pop_point *p, int64_t now_ms)
{
    return p->log_offset < 0 && p->pop_time_ms <= now_ms &&
           now_ms < pop_revive_ms(p) + RECORD_LATE_MS;
}

bool keeper_revive_due(struct pop_keeper *keeper, int budget, int64_t now_ms)
{
    struct pop_point *p;
    while (keeper->revive_jobs < REVIVE_JOBS_MAX) {
        if (budget <= 0)
            return false;
        p = pop_take_due(keeper->table, now_ms, keeper_log_time(keeper));
        if (p == NULL)
            return true;
        budget -= p->count;
        if (waits_for_record(p, now_ms))
            pop_put_off(keeper->table, p, now_ms + RECORD_LOOK_MS);
        else
            revive(keeper, p, now_ms);
    }
    return true; /* a job that ends looks again */
}
