/* queues.c - opened when first asked for: a start with many thousand queues opens none.
 *
 * Dirty queues are a stack that the appender pushes on without a lock and the flusher takes whole;
 * is_dirty keeps a queue from standing in it twice. A deleted topic's queues are kept until the
 * store is closed, since a reader or the flusher may still hold one; only its directory goes.
 */
#include "store/queues.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/map.h"
#include "wire/multi_dispatch.h"

struct topic_queues {
    struct slice topic; /* heap */
    char *dir;          /* heap; NULL before the first queue was opened */
    struct consume_queue **by_id;
    int32_t cap;
    struct topic_queues *next_deleted;
};

/* Where the queues of one kind lie. */
struct queue_dir {
    char path[DISK_PATH_MAX - 320]; /* leaves room for a topic and a queue id */
    int64_t file_bytes;
    bool is_batch;
};
enum { DIR_SIMPLE, DIR_BATCH, DIR_COUNT };

struct queues {
    struct queue_dir dirs[DIR_COUNT];
    struct commit_log *log;
    pthread_mutex_t lock; /* guards the maps and what hangs on them */
    struct map topics;
    struct map batch_topics; /* the names alone */
    struct topic_queues *deleted;
    _Atomic(struct consume_queue *) dirty;
    atomic_int deleted_count;
    struct queue_files files;
    bool may_have_ghosts; /* entries behind a queue's end (consume_queue.h) */
    int64_t light_count;  /* topics of light queues; -1: nobody has asked yet. Under the lock */
    bool has_set_aside;   /* a file that is to be built again */
    int64_t expected;     /* files when opened, taken on trust; -1: they were counted */
};

/* ---- the files, looked at once when the store is opened
 * ------------------------------------------
 */

struct counting {
    struct queues *queues;
    const struct queue_dir *of;
    char dir[DISK_PATH_MAX];   /* the one being listed */
    char aside[DISK_PATH_MAX]; /* where unfit files are put */
    int depth;
    int64_t fit;
    int64_t unfit;
    bool sets_aside; /* else only counts */
};

static bool has_next_file(const struct counting *counting, const char *path)
{
    char next[DISK_PATH_MAX];
    int64_t number;
    int dir_len = (int)(strrchr(path, '/') - path);
    if (!slice_to_i64(slice_str(path + dir_len + 1), &number) || number < 0 ||
        snprintf(next, sizeof next, "%.*s/%020lld", dir_len, path,
                 (long long)(number + counting->of->file_bytes)) >= (int)sizeof next)
        return false;
    return disk_exists(next);
}

/* An empty last file is what a process leaves that died while making it (consume_queue_open.c). */
static void judge_file(struct counting *counting, const char *path)
{
    int64_t bytes;
    char to[DISK_PATH_MAX];
    if (disk_size(path, &bytes) != 0 || (bytes == 0 && !has_next_file(counting, path)))
        return;
    if (bytes == counting->of->file_bytes) {
        counting->fit++;
        return;
    }
    counting->unfit++;
    if (!counting->sets_aside)
        return;
    snprintf(to, sizeof to, "%.3800s", path + strlen(counting->of->path) + 1);
    for (char *slash = to; (slash = strchr(slash, '/')) != NULL;)
        *slash = '@';
    char aside[DISK_PATH_MAX];
    if (snprintf(aside, sizeof aside, "%s/%s", counting->aside, to) < (int)sizeof aside &&
        disk_make_dirs(counting->aside) == 0 && disk_rename(path, aside) == 0)
        log_warn("consume_queue_file_set_aside path=%s bytes=%lld expected=%lld to=%s", path,
                 (long long)bytes, (long long)counting->of->file_bytes, aside);
}

static void look_at(void *ctx, const char *name, bool is_dir)
{
    enum { FILE_DEPTH = 2 }; /* topic/queue/file */
    struct counting *counting = ctx;
    size_t len = strlen(counting->dir);
    int n = snprintf(counting->dir + len, sizeof counting->dir - len, "/%s", name);
    if (n < (int)(sizeof counting->dir - len)) {
        if (is_dir && counting->depth < FILE_DEPTH) {
            char dir[DISK_PATH_MAX];
            memcpy(dir, counting->dir, sizeof dir);
            counting->depth++;
            disk_each_name(dir, look_at, counting);
            counting->depth--;
        } else if (!is_dir && counting->depth == FILE_DEPTH) {
            judge_file(counting, counting->dir);
        }
    }
    counting->dir[len] = 0;
}

static struct counting *counting_new(struct queues *queues, const struct queue_dir *of)
{
    struct counting *counting = calloc(1, sizeof *counting);
    if (counting == NULL)
        abort();
    counting->queues = queues;
    counting->of = of;
    snprintf(counting->dir, sizeof counting->dir, "%s", of->path);
    return counting;
}

/* Adds the files of one kind to the count. */
static int count_files(struct queues *queues, const struct queue_dir *of, const char *root_dir)
{
    struct counting *counting = counting_new(queues, of);
    disk_each_name(of->path, look_at, counting);
    int64_t unfit = counting->unfit;
    int64_t fit = counting->fit;
    atomic_fetch_add(&queues->files.count, fit);
    if (unfit > 0 && fit > 0) {
        snprintf(counting->aside, sizeof counting->aside, "%.4000s/set-aside", root_dir);
        counting->sets_aside = true;
        queues->has_set_aside = true;
        disk_each_name(of->path, look_at, counting);
    }
    free(counting);
    if (unfit > 0 && fit == 0) {
        log_error("consume_queue_files_unfit path=%s expected=%lld: is %s what it was?", of->path,
                  (long long)of->file_bytes,
                  of->is_batch ? "mapperFileSizeBatchConsumeQueue" : "mappedFileSizeConsumeQueue");
        return ERR_CORRUPT;
    }
    return 0;
}

bool queues_are_still_there(struct queues *queues)
{
    assert(queues->expected >= 0);
    int deleted = atomic_load(&queues->deleted_count);
    int64_t fit = 0;
    int64_t unfit = 0;
    for (int i = 0; i < DIR_COUNT; i++) {
        struct counting *counting = counting_new(queues, &queues->dirs[i]);
        disk_each_name(queues->dirs[i].path, look_at, counting);
        fit += counting->fit;
        unfit += counting->unfit;
        free(counting);
    }
    if (atomic_load(&queues->deleted_count) != deleted || deleted > 0)
        return true; /* topics went meanwhile, and their files with them: nothing can be said */
    if (fit >= queues->expected && unfit == 0)
        return true;
    log_error("consume_queue_files_missing path=%s found=%lld unfit=%lld expected=%lld: puts are "
              "refused; the next start builds the queues again",
              queues->dirs[DIR_SIMPLE].path, (long long)fit, (long long)unfit,
              (long long)queues->expected);
    return false;
}

int64_t queues_file_count(const struct queues *queues)
{
    return atomic_load(&queues->files.count);
}

bool queues_are_all_there(const struct queues *queues, int64_t expected)
{
    return queues_file_count(queues) >= expected && !queues->has_set_aside;
}

static void note_batch_topic(void *ctx, const char *name, bool is_dir)
{
    if (is_dir && name[0] != '.')
        queues_set_batch(ctx, slice_str(name));
}

static int open_dir(struct queues *queues, struct queue_dir *dir, const char *root_dir,
                    const char *name, int64_t file_bytes)
{
    assert(file_bytes > 0);
    snprintf(dir->path, sizeof dir->path, "%s/%s", root_dir, name);
    dir->file_bytes = file_bytes;
    dir->is_batch = dir == &queues->dirs[DIR_BATCH];
    if (dir->is_batch && !disk_exists(dir->path))
        return 0; /* made with its first topic */
    int err = disk_make_dirs(dir->path);
    if (err == 0 && queues->expected < 0)
        err = count_files(queues, dir, root_dir);
    return err;
}

int queues_open(const char *root_dir, int64_t file_bytes, int64_t batch_file_bytes,
                struct commit_log *log, bool may_have_ghosts, int64_t trusted_count,
                struct queues **opened)
{
    assert(log != NULL);
    struct queues *queues = calloc(1, sizeof *queues);
    if (queues == NULL)
        return ERR_NO_MEMORY;
    queues->log = log;
    queues->may_have_ghosts = may_have_ghosts;
    queues->light_count = -1;
    pthread_mutex_init(&queues->lock, NULL);
    map_init(&queues->topics);
    map_init(&queues->batch_topics);
    queues->expected = trusted_count;
    atomic_store(&queues->files.count, trusted_count < 0 ? 0 : trusted_count);
    int err = open_dir(queues, &queues->dirs[DIR_SIMPLE], root_dir, "consumequeue", file_bytes);
    if (err == 0)
        err = open_dir(queues, &queues->dirs[DIR_BATCH], root_dir, "batchconsumequeue",
                       batch_file_bytes);
    if (err != 0) {
        queues_close(queues);
        return err;
    }
    disk_each_name(queues->dirs[DIR_BATCH].path, note_batch_topic, queues);
    *opened = queues;
    return 0;
}

static void free_topic(struct topic_queues *topic)
{
    for (int32_t i = 0; i < topic->cap; i++)
        if (topic->by_id[i] != NULL)
            consume_queue_free(topic->by_id[i]);
    free(topic->by_id);
    free((void *)(uintptr_t)topic->topic.data);
    free(topic->dir);
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
        struct topic_queues *next = queues->deleted->next_deleted;
        free_topic(queues->deleted);
        queues->deleted = next;
    }
    map_fini(&queues->topics);
    map_fini(&queues->batch_topics);
    pthread_mutex_destroy(&queues->lock);
    free(queues);
}

void queues_set_batch(struct queues *queues, struct slice topic)
{
    pthread_mutex_lock(&queues->lock);
    map_put(&queues->batch_topics, topic, queues);
    pthread_mutex_unlock(&queues->lock);
}

bool queues_is_batch(struct queues *queues, struct slice topic)
{
    pthread_mutex_lock(&queues->lock);
    bool is_batch = map_get(&queues->batch_topics, topic) != NULL;
    pthread_mutex_unlock(&queues->lock);
    return is_batch;
}

/* Under the lock. */
static const struct queue_dir *dir_of(const struct queues *queues, struct slice topic)
{
    return &queues->dirs[map_get(&queues->batch_topics, topic) != NULL ? DIR_BATCH : DIR_SIMPLE];
}

static void topic_path(const struct queue_dir *dir, struct slice topic, char path[DISK_PATH_MAX])
{
    snprintf(path, DISK_PATH_MAX, "%s/%.*s", dir->path, SLICE_FMT(topic));
}

static void queue_path(const struct queue_dir *dir, struct slice topic, int32_t queue_id,
                       char path[DISK_PATH_MAX])
{
    snprintf(path, DISK_PATH_MAX, "%s/%.*s/%d", dir->path, SLICE_FMT(topic), queue_id);
}

static bool names_a_directory(struct slice topic)
{
    return topic.len > 0 && topic.len <= RECORD_TOPIC_MAX && topic.data[0] != '.' &&
           memchr(topic.data, '/', topic.len) == NULL && memchr(topic.data, 0, topic.len) == NULL;
}

/* NULL: no directory can have the name. Under the lock. */
static struct topic_queues *topic_get(struct queues *queues, struct slice name)
{
    assert(name.len > 0);
    struct topic_queues *topic = map_get(&queues->topics, name);
    if (topic != NULL || !names_a_directory(name))
        return topic;
    topic = calloc(1, sizeof *topic);
    uint8_t *copy = malloc(name.len);
    if (topic == NULL || copy == NULL)
        abort();
    memcpy(copy, name.data, name.len);
    topic->topic = slice_of(copy, name.len);
    if (queues->light_count >= 0 && name_is_light(name)) {
        char path[DISK_PATH_MAX];
        topic_path(&queues->dirs[DIR_SIMPLE], name, path);
        queues->light_count += !disk_exists(path);
    }
    map_put(&queues->topics, name, topic);
    return topic;
}

static void make_room_for(struct topic_queues *topic, int32_t queue_id)
{
    assert(queue_id >= 0);
    assert(queue_id <= QUEUE_ID_MAX);
    if (queue_id < topic->cap)
        return;
    int32_t cap = topic->cap == 0 ? 8 : topic->cap;
    while (cap <= queue_id)
        cap *= 2;
    struct consume_queue **by_id =
        realloc(topic->by_id, (size_t)cap * sizeof(struct consume_queue *));
    if (by_id == NULL)
        abort();
    memset(by_id + topic->cap, 0, (size_t)(cap - topic->cap) * sizeof(struct consume_queue *));
    topic->by_id = by_id;
    topic->cap = cap;
    assert(queue_id < topic->cap);
}

static char *topic_dir_new(const struct queue_dir *dir, struct slice name)
{
    char path[DISK_PATH_MAX];
    topic_path(dir, name, path);
    char *copy = strdup(path);
    if (copy == NULL)
        abort();
    return copy;
}

/* Under the lock. */
static int get_locked(struct queues *queues, struct slice name, int32_t queue_id,
                      struct consume_queue **queue)
{
    struct topic_queues *topic = topic_get(queues, name);
    if (topic == NULL)
        return ERR_INVALID;
    make_room_for(topic, queue_id);
    int err = 0;
    if (topic->by_id[queue_id] == NULL) {
        const struct queue_dir *dir = dir_of(queues, name);
        if (topic->dir == NULL)
            topic->dir = topic_dir_new(dir, name);
        err = consume_queue_open(topic->dir, topic->topic, queue_id, dir->is_batch, dir->file_bytes,
                                 queues->log, &queues->files, queues->may_have_ghosts,
                                 &topic->by_id[queue_id]);
    }
    *queue = topic->by_id[queue_id];
    assert((err == 0) == (*queue != NULL));
    assert(*queue == NULL || (*queue)->queue_id == queue_id);
    return err;
}

int queues_get(struct queues *queues, struct slice topic, int32_t queue_id,
               struct consume_queue **queue)
{
    if (queue_id < 0 || queue_id > QUEUE_ID_MAX || topic.len == 0)
        return ERR_INVALID;
    pthread_mutex_lock(&queues->lock);
    int err = get_locked(queues, topic, queue_id, queue);
    pthread_mutex_unlock(&queues->lock);
    return err;
}

struct consume_queue *queues_find(struct queues *queues, struct slice name, int32_t queue_id)
{
    if (queue_id < 0 || queue_id > QUEUE_ID_MAX || !names_a_directory(name))
        return NULL;
    struct consume_queue *queue = NULL;
    pthread_mutex_lock(&queues->lock);
    const struct topic_queues *topic = map_get(&queues->topics, name);
    if (topic != NULL && queue_id < topic->cap)
        queue = topic->by_id[queue_id];
    if (queue == NULL) {
        char path[DISK_PATH_MAX];
        queue_path(dir_of(queues, name), name, queue_id, path);
        if (disk_exists(path) && get_locked(queues, name, queue_id, &queue) != 0)
            queue = NULL;
    }
    pthread_mutex_unlock(&queues->lock);
    return queue;
}

void queues_link_dirty(struct queues *queues, struct consume_queue *queue)
{
    assert(atomic_load(&queue->is_dirty));
    struct consume_queue *first = atomic_load(&queues->dirty);
    do {
        queue->next_dirty = first;
    } while (!atomic_compare_exchange_weak(&queues->dirty, &first, queue));
}

struct consume_queue *queues_take_dirty(struct queues *queues)
{
    return atomic_exchange(&queues->dirty, NULL);
}

struct topic_walk {
    void (*each)(void *ctx, struct slice topic);
    void *ctx;
};

static void name_topic(void *ctx, const char *name, bool is_dir)
{
    const struct topic_walk *walk = ctx;
    if (is_dir && name[0] != '.')
        walk->each(walk->ctx, slice_str(name));
}

void queues_each_topic(struct queues *queues, void (*each)(void *ctx, struct slice topic),
                       void *ctx)
{
    struct topic_walk walk = { each, ctx };
    for (int i = 0; i < DIR_COUNT; i++)
        disk_each_name(queues->dirs[i].path, name_topic, &walk);
}

struct loading {
    struct queues *queues;
    int err;
};

static void load_topic(void *ctx, struct slice topic)
{
    struct loading *loading = ctx;
    struct queues *queues = loading->queues;
    char path[DISK_PATH_MAX];
    int64_t *ids = NULL;
    int count = 0;
    pthread_mutex_lock(&queues->lock);
    topic_path(dir_of(queues, topic), topic, path);
    pthread_mutex_unlock(&queues->lock);
    int err = disk_list_numbers(path, &ids, &count);
    for (int i = 0; i < count && err == 0; i++) {
        struct consume_queue *queue;
        if (ids[i] <= QUEUE_ID_MAX)
            err = queues_get(queues, topic, (int32_t)ids[i], &queue);
    }
    if (err != 0)
        loading->err = err;
    free(ids);
}

struct queue_list {
    struct consume_queue **queues; /* heap */
    size_t count;
    size_t cap;
};

static void list_topic(struct queue_list *list, const struct topic_queues *topic)
{
    for (int32_t i = 0; i < topic->cap; i++) {
        if (topic->by_id[i] == NULL)
            continue;
        if (list->count == list->cap) {
            list->cap = list->cap == 0 ? 64 : list->cap * 2;
            list->queues = realloc(list->queues, list->cap * sizeof(struct consume_queue *));
            if (list->queues == NULL)
                abort();
        }
        assert(list->count < list->cap);
        list->queues[list->count++] = topic->by_id[i];
    }
}

int queues_each(struct queues *queues, bool load,
                void (*each)(void *ctx, struct consume_queue *queue), void *ctx)
{
    struct loading loading = { .queues = queues };
    if (load)
        queues_each_topic(queues, load_topic, &loading);
    /* The list is copied so that `each` runs without the lock; queues are never freed while open.
     */
    struct queue_list all = { 0 };
    size_t cursor = 0;
    struct slice key;
    void *value;
    pthread_mutex_lock(&queues->lock);
    while (map_next(&queues->topics, &cursor, &key, &value))
        list_topic(&all, value);
    pthread_mutex_unlock(&queues->lock);
    for (size_t i = 0; i < all.count; i++)
        each(ctx, all.queues[i]);
    free(all.queues);
    return loading.err;
}

void queues_each_of(struct queues *queues, struct slice name,
                    void (*each)(void *ctx, struct consume_queue *queue), void *ctx)
{
    struct loading loading = { .queues = queues };
    struct queue_list all = { 0 };
    if (!names_a_directory(name))
        return;
    load_topic(&loading, name);
    pthread_mutex_lock(&queues->lock);
    const struct topic_queues *topic = map_get(&queues->topics, name);
    if (topic != NULL)
        list_topic(&all, topic);
    pthread_mutex_unlock(&queues->lock);
    for (size_t i = 0; i < all.count; i++)
        each(ctx, all.queues[i]);
    free(all.queues);
}

static void add_files_of(void *ctx, const char *name, bool is_dir)
{
    struct counting *counting = ctx;
    char dir[DISK_PATH_MAX];
    int64_t *files = NULL;
    int count = 0;
    if (is_dir && snprintf(dir, sizeof dir, "%s/%s", counting->dir, name) < (int)sizeof dir &&
        disk_list_numbers(dir, &files, &count) == 0)
        counting->unfit += count;
    free(files);
}

/* How many files the queues of a topic have. */
static int64_t count_below(const char *topic_dir)
{
    struct counting counting = { .unfit = 0 };
    snprintf(counting.dir, sizeof counting.dir, "%s", topic_dir);
    disk_each_name(topic_dir, add_files_of, &counting);
    return counting.unfit;
}

/* Under the lock. */
static void delete_topic(struct queues *queues, struct slice name, const char *graveyard)
{
    char from[DISK_PATH_MAX];
    char to[DISK_PATH_MAX];
    struct topic_queues *topic = map_remove(&queues->topics, name);
    if (topic != NULL) {
        for (int32_t i = 0; i < topic->cap; i++) {
            if (topic->by_id[i] == NULL)
                continue;
            pthread_mutex_lock(&topic->by_id[i]->file_lock);
            topic->by_id[i]->is_deleted = true;
            pthread_mutex_unlock(&topic->by_id[i]->file_lock);
        }
        topic->next_deleted = queues->deleted;
        queues->deleted = topic;
    }
    topic_path(dir_of(queues, name), name, from);
    if (queues->light_count > 0 && name_is_light(name))
        queues->light_count -= topic != NULL || disk_exists(from);
    map_remove(&queues->batch_topics, name);
    atomic_fetch_sub(&queues->files.count, count_below(from));
    bool is_aside = disk_make_dirs(graveyard) == 0 &&
                    snprintf(to, sizeof to, "%s/%d-%lld", graveyard,
                             atomic_fetch_add(&queues->deleted_count, 1),
                             (long long)commit_log_max(queues->log)) < (int)sizeof to &&
                    disk_rename(from, to) == 0;
    if (!is_aside) /* no room for a name, or nothing is there: files must not outlive the queues */
        disk_remove_tree(from);
    log_info("topic_queues_deleted topic=%.*s", SLICE_FMT(name));
}

void queues_delete_topic(struct queues *queues, struct slice name, const char *graveyard)
{
    if (!names_a_directory(name))
        return;
    pthread_mutex_lock(&queues->lock);
    delete_topic(queues, name, graveyard);
    pthread_mutex_unlock(&queues->lock);
}

static void add_if_light(void *ctx, const char *name, bool is_dir)
{
    struct queues *queues = ctx;
    if (is_dir && name_is_light(slice_str(name)))
        queues->light_count++;
}

int64_t queues_light_count(struct queues *queues)
{
    size_t cursor = 0;
    struct slice name;
    void *topic;
    char path[DISK_PATH_MAX];
    pthread_mutex_lock(&queues->lock);
    if (queues->light_count < 0) {
        queues->light_count = 0;
        disk_each_name(queues->dirs[DIR_SIMPLE].path, add_if_light, queues);
        while (map_next(&queues->topics, &cursor, &name, &topic)) {
            topic_path(&queues->dirs[DIR_SIMPLE], name, path);
            queues->light_count += name_is_light(name) && !disk_exists(path);
        }
    }
    int64_t count = queues->light_count;
    pthread_mutex_unlock(&queues->lock);
    return count;
}

void queues_retire_light(struct queues *queues, struct slice name, pthread_mutex_t *append_lock,
                         const char *graveyard, void (*gone)(void *ctx, struct slice topic),
                         void *ctx)
{
    bool is_idle = false;
    pthread_mutex_lock(&queues->lock);
    const struct topic_queues *topic = map_get(&queues->topics, name);
    struct consume_queue *queue = topic != NULL && topic->cap > 0 ? topic->by_id[0] : NULL;
    if (queue != NULL && queue->is_light) {
        pthread_mutex_lock(append_lock); /* a put may be on its way to it */
        is_idle = consume_queue_min(queue) == consume_queue_max(queue);
        queue->is_retired = is_idle;
        pthread_mutex_unlock(append_lock);
    }
    if (is_idle) {
        gone(ctx, name);
        delete_topic(queues, name, graveyard);
    }
    pthread_mutex_unlock(&queues->lock);
}

bool queues_has_topic(struct queues *queues, struct slice name)
{
    char path[DISK_PATH_MAX];
    if (!names_a_directory(name))
        return false;
    pthread_mutex_lock(&queues->lock);
    bool is_known = map_get(&queues->topics, name) != NULL;
    topic_path(dir_of(queues, name), name, path);
    pthread_mutex_unlock(&queues->lock);
    return is_known || disk_exists(path);
}
