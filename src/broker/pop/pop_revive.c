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
#include "broker/pop/pops_internal.h"
#include "broker/saver.h"
#include "broker/topic_rules.h"
#include "wire/multi_dispatch.h"

/* The timer brings a checkpoint's record into the log a second before it is due. Until it has,
 * nothing is put again, for the ack that tells of it must stand behind: whoever read the log after
 * a crash would put it again. A timer that is later than this is not waited for; the ack then
 * follows by the timer too. */
enum { RECORD_LOOK_MS = 20, RECORD_LATE_MS = 10 * 1000 };
enum { ACK_BEHIND_MS = 2 * POP_CHECKPOINT_AHEAD_MS };

/* A checkpoint whose messages a worker reads. Its place in the table is looked up again afterwards:
 * acks may have finished it meanwhile. */
struct revive_job {
    struct job job;
    struct pops *pops;
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

/* Appends the record of a message. ERR_NOT_FOUND: it is no more. */
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
    return 0;
}

/* Where messages of this queue go when they are put again: the retry topic of the group, or, for
 * one from there, the same. Empty: topic or group is gone. A group that its first pop made may not
 * have been on the disk yet when the process was killed: it is made again, as by any use. */
static struct slice retry_topic_for(struct pops *pops, const struct pop_key *key)
{
    struct broker *broker = pops->broker;
    struct slice normal = pop_normal_topic(key->topic, key->group);
    if (topics_get(broker->topics, normal) == NULL ||
        broker_group_ensure(broker, key->group) == NULL)
        return slice_of(NULL, 0);
    if (topic_is_retry(key->topic))
        return key->topic;
    enum pop_origin origin = broker->conf.enable_retry_topic_v2 ? POP_OF_RETRY_V2 : POP_OF_RETRY_V1;
    struct slice name = pop_topic_name(key->topic, key->group, origin, &pops->arena);
    if (broker_pop_retry_topic_ensure(broker, name, key->group) == NULL)
        return slice_of(NULL, 0);
    return name;
}

/* Not by broker_put(): the delay the message once had is over. */
static int put_again(struct pops *pops, const struct pop_key *key, struct slice bytes)
{
    struct record record;
    struct store_put_result result;
    struct slice retry_topic = retry_topic_for(pops, key);
    if (retry_topic.len == 0) {
        log_info("pop_dropped topic=%.*s group=%.*s reason=\"topic or group is gone\"",
                 SLICE_FMT(key->topic), SLICE_FMT(key->group));
        return ERR_NOT_FOUND;
    }
    int err = record_decode(bytes, RECORD_CHECK_LENGTHS, &record);
    assert(err == 0); /* it was decoded when read */
    pop_retry_record(&record, retry_topic, key->pop_time_ms, &pops->broker->self, &pops->arena);
    return store_put(pops->broker->store, &record, 1, loop_now_ms(pops->broker->loop), &result,
                     NULL);
}

/* Tells the log what was put again. Its loss is no more than a message twice after a restart. */
static void log_revived(struct pops *pops, const struct pop_key *key, int32_t revive_queue_id,
                        bool is_in_log, const struct revived *revived)
{
    struct pop_log_ack ack = {
        .topic = key->topic,
        .group = key->group,
        .broker_name = slice_str(pops->broker->conf.broker_name),
        .queue_id = key->queue_id,
        .start_offset = key->start_offset,
        .pop_time_ms = key->pop_time_ms,
        .queue_offsets = revived->queue_offsets,
        .count = revived->count,
        .is_batch = revived->count > 1,
    };
    int64_t end;
    int64_t due_ms = is_in_log ? 0 : loop_now_ms(pops->broker->loop) + ACK_BEHIND_MS;
    if (revived->count > 0 && pops_put_ack(pops, &ack, revive_queue_id, due_ms, &end) != 0)
        log_warn("pop_revive_not_logged topic=%.*s group=%.*s count=%d", SLICE_FMT(key->topic),
                 SLICE_FMT(key->group), revived->count);
}

/* One message was read with `err` (bytes: its record): puts it again and takes it off. An error:
 * the world refuses, all that is left waits. */
static int revive_message(struct pops *pops, const struct pop_key *key, int64_t queue_offset,
                          int err, struct slice bytes, struct revived *revived)
{
    struct pop_point *p = pop_find(pops->table, key);
    int index = p == NULL ? -1 : pop_index_of(p, queue_offset);
    if (index < 0 || pop_is_acked(p, index))
        return 0; /* acknowledged while it was read */
    if (err == 0) {
        err = put_again(pops, key, bytes);
        arena_reset(&pops->arena);
        if (err == 0)
            revived->queue_offsets[revived->count++] = queue_offset;
    }
    if (err != 0 && err != ERR_NOT_FOUND && err != ERR_CORRUPT)
        return err;
    p = pop_find(pops->table, key); /* the put may have run callbacks */
    if (p != NULL)
        pop_mark(pops->table, p, index);
    return 0;
}

static void put_back_if_left(struct pops *pops, const struct pop_key *key, int err)
{
    struct pop_point *p = pop_find(pops->table, key);
    if (p == NULL)
        return;
    log_warn("pop_revive_failed topic=%.*s group=%.*s queue=%d offset=%lld reason=%s",
             SLICE_FMT(key->topic), SLICE_FMT(key->group), key->queue_id,
             (long long)key->start_offset, err_name(err));
    pop_put_back(pops->table, p, loop_now_ms(pops->broker->loop));
}

/* ---- by a worker --------------------------------------------------------------------------- */

static struct revive_job *job_of(struct job *job)
{
    return (struct revive_job *)((char *)job - offsetof(struct revive_job, job));
}

static void read_all(struct job *job)
{
    struct revive_job *r = job_of(job);
    for (int i = 0; i < r->count; i++) {
        r->errs[i] =
            read_message(r->pops->broker->store, &r->key, r->queue_offsets[i], true, &r->records);
        r->ends[i] = r->records.len;
    }
}

static void job_free(struct revive_job *r)
{
    r->pops->revive_jobs--;
    buf_fini(&r->records);
    free(r);
}

static void all_read(struct job *job)
{
    struct revive_job *r = job_of(job);
    struct pops *pops = r->pops;
    struct pop_point *p = pop_find(pops->table, &r->key);
    struct revived revived = { .count = 0 };
    int32_t revive_queue_id = p == NULL ? 0 : p->revive_queue_id;
    bool is_in_log = p != NULL && p->log_offset >= 0;
    int err = pops->is_stopped ? ERR_CLOSED : 0;
    size_t start = 0;
    for (int i = 0; i < r->count && err == 0; start = r->ends[i++])
        err = revive_message(pops, &r->key, r->queue_offsets[i], r->errs[i],
                             slice_of(r->records.data + start, r->ends[i] - start), &revived);
    log_revived(pops, &r->key, revive_queue_id, is_in_log, &revived);
    if (err != ERR_CLOSED)
        put_back_if_left(pops, &r->key, err);
    pops_log_commit(pops, revive_queue_id);
    job_free(r);
    pops_changed(pops);
}

/* The rest of the checkpoint is read by a worker. */
static void hand_over(struct pops *pops, const struct pop_point *p)
{
    const struct pop_queue *queue = p->queue;
    struct revive_job *r = calloc(1, sizeof *r + queue->topic.len + queue->group.len);
    if (r == NULL)
        abort();
    memcpy(r->names, queue->topic.data, queue->topic.len);
    memcpy(r->names + queue->topic.len, queue->group.data, queue->group.len);
    r->job = (struct job){ .run = read_all, .done = all_read };
    r->pops = pops;
    r->key = (struct pop_key){ slice_of(r->names, queue->topic.len),
                               slice_of(r->names + queue->topic.len, queue->group.len),
                               queue->queue_id, p->start_offset, p->pop_time_ms };
    for (int i = 0; i < p->count; i++)
        if (!pop_is_acked(p, i))
            r->queue_offsets[r->count++] = pop_offset_at(p, i);
    pops->revive_jobs++;
    if (workers_submit(pops->broker->workers, pops->broker->loop, &r->job) != 0) {
        put_back_if_left(pops, &r->key, ERR_WOULD_BLOCK);
        job_free(r);
    }
}

/* ---- on the loop --------------------------------------------------------------------------- */

static void revive(struct pops *pops, struct pop_point *p)
{
    /* finishing the checkpoint takes its names along: they are copied */
    struct revived revived = { .count = 0 };
    struct arena names;
    arena_init(&names);
    struct pop_key key = { arena_copy(&names, p->queue->topic), arena_copy(&names, p->queue->group),
                           p->queue->queue_id, p->start_offset, p->pop_time_ms };
    int32_t revive_queue_id = p->revive_queue_id;
    bool is_in_log = p->log_offset >= 0;
    int err = 0;
    for (int i = 0; p != NULL && i < p->count && err == 0; i++) {
        if (pop_is_acked(p, i))
            continue;
        int64_t queue_offset = pop_offset_at(p, i);
        buf_clear(&pops->record);
        int read_err = read_message(pops->broker->store, &key, queue_offset, false, &pops->record);
        err = read_err == ERR_WOULD_BLOCK ? read_err
                                          : revive_message(pops, &key, queue_offset, read_err,
                                                           buf_slice(&pops->record), &revived);
        p = pop_find(pops->table, &key);
    }
    log_revived(pops, &key, revive_queue_id, is_in_log, &revived);
    if (p != NULL && p->count == 0)
        pop_finish(pops->table, p);
    else if (err == ERR_WOULD_BLOCK)
        hand_over(pops, p);
    else
        put_back_if_left(pops, &key, err);
    pops_log_commit(pops, revive_queue_id);
    arena_fini(&names);
}

static bool waits_for_record(const struct pop_point *p, int64_t now_ms)
{
    return p->log_offset < 0 && now_ms < pop_revive_ms(p) + RECORD_LATE_MS;
}

bool pops_revive_due(struct pops *pops, int budget)
{
    struct pop_point *p;
    int64_t now_ms = loop_now_ms(pops->broker->loop);
    while (pops->revive_jobs < REVIVE_JOBS_MAX) {
        if (budget <= 0)
            return false;
        p = pop_take_due(pops->table, now_ms, pops_log_time(pops));
        if (p == NULL)
            return true;
        budget -= p->count;
        if (waits_for_record(p, now_ms))
            pop_put_off(pops->table, p, now_ms + RECORD_LOOK_MS);
        else
            revive(pops, p);
    }
    return true; /* a job that ends looks again */
}
