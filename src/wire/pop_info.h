/* pop_info.h - the texts by which pops, acks and clients name popped messages.
 *
 * A receipt handle ("extra info") names one message and the pop that handed it out; its parts are
 * joined by single blanks:
 *
 *   START POPTIME INVISIBLE REVIVEQ T BROKER QUEUE [OFFSET [PHYOFFSET]]
 *     START      queue offset where the pop's checkpoint begins
 *     REVIVEQ    queue of the revive log, 999: popped in order
 *     T          0 the topic itself, 1 and 2 its retry topic of the first and second kind
 *
 * An answer to a pop has one item per queue, joined by ';':
 *   startOffsetInfo "T Q START"    msgOffsetInfo "T Q OFFSET,OFFSET"
 *   orderCountInfo  "T qoQ%OFFSET COUNT" per message, "T Q COUNT" per queue
 *
 * Threads    any: no state. Handles come from outside: every part is checked.
 */
#ifndef WIRE_POP_INFO_H
#define WIRE_POP_INFO_H

#include "base/arena.h"
#include "base/bytes.h"

enum pop_origin { POP_OF_TOPIC = 0, POP_OF_RETRY_V1 = 1, POP_OF_RETRY_V2 = 2 };
enum { POP_ORDER_QUEUE_ID = 999 };
enum { RECEIPT_HANDLE_BYTES_MAX = 1024 };

struct receipt_handle {
    int64_t start_offset;
    int64_t pop_time_ms;
    int64_t invisible_ms;
    int32_t revive_queue_id;
    enum pop_origin origin;
    struct slice broker_name;
    int32_t queue_id;     /* -1: not named */
    int64_t queue_offset; /* -1: not named */
};

/* ERR_INVALID: *why (static text) says what is wrong. The broker name borrows from `text`. What
 * stands behind the queue offset is not looked at. */
MUST_CHECK int receipt_handle_parse(struct slice text, struct receipt_handle *handle,
                                    const char **why);
/* With the queue and, unless it is -1, the queue offset. */
void receipt_handle_text(const struct receipt_handle *handle, struct buf *out);

/* Items of an answer; each puts the ';' before itself when `out` holds one already. */
void pop_start_offset_item(struct buf *out, enum pop_origin origin, int32_t queue_id,
                           int64_t start_offset);
void pop_msg_offsets_item(struct buf *out, enum pop_origin origin, int32_t queue_id,
                          const int64_t *queue_offsets, int count);
void pop_order_count_item(struct buf *out, enum pop_origin origin, int32_t queue_id,
                          int64_t queue_offset, int32_t count);
void pop_queue_count_item(struct buf *out, enum pop_origin origin, int32_t queue_id, int32_t count);

/* %RETRY%group_topic, and %RETRY%group+topic for POP_OF_RETRY_V2; the topic itself for
 * POP_OF_TOPIC. In the arena or borrowed. */
struct slice pop_topic_name(struct slice topic, struct slice group, enum pop_origin origin,
                            struct arena *arena);
/* Which kind of topic this is, by its name. */
enum pop_origin pop_origin_of(struct slice topic);
/* The topic behind a pop retry topic of the group; the topic itself when it is none. */
struct slice pop_normal_topic(struct slice topic, struct slice group);

#endif
