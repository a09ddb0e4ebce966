#include "delivery/timer_dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fault.h"

enum { START_MS = 1700000000, BUDGET = 64 };

static int put(void *ctx, const struct record *record, int64_t *end_phy_offset)
{
    struct timer_dir *dir = ctx;
    struct store_put_result result;
    if (dir->refusals > 0) {
        dir->refusals--;
        return ERR_DISK_FULL;
    }
    assert_int_equal(store_put(dir->below->store, record, 1, dir->now_ms, &result, NULL), 0);
    *end_phy_offset = result.end_phy_offset;
    if (slice_eq(record->topic, SLICE(TOPIC_TIMER))) {
        timer_arrived(dir->timer, record->properties, dir->now_ms);
        return 0;
    }
    assert_in_range(dir->delivered_count, 0, TIMER_DIR_DELIVERED_MAX - 1);
    struct timer_delivery *d = &dir->delivered[dir->delivered_count++];
    *d = (struct timer_delivery){ .at_ms = dir->now_ms, .queue_id = record->queue_id };
    snprintf(d->body, sizeof d->body, "%.*s", SLICE_FMT(record->body));
    snprintf(d->topic, sizeof d->topic, "%.*s", SLICE_FMT(record->topic));
    snprintf(d->properties, sizeof d->properties, "%.*s", SLICE_FMT(record->properties));
    return 0;
}

static void open_timer(struct timer_dir *dir)
{
    assert_int_equal(timer_open(&dir->options, dir->now_ms, &dir->timer), 0);
}

struct timer_dir *timer_dir_new(int64_t window_ticks)
{
    struct timer_dir *dir = calloc(1, sizeof *dir);
    dir->below = store_dir_new();
    struct store_options *options = &dir->below->options;
    options->commit_log_file_bytes = 4 << 20;
    options->consume_queue_file_bytes = 20 * 1000;
    options->index_enable = false;
    options->append_record_crc = true; /* a record is longer in the log than when it is read */
    store_dir_open(dir->below);
    dir->rules = (struct timer_rules){ .enable = true,
                                       .precision_ms = 1000,
                                       .max_delay_ms = 3 * 86400 * 1000LL };
    dir->options = (struct timer_options){ .store = dir->below->store,
                                           .root_dir = dir->below->path,
                                           .precision_ms = dir->rules.precision_ms,
                                           .roll_window_ticks = window_ticks,
                                           .log_file_bytes = 52 * 100 + 16,
                                           .put = put,
                                           .ctx = dir };
    dir->now_ms = START_MS;
    dir->delivered = calloc(TIMER_DIR_DELIVERED_MAX, sizeof *dir->delivered);
    arena_init(&dir->arena);
    open_timer(dir);
    return dir;
}

void timer_dir_remove(struct timer_dir *dir)
{
    timer_close(dir->timer, dir->now_ms);
    store_dir_close(dir->below);
    store_dir_remove(dir->below);
    arena_fini(&dir->arena);
    free(dir->delivered);
    free(dir);
}

int timer_dir_set_up(void **state)
{
    *state = timer_dir_new(TIMER_DIR_WINDOW_TICKS);
    return 0;
}

int timer_dir_tear_down(void **state)
{
    timer_dir_remove(*state);
    fault_disarm_all();
    return 0;
}

enum timer_verdict timer_dir_send(struct timer_dir *dir, const char *body, const char *properties)
{
    struct record record = { .topic = SLICE("orders"),
                             .queue_id = 2,
                             .body = slice_str(body),
                             .properties = slice_str(properties) };
    struct store_put_result result;
    enum timer_verdict verdict = timer_redirect(&dir->rules, &record, dir->now_ms, &dir->arena);
    if (verdict == TIMER_REDIRECTED) {
        assert_int_equal(store_put(dir->below->store, &record, 1, dir->now_ms, &result, NULL), 0);
        timer_arrived(dir->timer, record.properties, dir->now_ms);
    }
    arena_reset(&dir->arena);
    return verdict;
}

void timer_dir_send_at(struct timer_dir *dir, const char *body, int64_t due_ms)
{
    char properties[128];
    snprintf(properties, sizeof properties, "UNIQ_KEY\001%s\002TIMER_DELIVER_MS\001%lld\002", body,
             (long long)due_ms);
    assert_int_equal(timer_dir_send(dir, body, properties), TIMER_REDIRECTED);
}

void timer_dir_cancel(struct timer_dir *dir, const char *body, int64_t due_ms)
{
    char properties[160];
    snprintf(properties, sizeof properties,
             "UNIQ_KEY\001%s\002TIMER_DEL_UNIQKEY\001orders+%s\002TIMER_DELIVER_MS\001%lld\002",
             body, body, (long long)due_ms);
    assert_int_equal(timer_dir_send(dir, "0", properties), TIMER_REDIRECTED);
}

static void work_once(struct timer_dir *dir)
{
    if (timer_work_due(dir->timer, dir->now_ms) > dir->now_ms)
        return;
    timer_work_begin(dir->timer, dir->now_ms, true);
    timer_work(dir->timer);
    timer_work_end(dir->timer, dir->now_ms, true);
}

void timer_dir_settle(struct timer_dir *dir)
{
    bool has_more = true;
    for (int rounds = 0; has_more; rounds++) {
        assert_in_range(rounds, 0, 100000);
        work_once(dir);
        has_more = timer_run(dir->timer, dir->now_ms, BUDGET) <= dir->now_ms ||
                   timer_work_due(dir->timer, dir->now_ms) <= dir->now_ms;
    }
}

void timer_dir_run_until(struct timer_dir *dir, int64_t time_ms)
{
    timer_dir_settle(dir);
    while (dir->now_ms < time_ms) {
        int64_t next = timer_run(dir->timer, dir->now_ms, BUDGET);
        int64_t work = timer_work_due(dir->timer, dir->now_ms);
        next = work < next ? work : next;
        next = next < time_ms ? next : time_ms;
        assert_true(next > dir->now_ms);
        dir->now_ms = next;
        timer_dir_settle(dir);
    }
}

void timer_dir_flush(struct timer_dir *dir)
{
    if (!timer_has_progress(dir->timer))
        return;
    timer_flush_begin(dir->timer, dir->now_ms);
    timer_flush(dir->timer);
    timer_flush_end(dir->timer);
}

static void close_timer(struct timer_dir *dir, bool is_killed)
{
    if (is_killed)
        fault_arm("timer.sync", 0, INT64_MAX, ERR_IO);
    timer_close(dir->timer, dir->now_ms);
    fault_disarm_all();
}

void timer_dir_restart(struct timer_dir *dir, bool is_killed)
{
    close_timer(dir, is_killed);
    open_timer(dir);
}

void timer_dir_lose_power(struct timer_dir *dir, int64_t log_end)
{
    char path[128];
    close_timer(dir, true);
    snprintf(path, sizeof path, "%s/timerlog/%020d", dir->below->path, 0);
    assert_int_equal(truncate(path, log_end), 0);
    assert_int_equal(truncate(path, dir->options.log_file_bytes), 0);
    open_timer(dir);
}

int timer_dir_reopen(struct timer_dir *dir)
{
    close_timer(dir, true);
    dir->timer = NULL;
    return timer_open(&dir->options, dir->now_ms, &dir->timer);
}

int timer_dir_lose_log_file(struct timer_dir *dir, int file, bool is_gone)
{
    char path[128];
    close_timer(dir, true);
    dir->timer = NULL;
    snprintf(path, sizeof path, "%s/timerlog/%020lld", dir->below->path,
             (long long)(file * dir->options.log_file_bytes));
    assert_int_equal(is_gone ? unlink(path) : truncate(path, 0), 0);
    return timer_open(&dir->options, dir->now_ms, &dir->timer);
}

int timer_dir_count(const struct timer_dir *dir, const char *body, int64_t *at_ms)
{
    int count = 0;
    for (int i = 0; i < dir->delivered_count; i++) {
        if (strcmp(dir->delivered[i].body, body) != 0)
            continue;
        count++;
        if (at_ms != NULL)
            *at_ms = dir->delivered[i].at_ms;
    }
    return count;
}

void timer_dir_expect_once(const struct timer_dir *dir, const char *body, int64_t at_ms)
{
    int64_t found_ms = 0;
    assert_int_equal(timer_dir_count(dir, body, &found_ms), 1);
    assert_int_equal(found_ms, at_ms);
}
