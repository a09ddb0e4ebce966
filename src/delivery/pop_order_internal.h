/* pop_order_internal.h - what pop_order.c and its file share.
 *
 * Threads    as pop_order.h: one.
 */
#ifndef DELIVERY_POP_ORDER_INTERNAL_H
#define DELIVERY_POP_ORDER_INTERNAL_H

#include <assert.h>

#include "base/map.h"
#include "delivery/due_heap.h"
#include "delivery/pop_order.h"

enum { ATTEMPT_ID_MAX = 128, ORDER_SET_MAX = 64 };
static_assert((int)ORDER_SET_MAX >= (int)POP_ORDER_MESSAGES_MAX, "a set holds what a pop took");

/* The messages that are out of one queue, and those among and behind them that were acknowledged
 * out of order: they are not given again. */
struct order_set {
    struct pop_order_queue queue; /* names stand behind the struct */
    struct due freed;             /* in pop_order.freed while something is invisible */
    int64_t pop_time_ms;
    int64_t invisible_ms;
    int64_t last_ms;      /* of the latest pop */
    int64_t begin_offset; /* consumer offset the set was popped from */
    uint64_t acked_bits;
    int count;
    int64_t offsets[ORDER_SET_MAX]; /* ascending */
    int64_t visible_ms[ORDER_SET_MAX];
    int32_t counts[ORDER_SET_MAX]; /* how often consumed before */
    bool has_own_visible[ORDER_SET_MAX];
    size_t attempt_len; /* 0: none */
    uint8_t attempt_id[ATTEMPT_ID_MAX];
};

struct pop_order {
    struct map sets;       /* queue id, topic, group -> struct order_set */
    struct due_heap freed; /* of order_set.freed */
    bool is_changed;
};

/* The set of the queue, made when absent; NULL: the names are too long to be any. */
struct order_set *order_set_make(struct pop_order *order, const struct pop_order_queue *queue);
/* Puts it where it belongs among those that are freed some time. */
void order_set_plan(struct pop_order *order, struct order_set *set, int64_t now_ms);
void order_forget_old(struct pop_order *order, int64_t now_ms);

/* Takes the sets of a file's text over (a struct pop_order *); false: it is no such text. */
bool order_take_text(void *order, struct slice text);

#endif
