/* timer.h - messages with a time of their own.
 *
 * A message with one of TIMER_DELAY_SEC, TIMER_DELAY_MS, TIMER_DELIVER_MS (the first of them that
 * is there counts) waits in queue 0 of TOPIC_TIMER until that time. TIMER_OUT_MS is the start of
 * its tick, the last multiple of the precision that is before the time asked for: the reference
 * delivers at the end of the tick, Ramjet at the time asked for.
 *
 * Units      times: wall clock, ms.
 * Ownership  the store outlives a struct timer. The options are copied.
 * Threads    one (the broker's loop), but for timer_work() and timer_flush(), which run on a
 *            worker, one of each at a time, between their begin and end. They may block, the rest
 *            does not wait for the disk. What has no struct timer is pure.
 * Errors     a delivery whose put fails is tried again TIMER_RETRY_MS later, for as long as it
 *            takes; so is a turn of work that failed.
 * Bounds     in memory are timers due within seconds, 32 bytes each, some hundred thousand at most
 *            and a tick; all others are on disk only, however many there are.
 */
#ifndef DELIVERY_TIMER_H
#define DELIVERY_TIMER_H

#include "base/arena.h"
#include "base/bytes.h"
#include "store/store.h"
#include "wire/names.h"

/* ---- what the properties say ----------------------------------------------------------------- */

struct timer_rules {
    bool enable;          /* timerWheelEnable */
    int64_t precision_ms; /* timerPrecisionMs: the length of a tick */
    int64_t max_delay_ms; /* timerMaxDelaySec */
};

/* The tick lengths there are: 100, 200, 500 and 1000 ms; the longest that is not above `asked`. */
int64_t timer_precision(int asked_ms);

enum timer_verdict {
    TIMER_NONE,        /* no timer, or its time is over: goes where it was to go */
    TIMER_REDIRECTED,  /* now a message for TOPIC_TIMER */
    TIMER_NOT_ENABLED, /* to be refused */
    TIMER_ILLEGAL      /* no number, farther off than allowed, or it cancels too late: refused */
};
/* Turns a message with a timer into one for the timer topic: topic, queue and properties are
 * replaced (allocated in the arena). A delay level wins: the timer's properties are then removed.
 * What is in the timer topic already, was there before (it has TIMER_OUT_MS), or is a half message
 * stays as it is. now_ms: what the message will be stamped with when it is stored. */
enum timer_verdict timer_redirect(const struct timer_rules *rules, struct record *record,
                                  int64_t now_ms, struct arena *arena);

/* ---- what waits, and its delivery ------------------------------------------------------------ */

struct timer;
enum { TIMER_RETRY_MS = 1000 };

struct timer_options {
    struct store *store;
    const char *root_dir;      /* of the store: timerwheel, timerlog/ and config/ lie below */
    int64_t precision_ms;      /* timer_precision() */
    int64_t roll_window_ticks; /* timerRollWindowSlot */
    int64_t wheel_slots;       /* 0: the reference's, two weeks of seconds */
    int64_t log_file_bytes;    /* mappedFileSizeTimerLog */
    /* Puts a due message on its real topic, or a rolled one back in the timer topic, as it is.
     * *end_phy_offset: behind what was put. ERR_TOO_BIG: can never be put, and is passed over;
     * another error: it stays next. */
    int (*put)(void *ctx, const struct record *record, int64_t *end_phy_offset);
    void *ctx;
};
/* Cheap; the recovery is the first turn of work. Before anything is put since the store was opened.
 * ERR_CORRUPT: a file is not of its length. */
MUST_CHECK int timer_open(const struct timer_options *options, int64_t now_ms,
                          struct timer **timer);
/* Saves how far it has come. Nothing may be on a worker. */
void timer_close(struct timer *timer, int64_t now_ms);

/* A message was put in the timer topic. */
void timer_arrived(struct timer *timer, struct slice properties, int64_t now_ms);
/* Delivers what is due, at most `budget` messages; one counts for as many as it has pieces of 8 KB.
 * Returns when to call again (wall clock, ms); INT64_MAX: not before a turn of work has ended. */
int64_t timer_run(struct timer *timer, int64_t now_ms, int budget);

/* When a turn of work is to begin (wall clock, ms); INT64_MAX while one is under way. */
int64_t timer_work_due(const struct timer *timer, int64_t now_ms);
/* may_enqueue false: what arrives stays in the queue. */
void timer_work_begin(struct timer *timer, int64_t now_ms, bool may_enqueue);
void timer_work(struct timer *timer);
/* may_deliver false: what was fetched for a delivery waits on. */
void timer_work_end(struct timer *timer, int64_t now_ms, bool may_deliver);
/* Instead of timer_work() and timer_work_end(): no worker was free. */
void timer_work_abort(struct timer *timer);

/* Everything that was in the timer topic when it was opened, and is due by then, has been put:
 * also what was rolled, lies in a later tick than its own, or waits for its record. Who has read
 * what was put to the end knows all of it up to that time. 0: nothing is known yet; so it is until
 * the ticks up to the time of opening are loaded. */
int64_t timer_delivered_to(const struct timer *timer, int64_t now_ms);

/* The check point on the disk: what was due from then on may be delivered again after a crash. 0:
 * there is none. */
int64_t timer_saved_to(const struct timer *timer);
/* What of the timer topic comes next into the wheel, by the same check point. */
int64_t timer_saved_queue_offset(const struct timer *timer);

/* There is something new to say about how far it has come. */
bool timer_has_progress(const struct timer *timer);
/* Takes a snapshot of it, between two turns of work. Returns the phy_offset below which the store
 * must be on disk before timer_flush() may be called. */
int64_t timer_flush_begin(struct timer *timer, int64_t now_ms);
void timer_flush(struct timer *timer);
void timer_flush_end(struct timer *timer);

/* The bodies of GET_TIMER_CHECK_POINT and GET_TIMER_METRICS. */
void timer_check_text(const struct timer *timer, struct buf *out);
void timer_metrics_body(struct timer *timer, struct buf *out);

#endif
