/* delivery.h - when, and to whom, a stored message is due: delay levels, retries and dead letters.
 * Knows no sockets; time is an argument.
 *
 * Threads    what has state belongs to the broker's loop, but for turns and flushes of timers,
 *            which say so; the rest is pure.
 */
#ifndef DELIVERY_DELIVERY_H
#define DELIVERY_DELIVERY_H

#include "delivery/bounds.h"
#include "delivery/pop_keeper.h"
#include "delivery/txn.h" /* transactions */
#include "meta/meta.h"
#include "store/store.h"
#include "wire/names.h"

/* ---- delay levels ------------------------------------------------------------------------------
 *
 * A message with property DELAY=n waits in queue n-1 of SCHEDULE_TOPIC_XXXX until its store time
 * plus the level's delay has passed, then it is put on its real topic. Within a level messages fall
 * due in the order they were stored, so each level needs only a position: the next entry to
 * deliver, kept in delayOffset.json.
 */

struct delay_levels {
    int count; /* levels 1..count */
    int64_t ms[DELAY_LEVELS_MAX + 1];
};
/* "1s 5s 10s ..." (units s m h d). ERR_INVALID: not of that form, or more than DELAY_LEVELS_MAX. */
MUST_CHECK int delay_levels_parse(struct slice text, struct delay_levels *levels);

/* Does any property ask for a later time, as a level or as a timer? One look at each, for the many
 * messages that have none. */
bool message_has_times(struct slice properties);

/* Turns a message with a DELAY property into one for the delay topic: topic, queue and properties
 * are replaced (allocated in the arena), a level above the highest is lowered to it. False: it has
 * no delay level (or is a half message) and stays as it is. */
bool delay_redirect(const struct delay_levels *levels, struct record *record, struct arena *arena);

/* Delivers what has become due.
 *
 * Ownership  the store outlives it. The options are copied.
 * Threads    one (the broker's loop), but for delay_read_ahead().
 * Errors     a message whose put fails is tried again DELAY_RETRY_MS later; what follows it on its
 *            level waits meanwhile, the other levels do not.
 */
struct delay;
enum { DELAY_RETRY_MS = 1000 };

struct delay_options {
    struct store *store;
    struct delay_levels levels;
    struct delay_offsets offsets; /* where to go on */
    /* Puts a due message on its real topic as it is (the DELAY property it still carries does not
     * count again). 0, or an error: it stays next. The arena is emptied after the call. */
    int (*put)(void *ctx, struct record *record, struct arena *arena);
    void *ctx;
};
MUST_CHECK int delay_new(const struct delay_options *options, struct delay **delay);
void delay_free(struct delay *delay);

/* Delivers what is due, at most `budget` messages, one of each level in turn; one counts for as
 * many as it has pieces of 8 KB. Never waits for the disk. Returns when to call again (wall clock,
 * ms): now_ms when the budget ran out, INT64_MAX when nothing is waiting. */
int64_t delay_run(struct delay *delay, int64_t now_ms, int budget);
/* A message was put in the delay topic's queue. */
void delay_arrived(struct delay *delay, int32_t queue_id);
/* When delay_run() is to be called next, as after the latest run and arrivals. */
int64_t delay_next_due(const struct delay *delay, int64_t now_ms);
/* Whether a message that is due lies on disk only: delay_read_ahead() has to fetch it first. */
bool delay_wants_read(const struct delay *delay);
/* Fetches it and some behind it. May block: for a worker. No other call on `delay` may run
 * meanwhile, but delay_arrived(), delay_next_due() and delay_progress(). */
void delay_read_ahead(struct delay *delay);

/* The next queue offset of each level that has delivered something; what to save. Moves only in
 * delay_run(). */
const struct delay_offsets *delay_progress(const struct delay *delay);

/* ---- timers: what the properties say -----------------------------------------------------------
 *
 * A message with one of TIMER_DELAY_SEC, TIMER_DELAY_MS, TIMER_DELIVER_MS (the first of them that
 * is there counts) waits in queue 0 of TOPIC_TIMER until that time. TIMER_OUT_MS is the start of
 * its tick, the last multiple of the precision that is before the time asked for: the reference
 * delivers at the end of the tick, Ramjet at the time asked for.
 */

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

/* ---- timers: what waits, and its delivery -------------------------------------------------------
 *
 * Ownership  the store outlives it. The options are copied.
 * Threads    one (the broker's loop), but for timer_work() and timer_flush(), which run on a
 * worker, one of each at a time, between their begin and end. They may block, the rest does not
 *            wait for the disk.
 * Errors     a delivery whose put fails is tried again TIMER_RETRY_MS later, for as long as it
 *            takes; so is a turn of work that failed.
 * Bounds     in memory are timers due within seconds, 32 bytes each, some hundred thousand at most
 *            and a tick; all others are on disk only, however many there are.
 */
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

/* ---- retries and dead letters ---------------------------------------------------------- */

enum retry_place { RETRY_LATER, RETRY_DEAD };
struct retry_decision {
    enum retry_place place;
    int32_t delay_level; /* for RETRY_LATER, at least 1 */
};
/* What becomes of a message a consumer could not handle: `asked_level` from the request (0: chosen
 * by reconsume times, negative: dead letter), max_reconsume_times by group or request. */
struct retry_decision retry_decide(int32_t reconsume_times, int32_t max_reconsume_times,
                                   int32_t asked_level);

/* The message as it is to be put again: on `topic` and `queue_id`, counted as consumed once more,
 * its first topic and `message_id` kept in RETRY_TOPIC and ORIGIN_MESSAGE_ID unless an earlier
 * retry did so. delay_level 0: a dead letter. Topic and properties are in the arena or borrowed
 * from the arguments. ERR_TOO_BIG: the properties would exceed RECORD_PROPERTIES_MAX. */
MUST_CHECK int retry_prepare(struct record *record, struct slice topic, int32_t queue_id,
                             int32_t delay_level, struct slice message_id, struct arena *arena);

#endif
