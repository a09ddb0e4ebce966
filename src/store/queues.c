/* queues.c - opened when first asked for: a start with many thousand queues opens none.
 *
 *   topics: name -> queue_topic - parts -> | queue | queue | ... |   PART_QUEUES of one allocation
 *                                       -> NULL: none of these was opened yet
 *
 * A queue in a part that nobody opened is zeros. Dirty queues are a list that the flusher takes
 * whole; is_dirty keeps a queue from standing in it twice.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/java_hash.h"
#include "base/memory.h"
#include "store/queues_internal.h"
#include "wire/multi_dispatch.h"

enum { PART_QUEUES = 8 };

/* ---- opening and closing --------------------------------------------------------------------- */

static void note_batch_topic(void *ctx, const char *name, bool is_dir)
{
    if (is_dir && name[0] != '.')
        queues_set_batch(ctx, slice_str(name));
}

static int open_kind(struct queues *queues, int which, const char *root_dir, int64_t file_bytes)
{
    struct queue_kind *kind = &queues->kinds[which];
    assert(file_bytes > 0);
    kind->is_batch = which == KIND_BATCH;
    kind->file_bytes = file_bytes;
    kind->entry_bytes = kind->is_batch ? BCQ_ENTRY_BYTES : CQ_ENTRY_BYTES;
    kind->files = &queues->files;
    snprintf(kind->path, sizeof kind->path, "%s/%s", root_dir,
             kind->is_batch ? "batchconsumequeue" : "consumequeue");
    if (kind->is_batch && !disk_exists(kind->path))
        return 0; /* made with its first topic */
    int err = disk_make_dirs(kind->path);
    if (err == 0 && queues->expected < 0)
        err = queues_count_files(queues, kind);
    return err;
}

int queues_open(const char *root_dir, int64_t file_bytes, int64_t batch_file_bytes,
                struct commit_log *log, int64_t doubtful_from, int64_t trusted_count,
                struct queues **opened)
{
    assert(log != NULL);
    struct queues *queues = calloc(1, sizeof *queues);
    if (queues == NULL)
        return ERR_NO_MEMORY;
    queues->files.tails = slab_new();
    if (queues->files.tails == NULL) {
        free(queues);
        return ERR_NO_MEMORY;
    }
    queues->log = log;
    queues->doubtful_from = doubtful_from;
    queues->light_count = -1;
    queues->late.log_end = -1;
    lock_init(&queues->lock, LOCK_QUEUES);
    lock_init(&queues->dirty_lock, LOCK_LEAF);
    pthread_cond_init(&queues->opened, NULL);
    for (int i = 0; i < QUEUE_LOCKS; i++) {
        lock_init(&queues->files.locks[i].file_lock, LOCK_QUEUE_FILE);
        lock_init(&queues->files.locks[i].lock, LOCK_QUEUE);
    }
    map_init_borrowing(&queues->topics);
    map_init(&queues->batch_topics);
    queues->expected = trusted_count;
    atomic_store(&queues->files.count, trusted_count < 0 ? 0 : trusted_count);
    int err = open_kind(queues, KIND_SIMPLE, root_dir, file_bytes);
    if (err == 0)
        err = open_kind(queues, KIND_BATCH, root_dir, batch_file_bytes);
    if (err != 0) {
        queues_close(queues);
        return err;
    }
    disk_each_name(queues->kinds[KIND_BATCH].path, note_batch_topic, queues);
    *opened = queues;
    return 0;
}

static void free_topic(struct queue_topic *topic)
{
    struct consume_queue *queue;
    for (int32_t id = 0; (queue = queue_topic_next(topic, id)) != NULL;) {
        id = queue->queue_id + 1;
        consume_queue_close(queue);
    }
    for (uint32_t i = 0; i < topic->part_count; i++)
        free(topic->parts[i]);
    if (topic->parts != &topic->first_part)
        free(topic->parts);
    free(topic->late);
    free(topic);
}

void queues_close(struct queues *queues)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&queues->topics, &cursor, &key, &value))
        free_topic(value);
    while (queues->deleted != NULL) {
        struct queue_topic *next = queues->deleted->next;
        free_topic(queues->deleted);
        queues->deleted = next;
    }
    map_fini(&queues->topics);
    map_fini(&queues->batch_topics);
    for (int i = 0; i < QUEUE_LOCKS; i++) {
        lock_fini(&queues->files.locks[i].lock);
        lock_fini(&queues->files.locks[i].file_lock);
    }
    assert(queues->openings == NULL);
    pthread_cond_destroy(&queues->opened);
    lock_fini(&queues->lock);
    lock_fini(&queues->dirty_lock);
    buf_fini(&queues->late.topics);
    buf_fini(&queues->late.entries);
    buf_fini(&queues->dirty);
    buf_fini(&queues->dirty_spare);
    slab_free(queues->files.tails);
    free(queues);
}

void queues_set_batch(struct queues *queues, struct slice topic)
{
    lock_take(&queues->lock);
    map_put(&queues->batch_topics, topic, queues);
    lock_release(&queues->lock);
}

bool queues_is_batch(struct queues *queues, struct slice topic)
{
    lock_take(&queues->lock);
    bool is_batch = map_get(&queues->batch_topics, topic) != NULL;
    lock_release(&queues->lock);
    return is_batch;
}

const struct queue_kind *queues_kind_of(const struct queues *queues, struct slice topic)
{
    bool is_batch = map_get(&queues->batch_topics, topic) != NULL;
    return &queues->kinds[is_batch ? KIND_BATCH : KIND_SIMPLE];
}

void queue_topic_path(const struct queue_kind *kind, struct slice topic, char path[DISK_PATH_MAX])
{
    snprintf(path, DISK_PATH_MAX, "%s/%.*s", kind->path, SLICE_FMT(topic));
}

bool queues_name_a_directory(struct slice topic)
{
    return topic.len > 0 && topic.len <= RECORD_TOPIC_MAX && topic.data[0] != '.' &&
           memchr(topic.data, '/', topic.len) == NULL && memchr(topic.data, 0, topic.len) == NULL;
}

/* ---- the queues of a topic (under the lock) -------------------------------------------------- */

/* Of light queues there are many topics with one each. */
static uint32_t part_queues(const struct queue_topic *topic)
{
    return topic->is_light ? 1 : PART_QUEUES;
}

static size_t queue_bytes(const struct queue_topic *topic)
{
    return topic->kind->is_batch ? sizeof(struct batch_queue) : sizeof(struct consume_queue);
}

struct consume_queue *queue_topic_at(const struct queue_topic *topic, int32_t queue_id)
{
    uint32_t part = (uint32_t)queue_id / part_queues(topic);
    if (part >= topic->part_count || topic->parts[part] == NULL)
        return NULL;
    size_t at = (uint32_t)queue_id % part_queues(topic) * queue_bytes(topic);
    return (struct consume_queue *)(void *)(topic->parts[part] + at);
}

struct consume_queue *queue_topic_next(const struct queue_topic *topic, int32_t from)
{
    int32_t end = (int32_t)(topic->part_count * part_queues(topic));
    for (int32_t id = from; id < end; id++) {
        struct consume_queue *queue = queue_topic_at(topic, id);
        if (queue != NULL && queue->of != NULL)
            return queue;
        if (queue == NULL) /* nor the others of its part */
            id = (int32_t)(((uint32_t)id / part_queues(topic) + 1) * part_queues(topic)) - 1;
    }
    return NULL;
}

static void grow_parts(struct queue_topic *topic, uint32_t count)
{
    bool is_alone = topic->part_count <= 1;
    assert(count > topic->part_count);
    uint8_t **parts = &topic->first_part;
    if (count > 1)
        parts = memory_resize(is_alone ? NULL : topic->parts, count, sizeof *parts);
    if (count > 1 && is_alone)
        parts[0] = topic->first_part;
    for (uint32_t i = topic->part_count; i < count; i++)
        parts[i] = NULL;
    topic->parts = parts;
    topic->part_count = count;
}

struct consume_queue *queue_topic_room_for(struct queue_topic *topic, int32_t queue_id)
{
    assert(queue_id >= 0);
    assert(queue_id <= QUEUE_ID_MAX);
    uint32_t part = (uint32_t)queue_id / part_queues(topic);
    if (part >= topic->part_count)
        grow_parts(topic, part < 2 * topic->part_count ? 2 * topic->part_count : part + 1);
    if (topic->parts[part] == NULL)
        topic->parts[part] = memory_zeroed(part_queues(topic), queue_bytes(topic));
    return queue_topic_at(topic, queue_id);
}

struct queue_topic *queue_topic_get(struct queues *queues, struct slice name)
{
    assert(lock_is_held(&queues->lock));
    assert(name.len > 0);
    struct queue_topic *topic = map_get(&queues->topics, name);
    if (topic != NULL || !queues_name_a_directory(name))
        return topic;
    topic = memory_zeroed(1, sizeof *topic + name.len);
    topic->kind = queues_kind_of(queues, name);
    topic->first_lock = (uint32_t)java_hash(name) % QUEUE_LOCKS;
    topic->is_light = name_is_light(name);
    topic->name_len = (uint8_t)name.len;
    memcpy(topic->name, name.data, name.len);
    if (queues->light_count >= 0 && topic->is_light) {
        char path[DISK_PATH_MAX];
        queue_topic_path(&queues->kinds[KIND_SIMPLE], name, path);
        queues->light_count += !disk_exists(path);
    }
    map_put(&queues->topics, slice_of(topic->name, name.len), topic);
    return topic;
}

/* A queue that a thread opens. Looked for by name, for a topic that is deleted meanwhile may be
 * there again, with the same files' names. */
struct opening {
    struct slice name;
    int32_t queue_id;
    struct opening *next;
};

static bool is_being_opened(const struct queues *queues, struct slice name, int32_t queue_id)
{
    assert(lock_is_held(&queues->lock));
    for (const struct opening *o = queues->openings; o != NULL; o = o->next)
        if (o->queue_id == queue_id && slice_eq(o->name, name))
            return true;
    return false;
}

static void end_opening(struct queues *queues, struct opening *ended)
{
    struct opening **at = &queues->openings;
    while (*at != ended)
        at = &(*at)->next;
    *at = ended->next;
    pthread_cond_broadcast(&queues->opened);
}

/* Opens it without the lock, which every message wants, for that reads its files; one thread at a
 * time, for that may mend them, and what follows on it makes more. ERR_NOT_FOUND: the topic has
 * been deleted meanwhile. */
static int open_unlocked(struct queues *queues, struct queue_topic *topic, int32_t queue_id)
{
    struct batch_queue opened = { .queue.of = NULL };
    struct opening own = { slice_of(topic->name, topic->name_len), queue_id, queues->openings };
    queues->openings = &own;
    lock_release(&queues->lock);
    int err =
        consume_queue_open(topic, queue_id, queues->log, queues->doubtful_from, &opened.queue);
    lock_take(&queues->lock);
    end_opening(queues, &own);
    if (err == 0 && !atomic_load(&topic->is_gone)) {
        memcpy(queue_topic_room_for(topic, queue_id), &opened, queue_bytes(topic));
        return 0;
    }
    if (err == 0)
        consume_queue_close(&opened.queue);
    return atomic_load(&topic->is_gone) ? ERR_NOT_FOUND : err;
}

/* ERR_NOT_FOUND: the topic has been deleted meanwhile. Under the lock, let go of where it is to be
 * opened. */
static int get_of(struct queues *queues, struct queue_topic *topic, int32_t queue_id,
                  struct consume_queue **queue)
{
    assert(lock_is_held(&queues->lock));
    int err = 0;
    struct consume_queue *found;
    while ((found = queue_topic_at(topic, queue_id)) == NULL || found->of == NULL) {
        if (is_being_opened(queues, slice_of(topic->name, topic->name_len), queue_id))
            lock_wait(&queues->lock, &queues->opened);
        else if ((err = open_unlocked(queues, topic, queue_id)) != 0)
            break;
    }
    if (err == 0 && queue_is_late(queues, topic, queue_id))
        err = queue_place_late(queues, found);
    *queue = err == 0 ? found : NULL;
    return err;
}

/* `topic` NULL: not known yet; another one when it has gone. Under the lock, as get_of(). */
static int get_named(struct queues *queues, struct slice name, int32_t queue_id,
                     struct queue_topic **topic, struct consume_queue **queue)
{
    for (;;) {
        if (*topic == NULL || atomic_load(&(*topic)->is_gone))
            *topic = queue_topic_get(queues, name);
        if (*topic == NULL)
            return ERR_INVALID;
        assert(slice_eq(slice_of((*topic)->name, (*topic)->name_len), name));
        int err = get_of(queues, *topic, queue_id, queue);
        if (err != ERR_NOT_FOUND || !atomic_load(&(*topic)->is_gone))
            return err;
    }
}

int queue_get_locked(struct queues *queues, struct slice name, int32_t queue_id,
                     struct consume_queue **queue)
{
    struct queue_topic *topic = NULL;
    return get_named(queues, name, queue_id, &topic, queue);
}

/* ---- asking for one -------------------------------------------------------------------------- */

int queues_get_at(struct queues *queues, struct store_place *place, struct slice name,
                  int32_t queue_id, struct consume_queue **queue)
{
    if (queue_id < 0 || queue_id > QUEUE_ID_MAX || name.len == 0)
        return ERR_INVALID;
    lock_take(&queues->lock);
    struct queue_topic *topic = place->topic;
    int err = get_named(queues, name, queue_id, &topic, queue);
    *place = (struct store_place){ topic, topic == NULL ? NULL : topic->first_part };
    lock_release(&queues->lock);
    return err;
}

void queues_get_is_near(const struct store_place *place, int32_t queue_id)
{
    assert(queue_id >= 0);
    if (place->queues == NULL || queue_id >= PART_QUEUES)
        return;
    /* Who sends takes the queues of a topic in turn: the next one, too. */
    int32_t last = queue_id + 1 < PART_QUEUES ? queue_id + 1 : queue_id;
    const size_t queue_size = sizeof(struct consume_queue);
    __builtin_prefetch(place->topic);
    __builtin_prefetch(place->topic->name);
    __builtin_prefetch(place->queues + (size_t)queue_id * queue_size, 1);
    __builtin_prefetch(place->queues + (size_t)(last + 1) * queue_size - 1, 1);
}

int queues_get(struct queues *queues, struct slice topic, int32_t queue_id,
               struct consume_queue **queue)
{
    struct store_place place = { NULL, NULL };
    return queues_get_at(queues, &place, topic, queue_id, queue);
}

/* 1: it is open, with all its entries. 0: it is not, and where its files would be. ERR_NOT_FOUND:
 * it cannot be. */
static int find_open(struct queues *queues, struct slice name, int32_t queue_id, bool *is_late,
                     char path[DISK_PATH_MAX], struct consume_queue **found)
{
    *found = NULL;
    if (queue_id < 0 || queue_id > QUEUE_ID_MAX || !queues_name_a_directory(name))
        return ERR_NOT_FOUND;
    lock_take(&queues->lock);
    const struct queue_topic *topic = map_get(&queues->topics, name);
    struct consume_queue *queue = topic == NULL ? NULL : queue_topic_at(topic, queue_id);
    *is_late = topic != NULL && queue_is_late(queues, topic, queue_id);
    if (queue != NULL && queue->of != NULL && !*is_late)
        *found = queue;
    else
        snprintf(path, DISK_PATH_MAX, "%s/%.*s/%d", queues_kind_of(queues, name)->path,
                 SLICE_FMT(name), queue_id);
    lock_release(&queues->lock);
    return *found != NULL;
}

int queues_find(struct queues *queues, struct slice name, int32_t queue_id, bool may_block,
                struct consume_queue **found)
{
    bool is_late;
    char path[DISK_PATH_MAX];
    int is_open = find_open(queues, name, queue_id, &is_late, path, found);
    if (is_open != 0)
        return is_open < 0 ? is_open : 0;
    if (!is_late && !disk_exists(path))
        return ERR_NOT_FOUND;
    if (!may_block)
        return ERR_WOULD_BLOCK;
    lock_take(&queues->lock);
    int err = queue_get_locked(queues, name, queue_id, found);
    lock_release(&queues->lock);
    assert((err == 0) == (*found != NULL));
    return err;
}

/* ---- dirty ones ------------------------------------------------------------------------------ */

void queues_note_dirty(struct queues *queues, struct consume_queue *queue)
{
    assert(atomic_load(&queue->is_dirty));
    lock_take(&queues->dirty_lock);
    buf_append(&queues->dirty, &queue, sizeof(struct consume_queue *));
    lock_release(&queues->dirty_lock);
}

struct buf queues_take_dirty(struct queues *queues)
{
    lock_take(&queues->dirty_lock);
    struct buf taken = queues->dirty;
    queues->dirty = queues->dirty_spare;
    queues->dirty_spare = BUF_INIT;
    lock_release(&queues->dirty_lock);
    return taken;
}

/* Kept as long as it is used: with many queues it would be grown by a loop each time. */
void queues_give_dirty_back(struct queues *queues, struct buf *list)
{
    enum { USED_PART_LEAST = 8 };
    if (list->len < list->cap / USED_PART_LEAST)
        buf_fini(list);
    buf_clear(list);
    lock_take(&queues->dirty_lock);
    assert(queues->dirty_spare.data == NULL); /* one is out at a time */
    queues->dirty_spare = *list;
    lock_release(&queues->dirty_lock);
    *list = BUF_INIT;
    slab_trim(queues->files.tails);
}

static void free_when_empty(struct buf *list)
{
    if (list->len == 0)
        buf_fini(list);
}

void queues_come_to_rest(struct queues *queues)
{
    lock_take(&queues->dirty_lock);
    free_when_empty(&queues->dirty);
    free_when_empty(&queues->dirty_spare);
    lock_release(&queues->dirty_lock);
    slab_trim(queues->files.tails);
}
