/* What a directory that the reference wrote to last may be like (takeover.c). */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fault.h"
#include "store/disk.h"
#include "store/store_dir.h"
#include "wire/record.h"

#define LOG_FILE "commitlog/00000000000000000000"
#define QUEUE_FILE "consumequeue/orders/0/00000000000000000000"

static int set_up(void **state)
{
    struct store_dir *dir = store_dir_new();
    dir->options.append_record_crc = false; /* as the reference's default */
    return store_dir_set_up(state, dir);
}

static void put(struct store_dir *dir, const char *topic, const char *body)
{
    store_dir_put(dir, topic, 0, body, "UNIQ_KEY\001u\002");
}

/* Closes the store, and makes the reference the last that had it: stopped well, or killed. */
static void hand_over(struct store_dir *dir, bool was_killed)
{
    uint8_t stamps[40] = { 0 };
    store_dir_close(dir);
    store_dir_write(dir, "checkpoint", 0, stamps, sizeof stamps);
    if (was_killed)
        store_dir_write(dir, "abort", 0, "1", 1);
}

static int64_t max_of(const struct store_dir *dir, const char *topic)
{
    return store_queue_max(dir->store, slice_str(topic), 0);
}

/* Goal: what is missing in a queue below the place where the reference's rules begin is found, so
 * that no number is given twice.
 * Method: one queue goes on in later files of the log; of another, all in the first, the whole
 * directory is gone, or its last entries are. */
static void missing_entries_are_found(void **state)
{
    static const uint8_t zeros[2 * ENTRY_BYTES];
    struct store_dir *dir = *state;
    for (int i = 0; i < 5; i++)
        put(dir, "orders", "one of five");
    while (store_dir_log_end(dir) < 3 * LOG_FILE_BYTES)
        put(dir, "other", "many");
    int64_t others = max_of(dir, "other");
    for (int round = 0; round < 4; round++) {
        hand_over(dir, round % 2 == 1);
        if (round < 2)
            store_dir_delete(dir, "consumequeue/orders");
        else
            store_dir_write(dir, QUEUE_FILE, 3 * ENTRY_BYTES, zeros, sizeof zeros);
        store_dir_open(dir);
        assert_int_equal(max_of(dir, "orders"), 5);
        assert_int_equal(max_of(dir, "other"), others);
        for (int i = 0; i < 5; i++)
            store_dir_expect(dir, "orders", 0, i, "one of five");
    }
}

/* Goal: it is looked for no farther back than allowed.
 * Method: as above, with as much as the last file. */
static void a_large_log_is_not_looked_through(void **state)
{
    struct store_dir *dir = *state;
    put(dir, "orders", "first");
    while (store_dir_log_end(dir) < 3 * LOG_FILE_BYTES)
        put(dir, "other", "many");
    hand_over(dir, false);
    store_dir_delete(dir, "consumequeue/orders");
    dir->options.takeover_scan_bytes = 0;
    store_dir_open(dir);
    assert_int_equal(max_of(dir, "orders"), 0);
}

static void set_queue_offset(struct store_dir *dir, int64_t phy_offset, int64_t queue_offset)
{
    uint8_t bytes[8];
    put_be64(bytes, (uint64_t)queue_offset);
    store_dir_write(dir, LOG_FILE, phy_offset + RECORD_QUEUE_OFFSET, bytes, sizeof bytes);
}

/* Goal: a record that the reference never dispatched, and whose queue offset it gave away again, is
 * read once by everybody, also by those who are past its place.
 * Method: three records; the queue has the first and the third, which says that it is the second.
 * The second comes behind; not a second time when the reference was here again. */
static void a_record_without_a_place_is_put_again(void **state)
{
    struct store_dir *dir = *state;
    uint8_t entry[ENTRY_BYTES];
    static const uint8_t zeros[ENTRY_BYTES];
    put(dir, "orders", "a");
    put(dir, "orders", "lagging");
    struct store_put_result third = store_dir_put(dir, "orders", 0, "c", "UNIQ_KEY\001u\002");
    hand_over(dir, false);
    set_queue_offset(dir, third.phy_offset, 1);
    store_dir_read(dir, QUEUE_FILE, 2 * ENTRY_BYTES, entry, sizeof entry);
    store_dir_write(dir, QUEUE_FILE, ENTRY_BYTES, entry, sizeof entry);
    store_dir_write(dir, QUEUE_FILE, 2 * ENTRY_BYTES, zeros, sizeof zeros);
    for (int round = 0; round < 4; round++) {
        store_dir_open(dir);
        assert_int_equal(max_of(dir, "orders"), 3 + round);
        store_dir_expect(dir, "orders", 0, 0, "a");
        store_dir_expect(dir, "orders", 0, 1, "c");
        store_dir_expect(dir, "orders", 0, 2, "lagging");
        put(dir, "orders", "and on");
        hand_over(dir, round % 2 == 1);
    }
}

/* Pairs of records, of which the second has the first one's number and entry: `count` of them. */
static void give_places_away(struct store_dir *dir, int count)
{
    size_t bytes = (size_t)(2 * count + 1) * ENTRY_BYTES;
    uint8_t *entries = malloc(bytes);
    int64_t *places = malloc((size_t)(2 * count) * sizeof *places);
    assert_true(entries != NULL && places != NULL);
    put(dir, "orders", "first");
    for (int i = 0; i < count; i++) {
        places[2 * i] = store_dir_put(dir, "orders", 0, "lagging", "").phy_offset;
        places[2 * i + 1] = store_dir_put(dir, "orders", 0, "in time", "").phy_offset;
    }
    hand_over(dir, false);
    store_dir_read(dir, QUEUE_FILE, 0, entries, bytes);
    for (int i = 0; i < count; i++) {
        set_queue_offset(dir, places[2 * i], i + 1);
        set_queue_offset(dir, places[2 * i + 1], i + 1);
        memmove(entries + (size_t)(i + 1) * ENTRY_BYTES,
                entries + (size_t)(2 * i + 2) * ENTRY_BYTES, ENTRY_BYTES);
    }
    memset(entries + (size_t)(count + 1) * ENTRY_BYTES, 0, (size_t)count * ENTRY_BYTES);
    store_dir_write(dir, QUEUE_FILE, 0, entries, bytes);
    free(entries);
    free(places);
}

/* What store_dir_open() logs, where it says `wanted`. */
static bool opening_says(struct store_dir *dir, const char *wanted)
{
    FILE *said = tmpfile();
    char line[4096];
    bool is_said = false;
    assert_non_null(said);
    int before = dup(STDERR_FILENO);
    assert_true(dup2(fileno(said), STDERR_FILENO) >= 0);
    store_dir_open(dir);
    assert_true(dup2(before, STDERR_FILENO) >= 0);
    close(before);
    rewind(said);
    while (fgets(line, sizeof line, said) != NULL)
        is_said |= strstr(line, wanted) != NULL;
    fclose(said);
    return is_said;
}

/* Goal: records without a place are put again up to a number, and whoever has more of them is told.
 * Method: so many, and one more. */
static void more_without_a_place_than_are_put_again(void **state)
{
    enum { MOST = 10000, COUNT = MOST + 1 };
    (void)state;
    struct store_dir *dir = store_dir_new();
    dir->options.append_record_crc = false;
    dir->options.commit_log_file_bytes = 16 << 20;
    dir->options.consume_queue_file_bytes = 4 * COUNT * ENTRY_BYTES;
    store_dir_open(dir);
    give_places_away(dir, COUNT);
    assert_true(opening_says(dir, "records_left_out most=10000:"));
    assert_int_equal(max_of(dir, "orders"), COUNT + 1 + MOST);
    store_dir_expect(dir, "orders", 0, COUNT, "in time");
    store_dir_expect(dir, "orders", 0, COUNT + 1, "lagging");
    store_dir_expect(dir, "orders", 0, COUNT + MOST, "lagging");
    store_dir_remove(dir);
}

/* Goal: numbers in records of the reference are not held against its queue, and who reads sees the
 * queue's: consumers commit by them.
 * Method: a record says another number than its place. */
static void a_queue_that_is_shifted_is_read_by_its_places(void **state)
{
    struct store_dir *dir = *state;
    put(dir, "orders", "a");
    struct store_put_result second = store_dir_put(dir, "orders", 0, "b", "");
    put(dir, "orders", "c");
    struct buf bytes = BUF_INIT;
    struct record record;
    set_queue_offset(dir, second.phy_offset, 40);
    assert_true(store_dir_get(dir, "orders", 0, 1, &bytes, &record));
    assert_int_equal(record.queue_offset, 1);
    buf_fini(&bytes);
}

/* Goal: whole records that the reference cut off and left behind its log do not rise again, and do
 * not make the log look damaged.
 * Method: records of equal length; an older one of a number that is taken stands exactly at the
 * end, and another behind a torn one. */
static void left_over_records_stay_away(void **state)
{
    (void)state;
    for (int torn = 0; torn < 2; torn++) {
        struct store_dir *dir = store_dir_new();
        uint8_t old[512];
        dir->options.append_record_crc = false;
        store_dir_open(dir);
        struct store_put_result first = store_dir_put(dir, "orders", 0, "old", "");
        int64_t len = first.end_phy_offset - first.phy_offset;
        assert_true(len <= (int64_t)sizeof old);
        store_dir_read(dir, LOG_FILE, 0, old, (size_t)len);
        put(dir, "orders", "new");
        int64_t end = store_dir_log_end(dir) + (torn ? len : 0);
        hand_over(dir, true);
        put_be64(old + RECORD_PHY_OFFSET, (uint64_t)end);
        store_dir_write(dir, LOG_FILE, end, old, (size_t)len);
        if (torn)
            store_dir_write(dir, LOG_FILE, end - len, "torn", 4);
        store_dir_open(dir);
        assert_int_equal(max_of(dir, "orders"), 2);
        assert_int_equal(store_dir_log_end(dir), end - (torn ? len : 0));
        put(dir, "orders", "behind");
        store_dir_expect(dir, "orders", 0, 1, "new");
        store_dir_expect(dir, "orders", 0, 2, "behind");
        store_dir_remove(dir);
    }
}

/* Goal: a record of a topic made again that one thread put a moment late is not taken for one that
 * was left over, and what follows on it is kept. Method: its number is taken by the earlier life,
 * it is older than the record in front of it, and queues and checkpoint are lost. */
static void a_record_put_late_does_not_end_the_log(void **state)
{
    (void)state;
    struct store_dir *dir = store_dir_new();
    store_dir_open(dir);
    put(dir, "orders", "first life");
    put(dir, "orders", "first life");
    store_delete_topic(dir->store, SLICE("orders"));
    put(dir, "other", "newer");
    dir->now_ms -= 2;
    put(dir, "orders", "late");
    dir->now_ms += 2;
    put(dir, "orders", "behind");
    int64_t end = store_dir_log_end(dir);
    store_dir_close(dir);
    store_dir_delete(dir, "consumequeue");
    store_dir_delete(dir, "checkpoint");
    store_dir_open(dir);
    assert_int_equal(store_dir_log_end(dir), end);
    store_dir_expect(dir, "orders", 0, 0, "late");
    store_dir_expect(dir, "orders", 0, 1, "behind");
    store_dir_remove(dir);
}

/* Goal: a record that turned while its process, the reference's, was killed is damage and not the
 * end; after a loss of power it may be either, and is the end.
 * Method: a bit of the second of three records, in this boot and in another. */
static void damage_before_whole_records_is_refused(void **state)
{
    struct store_dir *dir = *state;
    uint8_t byte;
    put(dir, "orders", "a");
    struct store_put_result second = store_dir_put(dir, "orders", 0, "b", "");
    put(dir, "orders", "c");
    hand_over(dir, true);
    int64_t body = second.phy_offset + RECORD_BORN_HOST + 8 + 8 + 8 + 4 + 8 + 4;
    store_dir_read(dir, LOG_FILE, body, &byte, 1);
    assert_int_equal(byte, 'b');
    byte ^= 1;
    store_dir_write(dir, LOG_FILE, body, &byte, 1);
    assert_int_equal(store_open(&dir->options, &dir->store), ERR_CORRUPT);
    dir->store = NULL;
    fault_arm_value("disk.of_this_boot", 0);
    store_dir_open(dir);
    assert_int_equal(max_of(dir, "orders"), 1);
}

/* ---- the index ------------------------------------------------------------------------------- */

enum { INDEX_KEYS = 1600, INDEX_FILES = 4 };
static_assert(INDEX_KEYS > (INDEX_FILES - 1) * INDEX_ENTRIES, "one file less would hold them");

struct index_names {
    char names[INDEX_FILES][64]; /* ascending */
    int count;
};

static void take_name(void *ctx, const char *name, bool is_dir)
{
    struct index_names *list = ctx;
    int at = list->count++;
    assert_false(is_dir);
    assert_true(at < INDEX_FILES);
    for (; at > 0 && strcmp(list->names[at - 1], name) > 0; at--)
        memcpy(list->names[at], list->names[at - 1], sizeof list->names[at]);
    snprintf(list->names[at], sizeof list->names[at], "%s", name);
}

static void remove_index_file(const struct store_dir *dir, int number)
{
    struct index_names list = { .count = 0 };
    char path[256];
    char name[128];
    store_dir_file_path(dir, "index", path);
    disk_each_name(path, take_name, &list);
    assert_int_equal(list.count, INDEX_FILES);
    snprintf(name, sizeof name, "index/%s", list.names[number]);
    store_dir_delete(dir, name);
}

static int times_found(struct store_dir *dir, int number)
{
    struct buf found = BUF_INIT;
    int64_t last_ms, last_phy;
    char key[16];
    snprintf(key, sizeof key, "k%d", number);
    int count = store_query(dir->store, SLICE("orders"), slice_str(key), 8, 0, INT64_MAX, &found,
                            &last_ms, &last_phy);
    buf_fini(&found);
    return count;
}

static void expect_every_key_once(struct store_dir *dir)
{
    store_dir_await_index(dir);
    for (int i = 0; i < INDEX_KEYS; i++)
        assert_int_equal(times_found(dir, i), 1);
}

/* Goal: the reference drops index files that it had not synced, and goes on behind what they held:
 * those keys are found all the same, and no key twice. Method: one file after the other is removed
 * in a directory that the reference left, stopped or killed; some records have no keys. */
static void keys_in_a_gap_of_the_index_are_found(void **state)
{
    struct store_dir *dir = *state;
    for (int i = 0; i < INDEX_KEYS; i++) {
        char properties[32];
        snprintf(properties, sizeof properties, "KEYS\001k%d\002", i);
        store_dir_put(dir, "orders", 0, "x", properties);
        if (i % 50 == 0)
            store_dir_put(dir, "orders", 0, "without keys", "");
    }
    expect_every_key_once(dir);
    for (int number = 0; number < INDEX_FILES; number++) {
        hand_over(dir, number % 2 == 1);
        remove_index_file(dir, number);
        store_dir_open(dir);
        expect_every_key_once(dir);
    }
}

/* Goal: where there is no gap the reference's index is not made again. Method: nothing is said of a
 * file that is dropped. */
static void an_index_without_a_gap_stays(void **state)
{
    struct store_dir *dir = *state;
    for (int i = 0; i < INDEX_KEYS; i++) {
        char properties[32];
        snprintf(properties, sizeof properties, "KEYS\001k%d\002", i);
        store_dir_put(dir, "orders", 0, "x", properties);
        if (i % 100 == 0)
            store_dir_put(dir, "orders", 0, "without keys", "KEYS\001  \002");
    }
    store_dir_await_index(dir);
    hand_over(dir, false);
    assert_false(opening_says(dir, "index_file_dropped"));
    expect_every_key_once(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(missing_entries_are_found, set_up, store_dir_tear_down),
        cmocka_unit_test_setup_teardown(a_large_log_is_not_looked_through, set_up,
                                        store_dir_tear_down),
        cmocka_unit_test_setup_teardown(a_record_without_a_place_is_put_again, set_up,
                                        store_dir_tear_down),
        cmocka_unit_test_setup_teardown(a_queue_that_is_shifted_is_read_by_its_places, set_up,
                                        store_dir_tear_down),
        cmocka_unit_test(left_over_records_stay_away),
        cmocka_unit_test(more_without_a_place_than_are_put_again),
        cmocka_unit_test(a_record_put_late_does_not_end_the_log),
        cmocka_unit_test_setup_teardown(damage_before_whole_records_is_refused, set_up,
                                        store_dir_tear_down),
        cmocka_unit_test_setup_teardown(keys_in_a_gap_of_the_index_are_found, set_up,
                                        store_dir_tear_down),
        cmocka_unit_test_setup_teardown(an_index_without_a_gap_stays, set_up, store_dir_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
