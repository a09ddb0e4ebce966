#include "delivery/timer_dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "wire/properties.h"

/* Goal: each message comes at its own millisecond, whatever its tick and the order of sending. */
static void each_is_delivered_at_its_time(void **state)
{
    struct timer_dir *dir = *state;
    int64_t start = dir->now_ms;
    static const int delays[] = { 5400, 3, 999, 1000, 1001, 2, 70000, 5399, 3600123, 1 };
    enum { COUNT = sizeof delays / sizeof delays[0] };
    for (int i = 0; i < COUNT; i++) {
        char body[16];
        snprintf(body, sizeof body, "m%d", i);
        timer_dir_send_at(dir, body, start + delays[i]);
    }
    timer_dir_run_until(dir, start + 4000000);
    for (int i = 0; i < COUNT; i++) {
        char body[16];
        snprintf(body, sizeof body, "m%d", i);
        timer_dir_expect_once(dir, body, start + delays[i]);
    }
}

/* Goal: what is not due at once is taken in together, a little later; what is, without delay. */
static void what_is_due_at_once_is_taken_in_at_once(void **state)
{
    struct timer_dir *dir = *state;
    timer_dir_settle(dir);
    timer_dir_send_at(dir, "later", dir->now_ms + 2000);
    int64_t later_ms = timer_work_due(dir->timer, dir->now_ms);
    assert_true(later_ms > dir->now_ms && later_ms < dir->now_ms + 100);
    timer_dir_send(dir, "much later", "TIMER_DELAY_SEC\00190\002");
    assert_int_equal(timer_work_due(dir->timer, dir->now_ms), later_ms);
    timer_dir_send(dir, "soon", "TIMER_DELAY_MS\0015\002");
    assert_int_equal(timer_work_due(dir->timer, dir->now_ms), dir->now_ms);
}

/* Goal: a pass takes as many bytes of big messages as of small ones, so that nobody waits longer
 * behind them; but one at least. */
static void big_messages_are_delivered_one_a_pass(void **state)
{
    enum { COUNT = 3, BYTES = 600000 };
    struct timer_dir *dir = *state;
    char *body = calloc(1, BYTES + 1);
    memset(body, 'b', BYTES);
    for (int i = 0; i < COUNT; i++)
        timer_dir_send(dir, body, "TIMER_DELIVER_MS\0011700002500\002");
    free(body);
    timer_dir_settle(dir);
    dir->now_ms = 1700002500;
    for (int i = 1; i <= COUNT; i++) {
        timer_run(dir->timer, dir->now_ms, 64);
        assert_int_equal(dir->delivered_count, i);
    }
}

/* Goal: the delivered message is what was sent, with what the timer notes of how it waited. */
static void what_is_delivered_is_the_message_and_its_notes(void **state)
{
    struct timer_dir *dir = *state;
    assert_int_equal(timer_dir_send(dir, "hello", "TAGS\001a\002TIMER_DELAY_SEC\0012\002"),
                     TIMER_REDIRECTED);
    timer_dir_run_until(dir, dir->now_ms + 3000);
    assert_int_equal(dir->delivered_count, 1);
    const struct timer_delivery *d = &dir->delivered[0];
    assert_string_equal(d->topic, "orders");
    assert_int_equal(d->queue_id, 2);
    struct slice properties = slice_str(d->properties);
    assert_true(slice_eq(property_get(properties, SLICE("TAGS")), SLICE("a")));
    assert_true(slice_eq(property_get(properties, SLICE("REAL_TOPIC")), SLICE("orders")));
    assert_true(slice_eq(property_get(properties, SLICE("TIMER_OUT_MS")), SLICE("1700001000")));
    assert_true(slice_eq(property_get(properties, SLICE("TIMER_ENQUEUE_MS")), SLICE("1700000000")));
    assert_true(slice_eq(property_get(properties, SLICE("TIMER_DEQUEUE_MS")), SLICE("1700002000")));
    assert_null(property_get(properties, SLICE("TIMER_ROLL_TIMES")).data);
}

/* Goal: a cancelled message does not come, its neighbours do; a cancel for a message that is not
 * there, or of another topic, changes nothing. */
static void a_cancelled_message_does_not_come(void **state)
{
    struct timer_dir *dir = *state;
    int64_t start = dir->now_ms;
    timer_dir_send_at(dir, "near", start + 700);
    timer_dir_send_at(dir, "near2", start + 700);
    timer_dir_send_at(dir, "far", start + 500700);
    timer_dir_send_at(dir, "far2", start + 500700);
    timer_dir_settle(dir);
    timer_dir_cancel(dir, "near", start + 1); /* any time of its tick that is still to come */
    timer_dir_cancel(dir, "far", start + 500001);
    timer_dir_cancel(dir, "nobody", start + 500001);
    assert_int_equal(
        timer_dir_send(dir, "0", "TIMER_DEL_UNIQKEY\001other+far2\002TIMER_DELAY_MS\001500500\002"),
        TIMER_REDIRECTED);
    timer_dir_run_until(dir, start + 510000);
    assert_int_equal(dir->delivered_count, 2);
    timer_dir_expect_once(dir, "near2", start + 700);
    timer_dir_expect_once(dir, "far2", start + 500700);
}

/* Goal: a cancel counts as soon as it is stored, though its unit is not written yet. */
static void a_cancel_counts_from_its_arrival(void **state)
{
    struct timer_dir *dir = *state;
    int64_t start = dir->now_ms;
    timer_dir_send_at(dir, "m", start + 300);
    timer_dir_settle(dir);
    dir->now_ms = start + 299;
    timer_dir_cancel(dir, "m", start + 300);
    dir->now_ms = start + 300;
    timer_run(dir->timer, dir->now_ms, 10);
    timer_dir_run_until(dir, start + 5000);
    assert_int_equal(dir->delivered_count, 0);
}

/* Goal: what is due beyond the window is rolled, keeps its exact time and its cancels. */
static void what_is_far_is_rolled(void **state)
{
    struct timer_dir *dir = timer_dir_new(10);
    (void)state;
    int64_t start = dir->now_ms;
    assert_int_equal(timer_dir_send(dir, "far", "UNIQ_KEY\001far\002TIMER_DELAY_MS\00147123\002"),
                     TIMER_REDIRECTED);
    timer_dir_send_at(dir, "gone", start + 47123);
    timer_dir_cancel(dir, "gone", start + 47123);
    timer_dir_send_at(dir, "eleven", start + 11001);
    timer_dir_run_until(dir, start + 60000);
    timer_dir_expect_once(dir, "far", start + 47123);
    timer_dir_expect_once(dir, "eleven", start + 11001);
    assert_int_equal(timer_dir_count(dir, "gone", NULL), 0);
    for (int i = 0; i < dir->delivered_count; i++) {
        struct slice rolls =
            property_get(slice_str(dir->delivered[i].properties), SLICE("TIMER_ROLL_TIMES"));
        bool is_far = strcmp(dir->delivered[i].body, "far") == 0;
        assert_true(slice_eq(rolls, is_far ? SLICE("4") : SLICE("1")));
    }
    timer_dir_remove(dir);
}

/* Goal: no restart loses, repeats or hastens what is pending; a clean one repeats nothing at all.
 */
static void a_clean_restart_changes_nothing(void **state)
{
    struct timer_dir *dir = *state;
    int64_t start = dir->now_ms;
    for (int i = 0; i < 300; i++) {
        char body[16];
        snprintf(body, sizeof body, "m%d", i);
        timer_dir_send_at(dir, body, start + 1 + i * 37);
    }
    for (int i = 0; i < 12; i++) {
        timer_dir_run_until(dir, dir->now_ms + 777);
        timer_dir_restart(dir, false);
    }
    timer_dir_run_until(dir, start + 20000);
    assert_int_equal(dir->delivered_count, 300);
    int64_t late = 0;
    for (int i = 0; i < 300; i++) {
        char body[16];
        snprintf(body, sizeof body, "m%d", i);
        int64_t at = 0;
        assert_int_equal(timer_dir_count(dir, body, &at), 1);
        assert_true(at >= start + 1 + i * 37);
        late = at - (start + 1 + i * 37) > late ? at - (start + 1 + i * 37) : late;
    }
    assert_int_equal(late, 0);
}

/* Goal: after a kill, what was delivered since the last check point may come again, nothing else.
 */
static void a_kill_repeats_only_what_followed_the_check_point(void **state)
{
    struct timer_dir *dir = *state;
    int64_t start = dir->now_ms;
    timer_dir_send_at(dir, "before", start + 500);
    timer_dir_send_at(dir, "after", start + 2500);
    timer_dir_send_at(dir, "pending", start + 9000);
    timer_dir_run_until(dir, start + 1500);
    timer_dir_flush(dir);
    timer_dir_run_until(dir, start + 4000);
    timer_dir_restart(dir, true);
    timer_dir_run_until(dir, start + 10000);
    timer_dir_expect_once(dir, "before", start + 500);
    assert_int_equal(timer_dir_count(dir, "after", NULL), 2);
    timer_dir_expect_once(dir, "pending", start + 9000);
}

/* Goal: what was acknowledged and never got into the wheel is found again. */
static void a_kill_before_the_wheel_loses_nothing(void **state)
{
    struct timer_dir *dir = *state;
    int64_t start = dir->now_ms;
    timer_dir_send_at(dir, "m", start + 2000);
    timer_dir_cancel(dir, "gone", start + 2000);
    timer_dir_send_at(dir, "gone", start + 2000);
    timer_dir_restart(dir, true);
    dir->now_ms = start + 5000;
    timer_dir_settle(dir);
    timer_dir_expect_once(dir, "m", start + 5000);
    assert_int_equal(timer_dir_count(dir, "gone", NULL), 0);
}

/* Goal: a message whose put fails again and again comes in the end, once, and holds up nothing for
 * good. Method: fifty puts are refused. */
static void a_put_that_fails_is_tried_until_it_succeeds(void **state)
{
    struct timer_dir *dir = *state;
    int64_t start = dir->now_ms;
    timer_dir_send_at(dir, "first", start + 500);
    timer_dir_send_at(dir, "second", start + 501);
    dir->refusals = 50;
    timer_dir_run_until(dir, start + 100000);
    assert_int_equal(dir->delivered_count, 2);
    timer_dir_expect_once(dir, "first", start + 500 + 50 * TIMER_RETRY_MS);
    timer_dir_expect_once(dir, "second", start + 500 + 50 * TIMER_RETRY_MS);
}

/* Goal: no timer is lost to a write of wheel or log that fails. Method: each of the first writes
 * fails once; then a kill, after which only what was written counts. */
static void a_failed_write_is_tried_again(void **state)
{
    struct timer_dir *dir = *state;
    int64_t start = dir->now_ms;
    timer_dir_settle(dir);
    for (int skip = 0; skip < 4; skip++) {
        char body[16];
        snprintf(body, sizeof body, "m%d", skip);
        timer_dir_send_at(dir, body, start + 100000);
        fault_arm("timer.write", skip, 1, ERR_DISK_FULL);
        timer_dir_run_until(dir, dir->now_ms + 2 * TIMER_RETRY_MS);
        fault_disarm_all();
    }
    timer_dir_restart(dir, true);
    timer_dir_run_until(dir, start + 101000);
    assert_int_equal(dir->delivered_count, 4);
}

/* Goal: a unit whose slot could not be written, and whose place another took that a loss of power
 * took, comes nevertheless, though a later unit of the same tick has written the slot since. */
static void a_unit_without_its_slot_outlives_the_one_in_its_place(void **state)
{
    enum { UNIT_BYTES = 52 };
    struct timer_dir *dir = timer_dir_new(10);
    (void)state;
    int64_t start = dir->now_ms;
    timer_dir_send_at(dir, "first", start + 500);
    timer_dir_run_until(dir, start + 700);
    timer_dir_send_at(dir, "far", start + 30000);  /* the second unit, rolled: tick 10 */
    fault_arm("timer.write", 1, 1, ERR_DISK_FULL); /* not the unit, its slot */
    timer_dir_run_until(dir, start + 900);
    fault_disarm_all();
    timer_dir_flush(dir);                          /* says so much as the disk has */
    timer_dir_run_until(dir, start + 3000);        /* the third unit: tick 11 */
    timer_dir_send_at(dir, "near", start + 10500); /* the fourth: tick 10 */
    timer_dir_run_until(dir, start + 4000);
    timer_dir_lose_power(dir, 2 * UNIT_BYTES);
    timer_dir_run_until(dir, start + 40000);
    timer_dir_expect_once(dir, "far", start + 30000);
    timer_dir_expect_once(dir, "near", start + 10500);
    timer_dir_remove(dir);
}

/* The bytes of a file of the timer's directory, read or written. */
static void timer_file_bytes(const struct timer_dir *dir, const char *name, bool writes, int64_t at,
                             uint8_t *bytes, size_t len)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir->below->path, name);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_int_equal(writes ? fwrite(bytes, 1, len, file) : fread(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

/* Goal: a slot that leads to a unit of another tick is set again from the units of its own.
 * Method: power goes twice: it takes the unit that the slot leads to, and then what a recovery had
 * made of the slot, but not the unit that was put in the place of the first. */
static void a_slot_whose_unit_another_tick_replaced_is_mended(void **state)
{
    enum { UNIT_BYTES = 52, SLOT_BYTES = 32, SLOTS = 1209600 };
    struct timer_dir *dir = timer_dir_new(10);
    (void)state;
    uint8_t slot[SLOT_BYTES];
    int64_t start = dir->now_ms;
    int64_t place = (start + 10000) / 1000 % SLOTS * SLOT_BYTES;
    timer_dir_send_at(dir, "first", start + 30000); /* rolled */
    timer_dir_run_until(dir, start + 100);
    timer_dir_flush(dir);
    timer_dir_send_at(dir, "second", start + 30001); /* the same tick */
    timer_dir_run_until(dir, start + 200);
    timer_file_bytes(dir, "timerwheel", false, place, slot, sizeof slot);
    assert_int_equal(get_be64(slot + 16), UNIT_BYTES);
    timer_dir_lose_power(dir, UNIT_BYTES);
    dir->now_ms = start + 3000; /* rolled again: a later tick */
    timer_dir_settle(dir);
    timer_file_bytes(dir, "timerwheel", true, place, slot, sizeof slot);
    timer_dir_restart(dir, true);
    timer_dir_run_until(dir, start + 40000);
    timer_dir_expect_once(dir, "first", start + 30000); /* rolled */
    timer_dir_expect_once(dir, "second", start + 30001);
    timer_dir_remove(dir);
}

/* Goal: a link that has turned hides no timer of its tick, nor does a slot's position that became
 * negative. Method: bits of the second unit's link, which is 0; the sign of the slot's last_pos. */
static void a_link_that_turned_hides_no_timer(void **state)
{
    enum { UNIT_BYTES = 52, LINK = 4, SLOT_BYTES = 32, SLOTS = 1209600, LAST_POS = 16 };
    static const int bits[] = { 0, 7, 40, 62, 63, -1 };
    (void)state;
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        struct timer_dir *dir = timer_dir_new(TIMER_DIR_WINDOW_TICKS);
        int64_t start = dir->now_ms;
        int64_t slot = (start + 8500) / 1000 % SLOTS * SLOT_BYTES;
        bool is_link = bits[i] >= 0;
        int64_t at = is_link ? UNIT_BYTES + LINK + 7 - bits[i] / 8 : slot + LAST_POS;
        const char *name = is_link ? "timerlog/00000000000000000000" : "timerwheel";
        uint8_t byte;
        timer_dir_send_at(dir, "first", start + 8500);
        timer_dir_send_at(dir, "second", start + 8501);
        timer_dir_run_until(dir, start + 100);
        timer_dir_flush(dir);
        timer_file_bytes(dir, name, false, at, &byte, 1);
        byte ^= is_link ? (uint8_t)(1u << (bits[i] % 8)) : 0x80;
        timer_file_bytes(dir, name, true, at, &byte, 1);
        timer_dir_run_until(dir, start + 20000);
        timer_dir_expect_once(dir, "first", start + 8500);
        timer_dir_expect_once(dir, "second", start + 8501);
        timer_dir_remove(dir);
    }
}

/* Goal: a recovery that fails in the middle, or is killed there, begins again and loses nothing. */
static void a_recovery_that_fails_begins_again(void **state)
{
    for (int skip = 0; skip < 6; skip++) {
        struct timer_dir *dir = timer_dir_new(TIMER_DIR_WINDOW_TICKS);
        (void)state;
        int64_t start = dir->now_ms;
        timer_dir_send_at(dir, "a", start + 8500);
        timer_dir_send_at(dir, "b", start + 6500);
        timer_dir_run_until(dir, start + 100);
        timer_dir_flush(dir);
        timer_dir_send_at(dir, "c", start + 6501);
        timer_dir_send_at(dir, "d", start + 8501);
        timer_dir_run_until(dir, start + 200);
        timer_dir_lose_power(dir, 2 * 52);
        fault_arm("timer.write", skip, 1, ERR_DISK_FULL);
        timer_dir_run_until(dir, start + 300);
        timer_dir_restart(dir, true);
        timer_dir_run_until(dir, start + 20000);
        for (const char *body = "abcd"; *body != 0; body++)
            assert_true(timer_dir_count(dir, (char[]){ *body, 0 }, NULL) > 0);
        timer_dir_remove(dir);
    }
}

/* Goal: what a killed process wrote behind the check point may be on no disk though a sync
 * succeeds: a failed one left it clean. So it is written once more, units and slots, and until it
 * is the check point does not move on. Method: writes that fail at the restart, in the log's units,
 * in the wheel's slots. */
static void what_a_failed_sync_left_is_written_again(void **state)
{
    (void)state;
    for (int skip = 0; skip < 2; skip++) {
        struct timer_dir *dir = timer_dir_new(TIMER_DIR_WINDOW_TICKS);
        int64_t start = dir->now_ms;
        timer_dir_send_at(dir, "a", start + 6500);
        timer_dir_settle(dir);
        timer_dir_flush(dir);
        int64_t saved = timer_saved_queue_offset(dir->timer);
        timer_dir_send_at(dir, "b", start + 7500);
        timer_dir_settle(dir);
        timer_dir_restart(dir, true);
        fault_arm("timer.write", skip, INT64_MAX, ERR_IO);
        timer_dir_settle(dir);
        fault_disarm_all();
        timer_dir_flush(dir);
        assert_int_equal(timer_saved_queue_offset(dir->timer), saved);
        timer_dir_run_until(dir, start + 9000);
        timer_dir_expect_once(dir, "a", start + 6500);
        timer_dir_expect_once(dir, "b", start + 7500);
        timer_dir_remove(dir);
    }
}

/* Goal: a record that says nothing about its time does not stop those behind it. */
static void a_record_without_time_is_passed_over(void **state)
{
    struct timer_dir *dir = *state;
    struct store_put_result result;
    struct record record = { .topic = SLICE(TOPIC_TIMER), .body = SLICE("x") };
    assert_int_equal(store_put(dir->below->store, &record, 1, dir->now_ms, &result, NULL), 0);
    record.properties = SLICE("TIMER_OUT_MS\0011700000000\002");
    assert_int_equal(store_put(dir->below->store, &record, 1, dir->now_ms, &result, NULL), 0);
    timer_dir_send_at(dir, "m", dir->now_ms + 10);
    timer_dir_run_until(dir, dir->now_ms + 5000);
    assert_int_equal(dir->delivered_count, 1);
}

/* Goal: days without the broker: all of them at once, in order, nothing skipped; so too when the
 * queue's end was never taken in. */
static void what_fell_due_while_down_comes_at_once(void **state)
{
    struct timer_dir *dir = *state;
    int64_t start = dir->now_ms;
    for (int i = 0; i < 100; i++) {
        char body[16];
        snprintf(body, sizeof body, "m%02d", i);
        timer_dir_send_at(dir, body, start + 1000 + (99 - i) * 1700000LL);
        if (i == 60)
            timer_dir_settle(dir);
    }
    timer_dir_restart(dir, true);
    dir->now_ms = start + 2 * 86400 * 1000LL;
    timer_dir_settle(dir);
    assert_int_equal(dir->delivered_count, 100);
    for (int i = 1; i < 100; i++)
        assert_true(strcmp(dir->delivered[i].body, dir->delivered[i - 1].body) < 0);
}

/* Goal: old files of the timer log go once the records of all their units have gone, and the disk
 * form is as documented. */
static void the_log_and_the_wheel_are_as_documented(void **state)
{
    struct timer_dir *dir = *state;
    char path[128];
    struct stat st;
    for (int i = 0; i < 250; i++) {
        char body[16];
        snprintf(body, sizeof body, "m%d", i);
        timer_dir_send_at(dir, body, dir->now_ms + 50000);
    }
    timer_dir_settle(dir);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/timerlog/%020d", dir->below->path, i * (52 * 100 + 16));
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_size, 52 * 100 + 16);
    }
    uint8_t bytes[52];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(bytes, 1, sizeof bytes, file), sizeof bytes);
    fclose(file);
    assert_int_equal(get_be32(bytes), 52);
    assert_int_equal(get_be64(bytes + 4), 52 * 100 + 16 + 99 * 52);
    assert_int_equal(get_be32(bytes + 12), 1);
    assert_int_equal(get_be64(bytes + 16), 1700000000);
    assert_int_equal(get_be32(bytes + 24), 49000);
    snprintf(path, sizeof path, "%s/timerwheel", dir->below->path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 38707200);
    file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 1700049 % 1209600 * 32, SEEK_SET), 0);
    assert_int_equal(fread(bytes, 1, 32, file), 32);
    fclose(file);
    assert_int_equal(get_be64(bytes), 1700049);
    assert_int_equal(get_be64(bytes + 8), 0);
    assert_int_equal(get_be64(bytes + 16), 2 * (52 * 100 + 16) + 49 * 52);
    assert_int_equal(get_be32(bytes + 24), 250);
}

/* ---- model ----------------------------------------------------------------------------------- */

enum { MODEL_MESSAGES = 1500 };
struct expected {
    int64_t due_ms;
    bool is_cancelled;
    int seen;
    bool is_far;     /* rolled on its way */
    bool may_repeat; /* delivered or rolled since the last check point, then killed */
};

static uint32_t draw(uint32_t *seed, uint32_t bound)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)(*seed >> 8) * bound) >> 24);
}

/* Takes in what was delivered: never early, at its very time, never after a cancel, once. */
static void check_delivered(struct timer_dir *dir, struct expected *expected, int *checked,
                            int64_t restarted_ms)
{
    for (; *checked < dir->delivered_count; (*checked)++) {
        const struct timer_delivery *d = &dir->delivered[*checked];
        struct expected *e = &expected[atoi(d->body)];
        int64_t exact = e->due_ms > restarted_ms ? e->due_ms : restarted_ms;
        assert_true(d->at_ms >= e->due_ms);
        assert_true(d->at_ms <= exact);
        assert_false(e->is_cancelled);
        assert_true(e->seen == 0 || e->may_repeat);
        e->seen++;
    }
}

/* Goal: whatever the order of sends, cancels, waits, clean and hard restarts: each message comes at
 * its time, none is lost, none early, none after it was cancelled, and only those repeat that the
 * last check point before a kill did not know as delivered. */
static void run_model(uint32_t seed, int64_t window_ticks)
{
    struct timer_dir *dir = timer_dir_new(window_ticks);
    static struct expected expected[MODEL_MESSAGES];
    memset(expected, 0, sizeof expected);
    int count = 0;
    int checked = 0;
    int64_t restarted_ms = dir->now_ms;
    int flushed_count = 0; /* deliveries the check point knows */
    while (count < MODEL_MESSAGES) {
        uint32_t what = draw(&seed, 100);
        if (what < 60) {
            static const uint32_t spans[] = { 50, 2000, 10000, 60000, 400000 };
            char body[16];
            uint32_t delay_ms = 1 + draw(&seed, spans[draw(&seed, 5)]);
            expected[count].due_ms = dir->now_ms + delay_ms;
            expected[count].is_far = delay_ms > (window_ticks - 1) * 1000;
            snprintf(body, sizeof body, "%d", count);
            timer_dir_send_at(dir, body, expected[count].due_ms);
            count++;
        } else if (what < 68 && count > 0) {
            int target = (int)draw(&seed, (uint32_t)count);
            char body[16];
            snprintf(body, sizeof body, "%d", target);
            int64_t tick_ms = (expected[target].due_ms - 1) / 1000 * 1000;
            if (tick_ms + 1 > dir->now_ms) { /* as the time of a recall handle must be */
                timer_dir_cancel(dir, body, tick_ms + 1);
                expected[target].is_cancelled = true;
            }
        } else if (what < 90) {
            timer_dir_run_until(dir, dir->now_ms + draw(&seed, 3000));
        } else if (what < 95) {
            timer_dir_settle(dir);
            check_delivered(dir, expected, &checked, restarted_ms);
            timer_dir_flush(dir);
            flushed_count = dir->delivered_count;
        } else {
            bool is_killed = what < 98;
            if (!is_killed)
                timer_dir_settle(dir);
            check_delivered(dir, expected, &checked, restarted_ms);
            for (int i = flushed_count; i < dir->delivered_count && is_killed; i++)
                expected[atoi(dir->delivered[i].body)].may_repeat = true;
            for (int i = 0; i < count && is_killed; i++)
                expected[i].may_repeat |= expected[i].is_far;
            if (!is_killed)
                flushed_count = dir->delivered_count;
            timer_dir_restart(dir, is_killed);
            dir->now_ms += draw(&seed, 2) * draw(&seed, 5000);
            restarted_ms = dir->now_ms;
        }
        check_delivered(dir, expected, &checked, restarted_ms);
    }
    timer_dir_run_until(dir, dir->now_ms + 500000);
    check_delivered(dir, expected, &checked, restarted_ms);
    for (int i = 0; i < count; i++)
        assert_true(expected[i].is_cancelled || expected[i].seen > 0);
    timer_dir_remove(dir);
}

/* Goal: over random sends, cancels, times, refusals and restarts each message comes once, at its
 * time. Method: a model beside it; many seeds. */
static void random_operations_match_the_model(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 4; seed++)
        run_model(seed, TIMER_DIR_WINDOW_TICKS);
}

/* Goal: the same where most timers are farther off than the window, and are rolled. */
static void random_operations_match_the_model_with_a_short_window(void **state)
{
    (void)state;
    for (uint32_t seed = 11; seed <= 14; seed++)
        run_model(seed, 20);
}

#define TIMER_TEST(name)                                                                           \
    cmocka_unit_test_setup_teardown(name, timer_dir_set_up, timer_dir_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TIMER_TEST(each_is_delivered_at_its_time),
        TIMER_TEST(what_is_due_at_once_is_taken_in_at_once),
        TIMER_TEST(big_messages_are_delivered_one_a_pass),
        TIMER_TEST(what_is_delivered_is_the_message_and_its_notes),
        TIMER_TEST(a_cancelled_message_does_not_come),
        TIMER_TEST(a_cancel_counts_from_its_arrival),
        cmocka_unit_test(what_is_far_is_rolled),
        TIMER_TEST(a_clean_restart_changes_nothing),
        TIMER_TEST(a_kill_repeats_only_what_followed_the_check_point),
        TIMER_TEST(a_kill_before_the_wheel_loses_nothing),
        TIMER_TEST(a_put_that_fails_is_tried_until_it_succeeds),
        TIMER_TEST(a_failed_write_is_tried_again),
        cmocka_unit_test(a_unit_without_its_slot_outlives_the_one_in_its_place),
        cmocka_unit_test(a_recovery_that_fails_begins_again),
        cmocka_unit_test(what_a_failed_sync_left_is_written_again),
        cmocka_unit_test(a_slot_whose_unit_another_tick_replaced_is_mended),
        cmocka_unit_test(a_link_that_turned_hides_no_timer),
        TIMER_TEST(a_record_without_time_is_passed_over),
        TIMER_TEST(what_fell_due_while_down_comes_at_once),
        TIMER_TEST(the_log_and_the_wheel_are_as_documented),
        cmocka_unit_test(random_operations_match_the_model),
        cmocka_unit_test(random_operations_match_the_model_with_a_short_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
