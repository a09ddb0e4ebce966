/* pop_ack.c - what becomes of popped messages: acknowledged, or invisible for another time.
 *
 * A checkpoint that is named is
 *
 *   in the table           its message is taken off (or gets a checkpoint of its own, when it is to
 *                          be invisible for longer), the log hears of it
 *   finished, or never was an ack has nothing to do
 *   of an earlier process  it may still come from the log: the ack (and the new checkpoint) go to
 *                          the log and meet it there
 */
#include <assert.h>

#include "delivery/pop_internal.h"

/* The log has brought what was due before this long ago. */
enum { LOG_SLACK_MS = 10 * 1000 };
enum { CLOCK_SLACK_MS = 60 * 1000 };

/* Its checkpoint's time, as the handle tells it. */
static int64_t due_of(const struct popped *popped)
{
    return popped->key.pop_time_ms + popped->invisible_ms;
}

/* What the handle of a pop in the table says beside its key is as it was handed out. */
static bool pop_is_as_given(const struct pop_point *point, const struct popped *popped)
{
    assert(point->pop_time_ms == popped->key.pop_time_ms);
    int64_t told_ms =
        popped->invisible_ms < POP_INVISIBLE_MAX_MS ? popped->invisible_ms : POP_INVISIBLE_MAX_MS;
    return point->invisible_ms == told_ms && /* the table keeps no longer ones */
           point->revive_queue_id == popped->revive_queue_id;
}

bool pop_is_of_the_future(const struct pop_keeper *keeper, int64_t pop_time_ms, bool is_in_order,
                          int64_t now_ms)
{
    if (pop_time_ms <= now_ms + CLOCK_SLACK_MS)
        return false;
    /* after the clock was set back a client acknowledges what it popped before */
    return is_in_order ||
           (pop_time_ms > pop_newest_ms(keeper->table) && pop_is_known(keeper->table, pop_time_ms));
}

bool keeper_may_come(const struct pop_keeper *keeper, const struct popped *popped)
{
    return !pop_is_known(keeper->table, popped->key.pop_time_ms) &&
           popped->invisible_ms <= POP_INVISIBLE_MAX_MS &&
           due_of(popped) > keeper_log_time(keeper) - LOG_SLACK_MS;
}

enum pop_standing pop_standing(const struct pop_keeper *keeper, const struct popped *popped,
                               int64_t queue_offset)
{
    const struct pop_point *point = pop_find(keeper->table, &popped->key);
    if (point == NULL)
        return keeper_may_come(keeper, popped) ? POP_IS_OUT : POP_IS_OVER;
    if (!pop_is_as_given(point, popped))
        return POP_NOT_AS_GIVEN;
    int index = pop_index_of(point, queue_offset);
    if (index < 0)
        return POP_NOT_OF_IT;
    return pop_is_acked(point, index) ? POP_IS_OVER : POP_IS_OUT;
}

/* Takes messages of one checkpoint off; acks are due with it. Those not on it, and those taken off
 * before, do not count. */
static int ack_known(struct pop_keeper *keeper, struct popped *popped, struct pop_point *point,
                     const int64_t *queue_offsets, int count, int64_t now_ms,
                     int64_t *end_phy_offset)
{
    assert(count > 0);
    int64_t fresh[POP_CHECKPOINT_MESSAGES_MAX];
    int fresh_count = 0;
    for (int i = 0; i < count && fresh_count < POP_CHECKPOINT_MESSAGES_MAX; i++) {
        int index = pop_index_of(point, queue_offsets[i]);
        if (index >= 0 && !pop_is_acked(point, index))
            fresh[fresh_count++] = queue_offsets[i];
    }
    assert(fresh_count <= count);
    if (fresh_count == 0)
        return 0;
    assert(pop_is_as_given(point, popped));
    int err =
        keeper_put_ack(keeper, popped, fresh, fresh_count, due_of(popped), now_ms, end_phy_offset);
    if (err != 0)
        return err;
    for (int i = 0; i < fresh_count && (point = pop_find(keeper->table, &popped->key)) != NULL;
         i++) {
        int index = pop_index_of(point, fresh[i]);
        assert(index >= 0);
        pop_mark(keeper->table, point, index);
    }
    /* its record may be read once more, before the log has brought this ack */
    for (int i = 0; i < fresh_count && !pop_is_known(keeper->table, popped->key.pop_time_ms); i++)
        pop_ack_early(keeper->table, &popped->key, due_of(popped), fresh[i]);
    keeper_look(keeper);
    return 0;
}

int pop_ack(struct pop_keeper *keeper, struct popped *popped, const int64_t *queue_offsets,
            int count, int64_t now_ms, int64_t *end_phy_offset)
{
    struct pop_point *point = pop_find(keeper->table, &popped->key);
    assert(count > 0);
    if (point != NULL)
        return ack_known(keeper, popped, point, queue_offsets, count, now_ms, end_phy_offset);
    if (!keeper_may_come(keeper, popped))
        return 0;
    int err = keeper_put_ack(keeper, popped, queue_offsets, count, due_of(popped), now_ms,
                             end_phy_offset);
    for (int i = 0; i < count && err == 0; i++)
        pop_ack_early(keeper->table, &popped->key, due_of(popped), queue_offsets[i]);
    return err;
}

int pop_change(struct pop_keeper *keeper, struct popped *popped, int64_t queue_offset,
               int64_t invisible_ms, int64_t now_ms, struct popped *changed,
               int64_t *end_phy_offset)
{
    struct pop_checkpoint checkpoint = {
        .topic = popped->key.topic,
        .group = popped->key.group,
        .broker_name = keeper->options.broker_name,
        .queue_id = popped->key.queue_id,
        .start_offset = queue_offset,
        /* never the key of the old one */
        .pop_time_ms = now_ms > popped->key.pop_time_ms ? now_ms : popped->key.pop_time_ms + 1,
        .invisible_ms = invisible_ms,
        .count = 1,
    };
    assert(checkpoint.pop_time_ms > popped->key.pop_time_ms);
    *changed = *popped;
    changed->key.start_offset = queue_offset;
    changed->key.pop_time_ms = checkpoint.pop_time_ms;
    changed->invisible_ms = invisible_ms;
    /* then it is taken off the old one: in this order, for between the two it must not be on none
     */
    int err = keeper_put_checkpoint(keeper, &checkpoint, popped->revive_queue_id, -1, now_ms,
                                    end_phy_offset);
    return err != 0 ? err : pop_ack(keeper, popped, &queue_offset, 1, now_ms, end_phy_offset);
}

/* ---- in order -------------------------------------------------------------------------------- */

static struct pop_order_queue order_queue_of(const struct popped *popped)
{
    return (struct pop_order_queue){ popped->key.topic, popped->key.group, popped->key.queue_id };
}

static int64_t committed_of(const struct pop_keeper *keeper, const struct pop_key *key)
{
    return offsets_get(keeper->options.offsets, key->topic, key->group, key->queue_id);
}

/* Tells when the queue is not blocked any more. */
static void look_whether_freed(struct pop_keeper *keeper, const struct pop_order_queue *queue,
                               int64_t consumer_offset, int64_t now_ms)
{
    if (!pop_order_is_blocked(keeper->order, queue, consumer_offset, slice_of(NULL, 0), now_ms))
        keeper->options.freed(keeper->options.ctx, queue->topic, queue->group, queue->queue_id);
}

/* A batch ends with its last message, not behind its first one, which stands for it in acks. */
static int64_t behind_batch(struct pop_keeper *keeper, const struct pop_key *key, int64_t next)
{
    struct store_queue_entry entry;
    if (!keeper->options.has_batch_queues(keeper->options.ctx, key->topic) ||
        store_queue_entry_at(keeper->options.store, key->topic, key->queue_id, next - 1, &entry) !=
            0)
        return next;
    int64_t end = entry.queue_offset + entry.count;
    return end > next ? end : next;
}

const char *pop_ack_in_order(struct pop_keeper *keeper, const struct popped *popped,
                             int64_t queue_offset, int64_t now_ms)
{
    const struct pop_key *key = &popped->key;
    struct pop_order_queue queue = order_queue_of(popped);
    int64_t next;
    if (queue_offset < committed_of(keeper, key))
        return NULL; /* acknowledged before */
    switch (pop_order_ack(keeper->order, &queue, queue_offset, key->pop_time_ms, now_ms, &next)) {
    case POP_ORDER_NOT_ITS:
        return "offset is illegal: the message is not out of this queue";
    case POP_ORDER_OTHER_TIME:
        return NULL;
    case POP_ORDER_COMMIT:
        break;
    }
    assert(next >= 0);
    next = behind_batch(keeper, key, next);
    keeper_commit(keeper, key->topic, key->group, key->queue_id, next, now_ms);
    keeper->options.order_changed(keeper->options.ctx);
    keeper_look(keeper);
    look_whether_freed(keeper, &queue, next, now_ms);
    return NULL;
}

bool pop_change_in_order(struct pop_keeper *keeper, const struct popped *popped,
                         int64_t queue_offset, int64_t visible_ms, int64_t now_ms)
{
    struct pop_order_queue queue = order_queue_of(popped);
    int64_t committed = committed_of(keeper, &popped->key);
    bool is_out = queue_offset >= committed;
    /* one that was popped again since is left as it is, and the client not told */
    if (is_out && pop_order_change(keeper->order, &queue, queue_offset, popped->key.pop_time_ms,
                                   visible_ms, now_ms)) {
        keeper->options.order_changed(keeper->options.ctx);
        keeper_look(keeper);
    }
    look_whether_freed(keeper, &queue, committed, now_ms);
    return is_out;
}
