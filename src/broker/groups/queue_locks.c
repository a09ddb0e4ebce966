/* queue_locks.c - which client consumes which queue in order. */
#include "broker/groups/queue_locks.h"

#include <assert.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/memory.h"

struct queue_lock {
    int64_t renewed_ms;
    size_t client_id_bytes;
    uint8_t client_id[];
};

struct group_locks {
    struct map queues; /* queue -> struct queue_lock */
};

struct queue_locks {
    struct map groups; /* name -> struct group_locks */
    size_t count;
};

/* Topic, broker name and id as one key; lengths stand before texts, so no two queues have one key.
 */
static struct slice queue_key(struct buf *key, const struct message_queue *queue)
{
    buf_append_be32(key, (uint32_t)queue->queue_id);
    buf_append_be32(key, (uint32_t)queue->topic.len);
    buf_append_slice(key, queue->topic);
    buf_append_slice(key, queue->broker_name);
    return buf_slice(key);
}

/* Names and ids come from clients, and are kept with each lock. */
static bool is_too_long(struct slice group, struct slice key, struct slice client_id)
{
    enum { KEPT_BYTES_MAX = 1024 };
    return group.len + key.len + client_id.len > KEPT_BYTES_MAX;
}

static bool is_expired(struct queue_lock *lock, int64_t now_ms)
{
    if (lock->renewed_ms > now_ms) /* the clock was set back */
        lock->renewed_ms = now_ms;
    return now_ms - lock->renewed_ms > QUEUE_LOCK_MS;
}

static bool is_owner(const struct queue_lock *lock, struct slice client_id)
{
    return slice_eq(slice_of(lock->client_id, lock->client_id_bytes), client_id);
}

static void remove_lock(struct queue_locks *locks, struct group_locks *group, struct slice key)
{
    struct queue_lock *removed = map_remove(&group->queues, key);
    assert(removed != NULL && locks->count > 0);
    free(removed);
    locks->count--;
}

static void drop_if_empty(struct queue_locks *locks, struct slice name, struct group_locks *group)
{
    if (group->queues.count > 0)
        return;
    map_remove(&locks->groups, name);
    map_fini(&group->queues);
    free(group);
}

/* Makes room: drops what has expired. */
static void sweep(struct queue_locks *locks, int64_t now_ms)
{
    size_t at_group = 0;
    struct slice name, key;
    void *value, *lock;
    while (map_next(&locks->groups, &at_group, &name, &value)) {
        struct group_locks *group = value;
        size_t at_queue = 0;
        while (map_next(&group->queues, &at_queue, &key, &lock))
            if (is_expired(lock, now_ms))
                remove_lock(locks, group, key);
        drop_if_empty(locks, name, group);
    }
}

static struct group_locks *group_make(struct queue_locks *locks, struct slice name)
{
    struct group_locks *group = map_get(&locks->groups, name);
    if (group == NULL) {
        group = memory_zeroed(1, sizeof *group);
        map_init(&group->queues);
        map_put(&locks->groups, name, group);
    }
    return group;
}

static struct queue_lock *lock_new(struct slice client_id)
{
    struct queue_lock *lock = memory_take(sizeof *lock + client_id.len);
    lock->client_id_bytes = client_id.len;
    if (client_id.len > 0)
        memcpy(lock->client_id, client_id.data, client_id.len);
    return lock;
}

static bool take(struct queue_locks *locks, struct slice group_name, struct slice key,
                 struct slice client_id, int64_t now_ms)
{
    if (is_too_long(group_name, key, client_id))
        return false;
    if (locks->count >= QUEUE_LOCKS_MAX)
        sweep(locks, now_ms);
    struct group_locks *group = group_make(locks, group_name);
    struct queue_lock *lock = map_get(&group->queues, key);
    bool is_taken = lock == NULL ? locks->count < QUEUE_LOCKS_MAX
                                 : is_owner(lock, client_id) || is_expired(lock, now_ms);
    if (is_taken && (lock == NULL || !is_owner(lock, client_id))) {
        locks->count += lock == NULL;
        lock = lock_new(client_id);
        free(map_put(&group->queues, key, lock));
    }
    assert(!is_taken || is_owner(lock, client_id));
    assert(locks->count <= QUEUE_LOCKS_MAX);
    if (is_taken)
        lock->renewed_ms = now_ms;
    else
        drop_if_empty(locks, group_name, group);
    return is_taken;
}

bool queue_locks_take(struct queue_locks *locks, struct slice group_name,
                      const struct message_queue *queue, struct slice client_id, int64_t now_ms)
{
    struct buf bytes = BUF_INIT;
    bool is_taken = take(locks, group_name, queue_key(&bytes, queue), client_id, now_ms);
    buf_fini(&bytes);
    return is_taken;
}

void queue_locks_release(struct queue_locks *locks, struct slice group_name,
                         const struct message_queue *queue, struct slice client_id)
{
    struct group_locks *group = map_get(&locks->groups, group_name);
    if (group == NULL)
        return;
    struct buf bytes = BUF_INIT;
    struct slice key = queue_key(&bytes, queue);
    const struct queue_lock *lock = map_get(&group->queues, key);
    if (lock != NULL && is_owner(lock, client_id)) {
        remove_lock(locks, group, key);
        drop_if_empty(locks, group_name, group);
    }
    buf_fini(&bytes);
}

bool queue_locks_group_has(const struct queue_locks *locks, struct slice group_name, int64_t now_ms)
{
    const struct group_locks *group = map_get(&locks->groups, group_name);
    if (group == NULL)
        return false;
    size_t cursor = 0;
    struct slice key;
    void *lock;
    while (map_next(&group->queues, &cursor, &key, &lock))
        if (!is_expired(lock, now_ms))
            return true;
    return false;
}

int queue_locks_new(struct queue_locks **locks)
{
    struct queue_locks *made = calloc(1, sizeof *made);
    if (made == NULL)
        return ERR_NO_MEMORY;
    map_init(&made->groups);
    *locks = made;
    return 0;
}

void queue_locks_free(struct queue_locks *locks)
{
    if (locks == NULL)
        return;
    sweep(locks, INT64_MAX);
    assert(locks->count == 0 && locks->groups.count == 0);
    map_fini(&locks->groups);
    free(locks);
}
