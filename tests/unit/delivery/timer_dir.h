/* timer_dir.h - a store in a directory of its own with timers on it; time is a number of the test.
 *
 * Every call that fails fails the test.
 */
#ifndef TESTS_UNIT_DELIVERY_TIMER_DIR_H
#define TESTS_UNIT_DELIVERY_TIMER_DIR_H

#include "delivery/delivery.h"
#include "store/store_dir.h"

enum { TIMER_DIR_DELIVERED_MAX = 20000, TIMER_DIR_WINDOW_TICKS = 3600 };

struct timer_delivery {
    int64_t at_ms;
    char body[24];
    char topic[24];
    char properties[300];
    int32_t queue_id;
};

struct timer_dir {
    struct store_dir *below;
    struct timer *timer;
    struct timer_options options;
    struct timer_rules rules;
    struct arena arena;
    int64_t now_ms;
    int refusals; /* so many puts fail first */
    struct timer_delivery *delivered;
    int delivered_count;
};

/* At a time of its own, with ticks of one second and a window of `window_ticks`. */
struct timer_dir *timer_dir_new(int64_t window_ticks);
void timer_dir_remove(struct timer_dir *dir);
/* What a test begins and ends with: one with TIMER_DIR_WINDOW_TICKS is its state; faults go with
 * it.
 */
int timer_dir_set_up(void **state);
int timer_dir_tear_down(void **state);

/* Sends a message as the broker does: redirected, stored, told. Returns its verdict. */
enum timer_verdict timer_dir_send(struct timer_dir *dir, const char *body, const char *properties);
/* A message with UNIQ_KEY = its body for this time. */
void timer_dir_send_at(struct timer_dir *dir, const char *body, int64_t due_ms);
/* Cancels that. */
void timer_dir_cancel(struct timer_dir *dir, const char *body, int64_t due_ms);

/* Work and deliveries until nothing is to be done at this time. */
void timer_dir_settle(struct timer_dir *dir);
/* The same after each of the moments at which the timer wants to be called up to that time. */
void timer_dir_run_until(struct timer_dir *dir, int64_t time_ms);
/* The check point is written. */
void timer_dir_flush(struct timer_dir *dir);
/* Closed and opened again; killed: without a check point, as after SIGKILL. */
void timer_dir_restart(struct timer_dir *dir, bool is_killed);
/* A loss of power that took of the timer log's first file what lies from `log_end` on, and nothing
 * of the wheel or the store. */
void timer_dir_lose_power(struct timer_dir *dir, int64_t log_end);

/* Killed and opened as the options say now. Returns what opening returned. */
int timer_dir_reopen(struct timer_dir *dir);
/* Killed, and of the timer log's file number `file` the length is gone, or the name too. Returns
 * what opening returned. */
int timer_dir_lose_log_file(struct timer_dir *dir, int file, bool is_gone);

/* How often a message with this body was delivered, and when last. */
int timer_dir_count(const struct timer_dir *dir, const char *body, int64_t *at_ms);
/* Fails the test unless it was delivered once, and then. */
void timer_dir_expect_once(const struct timer_dir *dir, const char *body, int64_t at_ms);

#endif
