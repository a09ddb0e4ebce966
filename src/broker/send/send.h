/* send.h - a send on its way: handle_send.c takes it apart and stores it, send_checks.c says what
 * it must pass before.
 *
 * Ownership  slices are the request's, or of its arena. A check that fails has answered it.
 * Threads    the broker's loop.
 */
#ifndef BROKER_SEND_H
#define BROKER_SEND_H

#include "broker/internal.h"
#include "wire/req_send.h"

/* Messages of an inner batch: the queue's entry counts them in 16 bits. */
enum { INNER_BATCH_MAX = INT16_MAX };

/* What the properties of a message say about the way it goes. */
struct marks {
    struct slice uniq_key;  /* data NULL: none */
    struct slice inner_num; /* the same */
    bool has_keys;
    struct slice light_queues; /* those it goes to beside its own; data NULL: none */
    bool has_pop_ck;
    bool has_places; /* in light queues, which only a broker gives */
    bool has_timer;
    bool has_delay; /* of any level, also none */
    bool is_transaction;
    bool is_delayed;
    bool waits_for_disk;
};

struct send {
    struct broker *broker;
    struct request *req;
    struct send_request fields;
    const struct topic_config *topic; /* where it goes: of a dead letter not the one asked for */
    struct marks marks;
    struct slice batch_uniq_id; /* of an inner batch; else data NULL */
    bool is_dead_letter;
    bool is_retried_later;      /* a consumer sends it to itself again: no transaction any more */
    struct slice recall_handle; /* data NULL: it cannot be recalled */
};

static inline struct slice send_trace_on_text(const struct broker *broker)
{
    return broker->conf.trace_on ? SLICE("true") : SLICE("false");
}

/* Answers with a code and a remark, and says what a client wants to know of the broker. */
void send_refuse(struct send *s, int32_t code, struct slice remark);
#define send_refuse_printf(s, code, ...)                                                           \
    send_refuse(s, code, arena_printf(&(s)->req->arena, __VA_ARGS__))

/* In this order. True: passed. False: the request was answered. */

/* The broker takes sends, to this topic. */
bool send_check_broker(struct send *s);
/* Finds the topic, or makes it where that is allowed: sets s->topic. */
bool send_check_topic(struct send *s);
/* The topic has that queue; chooses one where the client left that to the broker. */
bool send_check_queue(struct send *s);
/* It may stand in the light queues it names. */
bool send_check_light_queues(struct send *s);
/* A message that comes back to a retry topic for too many times, or to a group that consumes in
 * order, becomes a dead letter. */
bool send_turn_into_dead_letter(struct send *s);
/* Kinds of messages that are not served, told as the reference tells a switch that is off. */
bool send_check_kind(struct send *s);
/* A message that holds several says so itself: it must be true, and the topic have queues for such.
 */
bool send_check_inner_batch(struct send *s);
bool send_check_sizes(struct send *s, size_t properties_bytes);

/* What every message from a client passes: fields, the broker's and the topic's state, queue and
 * sizes. On success *record is the message with the properties it came with, its slices those of
 * the request; false: the request was answered. */
bool send_check(struct broker *broker, struct request *req, enum field_names names,
                struct send_request *fields, struct record *record);

#endif
