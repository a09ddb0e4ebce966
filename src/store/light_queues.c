#include "store/light_queues.h"

#include <stdio.h>

#include "wire/multi_dispatch.h"
#include "wire/properties.h"

bool store_light_queues_of(const struct store *store, const struct record *record,
                           struct multi_dispatch *list)
{
    return store->options.light_queues_enable &&
           multi_dispatch_of(record->topic, record->properties, list);
}

struct slice light_queues_without_places(struct slice properties, struct arena *arena)
{
    const struct property_change change = { .name = SLICE(PROPERTY_MULTI_QUEUE_OFFSET) };
    if (!properties_may_multi_dispatch(properties))
        return properties;
    return properties_edit(properties, &change, 1, arena);
}

/* The names a record goes by; none when something is wrong with them: it was let pass before light
 * queues were switched on, or inside a batch. */
static struct slice names_of(const struct record *record, int *count)
{
    struct slice names = { NULL, 0 };
    *count = 0;
    if (topic_goes_to_light_queues(record->topic))
        names = property_get(record->properties, SLICE(PROPERTY_MULTI_DISPATCH));
    if (multi_dispatch_fault(record->topic, names, count) != NULL)
        *count = 0;
    return names;
}

int light_targets_find(struct store *store, const struct record *record, struct arena *arena,
                       struct light_targets *targets)
{
    int count;
    struct slice names = names_of(record, &count);
    struct slice name;
    *targets = (struct light_targets){ .count = count };
    assert(count >= 0 && count <= MULTI_DISPATCH_MAX);
    if (count == 0)
        return 0;
    targets->queues = arena_alloc(arena, (size_t)count * sizeof(struct consume_queue *));
    targets->queue_offsets = arena_alloc(arena, (size_t)count * sizeof(int64_t));
    for (int i = 0; i < count; i++) {
        bool is_there = multi_dispatch_next_name(&names, &name);
        assert(is_there);
        int err = queues_get(store->queues, name, 0, &targets->queues[i]);
        if (err != 0)
            return err;
        targets->queue_offsets[i] = consume_queue_max(targets->queues[i]);
        if (!consume_queue_is_light(
                targets->queues[i])) { /* made with batch queues before there were light ones */
            targets->count = 0;
            return 0;
        }
    }
    return 0;
}

struct slice light_targets_properties(const struct light_targets *targets, struct slice properties,
                                      struct arena *arena)
{
    if (targets->count == 0)
        return properties;
    char *text = arena_alloc(arena, (size_t)targets->count * (MULTI_DISPATCH_OFFSET_BYTES + 1));
    size_t len = 0;
    for (int i = 0; i < targets->count; i++)
        len += (size_t)snprintf(text + len, MULTI_DISPATCH_OFFSET_BYTES + 1, "%s%lld",
                                i == 0 ? "" : ",", (long long)targets->queue_offsets[i]);
    assert(len < (size_t)targets->count * (MULTI_DISPATCH_OFFSET_BYTES + 1));
    const struct property_change change = { SLICE(PROPERTY_MULTI_QUEUE_OFFSET),
                                            slice_of((const uint8_t *)text, len) };
    return properties_edit(properties, &change, 1, arena);
}

bool light_targets_fit(const struct light_targets *targets)
{
    for (int i = 0; i < targets->count; i++)
        if (!consume_queue_takes_more(targets->queues[i]) ||
            consume_queue_max(targets->queues[i]) != targets->queue_offsets[i])
            return false;
    return true;
}

/* The record's entry as it stands in the i-th. */
static struct store_queue_entry entry_in(const struct light_targets *targets, int i,
                                         const struct store_queue_entry *entry)
{
    struct store_queue_entry light = *entry;
    light.queue_offset = targets->queue_offsets[i];
    light.count = 1;
    return light;
}

void light_targets_add(struct store *store, const struct light_targets *targets,
                       const struct store_queue_entry *entry)
{
    assert(lock_is_held(&store->append_lock));
    for (int i = 0; i < targets->count; i++) {
        const struct store_queue_entry light = entry_in(targets, i, entry);
        if (consume_queue_append(targets->queues[i], &light))
            queues_note_dirty(store->queues, targets->queues[i]);
        assert(consume_queue_max(targets->queues[i]) == light.queue_offset + 1);
    }
}

void light_targets_tell(struct store *store, const struct light_targets *targets,
                        const struct store_queue_entry *entry, const struct record *record)
{
    for (int i = 0; i < targets->count && store->options.on_arrival != NULL; i++) {
        const struct store_queue_entry light = entry_in(targets, i, entry);
        const struct store_arrival arrival = { .topic = consume_queue_topic(targets->queues[i]),
                                               .queue_id = 0,
                                               .is_light = true,
                                               .queue_offset = light.queue_offset,
                                               .bytes = light.bytes,
                                               .tags_code = light.tags_code,
                                               .store_timestamp = light.store_ms,
                                               .properties = record->properties };
        store->options.on_arrival(store->options.ctx, &arrival);
    }
}

void store_note_past_life(struct store *store, struct slice name)
{
    lock_take(&store->gone_lock);
    map_put(&store->gone, name, store);
    atomic_store(&store->has_gone, true);
    lock_release(&store->gone_lock);
}

bool store_take_past_lives(struct store *store, struct map *names)
{
    size_t cursor = 0;
    struct slice name;
    void *value;
    if (!atomic_exchange(&store->has_gone, false))
        return false;
    lock_take(&store->gone_lock);
    while (map_next(&store->gone, &cursor, &name, &value))
        map_put(names, name, value);
    map_fini(&store->gone);
    map_init(&store->gone);
    lock_release(&store->gone_lock);
    return true;
}

bool store_has_room_for_light_queues(struct store *store, struct slice names)
{
    struct slice name;
    struct consume_queue *queue;
    int64_t count = queues_light_count(store->queues);
    while (multi_dispatch_next_name(&names, &name))
        if (queues_find(store->queues, name, 0, true, &queue) == ERR_NOT_FOUND &&
            ++count > store->options.light_queues_most)
            return false;
    return true;
}

bool store_has_queues(struct store *store, struct slice topic)
{
    return queues_has_topic(store->queues, topic);
}
