#include "store/compaction.h"

#include <assert.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/java_hash.h"
#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"
#include "store/store_internal.h"
#include "wire/json.h"
#include "wire/properties.h"

enum { TICK_MS = 1000, PIECE_BYTES = 1 << 20, PIECE_MS = 20, COPY_COUNT = 256 };
enum { POSITIONS_BYTES_MOST = 16 << 20 };
#define POSITIONS_FILE "position-checkpoint"

struct compaction {
    struct store *store;
    char dir[DISK_PATH_MAX - 400];
    struct compaction_sizes sizes;
    atomic_int topic_count;
    _Atomic int64_t safe;
    struct buf records;   /* the compactor's: those copied next */
    int64_t worked_bytes; /* the compactor's: since it paused last */
    json_t *positions;    /* the compactor's, once it runs: what the file says */

    struct lock lock; /* guards what follows */
    pthread_cond_t wake;
    bool is_ending;
    struct map topics;                 /* the names alone */
    struct map queues;                 /* "topic_id" -> struct compaction_queue, until the end */
    struct compaction_queue **dropped; /* heap: somebody may still hold one */
    int dropped_count;
    bool has_thread;
    pthread_t thread;
};

/* ---- queues by name -------------------------------------------------------------------------- */

static struct slice key_of(struct slice topic, int32_t queue_id, char text[RECORD_TOPIC_MAX + 16])
{
    assert(topic.len <= RECORD_TOPIC_MAX);
    int len = snprintf(text, RECORD_TOPIC_MAX + 16, "%.*s_%d", SLICE_FMT(topic), queue_id);
    return slice_of(text, (size_t)len);
}

static struct compaction_queue *find(struct compaction *c, struct slice topic, int32_t queue_id)
{
    char text[RECORD_TOPIC_MAX + 16];
    if (topic.len > RECORD_TOPIC_MAX)
        return NULL;
    lock_take(&c->lock);
    struct compaction_queue *queue = map_get(&c->queues, key_of(topic, queue_id, text));
    lock_release(&c->lock);
    return queue;
}

static int64_t position_of(const struct compaction *c, struct slice topic, int32_t queue_id)
{
    char text[RECORD_TOPIC_MAX + 16];
    key_of(topic, queue_id, text);
    return json_get_i64(json_get(c->positions, "queueOffsetMap"), text, -1);
}

/* The first compaction comes an interval after the start, not for all queues at once. */
static void plan(const struct compaction *c, struct compaction_queue *queue)
{
    int64_t interval_ms = c->store->options.compaction_interval_ms;
    uint32_t spread = (uint32_t)java_hash(queue->topic) + (uint32_t)queue->queue_id * 7919;
    int64_t more_ms = interval_ms >= 4 ? spread % (interval_ms / 4) : 0;
    queue->next_compaction_ns = clock_monotonic_ns() + (interval_ms + more_ms) * 1000000;
}

static int open_queue(struct compaction *c, struct slice topic, int32_t queue_id, bool verify,
                      struct compaction_queue **queue)
{
    char log_dir[DISK_PATH_MAX];
    char queue_dir[DISK_PATH_MAX];
    char text[RECORD_TOPIC_MAX + 16];
    snprintf(log_dir, sizeof log_dir, "%s/compactionLog/%.*s/%d", c->dir, SLICE_FMT(topic),
             queue_id);
    snprintf(queue_dir, sizeof queue_dir, "%s/compactionCq/%.*s/%d", c->dir, SLICE_FMT(topic),
             queue_id);
    int err = compaction_queue_open(log_dir, queue_dir, topic, queue_id, c->sizes, verify, queue);
    if (err != 0)
        return err;
    struct store_bounds bounds;
    err = store_queue_bounds(c->store, topic, queue_id, &bounds);
    int64_t max = bounds.max;
    int64_t next = atomic_load(&(*queue)->next_offset);
    if (err == 0 && max > 0 && next > max) { /* a loss of power took them from the commit log */
        log_warn("compaction_queue_beyond_its_queue topic=%.*s queue=%d next=%lld max=%lld",
                 SLICE_FMT(topic), queue_id, (long long)next, (long long)max);
        err = compaction_queue_cut(*queue, max);
    }
    if (err != 0) {
        compaction_queue_free(*queue);
        return err;
    }
    (*queue)->done_offset = position_of(c, topic, queue_id);
    plan(c, *queue);
    lock_take(&c->lock);
    map_put(&c->queues, key_of(topic, queue_id, text), *queue);
    lock_release(&c->lock);
    return 0;
}

/* ---- what is on the disk --------------------------------------------------------------------- */

static void read_positions(struct compaction *c)
{
    char path[DISK_PATH_MAX];
    int64_t bytes;
    int fd;
    snprintf(path, sizeof path, "%s/" POSITIONS_FILE, c->dir);
    if (!disk_exists(path) || disk_size(path, &bytes) != 0 || bytes > POSITIONS_BYTES_MOST ||
        disk_open(path, 0, &fd) != 0)
        return;
    struct buf text = BUF_INIT;
    uint8_t *into = buf_reserve(&text, (size_t)bytes);
    if (disk_read(fd, path, into, (size_t)bytes, 0, true) == 0)
        c->positions = json_read(slice_of(into, (size_t)bytes), NULL);
    if (c->positions == NULL) /* then queues are looked through once more */
        log_warn("compaction_positions_unreadable path=%s", path);
    disk_close(fd);
    buf_fini(&text);
}

/* Not being able to costs one more look through the queues after a restart. */
static void write_positions(struct compaction *c)
{
    char path[DISK_PATH_MAX];
    struct buf text = BUF_INIT;
    struct json_out j = json_out_to(&text, JSON_DIALECT);
    size_t cursor = 0;
    struct slice key;
    void *value;
    json_object_begin(&j);
    json_key(&j, SLICE("queueOffsetMap"));
    json_object_begin(&j);
    lock_take(&c->lock);
    while (map_next(&c->queues, &cursor, &key, &value)) {
        json_key(&j, key);
        json_i64(&j, ((struct compaction_queue *)value)->done_offset);
    }
    lock_release(&c->lock);
    json_object_end(&j);
    json_object_end(&j);
    snprintf(path, sizeof path, "%s/" POSITIONS_FILE, c->dir);
    int err = disk_replace(path, buf_slice(&text));
    if (err != 0)
        log_warn("compaction_positions_not_written path=%s error=%s", path, err_name(err));
    buf_fini(&text);
}

struct loading {
    struct compaction *compaction;
    bool verify;
    int err;
};

static void load_topic(void *ctx, const char *name, bool is_dir)
{
    struct loading *loading = ctx;
    struct compaction *c = loading->compaction;
    char path[DISK_PATH_MAX + 64];
    int64_t *ids = NULL;
    int count = 0;
    if (!is_dir || !compaction_has_topic(c, slice_str(name)) ||
        snprintf(path, sizeof path, "%s/compactionLog/%s", c->dir, name) >= (int)sizeof path)
        return;
    int err = disk_list_numbers(path, &ids, &count);
    for (int i = 0; i < count && err == 0; i++) {
        struct compaction_queue *queue;
        if (ids[i] <= QUEUE_ID_MAX)
            err = open_queue(c, slice_str(name), (int32_t)ids[i], loading->verify, &queue);
    }
    if (err != 0)
        loading->err = err;
    free(ids);
}

int compaction_open(struct store *store, bool verify, struct compaction **opened)
{
    char path[DISK_PATH_MAX];
    const struct store_options *options = &store->options;
    struct compaction *c = calloc(1, sizeof *c);
    if (c == NULL)
        return ERR_NO_MEMORY;
    c->store = store;
    c->sizes = compaction_sizes_of(options->compaction_log_file_bytes,
                                   options->compaction_queue_file_bytes);
    snprintf(c->dir, sizeof c->dir, "%.3600s/compaction", store->root_dir);
    map_init(&c->topics);
    map_init(&c->queues);
    lock_init(&c->lock, LOCK_COMPACTIONS);
    pthread_cond_init(&c->wake, NULL);
    size_t cursor = 0;
    struct slice topic;
    while (options->next_compaction_topic != NULL &&
           options->next_compaction_topic(options->ctx, &cursor, &topic))
        compaction_add_topic(c, topic);
    read_positions(c);
    struct loading loading = { .compaction = c, .verify = verify };
    snprintf(path, sizeof path, "%s/compactionLog", c->dir);
    disk_each_name(path, load_topic, &loading);
    if (loading.err != 0) {
        compaction_close(c);
        return loading.err;
    }
    *opened = c;
    return 0;
}

void compaction_close(struct compaction *c)
{
    size_t cursor = 0;
    struct slice key;
    void *queue;
    assert(!c->has_thread);
    while (map_next(&c->queues, &cursor, &key, &queue))
        compaction_queue_free(queue);
    for (int i = 0; i < c->dropped_count; i++)
        compaction_queue_free(c->dropped[i]);
    free(c->dropped);
    map_fini(&c->queues);
    map_fini(&c->topics);
    json_decref(c->positions);
    buf_fini(&c->records);
    pthread_cond_destroy(&c->wake);
    lock_fini(&c->lock);
    free(c);
}

/* ---- topics ---------------------------------------------------------------------------------- */

void compaction_add_topic(struct compaction *c, struct slice topic)
{
    lock_take(&c->lock);
    if (map_put(&c->topics, topic, c) == NULL) {
        atomic_store(&c->safe, 0); /* what comes from now on is not copied yet */
        atomic_fetch_add(&c->topic_count, 1);
        pthread_cond_signal(&c->wake);
    }
    lock_release(&c->lock);
}

bool compaction_has_topic(struct compaction *c, struct slice topic)
{
    if (atomic_load_explicit(&c->topic_count, memory_order_relaxed) == 0)
        return false;
    lock_take(&c->lock);
    bool has = map_get(&c->topics, topic) != NULL;
    lock_release(&c->lock);
    return has;
}

/* Under the lock. */
static struct compaction_queue *take_queue_of(struct compaction *c, struct slice topic)
{
    assert(lock_is_held(&c->lock));
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&c->queues, &cursor, &key, &value)) {
        struct compaction_queue *queue = value;
        if (!slice_eq(queue->topic, topic))
            continue;
        map_remove(&c->queues, key);
        return queue;
    }
    return NULL;
}

/* Who is in the middle of a queue is waited for without the lock that every get takes. */
void compaction_drop_topic(struct compaction *c, struct slice topic, const char *graveyard)
{
    struct compaction_queue *queue;
    lock_take(&c->lock);
    int first = c->dropped_count;
    if (map_remove(&c->topics, topic) != NULL)
        atomic_fetch_sub(&c->topic_count, 1);
    while ((queue = take_queue_of(c, topic)) != NULL) {
        c->dropped = memory_resize(c->dropped, (size_t)c->dropped_count + 1, sizeof queue);
        c->dropped[c->dropped_count++] = queue;
    }
    int upto = c->dropped_count;
    lock_release(&c->lock);
    for (int i = first; i < upto; i++) { /* topics are deleted by one thread */
        char name[64];
        snprintf(name, sizeof name, "%d-%lld", i, (long long)commit_log_max(c->store->log));
        compaction_queue_drop(c->dropped[i], graveyard, name);
    }
}

/* ---- the compactor --------------------------------------------------------------------------- */

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
    struct compaction_queue *queue = find(c, consume_queue_topic(of), of->queue_id);
    int err = 0;
    if (of->is_deleted || consume_queue_max(of) <= 0)
        return;
    if (queue == NULL)
        err = open_queue(c, consume_queue_topic(of), of->queue_id, true, &queue);
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

/* Everything that was flushed before is copied when it returns true. */
static bool sweep_all(struct compaction *c, bool is_last_time)
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
    return is_whole;
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
        plan(c, queue);
        if (queue->done_offset != before)
            write_positions(c);
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
    int cause = pthread_create(&c->thread, NULL, run_compactor, c);
    if (cause != 0)
        return err_from_errno(cause);
    pthread_setname_np(c->thread, "compactor");
    c->has_thread = true;
    return 0;
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

/* ---- reading --------------------------------------------------------------------------------- */

int64_t compaction_min(struct compaction *c, struct slice topic, int32_t queue_id, int64_t min)
{
    const struct compaction_queue *queue = find(c, topic, queue_id);
    int64_t first = queue == NULL ? -1 : atomic_load(&queue->first_offset);
    return first >= 0 && first < min ? first : min;
}

int64_t compaction_safe(const struct compaction *c)
{
    return atomic_load(&c->topic_count) == 0 ? INT64_MAX : atomic_load(&c->safe);
}

int compaction_get(struct compaction *c, const struct store_get_request *request, struct buf *body,
                   struct store_get_result *result)
{
    struct compaction_queue *queue = find(c, request->topic, request->queue_id);
    int err = 0;
    if (queue == NULL || request->queue_offset >= atomic_load(&queue->next_offset))
        err = store_get_plain(c->store, request, body, result);
    else if (!request->may_block)
        return ERR_WOULD_BLOCK;
    else {
        *result = (struct store_get_result){ .max_offset = store_queue_max(c->store, request->topic,
                                                                           request->queue_id) };
        result->min_offset = store_queue_min(c->store, request->topic, request->queue_id);
        err = compaction_queue_get(queue, request, body, result);
        atomic_fetch_add(&c->store->damaged_records, atomic_exchange(&queue->damaged, 0));
        return err;
    }
    result->min_offset = compaction_min(c, request->topic, request->queue_id, result->min_offset);
    return err;
}
