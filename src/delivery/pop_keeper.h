/* pop_keeper.h - keeps what is popped: takes messages off queues, acknowledges them, writes
 * checkpoints and acks to the revive log and reads it back, puts again what nobody acknowledged in
 * time, and after a crash brings consumer offsets up to what the log says.
 *
 *   pop ── checkpoint ──> log ──> table ──┬── ack ──> log, taken off
 *                                         └── due ──> retry topic
 *   timer ── brings checkpoints and acks into the revive log ──> table
 *
 * A receipt handle is what a client shows of a pop; it may be old, altered or made up. What counts
 * is what the keeper knows of the pop that it names: pop_standing().
 *
 * Ownership  store and tables outlive it; the options are copied, their names borrowed.
 * Threads    one (the broker's loop), but for the `work` of its jobs. It never waits for the disk.
 * Errors     0, or a negative code of base/err.h; nothing was written then.
 */
#ifndef DELIVERY_POP_KEEPER_H
#define DELIVERY_POP_KEEPER_H

#include "delivery/pop_key.h"
#include "meta/meta.h"
#include "store/store.h"
#include "wire/body_pop_log.h"

#define POP_REVIVE_TOPIC_PREFIX "rmq_sys_REVIVE_LOG_"

/* What may wait for the disk. It is the keeper's; `work` may run on any thread, then `done` on the
 * keeper's. */
struct pop_job {
    void (*work)(struct pop_job *job);
    void (*done)(struct pop_job *job, int64_t now_ms);
};

struct pop_keeper_options {
    struct store *store;
    struct offsets *offsets;
    const char *order_path; /* consumerOrderInfo.json */
    struct slice revive_topic;
    int32_t revive_queue_count;
    struct slice broker_name;
    const struct host *self; /* in records; may change */
    uint32_t points_max;     /* checkpoints in memory */

    /* Puts a record of the log, which may be due later: by way of the timer then. Leaves the arena
     * as it likes. */
    int (*put)(void *ctx, struct record *record, struct arena *arena,
               struct store_put_result *result);
    /* Where messages of this topic go when the group did not acknowledge them; in the arena or
     * borrowed. ERR_NOT_FOUND: topic or group is gone, and they go with it. ERR_WOULD_BLOCK: it is
     * not on the disk yet that there is such a topic; asked again soon. */
    int (*retry_topic)(void *ctx, struct slice topic, struct slice group, struct arena *arena,
                       struct slice *name);
    bool (*has_batch_queues)(void *ctx, struct slice topic);
    /* timer_delivered_to(), timer_saved_to(); 0 without timers. */
    int64_t (*timers_delivered_to)(void *ctx);
    int64_t (*timers_saved_to)(void *ctx);
    /* The tables are to be saved some time; the consumer offsets at once, before anything else. */
    void (*offsets_changed)(void *ctx);
    void (*order_changed)(void *ctx);
    void (*save_offsets_here)(void *ctx);
    /* Something of this queue may be popped now that could not before. */
    void (*freed)(void *ctx, struct slice topic, struct slice group, int32_t queue_id);
    /* Pops may begin (pop_keeper_is_recovering()). */
    void (*recovered)(void *ctx);
    /* It may want to run earlier than it said: pop_keeper_next(). */
    void (*look)(void *ctx);
    /* Hands a job to a worker; false: none is free. */
    bool (*submit)(void *ctx, struct pop_job *job);
    void *ctx;
};

struct pop_keeper;

/* Reads consumerOrderInfo.json and begins. What it costs does not grow with what waits in the log:
 * that is read afterwards. ERR_CORRUPT: the file and its .bak are damaged. */
MUST_CHECK int pop_keeper_open(const struct pop_keeper_options *options, int64_t now_ms,
                               struct pop_keeper **keeper);
/* No job may be out. */
void pop_keeper_free(struct pop_keeper *keeper);
bool pop_keeper_has_jobs(const struct pop_keeper *keeper);
/* Jobs that end from here on do nothing. */
void pop_keeper_stop(struct pop_keeper *keeper);

/* Does what is due, as much as one pass may; when to run again (wall clock, ms). */
int64_t pop_keeper_run(struct pop_keeper *keeper, int64_t now_ms);
int64_t pop_keeper_next(const struct pop_keeper *keeper, int64_t now_ms);

/* A record was stored in this queue of the revive log. */
void pop_keeper_log_arrived(struct pop_keeper *keeper, int32_t queue_id, int64_t now_ms);

/* consumerOrderInfo.json: true since the last text, there is something to save; its text. */
bool pop_keeper_order_changed(const struct pop_keeper *keeper);
void pop_keeper_order_text(struct pop_keeper *keeper, int64_t now_ms, struct buf *out);
/* A topic or group is gone: so is what blocks its queues. */
void pop_keeper_forget_topic(struct pop_keeper *keeper, struct slice topic);
void pop_keeper_forget_group(struct pop_keeper *keeper, struct slice group);

/* ---- after a crash --------------------------------------------------------------------------- */

/* Consumer offsets are brought up to what the log says was popped. Until then nobody may pop. */
bool pop_keeper_is_recovering(const struct pop_keeper *keeper);
/* Somebody has set this consumer offset: what the log says of it does not count any more. */
void pop_keeper_keep_offset(struct pop_keeper *keeper, struct slice topic, struct slice group,
                            int32_t queue_id, int64_t now_ms);
/* Notes in the table of consumer offsets, which is about to be saved, where the log ends: what is
 * behind that is not in the table yet. While recovering, the notes of the last save stand. */
void pop_keeper_note_log_end(struct pop_keeper *keeper, int64_t now_ms);

/* ---- taking messages off a queue ------------------------------------------------------------- */

/* The revive queue the next pop writes to. */
int32_t pop_keeper_next_revive_queue(struct pop_keeper *keeper);
/* Messages of the queue that the group has out on checkpoints. */
int32_t pop_unacked(const struct pop_keeper *keeper, struct slice topic, struct slice group,
                    int32_t queue_id);
/* In order: what is out of the queue keeps it from being popped from its consumer offset on. The
 * attempt whose answer was lost (attempt_id) gets the same again. */
bool pop_is_blocked(struct pop_keeper *keeper, struct slice topic, struct slice group,
                    int32_t queue_id, int64_t consumer_offset, struct slice attempt_id,
                    int64_t now_ms);

/* One pop at a time reads a queue. False: another does. Ended by pop_release(). */
struct pop_queue;
bool pop_claim(struct pop_keeper *keeper, struct slice topic, struct slice group, int32_t queue_id,
               struct pop_queue **claimed);
void pop_release(struct pop_keeper *keeper, struct pop_queue *claimed);

/* A pop of one queue: what it asks, what reading gave, what it took. */
struct pop_taking {
    struct slice topic;
    struct slice group;
    int32_t queue_id;
    int64_t pop_time_ms;
    int64_t invisible_ms;
    int32_t revive_queue_id;
    bool is_in_order;
    struct slice attempt_id; /* of one in order; data NULL: none */
    int64_t queue_offset;    /* where reading begins; where what was taken begins */
    int read_err;
    struct store_get_result got;
    int64_t offsets[POP_CHECKPOINT_MESSAGES_MAX];
    int count;              /* taken; they are the body's from `start` on */
    int64_t left;           /* messages that stay in the queue */
    int64_t end_phy_offset; /* of the checkpoint, once there is one */
    struct buf *counts;     /* orderCountInfo of a pop in order is appended */
};

/* Reading began where the queue has nothing: it is to be read from next_offset on. */
bool pop_read_was_off(enum store_get_status status);
/* What a read from queue_offset on gave, appended to `body` at `start`: leaves a checkpoint, or
 * what blocks a queue in order, and moves the consumer offset. What cannot be taken is cut off the
 * body. True: the offset was wrong and is corrected: read once more. */
bool pop_take(struct pop_keeper *keeper, struct pop_taking *taking, struct buf *body, size_t start,
              bool is_again, int64_t now_ms);

/* ---- what becomes of them -------------------------------------------------------------------- */

/* One pop of one queue, as a handle or an entry of a batch names it. */
struct popped {
    struct pop_key key;
    int64_t invisible_ms;
    int32_t revive_queue_id;
};

/* No pop can be of this time: it is ahead of the clock, and of all clocks there were; in order,
 * where nobody knows of those, ahead of the clock. */
bool pop_is_of_the_future(const struct pop_keeper *keeper, int64_t pop_time_ms, bool is_in_order,
                          int64_t now_ms);

/* How one message of a pop stands that was not in order. */
enum pop_standing {
    POP_IS_OUT,       /* on its checkpoint, or on one that may still come from the log */
    POP_IS_OVER,      /* acknowledged, changed, its time was over, or there was no such pop */
    POP_NOT_AS_GIVEN, /* the pop had another invisible time or revive queue */
    POP_NOT_OF_IT,    /* the pop took other messages */
};
enum pop_standing pop_standing(const struct pop_keeper *keeper, const struct popped *popped,
                               int64_t queue_offset);

/* Acknowledges messages of the pop; *end_phy_offset: behind what was written, as it was when there
 * was nothing to do. */
MUST_CHECK int pop_ack(struct pop_keeper *keeper, struct popped *popped,
                       const int64_t *queue_offsets, int count, int64_t now_ms,
                       int64_t *end_phy_offset);
/* Of a queue popped in order. NULL, or why the message cannot be acknowledged. */
const char *pop_ack_in_order(struct pop_keeper *keeper, const struct popped *popped,
                             int64_t queue_offset, int64_t now_ms);
/* The message gets a checkpoint of its own, `*changed`, invisible from now on. */
MUST_CHECK int pop_change(struct pop_keeper *keeper, struct popped *popped, int64_t queue_offset,
                          int64_t invisible_ms, int64_t now_ms, struct popped *changed,
                          int64_t *end_phy_offset);
/* Of a queue popped in order: visible at this time. False: it was acknowledged. */
bool pop_change_in_order(struct pop_keeper *keeper, const struct popped *popped,
                         int64_t queue_offset, int64_t visible_ms, int64_t now_ms);

#endif
