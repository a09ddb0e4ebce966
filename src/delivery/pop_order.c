/* pop_order.c - queues popped in order. The file is pop_order_file.c. */
#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "delivery/pop_order_internal.h"

enum { FORGET_AFTER_MS = 24 * 3600 * 1000 };

struct pop_order_bytes {
    uint8_t bytes[1024];
};

/* data NULL: longer than the names of any queue. */
static struct slice key_make(struct pop_order_bytes *key, const struct pop_order_queue *queue)
{
    size_t len = 5 + queue->topic.len + queue->group.len;
    if (queue->topic.len > UINT8_MAX || len > sizeof key->bytes)
        return slice_of(NULL, 0);
    put_be32(key->bytes, (uint32_t)queue->queue_id);
    key->bytes[4] = (uint8_t)queue->topic.len;
    if (queue->topic.len > 0)
        memcpy(key->bytes + 5, queue->topic.data, queue->topic.len);
    if (queue->group.len > 0)
        memcpy(key->bytes + 5 + queue->topic.len, queue->group.data, queue->group.len);
    return slice_of(key->bytes, len);
}

static struct order_set *find(const struct pop_order *order, const struct pop_order_queue *queue)
{
    struct pop_order_bytes bytes;
    struct slice key = key_make(&bytes, queue);
    return key.data == NULL ? NULL : map_get(&order->sets, key);
}

struct order_set *order_set_make(struct pop_order *order, const struct pop_order_queue *queue)
{
    struct pop_order_bytes bytes;
    struct slice key = key_make(&bytes, queue);
    if (key.data == NULL)
        return NULL;
    struct order_set *set = map_get(&order->sets, key);
    if (set != NULL)
        return set;
    set = memory_zeroed(1, sizeof *set + queue->topic.len + queue->group.len);
    uint8_t *names = (uint8_t *)(set + 1);
    memcpy(names, key.data + 5, key.len - 5);
    set->queue = (struct pop_order_queue){ slice_of(names, queue->topic.len),
                                           slice_of(names + queue->topic.len, queue->group.len),
                                           queue->queue_id };
    map_put(&order->sets, key, set);
    return set;
}

static void set_remove(struct pop_order *order, struct order_set *set)
{
    struct pop_order_bytes bytes;
    struct order_set *removed = map_remove(&order->sets, key_make(&bytes, &set->queue));
    assert(removed == set);
    due_heap_remove(&order->freed, &set->freed);
    free(set);
    order->is_changed = true;
}

static bool is_out(const struct order_set *set, int i)
{
    return (set->acked_bits >> i & 1) == 0;
}

/* When no message of the set is invisible any more; 0: not before. */
static int64_t free_at(const struct order_set *set)
{
    int64_t at_ms = 0;
    for (int i = 0; i < set->count; i++)
        if (is_out(set, i) && set->visible_ms[i] > at_ms)
            at_ms = set->visible_ms[i];
    return at_ms;
}

void order_set_plan(struct pop_order *order, struct order_set *set, int64_t now_ms)
{
    int64_t at_ms = free_at(set);
    if (at_ms > now_ms)
        due_heap_set(&order->freed, &set->freed, at_ms);
    else
        due_heap_remove(&order->freed, &set->freed);
}

static int64_t first_out(const struct order_set *set)
{
    for (int i = 0; i < set->count; i++)
        if (is_out(set, i))
            return set->offsets[i];
    return set->offsets[set->count - 1] + 1;
}

static int index_of(const struct order_set *set, int64_t queue_offset)
{
    for (int i = 0; i < set->count; i++)
        if (set->offsets[i] == queue_offset)
            return i;
    return -1;
}

/* The set, its times by the clock of now: one that was popped later was so before the clock was set
 * back, and its messages are invisible no longer for that. */
static struct order_set *find_now(struct pop_order *order, const struct pop_order_queue *queue,
                                  int64_t now_ms)
{
    struct order_set *set = find(order, queue);
    if (set == NULL || set->last_ms <= now_ms)
        return set;
    for (int i = 0; i < set->count; i++) {
        set->visible_ms[i] -= set->last_ms - now_ms;
        if (set->visible_ms[i] < 0)
            set->visible_ms[i] = 0;
        set->has_own_visible[i] = set->has_own_visible[i] || is_out(set, i);
    }
    set->last_ms = now_ms;
    order_set_plan(order, set, now_ms);
    order->is_changed = true;
    return set;
}

bool pop_order_is_blocked(struct pop_order *order, const struct pop_order_queue *queue,
                          int64_t consumer_offset, struct slice attempt_id, int64_t now_ms)
{
    struct order_set *set = find_now(order, queue, now_ms);
    if (set == NULL)
        return false;
    if (consumer_offset < set->begin_offset || consumer_offset > first_out(set)) {
        set_remove(order, set);
        return false;
    }
    if (set->attempt_len > 0 && slice_eq(slice_of(set->attempt_id, set->attempt_len), attempt_id))
        return false;
    return free_at(set) > now_ms;
}

bool pop_order_is_acked(const struct pop_order *order, const struct pop_order_queue *queue,
                        int64_t queue_offset)
{
    const struct order_set *set = find(order, queue);
    int i = set == NULL ? -1 : index_of(set, queue_offset);
    return i >= 0 && !is_out(set, i);
}

/* What a new set keeps of the one before: what was acknowledged out of order, and what is out
 * between such messages behind the new ones, for the offset must not pass it over. */
static bool is_kept(const struct order_set *before, int i, const struct pop_order_set *taken)
{
    int64_t offset = before->offsets[i];
    if (!is_out(before, i))
        return offset >= taken->begin_offset;
    return offset > taken->queue_offsets[taken->count - 1] && before->acked_bits >> i != 0;
}

static void set_add_kept(struct order_set *set, const struct order_set *before, int i)
{
    int to = set->count++;
    assert(to < ORDER_SET_MAX);
    set->offsets[to] = before->offsets[i];
    set->visible_ms[to] = before->visible_ms[i];
    set->counts[to] = before->counts[i];
    set->has_own_visible[to] = is_out(before, i);
    set->acked_bits |= is_out(before, i) ? 0 : UINT64_C(1) << to;
}

/* A message that was in the set before and is again was consumed once more; of the same attempt the
 * counts stay. */
static void set_add_taken(struct order_set *set, const struct order_set *before,
                          const struct pop_order_set *taken, int i)
{
    bool is_same_attempt =
        before->attempt_len > 0 &&
        slice_eq(slice_of(before->attempt_id, before->attempt_len), taken->attempt_id);
    int was = index_of(before, taken->queue_offsets[i]);
    int to = set->count++;
    assert(to < ORDER_SET_MAX);
    set->offsets[to] = taken->queue_offsets[i];
    set->visible_ms[to] = taken->pop_time_ms + taken->invisible_ms;
    set->counts[to] = was < 0 ? 0 : before->counts[was] + (is_same_attempt ? 0 : 1);
    set->has_own_visible[to] = false;
}

/* More than a set holds: the taken ones alone, and what was acknowledged behind them comes again.
 */
static void set_merge(struct order_set *set, const struct order_set *before,
                      const struct pop_order_set *taken)
{
    int kept = 0;
    for (int i = 0; i < before->count; i++)
        kept += is_kept(before, i, taken);
    int next = kept + taken->count > ORDER_SET_MAX ? before->count : 0;
    set->count = 0;
    set->acked_bits = 0;
    for (int i = 0; i < taken->count; i++) {
        for (; next < before->count && before->offsets[next] < taken->queue_offsets[i]; next++)
            if (is_kept(before, next, taken))
                set_add_kept(set, before, next);
        set_add_taken(set, before, taken, i);
    }
    for (; next < before->count; next++)
        if (before->offsets[next] > taken->queue_offsets[taken->count - 1] &&
            is_kept(before, next, taken))
            set_add_kept(set, before, next);
    assert(set->count >= taken->count && set->count <= ORDER_SET_MAX);
}

static void append_counts(const struct order_set *set, const struct pop_order_set *taken,
                          struct buf *out)
{
    enum pop_origin origin = pop_origin_of(set->queue.topic);
    int32_t least = INT32_MAX;
    for (int t = 0; t < taken->count; t++) {
        int i = index_of(set, taken->queue_offsets[t]);
        assert(i >= 0);
        if (set->counts[i] > 0)
            pop_order_count_item(out, origin, set->queue.queue_id, set->offsets[i], set->counts[i]);
        if (set->counts[i] < least)
            least = set->counts[i];
    }
    pop_queue_count_item(out, origin, set->queue.queue_id, least);
}

void pop_order_took(struct pop_order *order, const struct pop_order_queue *queue,
                    const struct pop_order_set *taken, int64_t now_ms, struct buf *counts)
{
    assert(taken->count > 0 && taken->count <= POP_ORDER_MESSAGES_MAX);
    struct order_set *set = order_set_make(order, queue);
    assert(set != NULL); /* the queue was read, so its names are short enough */
    const struct order_set before = *set;
    set_merge(set, &before, taken);
    set->pop_time_ms = taken->pop_time_ms;
    set->invisible_ms = taken->invisible_ms;
    set->last_ms = now_ms;
    set->begin_offset = taken->queue_offsets[0];
    if (taken->begin_offset < set->begin_offset)
        set->begin_offset = taken->begin_offset;
    set->attempt_len = taken->attempt_id.len > sizeof set->attempt_id ? 0 : taken->attempt_id.len;
    if (set->attempt_len > 0)
        memcpy(set->attempt_id, taken->attempt_id.data, set->attempt_len);
    append_counts(set, taken, counts);
    order_set_plan(order, set, now_ms);
    order->is_changed = true;
}

enum pop_order_answer pop_order_ack(struct pop_order *order, const struct pop_order_queue *queue,
                                    int64_t queue_offset, int64_t pop_time_ms, int64_t now_ms,
                                    int64_t *next)
{
    struct order_set *set = find_now(order, queue, now_ms);
    if (set == NULL)
        return POP_ORDER_NOT_ITS;
    if (pop_time_ms != set->pop_time_ms)
        return POP_ORDER_OTHER_TIME;
    int i = index_of(set, queue_offset);
    if (i < 0)
        return POP_ORDER_NOT_ITS;
    set->acked_bits |= UINT64_C(1) << i;
    order_set_plan(order, set, now_ms);
    order->is_changed = true;
    *next = first_out(set);
    assert(*next >= set->offsets[0]);
    return POP_ORDER_COMMIT;
}

bool pop_order_change(struct pop_order *order, const struct pop_order_queue *queue,
                      int64_t queue_offset, int64_t pop_time_ms, int64_t visible_ms, int64_t now_ms)
{
    struct order_set *set = find_now(order, queue, now_ms);
    int i = set == NULL ? -1 : index_of(set, queue_offset);
    if (i < 0 || pop_time_ms != set->pop_time_ms)
        return false;
    set->visible_ms[i] = visible_ms;
    set->has_own_visible[i] = true;
    order_set_plan(order, set, now_ms);
    order->is_changed = true;
    return true;
}

/* ---- forgetting ------------------------------------------------------------------------------ */

static void remove_where(struct pop_order *order,
                         bool (*goes)(const struct order_set *set, struct slice name,
                                      int64_t now_ms),
                         struct slice name, int64_t now_ms)
{
    size_t cursor = 0;
    struct slice key;
    void *set;
    while (map_next(&order->sets, &cursor, &key, &set))
        if (goes(set, name, now_ms))
            set_remove(order, set);
}

static bool is_of_topic(const struct order_set *set, struct slice name, int64_t now_ms)
{
    (void)now_ms;
    return slice_eq(set->queue.topic, name);
}

static bool is_of_group(const struct order_set *set, struct slice name, int64_t now_ms)
{
    (void)now_ms;
    return slice_eq(set->queue.group, name);
}

static bool is_forgotten(const struct order_set *set, struct slice name, int64_t now_ms)
{
    (void)name;
    return now_ms - set->last_ms > FORGET_AFTER_MS;
}

void pop_order_remove_topic(struct pop_order *order, struct slice topic)
{
    remove_where(order, is_of_topic, topic, 0);
}

void pop_order_remove_group(struct pop_order *order, struct slice group)
{
    remove_where(order, is_of_group, group, 0);
}

void order_forget_old(struct pop_order *order, int64_t now_ms)
{
    remove_where(order, is_forgotten, slice_of(NULL, 0), now_ms);
}

/* ---- freed queues ---------------------------------------------------------------------------- */

bool pop_order_take_freed(struct pop_order *order, int64_t now_ms, struct pop_order_queue *queue)
{
    struct due *first = due_heap_first(&order->freed);
    if (first == NULL || first->at_ms > now_ms)
        return false;
    due_heap_remove(&order->freed, first);
    *queue = ((struct order_set *)((char *)first - offsetof(struct order_set, freed)))->queue;
    return true;
}

int64_t pop_order_next_free(const struct pop_order *order)
{
    const struct due *first = due_heap_first(&order->freed);
    return first == NULL ? INT64_MAX : first->at_ms;
}

bool pop_order_changed(const struct pop_order *order)
{
    return order->is_changed;
}

int pop_order_new(struct pop_order **order)
{
    struct pop_order *made = calloc(1, sizeof *made);
    if (made == NULL)
        return ERR_NO_MEMORY;
    map_init(&made->sets);
    *order = made;
    return 0;
}

void pop_order_free(struct pop_order *order)
{
    if (order == NULL)
        return;
    size_t cursor = 0;
    struct slice key;
    void *set;
    while (map_next(&order->sets, &cursor, &key, &set))
        free(set);
    map_fini(&order->sets);
    due_heap_fini(&order->freed);
    free(order);
}
