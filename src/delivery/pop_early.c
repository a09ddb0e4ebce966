#include "delivery/pop_early.h"
#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>

enum { KEY_MAX = 1024 };

struct early_acks {
    struct due due;
    int64_t start_offset;
    size_t key_len;
    int count;
    int32_t distances[POP_CHECKPOINT_MESSAGES_MAX];
    uint8_t key[];
};

/* data NULL: longer than the names of any queue. */
static struct slice key_bytes(uint8_t bytes[KEY_MAX], const struct pop_key *key)
{
    enum { NUMBERS = 4 + 8 + 8 + 1 };
    size_t names = key->topic.len + key->group.len;
    if (key->topic.len > UINT8_MAX || NUMBERS + names > KEY_MAX)
        return slice_of(NULL, 0);
    put_be32(bytes, (uint32_t)key->queue_id);
    put_be64(bytes + 4, (uint64_t)key->start_offset);
    put_be64(bytes + 12, (uint64_t)key->pop_time_ms);
    bytes[20] = (uint8_t)key->topic.len;
    if (key->topic.len > 0)
        memcpy(bytes + NUMBERS, key->topic.data, key->topic.len);
    if (key->group.len > 0)
        memcpy(bytes + NUMBERS + key->topic.len, key->group.data, key->group.len);
    return slice_of(bytes, NUMBERS + names);
}

void pop_early_init(struct pop_early *early)
{
    *early = (struct pop_early){ 0 };
    map_init(&early->by_key);
}

static struct early_acks *of_due(struct due *due)
{
    return (struct early_acks *)((char *)due - offsetof(struct early_acks, due));
}

static void remove_acks(struct pop_early *early, struct early_acks *acks)
{
    struct early_acks *removed = map_remove(&early->by_key, slice_of(acks->key, acks->key_len));
    assert(removed == acks);
    due_heap_remove(&early->due, &acks->due);
    free(acks);
}

void pop_early_fini(struct pop_early *early)
{
    while (due_heap_first(&early->due) != NULL)
        remove_acks(early, of_due(due_heap_first(&early->due)));
    map_fini(&early->by_key);
    due_heap_fini(&early->due);
}

static struct early_acks *acks_make(struct pop_early *early, const struct pop_key *key,
                                    struct slice bytes, int64_t due_ms)
{
    struct early_acks *acks = memory_zeroed(1, sizeof *acks + bytes.len);
    acks->start_offset = key->start_offset;
    acks->key_len = bytes.len;
    memcpy(acks->key, bytes.data, bytes.len);
    map_put(&early->by_key, bytes, acks);
    due_heap_set(&early->due, &acks->due, due_ms);
    return acks;
}

void pop_early_note(struct pop_early *early, const struct pop_key *key, int64_t queue_offset,
                    int64_t due_ms)
{
    uint8_t buffer[KEY_MAX];
    struct slice bytes = key_bytes(buffer, key);
    int64_t distance = queue_offset - key->start_offset;
    if (bytes.data == NULL || distance < 0 || distance > INT32_MAX)
        return;
    struct early_acks *acks = map_get(&early->by_key, bytes);
    if (acks == NULL && early->by_key.count < POP_EARLY_MAX)
        acks = acks_make(early, key, bytes, due_ms);
    for (int i = 0; acks != NULL && i < acks->count; i++)
        if (acks->distances[i] == distance)
            return;
    if (acks != NULL && acks->count < POP_CHECKPOINT_MESSAGES_MAX)
        acks->distances[acks->count++] = (int32_t)distance;
}

int pop_early_get(const struct pop_early *early, const struct pop_key *key,
                  int64_t queue_offsets[POP_CHECKPOINT_MESSAGES_MAX])
{
    uint8_t buffer[KEY_MAX];
    struct slice bytes = early->by_key.count == 0 ? slice_of(NULL, 0) : key_bytes(buffer, key);
    const struct early_acks *acks = bytes.data == NULL ? NULL : map_get(&early->by_key, bytes);
    if (acks == NULL)
        return 0;
    for (int i = 0; i < acks->count; i++)
        queue_offsets[i] = acks->start_offset + acks->distances[i];
    return acks->count;
}

void pop_early_forget(struct pop_early *early, int64_t now_ms)
{
    struct due *first;
    while ((first = due_heap_first(&early->due)) != NULL && first->at_ms <= now_ms)
        remove_acks(early, of_due(first));
}
