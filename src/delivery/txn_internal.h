/* txn_internal.h - what the files of transactions share.
 *
 * Threads    the broker's loop.
 * Errors     0, or a negative code of base/err.h, logged where it arose.
 */
#ifndef DELIVERY_TXN_INTERNAL_H
#define DELIVERY_TXN_INTERNAL_H

#include "base/map.h"
#include "delivery/bounds.h"
#include "delivery/topic_counts.h"
#include "delivery/txn.h"

/* Halves and ops live in queue 0 of their topics. */
enum { TXN_QUEUE = 0 };
/* What is read at once. */
enum { TXN_READ_COUNT = 32, TXN_READ_BYTES = 256 * 1024 };

/* ---- txn_window.c: how each half from a base on stands --------------------------------------- */

enum half_state {
    HALF_WAITS, /* the rest have ended, as far as this place in the queue goes: */
    HALF_COMMITTED,
    HALF_ROLLED_BACK,
    HALF_MOVED, /* a copy of it stands farther on */
    HALF_GIVEN_UP,
    HALF_OVER, /* in one of these ways, or before the base: not known which */
};

/* One byte per half; those never set wait. */
struct half_window {
    int64_t base;
    uint8_t *states;
    size_t count; /* states from base on that were set or passed */
    size_t cap;
};
void half_window_init(struct half_window *w, int64_t base);
void half_window_fini(struct half_window *w);
enum half_state half_window_get(const struct half_window *w, int64_t half_offset);
/* half_offset >= base. */
void half_window_set(struct half_window *w, int64_t half_offset, enum half_state state);
/* The first half at or behind `from` that waits. */
int64_t half_window_next(const struct half_window *w, int64_t from);
/* Forgets what lies before `base`. */
void half_window_advance(struct half_window *w, int64_t base);

/* Op records in the order of their queue, and up to which half each reaches. */
struct op_place {
    int64_t op_offset;
    int64_t highest_half;
};
struct op_places {
    struct op_place *places;
    size_t count;
    size_t cap;
};
void op_places_fini(struct op_places *p);
void op_places_add(struct op_places *p, int64_t op_offset, int64_t highest_half);
/* Drops the records at the front that have no half from `base` on; returns where the op queue is to
 * be read from next when `end` is where it ends. */
int64_t op_places_advance(struct op_places *p, int64_t base, int64_t end);

/* ---- txn_record.c ---------------------------------------------------------------------------- */

/* A text that is the same for a half and its copies, and for no other message: the map's key. */
struct slice txn_identity(const struct txn_half *half, struct buf *out);
/* The half as a check stores it again: counted, or, while it is immune, tied to its original. */
struct record txn_checked_copy(const struct txn_half *half, struct arena *arena);
struct record txn_immune_copy(const struct txn_half *half, struct arena *arena);
/* The half as it is given up, and one given up as it is put back. */
struct record txn_given_up(const struct txn_half *half);
struct record txn_resumed(const struct record *given_up, struct arena *arena);
/* An op record; the body is borrowed. */
struct record txn_op_record(const struct host *self, struct slice body, int64_t now_ms);

/* ---- txn.c ----------------------------------------------------------------------------------- */

/* A half that was stored again, by its identity. */
struct moved_half {
    int64_t newest;
    int64_t previous; /* the place before, when no op record says that it is over; else -1 */
    bool is_copy;     /* false: an original, while halves are being recovered */
};
/* So many are kept by checks: of others, only the newest place ends them. */
enum { MOVED_MAX = 100000 };

struct txn {
    struct txn_options options;
    struct half_window halves;
    struct op_places ops;
    int64_t op_next;
    struct map moved;            /* identity -> struct moved_half */
    struct buf op_body;          /* ends not in an op record yet */
    int64_t op_highest_half;     /* among them */
    int64_t end_phy_offset;      /* behind the latest final message, copy or op record put */
    struct topic_counts waiting; /* halves that wait, by their real topic */
    struct buf key;              /* scratch */
    struct arena arena;          /* scratch */
    /* a check pass */
    bool is_checking;
    int64_t pass_started_ms;
    int64_t at; /* the next half to look at */
    struct buf batch;
    int batch_err;
    int64_t batch_next; /* where reading goes on behind the batch */
};

/* Puts records of this room: halves, ops, those given up. */
MUST_CHECK int txn_put(struct txn *t, struct record *record, int64_t now_ms,
                       struct store_put_result *result);
void txn_note_moved(struct txn *t, const struct txn_half *half, const struct moved_half *moved);
void txn_forget_moved(struct txn *t, const struct txn_half *half);
struct moved_half *txn_find_moved(struct txn *t, const struct txn_half *half);
/* The half's place has ended in this way, and the next op record says so unless `is_noted` is
 * false. */
void txn_set_over(struct txn *t, int64_t half_offset, enum half_state state, bool is_noted);

/* ---- txn_recover.c --------------------------------------------------------------------------- */

MUST_CHECK int txn_recover(struct txn *t);

#endif
