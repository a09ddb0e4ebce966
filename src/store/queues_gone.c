/* queues_gone.c - topics that are deleted, and light queues that have no entries any more. Their
 * queues stay in memory until the store is closed, since a reader or the flusher may still hold
 * one; only the directory goes.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "store/queues_internal.h"
#include "wire/multi_dispatch.h"

/* A directory of a topic, whose files are counted. */
struct tally {
    const char *dir;
    int64_t count;
};

static void add_files_of(void *ctx, const char *name, bool is_dir)
{
    struct tally *tally = ctx;
    char dir[DISK_PATH_MAX];
    int64_t *files = NULL;
    int count = 0;
    if (is_dir && snprintf(dir, sizeof dir, "%s/%s", tally->dir, name) < (int)sizeof dir &&
        disk_list_numbers(dir, &files, &count) == 0)
        tally->count += count;
    free(files);
}

/* How many files the queues of a topic have. */
static int64_t count_below(const char *topic_dir)
{
    struct tally tally = { .dir = topic_dir };
    disk_each_name(topic_dir, add_files_of, &tally);
    return tally.count;
}

/* Its queues change nothing on the disk any more. */
static void mark_deleted(struct queue_topic *topic)
{
    struct consume_queue *queue;
    for (int32_t id = 0; (queue = queue_topic_next(topic, id)) != NULL; id = queue->queue_id + 1) {
        struct lock *file_lock = &consume_queue_locks(queue)->file_lock;
        lock_take(file_lock);
        queue->is_deleted = true;
        lock_release(file_lock);
    }
}

/* Under the lock. */
static void delete_topic(struct queues *queues, struct slice name, const char *graveyard)
{
    assert(lock_is_held(&queues->lock));
    char from[DISK_PATH_MAX];
    char to[DISK_PATH_MAX];
    struct queue_topic *topic = map_remove(&queues->topics, name);
    if (topic != NULL) {
        atomic_store(&topic->is_gone, true);
        mark_deleted(topic);
        queue_topic_drop_late(queues, topic);
        topic->next = queues->deleted;
        queues->deleted = topic;
    }
    queue_topic_path(queues_kind_of(queues, name), name, from);
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
    if (!queues_name_a_directory(name))
        return;
    lock_take(&queues->lock);
    delete_topic(queues, name, graveyard);
    lock_release(&queues->lock);
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
    lock_take(&queues->lock);
    if (queues->light_count < 0) {
        queues->light_count = 0;
        disk_each_name(queues->kinds[KIND_SIMPLE].path, add_if_light, queues);
        while (map_next(&queues->topics, &cursor, &name, &topic)) {
            queue_topic_path(&queues->kinds[KIND_SIMPLE], name, path);
            queues->light_count += name_is_light(name) && !disk_exists(path);
        }
    }
    int64_t count = queues->light_count;
    lock_release(&queues->lock);
    return count;
}

void queues_retire_light(struct queues *queues, struct slice name, struct lock *append_lock,
                         const char *graveyard, void (*gone)(void *ctx, struct slice topic),
                         void *ctx)
{
    bool is_idle = false;
    lock_take(&queues->lock);
    const struct queue_topic *topic = map_get(&queues->topics, name);
    struct consume_queue *queue = topic != NULL ? queue_topic_next(topic, 0) : NULL;
    if (queue != NULL && consume_queue_is_light(queue)) {
        lock_take(append_lock); /* a put may be on its way to it */
        is_idle = consume_queue_min(queue) == consume_queue_max(queue);
        queue->is_retired = is_idle;
        lock_release(append_lock);
    }
    if (is_idle) {
        gone(ctx, name);
        delete_topic(queues, name, graveyard);
    }
    lock_release(&queues->lock);
}

bool queues_has_topic(struct queues *queues, struct slice name)
{
    char path[DISK_PATH_MAX];
    if (!queues_name_a_directory(name))
        return false;
    lock_take(&queues->lock);
    bool is_known = map_get(&queues->topics, name) != NULL;
    queue_topic_path(queues_kind_of(queues, name), name, path);
    lock_release(&queues->lock);
    return is_known || disk_exists(path);
}
