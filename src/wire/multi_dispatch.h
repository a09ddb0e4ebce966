/* multi_dispatch.h - the light queues (LMQ) a message also goes to, as its properties name them.
 *
 *     INNER_MULTI_DISPATCH      %LMQ%a,%LMQ%b     the producer's: one message, more queues
 *     INNER_MULTI_QUEUE_OFFSET  17,4              the broker's: its place in each, in that order
 *
 * A light queue is the only queue (id 0) of a topic whose name begins with %LMQ%, which nobody
 * creates.
 *
 * Threads    any: no state.
 */
#ifndef WIRE_MULTI_DISPATCH_H
#define WIRE_MULTI_DISPATCH_H

#include "base/arena.h"
#include "wire/record.h"

#define PROPERTY_MULTI_DISPATCH "INNER_MULTI_DISPATCH"
#define PROPERTY_MULTI_QUEUE_OFFSET "INNER_MULTI_QUEUE_OFFSET"

/* Light queues that one message goes to at most; each costs a look at a file system. */
enum { MULTI_DISPATCH_MAX = 1024 };
/* Bytes that the offsets of so many queues take at most, their property's name included. */
enum { MULTI_DISPATCH_OFFSET_BYTES = 20 };

/* A light queue's topic, or the group that reads one. */
bool name_is_light(struct slice name);
/* Why no queue can have this name: it is too long, or no directory can have it; or NULL. Static
 * text. */
const char *light_name_fault(struct slice name);
/* Messages of this topic go to light queues when stored by a broker of ours: not what is on its way
 * elsewhere (retries, delays, half messages), and no dead letters. */
bool topic_goes_to_light_queues(struct slice topic);

/* What the text of INNER_MULTI_DISPATCH says of a message of this topic: *count names, 0 when it is
 * blank. NULL, or what is wrong with it: a name that is no light queue's, that no directory can
 * have, that stands twice or is the topic's own; too many. Static text. */
const char *multi_dispatch_fault(struct slice topic, struct slice names, int *count);

/* The next name; *rest starts as the whole text. Commas at its end name nothing. */
bool multi_dispatch_next_name(struct slice *rest, struct slice *name);

/* A stored message's light queues, with its place in each. */
struct multi_dispatch {
    struct slice names;
    struct slice offsets;
};
/* False: it has none, by the reference's rules for what is in a log already. */
bool multi_dispatch_of(struct slice topic, struct slice properties, struct multi_dispatch *list);
/* Walks them; what is no light queue or no place is left out. */
bool multi_dispatch_next(struct multi_dispatch *list, struct slice *name, int64_t *queue_offset);
/* The message's place in this light queue, -1 when it does not go there. */
int64_t multi_dispatch_offset(struct slice topic, struct slice properties, struct slice name);

/* The record's place in the queue of this topic that it was found in: its own, or a light one. */
int64_t multi_dispatch_place(const struct record *record, struct slice topic);

/* True when the text may hold either property; cheap, for the path of every message. */
bool properties_may_multi_dispatch(struct slice properties);

#endif
