/* timer_internal.h - what the files of the timer share.
 *
 *   timer.c           opened, told what arrived, run; the loop's half
 *   timer_deliver.c   what is due is put on its topic                        loop
 *   timer_work.c      a turn: arrivals to wheel and log, ticks to memory     worker
 *   timer_mend.c      units that cannot be read, found by their neighbours   worker
 *   timer_recover.c   the first turn: wheel and log after a crash            worker
 *   timer_rewind.c    the clock was set back                                 both, see below
 *   timer_flush.c     how far it has come, to the disk                       worker; else loop
 *
 * Threads    struct timer has two halves. The loop's: what is due soon, in memory. The worker's
 *            (`work`): wheel and log, while is_working; else the loop's too. What the worker finds
 *            for the loop goes through `work.items` and `work.notes`, taken over in
 *            timer_work_end(). `flush` is a worker's while is_flushing. A function is the loop's
 *            unless its file, above, or its comment says otherwise.
 * Units      ticks are relative: counted from base_tick, where the first read position of this run
 *            lies; as int64_t they are not. Times: wall clock, ms. Positions: bytes of the log.
 */
#ifndef DELIVERY_TIMER_INTERNAL_H
#define DELIVERY_TIMER_INTERNAL_H

#include "delivery/bounds.h"
#include "delivery/timer_check.h"
#include "delivery/timer_due.h"
#include "delivery/timer_log.h"
#include "delivery/timer_message.h"
#include "delivery/topic_counts.h"
#include "delivery/timer_wheel.h"

enum {
    AHEAD_MS = 3000, /* a tick is loaded so long before it begins */
};

/* What the worker tells the loop about a timer: a note of `len` bytes of text behind it. */
enum timer_note_kind { NOTE_CANCEL, NOTE_COUNT };
struct timer_note {
    enum timer_note_kind kind;
    uint32_t tick; /* NOTE_CANCEL */
    uint32_t len;
};

struct timer_cold {
    struct timer_item item;
    size_t at;  /* of its record in work.cold_records */
    size_t len; /* 0: not read */
};

struct timer_work {
    struct timer_wheel wheel;
    struct timer_log *log;
    struct timer_check check; /* as the process found it; or as the clock was set back */
    bool is_recovered;
    bool is_wheel_doubtful; /* a recovery could not sync it: the next one writes it once more */

    /* The clock was set back: the ticks of [rewound_from, rewound_to) come once more, their slots
     * are still to be emptied (timer_rewind.c). Not relative; equal: nothing is to be done. */
    int64_t rewound_from;
    int64_t rewound_to;
    bool has_late; /* the slot at rewound_to may hold timers of those ticks */

    /* given by the loop with each turn */
    int64_t now_ms;
    uint32_t read_tick;
    size_t waiting; /* timers in memory */
    bool may_enqueue;

    /* from the timer topic's queue into wheel and log */
    int64_t queue_next;
    int64_t enqueued_end; /* phy_offset behind the last record that is in the wheel */
    bool has_backlog;
    bool is_out_of_reach; /* what comes next lies a wheel's length ahead of what is read */

    /* what could not be written into the wheel yet: the first such unit, and the newest's slot;
     * late_pos TIMER_NO_POS: none */
    int64_t late_pos;
    int64_t late_tick;
    struct timer_slot late_slot;

    /* What lies in a later tick than its own, its own being over: the first due, and the last such
     * tick (not relative), until that is loaded. INT64_MAX: none; 1: what an earlier process left.
     */
    int64_t displaced_ms;
    int64_t displaced_tick;

    /* from the wheel into memory: ticks before loaded_to are there, those up to empty_to are empty
     */
    uint32_t loaded_to;
    uint32_t empty_to;
    bool is_loading; /* tick loaded_to, whose next unit is at chain_pos */
    int64_t chain_pos;
    int64_t chain_from; /* the unit of it that was found last; at first the log's end */

    /* for the loop */
    struct timer_item *items;
    size_t item_count;
    size_t item_cap;
    struct buf notes;
    struct timer_cold *cold;
    size_t cold_count;
    struct buf cold_records;
    int err; /* what stopped this turn */

    struct buf records; /* scratch */
    int64_t clean_due_ms;
};

struct timer_flush {
    struct timer_check check;
    struct timer_log_unsynced unsynced;
    struct buf metrics_text; /* empty: not to be written */
    int64_t needs_phy_offset;
    int err;
};

struct timer {
    struct timer_options options;
    char check_path[TIMER_PATH_MAX];
    char metrics_path[TIMER_PATH_MAX];
    int64_t base_tick;
    /* The store as it was when this was opened: units that lead behind are of records that a loss
     * of power took, even if others stand there by the time of the recovery. */
    int64_t opened_end;       /* phy_offset */
    int64_t opened_queue_max; /* of the timer topic */

    struct timer_due due;
    struct topic_counts counts;
    uint32_t loaded_to; /* work.loaded_to as of the last turn that ended */
    bool is_recovered;  /* work.is_recovered, likewise */
    bool is_ready;      /* what was sent before the start is in the wheel: deliver */
    int64_t rolled_ms;  /* the first due of what was put in the topic again since the latest turn */
    int64_t displaced_ms;  /* as the latest turn left it */
    int64_t rolled_old_ms; /* before it, and is not known to be in the wheel; INT64_MAX: none */
    bool is_working;
    int64_t seen_ms;          /* the time, when it was last told */
    int64_t retry_ms;         /* no delivery before, after a failure */
    int64_t work_retry_ms;    /* no turn before, after a failure */
    int64_t arrived_due_ms;   /* when what arrived is to be taken in; INT64_MAX: nothing did */
    bool has_delivered;       /* in this run; then: */
    uint32_t delivered_tick;  /* the latest tick of which something was delivered */
    bool has_delivered_since; /* the last flush began */
    int64_t delivered_end;    /* phy_offset behind the last delivered copy */
    struct timer_cold *cold;  /* due, and not in memory */
    size_t cold_count;
    size_t cold_cap;
    struct buf record;
    struct arena arena;

    struct timer_work work;

    struct timer_check flushed; /* as on disk */
    struct timer_flush flush;
    bool is_flushing;
    bool has_flush_failed; /* for good: what the disk has cannot be told any more */
    int64_t metrics_due_ms;
};

/* The tick, relative; times before the base give 0. */
uint32_t timer_relative(const struct timer *t, int64_t time_ms);
/* Start of a relative tick. */
int64_t timer_tick_ms(const struct timer *t, uint32_t tick);

/* timer_recover.c: brings wheel and log together after a crash, finds where the queue goes on. */
MUST_CHECK int timer_recover(struct timer *t);

/* timer_deliver.c: what the turn of work fetched is delivered; what it did not, or may not be now,
 * is asked for again. */
void timer_deliver_cold(struct timer *t, int64_t now_ms, bool may_deliver);
/* Lets go of the ticks that are over. Not while a worker may write into them. */
void timer_pass_ticks(struct timer *t, int64_t now_ms);

/* timer_rewind.c: bounds what waits for a time by a clock that was set back since. */
void timer_notice_clock(struct timer *t, int64_t now_ms);
/* timer_rewind.c: when the clock stands before the ticks that are over, reading goes on from its
 * time. False: it does, and what is due first must be delivered before. Not while is_working. */
bool timer_rewind(struct timer *t, int64_t now_ms);
/* The same when it was set back before the process began. */
void timer_rewind_opened(struct timer *t);
/* The rest of it, by the worker. */
MUST_CHECK int timer_rewind_work(struct timer *t);

/* timer_flush.c: how far it has come, in memory. */
struct timer_check timer_progress(const struct timer *t);
void timer_save_metrics(struct timer *t);

/* timer_work.c: writes the unit into the log and the tick's slot; into that of a later tick, *tick,
 * when its place in the wheel is one of a clock that was ahead. It comes at its time from there. */
MUST_CHECK int timer_write_unit(struct timer *t, int64_t *tick, struct timer_unit *unit);
/* The unit's record in work.records. ERR_CORRUPT: there is none. */
MUST_CHECK int timer_read_record(struct timer *t, const struct timer_unit *unit,
                                 struct record *record, int64_t *own_tick_ms);

/* ---- timer_mend.c (worker) ------------------------------------------------------------------- */

bool timer_unit_is_of(const struct timer *t, const struct timer_unit *unit, int64_t tick);
/* The last unit of the tick below `limit`; TIMER_NO_POS: none was found. */
int64_t timer_chain_below(const struct timer *t, int64_t tick, int64_t limit);
/* What the unit at `pos`, which is not whole or not of the tick, was: false when its record cannot
 * be told, or is due in another tick. Uses work.records. */
bool timer_mend_unit(struct timer *t, int64_t tick, int64_t pos, struct timer_unit *unit);

#endif
