/* popped.h - what a consumer that pops knows of each message, and what was promised to it: what is
 * not acknowledged comes, not before its time; what is, stays away; a queue in order keeps it.
 *
 * A copy beside the one that counts is allowed for where docs/durability.md says so: the message
 * was put on the retry topic (or got another time), and a stop took or cut off the record that
 * tells of it.
 */
#ifndef TESTS_CRASH_SIM_POPPED_H
#define TESTS_CRASH_SIM_POPPED_H

#include "delivery/delivery.h"
#include "sim.h"

#define POPPED_TOPIC "popped"
#define POPPED_ORDER_TOPIC "ordered"
#define POPPED_RETRY_TOPIC "%RETRY%poppers_popped"
#define POPPED_REVIVE_TOPIC "rmq_sys_REVIVE_LOG_sim"
enum { POPPED_QUEUES = 2, POPPING_PRECISION_MS = 100 };

enum popped_fate {
    POPPED_OPEN,
    POPPED_DONE,   /* its ack was answered in time: it must not come again */
    POPPED_UNSURE, /* it may */
};

struct popped_message {
    bool is_in_order;
    uint8_t queue;
    bool is_stored;
    bool is_refused;
    bool is_safe;
    bool is_gone;
    int64_t queue_offset;
    int64_t phy_offset;
    int64_t end_phy_offset;
    enum popped_fate fate;
    int64_t ack_end;  /* behind the ack's record */
    bool is_settling; /* an ack or a change is under way */
    bool is_out;      /* a consumer has it */
    struct popped handle;
    int64_t out_offset;
    int64_t out_until_ms;
    int64_t point_end;   /* behind the record of its checkpoint */
    bool is_unlogged;    /* it was put again, and the log does not say so yet */
    int64_t doubled_end; /* a loss of power may double it until this is safe */
    bool may_double;
    bool was_acked; /* in order, at any time: an older table may come back that says so */
};

void popped_reset(void);
void popped_send(struct store *store);
struct popped_message *popped_of(int id);
/* What a pop gave, as its i-th message. */
void popped_came(const struct pop_taking *taking, int i, const struct record *record);
/* One of those that consumers have; -1: they have none. */
int popped_some_out(void);
/* Those that were popped with it. */
int popped_of_the_same_pop(int id, int ids[POP_CHECKPOINT_MESSAGES_MAX],
                           int64_t offsets[POP_CHECKPOINT_MESSAGES_MAX]);

/* end: behind what was written; 0: nothing was. */
void popped_ack_begins(int id);
void popped_ack_ends(int id, int err, int64_t at_ms, int64_t end);
void popped_acked_in_order(int id, bool is_taken);
void popped_change_begins(int id);
void popped_change_ends(int id, int err, int64_t at_ms, bool was_known,
                        const struct popped *changed, int64_t end);

/* What the keeper writes: a message put again, and the record that tells of it (-1: refused). */
void popped_put_again(struct slice properties, int64_t queue_offset);
bool popped_is_ack(const struct record *record);
void popped_ack_logged(int64_t end);

void popped_order_saved(int64_t consumer_offset);
void popped_note_flushed(int64_t upto);
/* What the stop took, and whether it might. */
void popped_look_at_losses(struct store *store, enum machine_end stop, bool sync_failed);

/* For the end: one to acknowledge, -1: none; how many have not come; none may be left. */
int popped_to_be_acked(void);
int popped_count_left(void);
void popped_look_at_end(void);

#endif
