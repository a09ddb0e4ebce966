#include "store/store_dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "store/checkpoint.h"
#include "store/consume_queue.h"
#include "wire/properties.h"

#define FIRST_FILE "batchconsumequeue/bulk/0/00000000000000000000"

enum { FILE_ENTRIES = 10, BATCH_ENTRY_BYTES = 46 };

/* What the tests' broker knows of its topics. */
static bool name_bulk(void *ctx, size_t *cursor, struct slice *topic)
{
    (void)ctx;
    *topic = SLICE("bulk");
    return (*cursor)++ == 0;
}

static struct store_dir *configured(struct store_dir *dir)
{
    dir->options.batch_queue_file_bytes = FILE_ENTRIES * BATCH_ENTRY_BYTES;
    dir->options.next_batch_topic = name_bulk;
    dir->options.delete_when = "";
    return dir;
}

static int set_up(void **state)
{
    return store_dir_set_up(state, configured(store_dir_new()));
}

/* A record that says it holds `count` messages. */
static struct store_put_result put_batch_to(struct store_dir *dir, const char *topic, int count)
{
    char properties[64];
    struct store_put_result result;
    snprintf(properties, sizeof properties, "UNIQ_KEY\001u\002INNER_NUM\001%d\002", count);
    struct record record = store_dir_record(topic, 0, SLICE("a batch"), properties);
    record.sys_flag = SYS_FLAG_INNER_BATCH | SYS_FLAG_NEED_UNWRAP;
    assert_int_equal(store_put(dir->store, &record, 1, dir->now_ms++, &result, NULL), 0);
    return result;
}

static struct store_put_result put_batch(struct store_dir *dir, int count)
{
    return put_batch_to(dir, "bulk", count);
}

static int64_t queue_max(struct store_dir *dir)
{
    return store_queue_max(dir->store, SLICE("bulk"), 0);
}

/* Batches of 1, 2, 3, 1, 2, 3, ... messages. Returns the next queue offset. */
static int64_t put_some(struct store_dir *dir, int count)
{
    int64_t next = queue_max(dir);
    for (int i = 0; i < count; i++) {
        int messages = 1 + i % 3;
        struct store_put_result result = put_batch(dir, messages);
        assert_int_equal(result.queue_offset, next);
        next += messages;
    }
    assert_int_equal(queue_max(dir), next);
    return next;
}

/* From every message of the queue the record that holds it is found, and they follow each other. */
static void expect_whole(struct store_dir *dir, int64_t min, int64_t max)
{
    struct buf body = BUF_INIT;
    assert_int_equal(queue_max(dir), max);
    assert_int_equal(store_queue_min(dir->store, SLICE("bulk"), 0), min);
    int64_t base = -1;
    for (int64_t offset = min; offset < max; offset++) {
        struct store_get_request request = { .topic = SLICE("bulk"),
                                             .queue_offset = offset,
                                             .max_count = 1,
                                             .max_bytes = 1,
                                             .may_block = true };
        struct store_get_result result;
        struct record record;
        int32_t count;
        int64_t told;
        buf_clear(&body);
        assert_int_equal(store_get(dir->store, &request, &body, &result), 0);
        assert_int_equal(result.status, GET_FOUND);
        assert_int_equal(record_decode(buf_slice(&body), RECORD_CHECK_BODY_CRC, &record), 0);
        struct slice number = property_get(record.properties, SLICE(PROPERTY_INNER_NUM));
        assert_true(slice_to_i32(number, &count));
        number = property_get(record.properties, SLICE(PROPERTY_INNER_BASE));
        assert_true(slice_to_i64(number, &told));
        assert_int_equal(told, record.queue_offset);
        assert_true(offset >= told && offset < told + count);
        assert_int_equal(result.next_offset, told + count);
        assert_true(told == base || told == offset);
        base = told;
    }
    buf_fini(&body);
}

/* Goal: an entry on disk has the reference's bytes. */
static void an_entry_has_its_bytes(void **state)
{
    struct store_dir *dir = *state;
    put_batch(dir, 5);
    struct store_put_result result = put_batch(dir, 3);
    store_dir_close(dir);
    uint8_t bytes[BATCH_ENTRY_BYTES];
    store_dir_read(dir, FIRST_FILE, BATCH_ENTRY_BYTES, bytes, sizeof bytes);
    assert_int_equal(get_be64(bytes), result.phy_offset);
    assert_int_equal(get_be32(bytes + 8), result.end_phy_offset - result.phy_offset);
    assert_int_equal(get_be64(bytes + 12), 0);
    assert_int_equal(get_be64(bytes + 20), result.store_timestamp);
    assert_int_equal(get_be64(bytes + 28), 5);
    assert_int_equal(get_be16(bytes + 36), 3);
    assert_int_equal(get_be32(bytes + 38), UINT32_MAX);
    assert_int_equal(get_be32(bytes + 42), 0);
    char path[256];
    struct stat file;
    store_dir_file_path(dir, FIRST_FILE, path);
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_size, FILE_ENTRIES * BATCH_ENTRY_BYTES);
}

/* Goal: entries are found across files, in memory and on disk, before and after a clean restart. */
static void messages_are_found_in_every_file(void **state)
{
    struct store_dir *dir = *state;
    int64_t max = put_some(dir, 5 * FILE_ENTRIES + 3);
    expect_whole(dir, 0, max);
    store_dir_close(dir);
    store_dir_open(dir);
    expect_whole(dir, 0, max);
    max = put_some(dir, 4);
    expect_whole(dir, 0, max);
}

/* Goal: an empty queue begins at -1, and so does one that nobody wrote to. */
static void an_empty_queue_begins_before_zero(void **state)
{
    struct store_dir *dir = *state;
    assert_int_equal(store_queue_min(dir->store, SLICE("bulk"), 0), -1);
    assert_int_equal(queue_max(dir), 0);
    assert_int_equal(store_queue_min(dir->store, SLICE("orders"), 0), 0);
    int64_t by_time;
    assert_int_equal(
        store_queue_offset_by_time(dir->store, SLICE("bulk"), 0, 5, BOUNDARY_LOWER, &by_time), 0);
    assert_int_equal(by_time, 0);
}

/* Goal: what was put survives the death of the process at any moment, whole batches only.
 * Method: rounds of puts; the files are copied as they are, the copy is opened and compared. */
static void a_killed_store_has_every_batch(void **state)
{
    struct store_dir *dir = *state;
    for (int round = 0; round < 8; round++) {
        int64_t max = put_some(dir, 3 + 7 * round % 16);
        struct store_dir *killed = configured(store_dir_copy(dir));
        store_dir_open(killed);
        expect_whole(killed, 0, max);
        int64_t more = put_some(killed, 4);
        struct store_dir *again = configured(store_dir_copy(killed));
        store_dir_open(again);
        expect_whole(again, 0, more);
        store_dir_remove(again);
        store_dir_remove(killed);
    }
}

/* Goal: lost queues are built again from the log, also when the checkpoint trusts them. */
static void lost_queues_are_built_again(void **state)
{
    struct store_dir *dir = *state;
    int64_t max = put_some(dir, 3 * FILE_ENTRIES);
    store_dir_put(dir, "orders", 0, "plain", "");
    store_dir_close(dir);
    store_dir_delete(dir, "batchconsumequeue");
    store_dir_open(dir);
    expect_whole(dir, 0, max);
    store_dir_expect(dir, "orders", 0, 0, "plain");
}

/* Goal: after a crash, entries that lead to no record are dropped when the queue is opened.
 * Method: a clean close, so that the entries are in their file; then what a kill leaves, without
 * the checkpoint and with one more entry, which leads behind the log's end. */
static void a_stale_entry_is_dropped(void **state)
{
    struct store_dir *dir = *state;
    int64_t max = put_some(dir, 4);
    int64_t end = store_dir_log_end(dir);
    store_dir_close(dir);
    store_dir_open(dir);
    struct store_dir *killed = configured(store_dir_copy(dir));
    uint8_t bytes[BATCH_ENTRY_BYTES] = { 0 };
    put_be64(bytes, (uint64_t)end + 500);
    put_be32(bytes + 8, 100);
    put_be64(bytes + 28, (uint64_t)max);
    put_be16(bytes + 36, 2);
    store_dir_delete(killed, "checkpoint");
    store_dir_write(killed, FIRST_FILE, 4 * BATCH_ENTRY_BYTES, bytes, sizeof bytes);
    store_dir_open(killed);
    expect_whole(killed, 0, max);
    put_some(killed, 3);
    store_dir_remove(killed);
}

static bool takes_none(void *ctx, int64_t tags_code)
{
    (void)ctx;
    (void)tags_code;
    return false;
}

/* How many records a reader gets, one by one, who begins there and goes on to the end. */
static int count_read(struct store_dir *dir, int64_t from, store_tag_filter *filter, bool may_block)
{
    struct buf body = BUF_INIT;
    int records = 0;
    int64_t max = queue_max(dir);
    for (int64_t at = from; at < max;) {
        struct store_get_request request = { .topic = SLICE("bulk"),
                                             .queue_offset = at,
                                             .max_count = 1,
                                             .filter = filter,
                                             .may_block = may_block };
        struct store_get_result result;
        struct record record;
        buf_clear(&body);
        assert_int_equal(store_get(dir->store, &request, &body, &result), 0);
        for (struct slice rest = buf_slice(&body); rest.len > 0; records++) {
            assert_int_equal(record_decode(rest, RECORD_CHECK_ALL, &record), 0);
            assert_true(record.queue_offset >= from || from - record.queue_offset < 3);
            rest = slice_from(rest, (size_t)record.total_bytes);
        }
        assert_true(result.next_offset > at);
        assert_true(result.next_offset <= max);
        at = result.next_offset;
    }
    buf_fini(&body);
    return records;
}

static int64_t damaged(struct store_dir *dir)
{
    struct store_state state;
    store_state(dir->store, &state);
    return state.damaged_records;
}

enum { BATCHES = 8 };
static const int first_of[BATCHES + 1] = { 0, 1, 3, 6, 7, 9, 12, 13, 15 };

/* Bits of one entry turn, in the file of a store that is open and has read it once. */
static void flip_and_read_on(struct store_dir *dir, int entry, int64_t in_entry, int bit,
                             bool may_block)
{
    int64_t at = entry * BATCH_ENTRY_BYTES + in_entry;
    uint8_t before;
    uint8_t after;
    store_dir_read(dir, FIRST_FILE, at, &before, 1);
    for (int i = 0; i < BATCHES; i++) {
        int64_t told_before = damaged(dir);
        store_dir_flip(dir, FIRST_FILE, at, bit);
        assert_int_equal(count_read(dir, first_of[i], NULL, may_block), BATCHES - i);
        if (i <= entry)
            assert_true(damaged(dir) > told_before);
        store_dir_read(dir, FIRST_FILE, at, &after, 1);
        if (may_block && i <= entry) /* who can wait has put it right */
            assert_int_equal(after, before);
        if (after != before)
            store_dir_flip(dir, FIRST_FILE, at, bit);
    }
}

/* Goal: a number of an entry, or its count, that turned, to whatever it turned, hides no record
 * from who reads on, wherever it begins, and leads nobody past the end of the queue. Method: each
 * bit of both, in an open store, in the first entry, the last and one in the midst; readers that
 * begin at each record, that can wait and that cannot; and one whose filter takes nothing. */
static void a_number_that_turned_hides_nothing(void **state)
{
    static const int turned[] = { 0, 3, BATCHES - 1 };
    enum { NUMBER_BITS = 64, BITS = NUMBER_BITS + 16 };
    struct store_dir *dir = *state;
    put_some(dir, BATCHES);
    store_dir_close(dir);
    store_dir_open(dir);
    assert_int_equal(count_read(dir, 0, NULL, true), BATCHES);
    bool tells_of_waits = store_dir_tells_of_waits(dir, FIRST_FILE);
    for (int bit = 0; bit < BITS * 3; bit++) {
        int in_entry = bit % BITS < NUMBER_BITS ? BCQ_QUEUE_OFFSET + bit % BITS / 8
                                                : BCQ_COUNT + (bit % BITS - NUMBER_BITS) / 8;
        int entry = turned[bit / BITS];
        flip_and_read_on(dir, entry, in_entry, bit % 8, true);
        if (tells_of_waits)
            flip_and_read_on(dir, entry, in_entry, bit % 8, false);
        store_dir_flip(dir, FIRST_FILE, entry * BATCH_ENTRY_BYTES + in_entry, bit % 8);
        assert_int_equal(count_read(dir, 0, takes_none, true), 0);
        expect_whole(dir, 0, first_of[BATCHES]);
    }
}

/* Goal: an entry whose position or length turned leads to its record all the same. Method: as
 * above. */
static void a_position_that_turned_hides_nothing(void **state)
{
    enum { BITS = 64 + 32 };
    struct store_dir *dir = *state;
    put_some(dir, BATCHES);
    store_dir_close(dir);
    store_dir_open(dir);
    assert_int_equal(count_read(dir, 0, NULL, true), BATCHES);
    bool tells_of_waits = store_dir_tells_of_waits(dir, FIRST_FILE);
    for (int bit = 0; bit < BITS; bit++) {
        flip_and_read_on(dir, 3, CQ_PHY_OFFSET + bit / 8, bit % 8, true);
        if (tells_of_waits)
            flip_and_read_on(dir, 3, CQ_PHY_OFFSET + bit / 8, bit % 8, false);
    }
    expect_whole(dir, 0, first_of[BATCHES]);
}

/* Goal: a crash that tears the last record takes its batch, and that alone. Method: as a loss of
 * power leaves it, no checkpoint says that the page cache is whole. */
static void a_torn_batch_is_gone_as_a_whole(void **state)
{
    struct store_dir *dir = *state;
    int64_t max = put_some(dir, 6);
    struct store_put_result last = put_batch(dir, 4);
    struct store_dir *torn = configured(store_dir_copy(dir));
    uint8_t zeros[64] = { 0 };
    store_dir_write(torn, "commitlog/00000000000000000000", last.end_phy_offset - 20, zeros, 20);
    store_dir_delete(torn, "checkpoint");
    store_dir_open(torn);
    expect_whole(torn, 0, max);
    assert_int_equal(put_batch(torn, 2).queue_offset, max);
    store_dir_remove(torn);
}

/* The directory as a loss of power leaves it, whose last checkpoint knew that all below phy_offset
 * is on the disk. */
static struct store_dir *copy_without_power(const struct store_dir *dir, int64_t phy_offset)
{
    struct checkpoint checkpoint;
    char path[256];
    struct store_dir *copy = configured(store_dir_copy(dir));
    store_dir_file_path(copy, "checkpoint", path);
    fault_arm_value("disk.boot_id", 'x');
    assert_int_equal(checkpoint_read(path, &checkpoint), 0);
    checkpoint.dispatched = checkpoint.durable = checkpoint.flushed = phy_offset;
    assert_int_equal(checkpoint_replace(path, &checkpoint, false), 0);
    store_dir_write(copy, "abort", 0, "1", 1);
    fault_disarm_all();
    return copy;
}

/* Goal: a hole that a loss of power left in a file before the last, or in the midst of the last,
 * hides nothing. Method: holes of a part of an entry and of several, all over what
 * was not safe; opened, put to and opened again. */
static void a_hole_hides_nothing(void **state)
{
    enum { COUNT = 2 * FILE_ENTRIES + 4, SAFE = 5 };
    static const uint8_t zeros[3 * BATCH_ENTRY_BYTES];
    static const int lengths[] = { 20, BATCH_ENTRY_BYTES, sizeof zeros };
    struct store_dir *dir = *state;
    put_some(dir, SAFE);
    int64_t safe_end = store_dir_log_end(dir);
    int64_t max = put_some(dir, COUNT - SAFE);
    store_dir_close(dir);
    for (int round = 0; round < 40; round++) {
        int len = lengths[round % 3];
        int at = SAFE * BATCH_ENTRY_BYTES + round * 19 % ((COUNT - SAFE - 3) * BATCH_ENTRY_BYTES);
        struct store_dir *crashed = copy_without_power(dir, safe_end);
        for (int done = 0; done < len; done++) {
            char name[64];
            int file_bytes = FILE_ENTRIES * BATCH_ENTRY_BYTES;
            snprintf(name, sizeof name, "batchconsumequeue/bulk/0/%020d",
                     (at + done) / file_bytes * file_bytes);
            store_dir_write(crashed, name, (at + done) % file_bytes, zeros, 1);
        }
        store_dir_open(crashed);
        expect_whole(crashed, 0, max);
        int64_t more = put_some(crashed, 2);
        store_dir_close(crashed);
        store_dir_open(crashed);
        expect_whole(crashed, 0, more);
        store_dir_remove(crashed);
    }
}

static bool queue_begins_with_the_log(void *ctx)
{
    struct store_dir *dir = ctx;
    struct store_queue_entry entry;
    int64_t min = store_queue_min(dir->store, SLICE("bulk"), 0);
    return store_queue_entry_at(dir->store, SLICE("bulk"), 0, min, &entry) == 0 &&
           entry.queue_offset == min && entry.phy_offset >= LOG_FILE_BYTES &&
           !store_dir_has(dir, FIRST_FILE);
}

/* Goal: when old files of the log go, the queue begins at the first batch that is left. */
static void old_batches_go_with_the_log(void **state)
{
    struct store_dir *dir = *state;
    while (store_dir_log_end(dir) < 3 * LOG_FILE_BYTES + 1000)
        put_some(dir, 20);
    int64_t max = queue_max(dir);
    store_dir_close(dir);
    store_dir_age(dir, "commitlog/00000000000000000000", 100);
    store_dir_open(dir);
    store_clean_now(dir->store);
    store_dir_await(queue_begins_with_the_log, dir);
    int64_t min = store_queue_min(dir->store, SLICE("bulk"), 0);
    expect_whole(dir, min, max);
    store_dir_close(dir);
    store_dir_open(dir);
    expect_whole(dir, min, max);
}

/* The entry in the midst of its file, by its place. */
static void flip_entry(struct store_dir *dir, int64_t place, int64_t in_entry, int bit)
{
    char name[96];
    snprintf(name, sizeof name, "batchconsumequeue/bulk/0/%020lld",
             (long long)(place / FILE_ENTRIES * FILE_ENTRIES * BATCH_ENTRY_BYTES));
    store_dir_flip(dir, name, place % FILE_ENTRIES * BATCH_ENTRY_BYTES + in_entry, bit);
}

/* Goal: what an entry says where the queue begins, when old files have gone, is what its record
 * says. Method: as above; each bit of the number of the entry that will be the first. */
static void a_start_that_turned_hides_nothing(void **state)
{
    struct store_queue_entry first = { .count = 0 };
    struct store_dir *dir = *state;
    int64_t place = -1;
    while (store_dir_log_end(dir) < 2 * LOG_FILE_BYTES)
        put_some(dir, 20);
    int64_t max = queue_max(dir);
    do {
        int64_t next = first.queue_offset + first.count;
        assert_int_equal(store_queue_entry_at(dir->store, SLICE("bulk"), 0, next, &first), 0);
        place++;
    } while (first.phy_offset < LOG_FILE_BYTES);
    store_dir_close(dir);
    store_dir_age(dir, "commitlog/00000000000000000000", 100);
    for (int bit = 0; bit < 64; bit += 7) {
        struct store_dir *copy = configured(store_dir_copy(dir));
        store_dir_open(copy);
        assert_int_equal(store_queue_min(copy->store, SLICE("bulk"), 0), 0);
        flip_entry(copy, place, BCQ_QUEUE_OFFSET + bit / 8, bit % 8);
        store_dir_age(copy, "commitlog/00000000000000000000", 100);
        store_clean_now(copy->store);
        store_dir_await(queue_begins_with_the_log, copy);
        expect_whole(copy, first.queue_offset, max);
        store_dir_remove(copy);
    }
}

/* Goal: an inner batch that comes to an ordinary queue (a retry topic, say) is one message there,
 * also after the queue was built again. */
static void in_a_simple_queue_it_is_one_message(void **state)
{
    struct store_dir *dir = *state;
    assert_int_equal(put_batch_to(dir, "orders", 7).queue_offset, 0);
    assert_int_equal(put_batch_to(dir, "orders", 7).queue_offset, 1);
    struct store_dir *killed = configured(store_dir_copy(dir));
    store_dir_open(killed);
    assert_int_equal(store_queue_max(killed->store, SLICE("orders"), 0), 2);
    store_dir_expect(killed, "orders", 0, 1, "a batch");
    store_dir_remove(killed);
}

/* Goal: a deleted topic may come back with queues of the other kind. */
static void a_deleted_topic_forgets_its_kind(void **state)
{
    struct store_dir *dir = *state;
    put_some(dir, 5);
    store_delete_topic(dir->store, SLICE("bulk"));
    assert_int_equal(queue_max(dir), 0);
    assert_int_equal(put_batch(dir, 3).queue_offset, 0);
    assert_int_equal(queue_max(dir), 1);
    assert_true(store_dir_has(dir, "consumequeue"));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, store_dir_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_entry_has_its_bytes),
        CASE(messages_are_found_in_every_file),
        CASE(an_empty_queue_begins_before_zero),
        CASE(a_killed_store_has_every_batch),
        CASE(lost_queues_are_built_again),
        CASE(a_stale_entry_is_dropped),
        CASE(a_number_that_turned_hides_nothing),
        CASE(a_position_that_turned_hides_nothing),
        CASE(a_torn_batch_is_gone_as_a_whole),
        CASE(a_hole_hides_nothing),
        CASE(old_batches_go_with_the_log),
        CASE(a_start_that_turned_hides_nothing),
        CASE(in_a_simple_queue_it_is_one_message),
        CASE(a_deleted_topic_forgets_its_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
