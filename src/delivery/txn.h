/* txn.h - transactions: half messages, their end, and asking producers that do not tell it.
 *
 * A half message waits in RMQ_SYS_TRANS_HALF_TOPIC, invisible to consumers, until its producer ends
 * the transaction. Commit puts it on its real topic; commit and rollback note in an op record that
 * the half has ended. A half that nobody ends is stored again at the queue's end from time to time
 * and its producers are asked; after enough of that it is given up. On disk all this is the
 * reference's (docs/format/transactions.md).
 *
 * Promises   a message is put on its real topic at most once, however often it is committed, across
 *            restarts and crashes; what was rolled back in an op record that is stored never is.
 * Threads    one (the broker's loop), but for txn_check_read().
 * Ownership  the store outlives it. The options are copied.
 * Errors     0, or a negative code of base/err.h; then nothing has changed.
 */
#ifndef DELIVERY_TXN_H
#define DELIVERY_TXN_H

#include "base/arena.h"
#include "store/store.h"
#include "wire/record.h"

/* What a half message says about itself. Slices borrow the record. */
struct txn_half {
    struct record record;
    struct slice transaction_id; /* its UNIQ_KEY; data NULL: none */
    struct slice producer_group;
    struct slice real_topic;
    int32_t real_queue_id;
    int32_t check_times;
    int64_t immunity_ms;  /* no check before that age; -1: not asked for */
    int64_t first_offset; /* of the original, in a copy stored while it was immune; -1: none */
    bool is_copy;         /* stored by a check, not by a producer */
};

/* Turns a message into its half: topic, queue, transaction bits and properties are replaced. */
void txn_half_prepare(struct record *record, struct arena *arena);
/* False: not a half message (no real topic or queue, no producer group). */
bool txn_half_read(const struct record *record, struct txn_half *half);
/* The committed message: the half on its real topic, marked and tied to the half's place. */
struct record txn_final(const struct txn_half *half);

/* Settings; they may change between calls. Times in ms. */
struct txn_limits {
    int64_t timeout_ms;  /* transactionTimeOut: age of a half when it is asked about */
    int64_t reserved_ms; /* fileReservedTime: older ones are given up */
    int check_max;       /* transactionCheckMax */
    int op_max_bytes;    /* transactionOpMsgMaxSize */
};

struct txn_options {
    struct store *store;
    struct host self;       /* stands in op records */
    int64_t log_file_bytes; /* mappedFileSizeCommitLog, for the scan after a crash */
    int64_t half_next;      /* saved positions of GROUP_TRANS, -1: none */
    int64_t op_next;
    struct txn_limits limits;
    /* Puts a committed message on its real topic, by way of a delay when it has one. */
    int (*put_final)(void *ctx, struct record *record, struct arena *arena,
                     struct store_put_result *result);
    /* Nobody ended this half: ask its producers. The record's offsets are those of its newest copy;
     * its topic and queue still those of halves. */
    void (*ask)(void *ctx, const struct txn_half *half);
    /* The topic of those given up is about to get its first message. */
    void (*make_give_up_topic)(void *ctx);
    void *ctx;
};

struct txn;

/* Finds out which halves wait. Reads the ops and the halves since the saved positions and, when one
 * waits, the log since the latest op record: may block. */
MUST_CHECK int txn_open(const struct txn_options *options, struct txn **txn);
void txn_free(struct txn *txn);
void txn_set_limits(struct txn *txn, const struct txn_limits *limits);

/* ---- the end of a transaction ---------------------------------------------------------------- */

/* Reads the half at these two offsets, which must both be its own, into `bytes`. ERR_NOT_FOUND:
 * there is no half at half_offset. ERR_INVALID: it lies elsewhere in the log. ERR_WOULD_BLOCK: call
 * again on a worker with may_block (this touches nothing but the store). */
MUST_CHECK int txn_read_half(struct store *store, int64_t half_offset, int64_t phy_offset,
                             bool may_block, struct buf *bytes, struct txn_half *half);

/* Whether the producer is late: its message has an immunity time, that is over, and so the producer
 * will be asked; what it says unasked does not count any more. */
bool txn_is_late(const struct txn_half *half, int64_t timeout_ms, int64_t now_ms);

enum txn_verdict {
    TXN_ENDED,    /* done */
    TXN_REPEATED, /* it had ended the same way before; nothing changed */
    TXN_REFUSED,  /* it ended in another way, or so long ago that it is not known how */
    TXN_FAILED,   /* a put failed, it still waits */
};
struct txn_end {
    enum txn_verdict verdict;
    int err;                /* for TXN_FAILED */
    int64_t end_phy_offset; /* behind what it rests on; 0: nothing */
};
/* Ends it. A half that a check has stored again since is found by what it is. */
struct txn_end txn_commit(struct txn *txn, const struct txn_half *half, int64_t now_ms,
                          struct arena *arena);
/* `at_once`: the op record is put before this returns, and not with later ones. */
struct txn_end txn_rollback(struct txn *txn, const struct txn_half *half, bool at_once,
                            int64_t now_ms);

/* Puts a half that was given up back at the queue's end, its checks counted anew. TXN_REPEATED: it
 * waits already. */
struct txn_end txn_resume(struct txn *txn, const struct record *given_up, int64_t now_ms,
                          struct arena *arena);

/* ---- op records ------------------------------------------------------------------------------ */

/* Ends not yet noted on disk. They are put when op_max_bytes are reached; the caller puts the rest
 * every transactionOpBatchInterval and at its end. */
bool txn_has_ops(const struct txn *txn);
MUST_CHECK int txn_put_ops(struct txn *txn, int64_t now_ms);

/* ---- checks ---------------------------------------------------------------------------------- */

/* One pass over the halves that wait: begin, then read and step in turn until step returns false.
 * Reading is for a worker: no call on `txn` but those that end a transaction or put ops may run
 * meanwhile. */
void txn_check_begin(struct txn *txn, int64_t now_ms);
void txn_check_read(struct txn *txn);
bool txn_check_step(struct txn *txn, int64_t now_ms);
/* Something waits, or positions can still be moved on: another pass is wanted. */
bool txn_wants_check(const struct txn *txn);

/* ---- how many wait --------------------------------------------------------------------------- */

/* A half of this topic was put (by the caller, with txn_half_prepare). */
void txn_half_was_put(struct txn *txn, struct slice real_topic, int64_t now_ms);
/* config/transactionMetrics: changed since the last text, and its text. */
bool txn_counts_changed(const struct txn *txn);
void txn_counts_text(struct txn *txn, struct buf *out);

/* ---- positions to save ----------------------------------------------------------------------- */

struct txn_positions {
    int64_t half_next;
    int64_t op_next;
    /* They rest on what was put below this: to be saved when that is on disk, or a loss of power
     * would take the copies and the claim to be looked at. */
    int64_t end_phy_offset;
};
struct txn_positions txn_positions(const struct txn *txn);

#endif
