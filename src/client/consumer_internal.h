/* consumer_internal.h - what consumer.c (the member of a group) and consumer_queue.c (one of its
 * queues) share.
 *
 * Ownership  a queue belongs to its consumer. One that was dropped while a call is under way ends
 *            with the call.
 * Threads    the loop of the client.
 */
#ifndef CLIENT_CONSUMER_INTERNAL_H
#define CLIENT_CONSUMER_INTERNAL_H

#include "client/client.h"

enum { RETRY_MS = 1000 };
enum { TOPICS = 2 }; /* the topic and the group's retry topic */
enum { MASTERS_MAX = 64 };

struct pulled_queue {
    struct list link;
    struct consumer *consumer;
    int topic;
    char *broker_name;
    char *address;
    int32_t id;
    int64_t next;      /* queue offset of the next message to take; -1: not known yet */
    int64_t committed; /* as the broker knows it */
    bool is_called;    /* a call is under way, with this queue as its context */
    bool is_dropped;   /* not ours any more; freed when the call is over */
    struct loop_timer retry;
};

struct consumer {
    struct consumer_options options;
    struct arena arena; /* texts of the options, for as long as the consumer lives */
    struct slice topics[TOPICS];
    struct list queues;
    struct loop_timer round_timer;
    struct loop_timer commit_timer;
    bool in_round;
    bool another_round;
    char *masters[MASTERS_MAX]; /* of the latest round */
    int master_count;
    /* What a finished call leads to, done at the end of the pass: client_free() ends calls, too,
     * and nothing can be asked from within it. */
    struct loop_deferred next_step;
    void (*take_step)(struct consumer *c);
    int heartbeats_out;
    int member_count;
    int member_index; /* ours */
    int sharing;      /* the topic whose queues are being shared out */
    int commits_out;
    int farewells_out;
    bool is_stopping;
    void (*left)(void *ctx);
    void *left_ctx;
};

/* ---- consumer.c ------------------------------------------------------------------------------ */

/* Tells the user, unless the consumer is being stopped. */
void consumer_trouble(struct consumer *c, const char *what, const char *why);
/* An offset was taken by the broker, or will not be. */
void consumer_commit_ended(struct consumer *c);

/* ---- consumer_queue.c ------------------------------------------------------------------------ */

/* A queue that is ours now: begins to pull it. `topic` is an index of `topics`. */
void pulled_queue_add(struct consumer *c, int topic, const struct route_queue *r);
/* Commits and lets it go. */
void pulled_queue_drop(struct pulled_queue *q);
/* Tells the broker how far it has come, when that is news. */
void pulled_queue_commit(struct pulled_queue *q);
/* No call is under way with it. */
void pulled_queue_free(struct pulled_queue *q);
bool pulled_queue_is(const struct pulled_queue *q, const struct route_queue *r);

#endif
