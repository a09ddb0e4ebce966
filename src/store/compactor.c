/* compactor.c - the thread behind the compacted topics.
 *
 * Each second it copies what their queues have behind what it copied, as far as that is on the
 * disk; when it has been through all of them, the commit log may let go of what lies below
 * (compaction_safe()). Then it compacts the queues that are due.
 */
#include "store/compactor.h"

#include <assert.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/thread_rank.h"
#include "wire/properties.h"

enum { TICK_MS = 1000, PIECE_BYTES = 1 << 20, PIECE_MS = 20, COPY_COUNT = 256 };

/* Under the lock; true: it is to end. */
static bool wait_ms(struct compaction *c, int64_t ms)
{
    assert(lock_is_held(&c->lock));
    int64_t due_ns = clock_monotonic_ns() + ms * 1000000;
    while (!c->is_ending && lock_wait_until(&c->lock, &c->wake, due_ns))
        ;
    return c->is_ending;
}

/* A rest after each megabyte: the disk is there for others. True: the thread is to end. */
static bool pause_between(void *ctx, int64_t bytes)
{
    struct compaction *c = ctx;
    c->worked_bytes += bytes;
    lock_take(&c->lock);
    bool is_ending = c->worked_bytes < PIECE_BYTES ? c->is_ending : wait_ms(c, PIECE_MS);
    lock_release(&c->lock);
    if (c->worked_bytes >= PIECE_BYTES)
        c->worked_bytes = 0;
    return is_ending;
}

/* What a message without a key would be replaced by cannot be told: it is not kept, as with the
 * reference. One that is longer than a file cannot be. */
static int copy_record(struct compaction *c, struct compaction_queue *queue, struct slice bytes,
                       const struct record *record)
{
    struct store_queue_entry entry;
    if (!store_entry_of(c->store, record, &entry) ||
        record->queue_offset < atomic_load(&queue->next_offset) ||
        property_get(record->properties, SLICE(PROPERTY_KEYS)).len == 0)
        return 0;
    int err = compaction_queue_append(queue, bytes, &entry);
    if (err == ERR_TOO_BIG) {
        log_error("compaction_record_too_big topic=%.*s queue=%d queue_offset=%lld bytes=%zu",
                  SLICE_FMT(queue->topic), queue->queue_id, (long long)record->queue_offset,
                  bytes.len);
        return 0;
    }
    return err;
}

/* Copies the next piece of what the queue has; *is_done: there is no more. What the disk does not
 * have yet stays: a loss of power would take it from the commit log, and leave it here. */
static int copy_piece(struct compaction *c, struct compaction_queue *queue, int64_t upto,
                      bool *is_done)
{
    struct store_get_request request = {
        .topic = queue->topic,
        .queue_id = queue->queue_id,
        .queue_offset = atomic_load(&queue->next_offset),
        .max_count = COPY_COUNT,
        .max_bytes = PIECE_BYTES,
        .may_block = true,
    };
    struct store_get_result result;
    struct record record;
    buf_clear(&c->records);
    int err = store_get_plain(c->store, &request, &c->records, &result);
    if (err != 0)
        return err;
    struct slice rest = buf_slice(&c->records);
    int64_t next_offset = result.next_offset;
    while (err == 0 && rest.len > 0 && record_decode(rest, RECORD_CHECK_LENGTHS, &record) == 0) {
        struct slice bytes = slice_of(rest.data, (size_t)record.total_bytes);
        if (record.phy_offset + record.total_bytes > upto) {
            next_offset = record.queue_offset;
            break;
        }
        err = copy_record(c, queue, bytes, &record);
        rest = slice_from(rest, bytes.len);
    }
    *is_done = next_offset <= request.queue_offset || next_offset != result.next_offset;
    if (err == 0)
        compaction_queue_pass(queue, next_offset);
    return err;
}

static int copy_queue(struct compaction *c, struct compaction_queue *queue, int64_t upto,
                      bool is_last_time)
{
    bool is_done = false;
    int err = 0;
    while (err == 0 && !is_done) {
        err = copy_piece(c, queue, upto, &is_done);
        if (!is_last_time && pause_between(c, (int64_t)c->records.len))
            break;
    }
    if (err == 0)
        err = compaction_queue_sync(queue);
    if (err != 0 && !queue->has_failed)
        log_error("compaction_copy_failed topic=%.*s queue=%d error=%s: the commit log keeps what "
                  "was not copied",
                  SLICE_FMT(queue->topic), queue->queue_id, err_name(err));
    queue->has_failed = err != 0;
    return err;
}

struct sweep {
    struct compaction *compaction;
    int64_t upto; /* phy_offset */
    bool is_last_time;
    int err;
};

static void sweep_queue(void *ctx, struct consume_queue *of)
{
    struct sweep *sweep = ctx;
    struct compaction *c = sweep->compaction;
    struct compaction_queue *queue = compaction_find(c, consume_queue_topic(of), of->queue_id);
    int err = 0;
    if (of->is_deleted || consume_queue_max(of) <= 0)
        return;
    if (queue == NULL)
        err = compaction_open_queue(c, consume_queue_topic(of), of->queue_id, true, &queue);
    if (err == 0)
        err = copy_queue(c, queue, sweep->upto, sweep->is_last_time);
    if (err != 0)
        sweep->err = err;
}

/* Calls `each` with every topic's name; one that goes meanwhile is looked at once more. */
static void each_topic(struct compaction *c, void (*each)(void *ctx, struct slice topic), void *ctx)
{
    struct buf names = BUF_INIT; /* each with its NUL */
    size_t cursor = 0;
    struct slice name;
    void *value;
    lock_take(&c->lock);
    while (map_next(&c->topics, &cursor, &name, &value)) {
        buf_append_slice(&names, name);
        buf_append_u8(&names, 0);
    }
    lock_release(&c->lock);
    for (size_t at = 0; at < names.len; at += strlen((const char *)names.data + at) + 1)
        each(ctx, slice_str((const char *)names.data + at));
    buf_fini(&names);
}

static void sweep_topic(void *ctx, struct slice topic)
{
    struct sweep *sweep = ctx;
    queues_each_of(sweep->compaction->store->queues, topic, sweep_queue, sweep);
}

/* Copies what was flushed before; when nothing failed the log may go up to there. */
static void sweep_all(struct compaction *c, bool is_last_time)
{
    struct sweep sweep = { .compaction = c,
                           .upto = store_flushed_to(c->store),
                           .is_last_time = is_last_time };
    int before = atomic_load(&c->topic_count);
    assert(sweep.upto >= atomic_load(&c->safe)); /* what is flushed stays so */
    each_topic(c, sweep_topic, &sweep);
    lock_take(&c->lock);
    bool is_whole = sweep.err == 0 && (is_last_time || !c->is_ending);
    if (is_whole && before == atomic_load(&c->topic_count))
        atomic_store(&c->safe, sweep.upto);
    lock_release(&c->lock);
}

/* The queue whose compaction is due; NULL: none is. */
static struct compaction_queue *next_due(struct compaction *c)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    struct compaction_queue *due = NULL;
    int64_t now_ns = clock_monotonic_ns();
    lock_take(&c->lock);
    while (due == NULL && map_next(&c->queues, &cursor, &key, &value))
        if (((struct compaction_queue *)value)->next_compaction_ns <= now_ns)
            due = value;
    lock_release(&c->lock);
    return due;
}

static void compact_due(struct compaction *c)
{
    struct compaction_queue *queue;
    while ((queue = next_due(c)) != NULL) {
        int64_t before = queue->done_offset;
        int result = compaction_queue_compact(queue, c->store->options.compaction_keys_bytes,
                                              pause_between, c);
        if (result < 0 && result != ERR_CLOSED)
            log_error("compaction_failed topic=%.*s queue=%d error=%s", SLICE_FMT(queue->topic),
                      queue->queue_id, err_name(result));
        compaction_plan(c, queue);
        if (queue->done_offset != before)
            compaction_write_positions(c);
        if (result == ERR_CLOSED)
            return;
    }
}

static void *run_compactor(void *arg)
{
    struct compaction *c = arg;
    int64_t interval_ms = c->store->options.compaction_interval_ms;
    int64_t tick_ms = interval_ms < TICK_MS ? interval_ms : TICK_MS;
    bool is_ending = false;
    thread_stand_back();
    while (!is_ending) {
        if (atomic_load(&c->topic_count) > 0) {
            sweep_all(c, false);
            compact_due(c);
        }
        lock_take(&c->lock);
        while (!c->is_ending && atomic_load(&c->topic_count) == 0)
            lock_wait(&c->lock, &c->wake);
        is_ending = wait_ms(c, tick_ms);
        lock_release(&c->lock);
    }
    if (atomic_load(&c->topic_count) > 0)
        sweep_all(c, true); /* the reference would not find what is missing */
    return NULL;
}

int compaction_start(struct compaction *c)
{
    assert(!c->has_thread);
    int err = thread_start(&c->thread, "compactor", run_compactor, c);
    c->has_thread = err == 0;
    return err;
}

void compaction_stop(struct compaction *c)
{
    if (!c->has_thread)
        return;
    lock_take(&c->lock);
    c->is_ending = true;
    pthread_cond_signal(&c->wake);
    lock_release(&c->lock);
    pthread_join(c->thread, NULL);
    c->has_thread = false;
}
