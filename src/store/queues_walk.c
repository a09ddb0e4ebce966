/* queues_walk.c - all queues, those of a topic, all topics. */
#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "store/queues_internal.h"

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
    for (int i = 0; i < KIND_COUNT; i++)
        disk_each_name(queues->kinds[i].path, name_topic, &walk);
}

struct loading {
    struct queues *queues;
    int err;
};

/* Those that wait for their entries may have no directory yet. */
static void load_late(struct loading *loading, struct slice name)
{
    struct queues *queues = loading->queues;
    lock_take(&queues->lock);
    const struct queue_topic *topic = map_get(&queues->topics, name);
    for (uint32_t id = 0; topic != NULL && id < topic->late_count; id++) {
        struct consume_queue *queue;
        int err = 0;
        if (queue_is_late(queues, topic, (int32_t)id))
            err = queue_get_locked(queues, name, (int32_t)id, &queue);
        if (err != 0)
            loading->err = err;
    }
    lock_release(&queues->lock);
}

static void load_topic(void *ctx, struct slice topic)
{
    struct loading *loading = ctx;
    struct queues *queues = loading->queues;
    char path[DISK_PATH_MAX];
    int64_t *ids = NULL;
    int count = 0;
    lock_take(&queues->lock);
    queue_topic_path(queues_kind_of(queues, topic), topic, path);
    lock_release(&queues->lock);
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

static void list_topic(struct queue_list *list, const struct queue_topic *topic)
{
    struct consume_queue *queue;
    for (int32_t id = 0; (queue = queue_topic_next(topic, id)) != NULL; id = queue->queue_id + 1) {
        MEMORY_GROW(list->queues, list->count, list->cap, 64);
        assert(list->count < list->cap);
        list->queues[list->count++] = queue;
    }
}

int queues_each(struct queues *queues, bool load,
                void (*each)(void *ctx, struct consume_queue *queue), void *ctx)
{
    struct loading loading = { .queues = queues };
    if (load) {
        loading.err = queues_open_all_late(queues);
        queues_each_topic(queues, load_topic, &loading);
    }
    /* The list is copied so that `each` runs without the lock; queues are never freed while open.
     */
    struct queue_list all = { 0 };
    size_t cursor = 0;
    struct slice key;
    void *value;
    lock_take(&queues->lock);
    while (map_next(&queues->topics, &cursor, &key, &value))
        list_topic(&all, value);
    lock_release(&queues->lock);
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
    if (!queues_name_a_directory(name))
        return;
    load_topic(&loading, name);
    load_late(&loading, name);
    lock_take(&queues->lock);
    const struct queue_topic *topic = map_get(&queues->topics, name);
    if (topic != NULL)
        list_topic(&all, topic);
    lock_release(&queues->lock);
    for (size_t i = 0; i < all.count; i++)
        each(ctx, all.queues[i]);
    free(all.queues);
}
