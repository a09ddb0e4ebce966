/* hold.c - requests that wait for a message to arrive in a queue. */
#include "broker/pull/hold.h"

#include <assert.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/memory.h"

/* The requests waiting for one queue; there while at least one does. */
struct held_queue {
    struct list waiting; /* of held_request.queue_link */
    int count;
    size_t key_bytes;
    uint8_t key[];
};

struct hold {
    struct hold_options options;
    struct map queues; /* topic and queue id -> struct held_queue */
    struct list woken; /* served at the end of the pass */
    struct loop_deferred serve_woken;
    int count; /* waiting and woken */
    size_t filter_bytes;
};

enum { KEY_MAX = 512 };

/* The id first: its length is fixed, so no two queues have one key. data NULL: longer than the name
 * of any topic. */
static struct slice queue_key(struct slice topic, int32_t queue_id, uint8_t key[KEY_MAX])
{
    if (topic.len + sizeof queue_id > KEY_MAX)
        return slice_of(NULL, 0);
    put_be32(key, (uint32_t)queue_id);
    memcpy(key + sizeof queue_id, topic.data, topic.len);
    return slice_of(key, sizeof queue_id + topic.len);
}

static struct held_queue *queue_make(struct hold *h, struct slice key)
{
    struct held_queue *q = memory_take(sizeof *q + key.len);
    list_init(&q->waiting);
    q->count = 0;
    q->key_bytes = key.len;
    memcpy(q->key, key.data, key.len);
    map_put(&h->queues, key, q);
    return q;
}

/* Takes a request out of its queue, and the queue away when it was the last one. */
static void leave_queue(struct held_request *held)
{
    struct held_queue *q = held->queue;
    list_remove(&held->queue_link);
    if (q == NULL)
        return;
    held->queue = NULL;
    assert(q->count > 0);
    if (--q->count > 0)
        return;
    assert(list_empty(&q->waiting));
    const void *removed = map_remove(&held->hold->queues, slice_of(q->key, q->key_bytes));
    assert(removed == q);
    free(q);
}

static void unpark(struct held_request *held)
{
    leave_queue(held);
    list_remove(&held->owner_link);
    loop_timer_stop(&held->deadline);
    assert(held->hold->count > 0);
    held->hold->count--;
    assert(held->hold->filter_bytes >= held->filter_bytes);
    held->hold->filter_bytes -= held->filter_bytes;
}

static void serve(struct held_request *held)
{
    struct hold *h = held->hold;
    unpark(held);
    h->options.serve(h->options.ctx, held);
}

static void deadline_passed(struct loop_timer *timer)
{
    serve((struct held_request *)((char *)timer - offsetof(struct held_request, deadline)));
}

/* Serving may park again, but never among the woken. */
static void serve_woken(struct loop_deferred *deferred)
{
    struct hold *h = (struct hold *)((char *)deferred - offsetof(struct hold, serve_woken));
    while (!list_empty(&h->woken))
        serve(list_entry(h->woken.next, struct held_request, queue_link));
}

int hold_new(const struct hold_options *options, struct hold **hold)
{
    struct hold *h = calloc(1, sizeof *h);
    if (h == NULL)
        return ERR_NO_MEMORY;
    h->options = *options;
    map_init(&h->queues);
    list_init(&h->woken);
    loop_deferred_init(&h->serve_woken, serve_woken);
    *hold = h;
    return 0;
}

void hold_free(struct hold *hold)
{
    if (hold == NULL)
        return;
    assert(hold->count == 0);
    assert(hold->queues.count == 0 && list_empty(&hold->woken));
    assert(hold->filter_bytes == 0);
    loop_undefer(&hold->serve_woken);
    map_fini(&hold->queues);
    free(hold);
}

int hold_park(struct hold *hold, struct held_request *held, struct slice topic, int32_t queue_id,
              int64_t wait_ms, struct list *owner)
{
    size_t filter_bytes = held->filter == NULL ? 0 : message_filter_bytes(held->filter);
    uint8_t bytes[KEY_MAX];
    struct slice key = queue_key(topic, queue_id, bytes);
    if (key.data == NULL || hold->count >= hold->options.max_count ||
        filter_bytes > hold->options.max_filter_bytes - hold->filter_bytes)
        return ERR_TOO_BIG;
    struct held_queue *q = map_get(&hold->queues, key);
    if (q == NULL)
        q = queue_make(hold, key);
    held->hold = hold;
    held->queue = q;
    q->count++;
    hold->count++;
    held->filter_bytes = filter_bytes;
    hold->filter_bytes += filter_bytes;
    list_append(&q->waiting, &held->queue_link);
    list_append(owner, &held->owner_link);
    loop_timer_init(&held->deadline, deadline_passed);
    loop_timer_start(hold->options.loop, &held->deadline, wait_ms);
    return 0;
}

static bool concerns(const struct held_request *held, int64_t queue_offset, int64_t tags_code,
                     struct slice properties)
{
    return queue_offset >= held->queue_offset &&
           (held->filter == NULL || message_filter_takes(held->filter, tags_code, properties));
}

/* It is served at the end of this pass. True: it was the last one, and its queue is gone. */
static bool wake(struct held_request *held)
{
    struct hold *hold = held->hold;
    assert(held->queue != NULL); /* nobody is woken twice */
    bool is_last = held->queue->count == 1;
    leave_queue(held);
    list_append(&hold->woken, &held->queue_link);
    loop_defer(hold->options.loop, &hold->serve_woken);
    return is_last;
}

static struct held_queue *find_queue(struct hold *hold, struct slice topic, int32_t queue_id)
{
    uint8_t bytes[KEY_MAX];
    if (hold->queues.count == 0)
        return NULL;
    struct slice key = queue_key(topic, queue_id, bytes);
    return key.data == NULL ? NULL : map_get(&hold->queues, key);
}

void hold_release_queue(struct hold *hold, struct slice topic, int32_t queue_id)
{
    struct held_queue *q = find_queue(hold, topic, queue_id);
    while (q != NULL && !wake(list_entry(q->waiting.next, struct held_request, queue_link)))
        ;
}

void hold_arrived(struct hold *hold, struct slice topic, int32_t queue_id, int64_t queue_offset,
                  int64_t tags_code, struct slice properties)
{
    struct held_queue *q = find_queue(hold, topic, queue_id);
    if (q == NULL)
        return;
    for (struct list *link = q->waiting.next, *next; link != &q->waiting; link = next) {
        struct held_request *held = list_entry(link, struct held_request, queue_link);
        next = link->next;
        if (concerns(held, queue_offset, tags_code, properties) && wake(held))
            return;
    }
}

void hold_drop_owner(struct hold *hold, struct list *owner)
{
    while (!list_empty(owner)) {
        struct held_request *held = list_entry(owner->next, struct held_request, owner_link);
        unpark(held);
        hold->options.drop(hold->options.ctx, held);
    }
}

void hold_release_all(struct hold *hold)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&hold->queues, &cursor, &key, &value)) {
        struct held_queue *q = value;
        while (q->count > 1)
            serve(list_entry(q->waiting.next, struct held_request, queue_link));
        serve(
            list_entry(q->waiting.next, struct held_request, queue_link)); /* and the queue goes */
    }
    serve_woken(&hold->serve_woken);
}

int hold_count(const struct hold *hold)
{
    return hold->count;
}
