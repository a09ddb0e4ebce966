/* send_frame.h - a send request as bytes made once, and the few fields that change per message.
 *
 * A load generator that encodes each request measures itself. So the frame is encoded once by
 * wire/header, the places of opaque, born timestamp and unique key are found in it, and a copy is
 * turned into the next message by overwriting these, all of fixed width. The answers are looked at
 * no further than code and opaque.
 *
 * Ownership  send_frame_init() allocates, send_frame_fini() frees.
 * Threads    a send_frame is not changed after init: any thread may read it.
 */
#ifndef BENCH_SEND_FRAME_H
#define BENCH_SEND_FRAME_H

#include <stdbool.h>

#include "base/err.h"
#include "wire/frame.h"

enum { SEND_QUEUES_MAX = 10 }; /* a queue id is one digit */

struct send_frame_options {
    enum serialize_type type;
    const char *topic;
    int queue_count;   /* 1 .. SEND_QUEUES_MAX */
    int topic_count;   /* 0: `topic` itself; else the topics of that name and six digits behind */
    size_t body_bytes; /* > 0 */
    /* Each message has a timer, due so long after it was born and up to due_span_ms more, by its
     * number; or all at due_at_ms (wall clock). Both 0: none has. */
    int64_t due_after_ms;
    int64_t due_span_ms;
    int64_t due_at_ms;
};
enum { SEND_TOPICS_MAX = 1000000, SEND_TOPIC_NAME_BYTES = 128 };
/* The name of one of the topics, into `name` of SEND_TOPIC_NAME_BYTES. */
void send_topic_name(char *name, const char *topic, int index);

struct send_frame {
    enum serialize_type type;
    int queue_count;
    int topic_count; /* 0: one topic, without digits */
    uint8_t *data;
    size_t bytes; /* whole frame */
    size_t body_bytes;
    size_t opaque_at;   /* JSON: 10 digits; binary: i32 */
    size_t queue_id_at; /* 1 digit */
    size_t topic_at;    /* 6 digits, when there are several topics */
    size_t born_at;     /* 13 digits */
    size_t due_at;      /* 13 digits of TIMER_DELIVER_MS; 0: there is no timer */
    int64_t due_after_ms;
    int64_t due_span_ms;
    int64_t due_at_ms;
    size_t uniq_key_at; /* 32 hex digits: 8 of address, 8 of this frame, 8 of sender, 8 of number */
};

/* ERR_TOO_BIG: no frame holds such a body. ERR_INVALID: the topic's name is too long. */
MUST_CHECK int send_frame_init(struct send_frame *f, const struct send_frame_options *options);
void send_frame_fini(struct send_frame *f);

/* Message numbers go round after this many: every opaque has the same width. */
enum { SEND_NUMBER_COUNT = 1 << 29 };

/* Copies the frame to `out` (f->bytes long), for one queue and one of the senders. */
void send_frame_copy(const struct send_frame *f, uint8_t *out, int queue_id, uint32_t sender);
/* Makes a copy the sender's message `number` (0 .. SEND_NUMBER_COUNT - 1), born at `born_ms` (wall
 * clock). Of many topics each sender begins with another one: together they come to all. */
void send_frame_stamp(const struct send_frame *f, uint8_t *copy, uint32_t sender, uint32_t number,
                      int64_t born_ms);

/* The number in the unique key of a stored message, when one of this frame's copies became it. */
bool send_frame_number(const struct send_frame *f, struct slice uniq_key, uint32_t *number);

/* What an answer says. */
struct answer {
    uint32_t number; /* of the message it belongs to; SEND_NUMBER_COUNT: to none of ours */
    int32_t code;
};

/* ERR_CORRUPT: the header holds no code and opaque. An echoed request reads as an answer, too. */
MUST_CHECK int answer_read(const struct frame *frame, struct answer *answer);

#endif
