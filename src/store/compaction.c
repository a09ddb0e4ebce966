/* compaction.c - which topics and queues are compacted, and where a get finds its messages. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/java_hash.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/compactor.h"

enum { POSITIONS_BYTES_MOST = 16 << 20 };
#define POSITIONS_FILE "position-checkpoint"

/* ---- queues by name -------------------------------------------------------------------------- */

static struct slice key_of(struct slice topic, int32_t queue_id, char text[RECORD_TOPIC_MAX + 16])
{
    assert(topic.len <= RECORD_TOPIC_MAX);
    int len = snprintf(text, RECORD_TOPIC_MAX + 16, "%.*s_%d", SLICE_FMT(topic), queue_id);
    return slice_of(text, (size_t)len);
}

struct compaction_queue *compaction_find(struct compaction *c, struct slice topic, int32_t queue_id)
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

void compaction_plan(const struct compaction *c, struct compaction_queue *queue)
{
    int64_t interval_ms = c->store->options.compaction_interval_ms;
    uint32_t spread = (uint32_t)java_hash(queue->topic) + (uint32_t)queue->queue_id * 7919;
    int64_t more_ms = interval_ms >= 4 ? spread % (interval_ms / 4) : 0;
    queue->next_compaction_ns = clock_monotonic_ns() + (interval_ms + more_ms) * 1000000;
}

int compaction_open_queue(struct compaction *c, struct slice topic, int32_t queue_id, bool verify,
                          struct compaction_queue **queue)
{
    char log_dir[DISK_PATH_MAX];
    char queue_dir[DISK_PATH_MAX];
    char text[RECORD_TOPIC_MAX + 16];
    assert(queue_id >= 0);
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
    compaction_plan(c, *queue);
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
        c->positions = json_read(slice_of(into, (size_t)bytes));
    if (c->positions == NULL) /* then queues are looked through once more */
        log_warn("compaction_positions_unreadable path=%s", path);
    disk_close(fd);
    buf_fini(&text);
}

void compaction_write_positions(struct compaction *c)
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
            err =
                compaction_open_queue(c, slice_str(name), (int32_t)ids[i], loading->verify, &queue);
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

/* ---- reading --------------------------------------------------------------------------------- */

int64_t compaction_min(struct compaction *c, struct slice topic, int32_t queue_id, int64_t min)
{
    const struct compaction_queue *queue = compaction_find(c, topic, queue_id);
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
    struct compaction_queue *queue = compaction_find(c, request->topic, request->queue_id);
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
