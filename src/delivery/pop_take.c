/* pop_take.c - takes messages off one queue for a while.
 *
 * In this order: the messages get a checkpoint in the log, then the group's consumer offset moves
 * behind them, and then they are handed out. A pop in order leaves no checkpoint: what is out
 * blocks the queue (pop_order.h), and the offset stays at the first message that is out.
 */
#include <assert.h>

#include "delivery/pop_internal.h"
#include "wire/multi_dispatch.h"

static_assert((int)POP_CHECKPOINT_MESSAGES_MAX == (int)POP_ORDER_MESSAGES_MAX,
              "what one pop takes is a checkpoint, or a set in order");

/* ---- which queues may be popped -------------------------------------------------------------- */

int32_t pop_unacked(const struct pop_keeper *keeper, struct slice topic, struct slice group,
                    int32_t queue_id)
{
    const struct pop_queue *queue = pop_queue_find(keeper->table, topic, group, queue_id);
    return queue == NULL ? 0 : queue->unacked;
}

bool pop_is_blocked(struct pop_keeper *keeper, struct slice topic, struct slice group,
                    int32_t queue_id, int64_t consumer_offset, struct slice attempt_id,
                    int64_t now_ms)
{
    struct pop_order_queue queue = { topic, group, queue_id };
    return pop_order_is_blocked(keeper->order, &queue, consumer_offset, attempt_id, now_ms);
}

bool pop_claim(struct pop_keeper *keeper, struct slice topic, struct slice group, int32_t queue_id,
               struct pop_queue **claimed)
{
    return pop_queue_claim(keeper->table, topic, group, queue_id, claimed);
}

void pop_release(struct pop_keeper *keeper, struct pop_queue *claimed)
{
    pop_queue_release(keeper->table, claimed);
}

/* ---- taking ---------------------------------------------------------------------------------- */

/* Where the record stands in the queue at hand. */
static int64_t place_of(const struct pop_taking *t, struct slice bytes)
{
    struct record record;
    if (!name_is_light(t->topic) || record_decode(bytes, RECORD_CHECK_LENGTHS, &record) != 0)
        return (int64_t)get_be64(bytes.data + RECORD_QUEUE_OFFSET);
    return multi_dispatch_place(&record, t->topic);
}

/* The queue offsets of the records from `start` on. */
static int offsets_found(struct pop_taking *t, const struct buf *body, size_t start)
{
    int count = 0;
    for (size_t at = start; at < body->len; count++) {
        assert(count < POP_CHECKPOINT_MESSAGES_MAX);
        size_t bytes = get_be32(body->data + at + RECORD_TOTAL_SIZE);
        assert(bytes > 0);
        assert(at + bytes <= body->len);
        t->offsets[count] = place_of(t, slice_of(body->data + at, bytes));
        at += bytes;
    }
    return count;
}

static int put_checkpoint(struct pop_keeper *keeper, struct pop_taking *t, int64_t now_ms)
{
    assert(t->count > 0);
    assert(t->count <= POP_CHECKPOINT_MESSAGES_MAX);
    struct pop_checkpoint checkpoint = {
        .topic = t->topic,
        .group = t->group,
        .broker_name = keeper->options.broker_name,
        .queue_id = t->queue_id,
        .start_offset = t->queue_offset,
        .pop_time_ms = t->pop_time_ms,
        .invisible_ms = t->invisible_ms,
        .count = t->count,
    };
    for (int i = 0; i < t->count; i++)
        checkpoint.distances[i] = (int32_t)(t->offsets[i] - t->queue_offset);
    return keeper_put_checkpoint(keeper, &checkpoint, t->revive_queue_id, t->got.next_offset,
                                 now_ms, &t->end_phy_offset);
}

static void commit(struct pop_keeper *keeper, const struct pop_taking *t, int64_t queue_offset,
                   int64_t now_ms)
{
    keeper_commit(keeper, t->topic, t->group, t->queue_id, queue_offset, now_ms);
}

static struct pop_order_queue order_queue_of(const struct pop_taking *t)
{
    return (struct pop_order_queue){ t->topic, t->group, t->queue_id };
}

/* Messages of an ordered queue that were acknowledged before the ones that hold the queue up: out
 * of what was found. */
static int drop_acked(struct pop_keeper *keeper, struct pop_taking *t, struct buf *body,
                      size_t start)
{
    struct pop_order_queue queue = order_queue_of(t);
    size_t to = start;
    int count = 0;
    for (size_t at = start; at < body->len;) {
        size_t bytes = get_be32(body->data + at + RECORD_TOTAL_SIZE);
        int64_t offset = place_of(t, slice_of(body->data + at, bytes));
        if (!pop_order_is_acked(keeper->order, &queue, offset)) {
            memmove(body->data + to, body->data + at, bytes);
            t->offsets[count++] = offset;
            to += bytes;
        }
        at += bytes;
    }
    assert(to >= start);
    assert(to <= body->len);
    body->len = to;
    return count;
}

static void take_in_order(struct pop_keeper *keeper, struct pop_taking *t, int64_t now_ms)
{
    struct pop_order_queue queue = order_queue_of(t);
    struct pop_order_set set = {
        .attempt_id = t->attempt_id,
        .pop_time_ms = t->pop_time_ms,
        .invisible_ms = t->invisible_ms,
        .begin_offset = t->queue_offset,
        .queue_offsets = t->offsets,
        .count = t->count,
    };
    pop_order_took(keeper->order, &queue, &set, now_ms, t->counts);
    keeper->options.order_changed(keeper->options.ctx);
    keeper_look(keeper);
    commit(keeper, t, t->queue_offset, now_ms);
}

/* Messages were read to the end of the body. */
static void take_found(struct pop_keeper *keeper, struct pop_taking *t, struct buf *body,
                       size_t start, int64_t now_ms)
{
    assert(body->len > start);
    t->count = offsets_found(t, body, start);
    t->left = t->got.max_offset - t->got.next_offset;
    if (t->offsets[0] < t->queue_offset)
        t->queue_offset = t->offsets[0]; /* reading began inside a batch, which is given whole */
    if (t->is_in_order) {
        t->count = drop_acked(keeper, t, body, start);
        if (t->count > 0)
            take_in_order(keeper, t, now_ms);
        else
            commit(keeper, t, t->got.next_offset, now_ms);
    } else if (put_checkpoint(keeper, t, now_ms) == 0) {
        commit(keeper, t, t->got.next_offset, now_ms);
    } else {
        body->len = start; /* not handed out: they stay where they are */
        t->count = 0;
        t->left = t->got.max_offset - t->queue_offset;
    }
}

bool pop_read_was_off(enum store_get_status status)
{
    return status == GET_OFFSET_TOO_SMALL || status == GET_OFFSET_OVERFLOW_BADLY ||
           status == GET_OFFSET_FOUND_NULL;
}

static bool is_passed_over(enum store_get_status status)
{
    return status == GET_NO_MATCHED_MESSAGE || status == GET_MESSAGE_WAS_REMOVING;
}

bool pop_take(struct pop_keeper *keeper, struct pop_taking *taking, struct buf *body, size_t start,
              bool is_again, int64_t now_ms)
{
    assert(start <= body->len);
    const struct store_get_result *got = &taking->got;
    taking->count = 0;
    taking->left = 0;
    if (taking->read_err != 0) {
        body->len = start;
        return false;
    }
    if (pop_read_was_off(got->status) && !is_again) {
        commit(keeper, taking, got->next_offset, now_ms);
        taking->queue_offset = got->next_offset;
        return true;
    }
    if (got->status == GET_FOUND) {
        take_found(keeper, taking, body, start, now_ms);
        return false;
    }
    if (is_passed_over(got->status) && got->next_offset > taking->queue_offset)
        commit(keeper, taking, got->next_offset, now_ms);
    if (got->max_offset > got->next_offset)
        taking->left = got->max_offset - got->next_offset;
    return false;
}
