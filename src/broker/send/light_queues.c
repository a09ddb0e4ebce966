#include "broker/send/light_queues.h"

#include "broker/saver.h"
#include "wire/multi_dispatch.h"

#include <limits.h>

/* What the broker adds to a message's properties, at most. */
enum { ADDED_BYTES_MOST = 1024 };

static bool table_is_there(const char *path)
{
    struct offsets *probe = NULL;
    bool is_there = offsets_open(path, &probe) == 0 && !offsets_are_empty(probe);
    offsets_free(probe);
    return is_there;
}

int light_queues_open_tables(struct broker *broker, const char *plain_path)
{
    char path[PATH_MAX];
    topics_take_light(broker->topics);
    groups_take_light(broker->groups);
    broker_config_path(broker, LIGHT_OFFSETS_FILE, path, sizeof path);
    int err = offsets_open(table_is_there(path) ? path : plain_path, &broker->offsets);
    if (err == 0)
        offsets_separate_light(broker->offsets);
    return err;
}

bool light_queues_take(struct broker *broker, struct slice topic, struct slice names,
                       size_t properties_bytes, struct arena *arena, int32_t *code,
                       struct slice *remark)
{
    int count = 0;
    const char *fault = multi_dispatch_fault(topic, names, &count);
    *code = RESP_MESSAGE_ILLEGAL;
    if (fault != NULL) {
        *remark = arena_printf(arena, PROPERTY_MULTI_DISPATCH " %s", fault);
        return false;
    }
    size_t places_bytes = (size_t)count * MULTI_DISPATCH_OFFSET_BYTES;
    if (count > 0 && properties_bytes + ADDED_BYTES_MOST + places_bytes > RECORD_PROPERTIES_MAX) {
        *remark =
            arena_printf(arena, PROPERTY_MULTI_DISPATCH
                         " names too many queues: their places leave no room in the message's "
                         "properties");
        return false;
    }
    if (store_has_room_for_light_queues(broker->store, count > 0 ? names : slice_of(NULL, 0)) &&
        (!name_is_light(topic) || store_has_room_for_light_queues(broker->store, topic)))
        return true;
    *code = RESP_SYSTEM_ERROR;
    *remark = arena_printf(arena,
                           "[LMQ_CONSUME_QUEUE_NUM_EXCEEDED]broker config enableLmq and "
                           "enableMultiDispatch, lmq consumeQueue num exceed "
                           "maxLmqConsumeQueueNum config num, limit %d.",
                           broker->conf.max_lmq_consume_queue_num);
    return false;
}

/* Of a queue that cannot be read nothing is known: its offsets stay. */
static int64_t max_of(void *ctx, struct slice topic, int32_t queue_id)
{
    struct store *store = ((struct broker *)ctx)->store;
    return store_queue_open(store, topic, queue_id) != 0 ? INT64_MAX
                                                         : store_queue_max(store, topic, queue_id);
}

int64_t light_queues_offset(const struct broker *broker, struct slice topic, int32_t queue_id,
                            int64_t queue_offset)
{
    if (!broker->takes_light || !name_is_light(topic) ||
        store_queue_open(broker->store, topic, queue_id) != 0)
        return queue_offset;
    int64_t max = store_queue_max(broker->store, topic, queue_id);
    if (queue_offset <= max)
        return queue_offset;
    return max > 0 ? 0 : -1;
}

/* One that is gone: an offset of it leads nowhere. */
static int64_t nothing_of(void *ctx, struct slice topic, int32_t queue_id)
{
    (void)ctx;
    (void)topic;
    (void)queue_id;
    return 0;
}

bool light_queues_forget_past(struct broker *broker)
{
    struct map names;
    if (!broker->takes_light)
        return false;
    map_init(&names);
    bool is_one_gone = store_take_past_lives(broker->store, &names);
    if (is_one_gone)
        offsets_begin_topics(broker->offsets, &names, nothing_of, NULL);
    map_fini(&names);
    return is_one_gone;
}

/* The light topics that consumer offsets are known of, and that have no queues. */
static void add_gone(struct broker *broker, struct map *names)
{
    size_t cursor = 0;
    struct slice topic;
    struct slice group;
    while (offsets_next(broker->offsets, &cursor, &topic, &group))
        if (name_is_light(topic) && !store_has_queues(broker->store, topic))
            map_put(names, topic, broker);
}

void light_queues_start(struct broker *broker)
{
    struct map names;
    if (!broker->takes_light)
        return;
    map_init(&names);
    store_take_past_lives(broker->store, &names);
    add_gone(broker, &names);
    offsets_begin_topics(broker->offsets, &names, max_of, broker);
    map_fini(&names);
    if (offsets_changed(broker->offsets))
        saver_save_here(broker->saver, TABLE_OFFSETS);
}
