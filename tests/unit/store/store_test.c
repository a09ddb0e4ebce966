#include "base/fault.h"
#include "store/store_dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/java_hash.h"
#include "base/memory.h"

static int set_up(void **state)
{
    return store_dir_set_up(state, store_dir_new());
}

static struct store_get_result get(struct store_dir *dir, const char *topic, int64_t queue_offset,
                                   int32_t max_count, int64_t max_bytes, struct buf *body)
{
    struct store_get_request request = { .topic = slice_str(topic),
                                         .queue_offset = queue_offset,
                                         .max_count = max_count,
                                         .max_bytes = max_bytes,
                                         .may_block = true };
    struct store_get_result result;
    buf_clear(body);
    assert_int_equal(store_get(dir->store, &request, body, &result), 0);
    return result;
}

/* Goal: what was put comes back whole, with the places the put told.
 * Method: two queues, three messages; every field of one is compared. */
static void what_was_put_is_got(void **state)
{
    struct store_dir *dir = *state;
    struct store_put_result first = store_dir_put(dir, "orders", 0, "one", "TAGS\001red\002");
    struct store_put_result second = store_dir_put(dir, "orders", 0, "two", "");
    struct store_put_result other = store_dir_put(dir, "orders", 3, "three", "");
    assert_int_equal(first.phy_offset, 0);
    assert_int_equal(first.queue_offset, 0);
    assert_int_equal(second.phy_offset, first.end_phy_offset);
    assert_int_equal(second.queue_offset, 1);
    assert_int_equal(other.queue_offset, 0);

    struct buf bytes = BUF_INIT;
    struct record record;
    assert_true(store_dir_get(dir, "orders", 0, 0, &bytes, &record));
    assert_int_equal(record.flag, 7);
    assert_int_equal(record.phy_offset, first.phy_offset);
    assert_int_equal(record.born_timestamp, 1600000000000);
    assert_int_equal(record.store_timestamp, first.store_timestamp);
    assert_int_equal(record.store_host.port, 10911);
    assert_true(slice_eq(record.body, SLICE("one")));
    assert_true(slice_eq(record.properties, SLICE("TAGS\001red\002")));
    store_dir_expect(dir, "orders", 0, 1, "two");
    store_dir_expect(dir, "orders", 3, 0, "three");
    assert_int_equal(store_queue_max(dir->store, SLICE("orders"), 0), 2);
    assert_int_equal(store_dir_log_end(dir), other.end_phy_offset);
    buf_fini(&bytes);
}

/* Goal: a get says why it found nothing, and where to go on.
 * Method: every place around a queue of two. */
static void a_get_that_finds_nothing_says_why(void **state)
{
    struct store_dir *dir = *state;
    store_dir_put(dir, "orders", 0, "one", "");
    store_dir_put(dir, "orders", 0, "two", "");
    static const struct {
        const char *topic;
        int64_t queue_offset;
        enum store_get_status status;
        int64_t next_offset;
    } rows[] = {
        { "nobody", 0, GET_NO_MATCHED_LOGIC_QUEUE, 0 },
        { "orders", 0, GET_FOUND, 2 },
        { "orders", 1, GET_FOUND, 2 },
        { "orders", 2, GET_OFFSET_OVERFLOW_ONE, 2 },
        { "orders", 3, GET_OFFSET_OVERFLOW_BADLY, 2 },
        { "orders", -1, GET_OFFSET_TOO_SMALL, 0 },
    };
    struct buf body = BUF_INIT;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct store_get_result result =
            get(dir, rows[i].topic, rows[i].queue_offset, 32, 1 << 20, &body);
        assert_int_equal(result.status, rows[i].status);
        assert_int_equal(result.next_offset, rows[i].next_offset);
    }
    buf_fini(&body);
}

/* Goal: the caller's limits hold, and one message always comes.
 * Method: ten messages of one size, asked for by count and by bytes. */
static void a_get_keeps_to_its_limits(void **state)
{
    struct store_dir *dir = *state;
    int64_t size = 0;
    for (int i = 0; i < 10; i++) {
        struct store_put_result put = store_dir_put_big(dir, "orders", 0, i, 1000);
        size = put.end_phy_offset - put.phy_offset;
    }
    struct buf body = BUF_INIT;
    assert_int_equal(get(dir, "orders", 0, 4, 1 << 20, &body).count, 4);
    assert_int_equal(body.len, 4 * size);
    assert_int_equal(get(dir, "orders", 0, 32, 3 * size, &body).count, 3);
    assert_int_equal(get(dir, "orders", 0, 32, 3 * size - 1, &body).count, 2);
    assert_int_equal(get(dir, "orders", 0, 32, 1, &body).count, 1);
    assert_int_equal(get(dir, "orders", 8, 32, 1 << 20, &body).count, 2);
    buf_fini(&body);
}

static bool is_red(void *ctx, int64_t tags_code)
{
    (void)ctx;
    return tags_code == java_hash(SLICE("red"));
}

/* Goal: the filter sees tag hashes, and a get moves past what did not match.
 * Method: red, blue, none, red; then a queue without red. */
static void tags_decide_what_is_got(void **state)
{
    struct store_dir *dir = *state;
    store_dir_put(dir, "orders", 0, "r0", "TAGS\001red\002");
    store_dir_put(dir, "orders", 0, "b1", "TAGS\001blue\002");
    store_dir_put(dir, "orders", 0, "n2", "");
    store_dir_put(dir, "orders", 0, "r3", "KEYS\001k\002TAGS\001red\002");
    store_dir_put(dir, "blues", 0, "b0", "TAGS\001blue\002");
    struct store_get_request request = { .topic = SLICE("orders"),
                                         .max_count = 32,
                                         .max_bytes = 1 << 20,
                                         .filter = is_red,
                                         .may_block = true };
    struct buf body = BUF_INIT;
    struct store_get_result result;
    assert_int_equal(store_get(dir->store, &request, &body, &result), 0);
    assert_int_equal(result.status, GET_FOUND);
    assert_int_equal(result.count, 2);
    assert_int_equal(result.next_offset, 4);

    request.topic = SLICE("blues");
    buf_clear(&body);
    assert_int_equal(store_get(dir->store, &request, &body, &result), 0);
    assert_int_equal(result.status, GET_NO_MATCHED_MESSAGE);
    assert_int_equal(result.next_offset, 1);
    assert_int_equal(body.len, 0);
    buf_fini(&body);
}

/* Goal: records never straddle two files of the log; queues go on over theirs.
 * Method: more messages than a log file and a queue file hold, then everything is read back. */
static void files_roll(void **state)
{
    struct store_dir *dir = *state;
    enum { COUNT = 3 * QUEUE_FILE_ENTRIES + 5 };
    for (int i = 0; i < COUNT; i++) {
        struct store_put_result put = store_dir_put_big(dir, "orders", 0, i, 1500);
        assert_int_equal(put.queue_offset, i);
        assert_int_equal(put.phy_offset / LOG_FILE_BYTES,
                         (put.end_phy_offset + 7) / LOG_FILE_BYTES);
    }
    struct buf bytes = BUF_INIT;
    struct record record;
    for (int i = 0; i < COUNT; i++) {
        assert_true(store_dir_get(dir, "orders", 0, i, &bytes, &record));
        assert_int_equal(record.body.len, 1500);
        assert_int_equal(record.body.data[1], (uint8_t)(i + 31));
    }
    struct store_get_result all = get(dir, "orders", 0, 1000, 8 << 20, &bytes);
    assert_int_equal(all.count, COUNT);
    buf_fini(&bytes);
}

/* Goal: a batch lies in one file, with consecutive queue offsets, or is not stored at all.
 * Method: a batch that does not fit what is left of a file; one that fits no file. */
static void a_batch_is_not_split(void **state)
{
    struct store_dir *dir = *state;
    static uint8_t body[16000];
    store_dir_put_big(dir, "orders", 0, 1, 30000);
    struct record records[5];
    for (int i = 0; i < 5; i++)
        records[i] = store_dir_record("orders", 0, slice_of(body, sizeof body), "");
    struct store_put_result result;
    int64_t places[3];
    assert_int_equal(store_put(dir->store, records, 3, dir->now_ms, &result, places), 0);
    assert_int_equal(result.phy_offset, LOG_FILE_BYTES);
    assert_int_equal(result.queue_offset, 1);
    assert_int_equal(places[0], LOG_FILE_BYTES);
    assert_int_equal(places[2] - places[1], places[1] - places[0]);
    assert_int_equal(store_queue_max(dir->store, SLICE("orders"), 0), 4);

    int64_t end = store_dir_log_end(dir);
    assert_int_equal(store_put(dir->store, records, 5, dir->now_ms, &result, NULL), ERR_TOO_BIG);
    assert_int_equal(store_dir_log_end(dir), end);
    assert_int_equal(store_queue_max(dir->store, SLICE("orders"), 0), 4);
    struct buf bytes = BUF_INIT;
    struct record record;
    assert_true(store_dir_get(dir, "orders", 0, 3, &bytes, &record));
    assert_int_equal(record.body.len, sizeof body);
    assert_memory_equal(record.body.data, body, sizeof body);
    buf_fini(&bytes);
}

/* Goal: half messages and rollbacks take no place in a queue, commits do.
 * Method: the queue's end after each; the records are readable by place. */
static void prepared_messages_take_no_queue_offset(void **state)
{
    struct store_dir *dir = *state;
    static const struct {
        int32_t sys_flag;
        int64_t max_after;
    } rows[] = { { SYS_FLAG_TRANSACTION_PREPARED, 0 },
                 { SYS_FLAG_TRANSACTION_COMMIT, 1 },
                 { SYS_FLAG_TRANSACTION_ROLLBACK, 1 },
                 { 0, 2 } };
    struct buf bytes = BUF_INIT;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct record record = store_dir_record("orders", 0, SLICE("x"), "");
        record.sys_flag = rows[i].sys_flag;
        struct store_put_result result;
        assert_int_equal(store_put(dir->store, &record, 1, dir->now_ms++, &result, NULL), 0);
        assert_int_equal(store_queue_max(dir->store, SLICE("orders"), 0), rows[i].max_after);
        buf_clear(&bytes);
        assert_int_equal(store_get_at(dir->store, result.phy_offset, &bytes), 0);
        assert_int_equal(bytes.len, result.end_phy_offset - result.phy_offset);
    }
    buf_fini(&bytes);
}

/* Goal: an entry of the delay topic tells when the message is due.
 * Method: level 3 of the default table, one above the highest, none. */
static void delayed_messages_keep_their_due_time(void **state)
{
    struct store_dir *dir = *state;
    const char *topic = "SCHEDULE_TOPIC_XXXX";
    static const struct {
        const char *properties;
        int64_t delay_ms;
    } rows[] = { { "DELAY\0013\002", 10000 }, { "DELAY\00199\002", 7200000 } };
    for (int i = 0; i < 2; i++) {
        struct store_put_result put = store_dir_put(dir, topic, 2, "late", rows[i].properties);
        struct store_queue_entry entry;
        assert_int_equal(store_queue_entry_at(dir->store, slice_str(topic), 2, i, &entry), 0);
        assert_int_equal(entry.tags_code, put.store_timestamp + rows[i].delay_ms);
        assert_int_equal(entry.phy_offset, put.phy_offset);
        assert_int_equal(entry.bytes, put.end_phy_offset - put.phy_offset);
    }
    struct store_queue_entry entry;
    assert_int_equal(store_queue_entry_at(dir->store, slice_str(topic), 2, 2, &entry),
                     ERR_NOT_FOUND);
    assert_int_equal(store_queue_entry_at(dir->store, slice_str(topic), 2, -1, &entry),
                     ERR_NOT_FOUND);
}

/* Goal: a record is found by its place only.
 * Method: its place, places inside it, behind the end, negative. */
static void a_place_without_a_record_is_not_found(void **state)
{
    struct store_dir *dir = *state;
    struct store_put_result put = store_dir_put(dir, "orders", 0, "here", "");
    struct buf bytes = BUF_INIT;
    assert_int_equal(store_get_at(dir->store, put.phy_offset, &bytes), 0);
    for (int64_t at = put.phy_offset + 1; at <= put.end_phy_offset + 100; at++)
        assert_int_equal(store_get_at(dir->store, at, &bytes), ERR_NOT_FOUND);
    assert_int_equal(store_get_at(dir->store, -1, &bytes), ERR_NOT_FOUND);
    assert_int_equal(store_get_at(dir->store, INT64_MAX, &bytes), ERR_NOT_FOUND);
    assert_int_equal(bytes.len, put.end_phy_offset - put.phy_offset);
    buf_fini(&bytes);
}

static int64_t offset_by_time(struct store_dir *dir, const char *topic, int64_t time_ms,
                              enum store_boundary boundary)
{
    int64_t found;
    assert_int_equal(
        store_queue_offset_by_time(dir->store, slice_str(topic), 0, time_ms, boundary, &found), 0);
    return found;
}

static int64_t time_at(struct store_dir *dir, int64_t queue_offset)
{
    int64_t time_ms;
    assert_int_equal(store_queue_time(dir->store, SLICE("orders"), 0, queue_offset, &time_ms), 0);
    return time_ms;
}

/* Goal: a time leads to the first message not before it (lower) or the last not after it (upper).
 * Method: stamps 100 200 200 300, every interesting time. */
static void times_lead_to_queue_offsets(void **state)
{
    struct store_dir *dir = *state;
    static const int64_t stamps[] = { 100, 200, 200, 300 };
    for (int i = 0; i < 4; i++) {
        dir->now_ms = 1000000 + stamps[i];
        store_dir_put(dir, "orders", 0, "x", "");
    }
    static const struct {
        int64_t time, lower, upper;
    } rows[] = { { 50, 0, 0 },  { 100, 0, 0 }, { 150, 1, 0 }, { 200, 1, 2 },
                 { 250, 3, 2 }, { 300, 3, 3 }, { 350, 4, 3 } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t time = 1000000 + rows[i].time;
        assert_int_equal(offset_by_time(dir, "orders", time, BOUNDARY_LOWER), rows[i].lower);
        assert_int_equal(offset_by_time(dir, "orders", time, BOUNDARY_UPPER), rows[i].upper);
    }
    assert_int_equal(offset_by_time(dir, "none", 5, BOUNDARY_LOWER), 0);
    assert_int_equal(time_at(dir, 3), 1000300);
    assert_int_equal(time_at(dir, 4), -1);
}

static int query(struct store_dir *dir, const char *key, int64_t begin_ms, int64_t end_ms,
                 struct buf *found)
{
    int64_t last_ms;
    int64_t last_phy_offset;
    buf_clear(found);
    store_dir_await_index(dir);
    return store_query(dir->store, SLICE("orders"), slice_str(key), 32, begin_ms, end_ms, found,
                       &last_ms, &last_phy_offset);
}

/* Goal: messages are found by unique key and by each word of their keys, once each.
 * Method: two messages that share a word; a word said twice; a key nobody has; a time too early. */
static void keys_lead_to_messages(void **state)
{
    struct store_dir *dir = *state;
    store_dir_put(dir, "orders", 0, "one", "UNIQ_KEY\001U1\002KEYS\001a  b\002");
    store_dir_put(dir, "orders", 0, "two", "UNIQ_KEY\001U2\002KEYS\001b c c\002");
    struct buf found = BUF_INIT;
    assert_int_equal(query(dir, "U1", 0, INT64_MAX, &found), 1);
    struct record record;
    assert_int_equal(record_decode(buf_slice(&found), RECORD_CHECK_BODY_CRC, &record), 0);
    assert_true(slice_eq(record.body, SLICE("one")));
    assert_int_equal(query(dir, "a", 0, INT64_MAX, &found), 1);
    assert_int_equal(query(dir, "b", 0, INT64_MAX, &found), 2);
    assert_int_equal(query(dir, "c", 0, INT64_MAX, &found), 1);
    assert_int_equal(query(dir, "", 0, INT64_MAX, &found), 0);
    assert_int_equal(query(dir, "U3", 0, INT64_MAX, &found), 0);
    assert_int_equal(query(dir, "U1", 0, 1000, &found), 0);
    buf_fini(&found);
}

/* Goal: a message with more keys than are kept when it is put is found by each, and so are others
 * around it.
 * Method: one of many words alone, and one in a batch, between others. */
static void many_keys_lead_to_a_message(void **state)
{
    struct store_dir *dir = *state;
    static const char many[] = "UNIQ_KEY\001U2\002KEYS\001a b c d e f g h i j\002";
    store_dir_put(dir, "orders", 0, "one", "UNIQ_KEY\001U1\002");
    store_dir_put(dir, "orders", 0, "two", many);
    const struct record batch[] = {
        store_dir_record("orders", 0, SLICE("three"), "UNIQ_KEY\001U3\002"),
        store_dir_record("orders", 0, SLICE("four"), many),
        store_dir_record("orders", 0, SLICE("five"), "UNIQ_KEY\001U5\002"),
    };
    struct store_put_result result;
    int64_t phy_offsets[3];
    assert_int_equal(store_put(dir->store, batch, 3, dir->now_ms++, &result, phy_offsets), 0);
    store_dir_put(dir, "orders", 0, "six", "UNIQ_KEY\001U6\002KEYS\001j\002");
    struct buf found = BUF_INIT;
    const char *once[] = { "U1", "U3", "U5", "U6" };
    for (int i = 0; i < 4; i++)
        assert_int_equal(query(dir, once[i], 0, INT64_MAX, &found), 1);
    assert_int_equal(query(dir, "U2", 0, INT64_MAX, &found), 2);
    assert_int_equal(query(dir, "a", 0, INT64_MAX, &found), 2);
    assert_int_equal(query(dir, "j", 0, INT64_MAX, &found), 3);
    buf_fini(&found);
}

/* Goal: an index larger than one file is searched whole.
 * Method: three files' worth of keys; each is found, few slots make long chains. */
static void the_index_rolls(void **state)
{
    struct store_dir *dir = *state;
    enum { COUNT = 3 * INDEX_ENTRIES };
    char properties[64];
    for (int i = 0; i < COUNT; i++) {
        snprintf(properties, sizeof properties, "UNIQ_KEY\001key-%d\002", i);
        store_dir_put(dir, "orders", 0, "x", properties);
    }
    struct buf found = BUF_INIT;
    struct record record;
    for (int i = 0; i < COUNT; i += 7) {
        char key[32];
        snprintf(key, sizeof key, "key-%d", i);
        assert_int_equal(query(dir, key, 0, INT64_MAX, &found), 1);
        assert_int_equal(record_decode(buf_slice(&found), RECORD_CHECK_LENGTHS, &record), 0);
        assert_int_equal(record.queue_offset, i);
    }
    buf_fini(&found);
}

/* Goal: a file that cannot be made stops the index for a while, and no key is lost or found twice.
 * Method: it fails amid keys that are entered together; what was left of them is entered later. */
static void the_index_goes_on_after_a_failure(void **state)
{
    struct store_dir *dir = *state;
    enum { KEYS = 8, COUNT = INDEX_ENTRIES / KEYS + 16 };
    char text[256];
    struct buf found = BUF_INIT;
    store_dir_put(dir, "orders", 0, "x", "UNIQ_KEY\001first\002");
    assert_int_equal(query(dir, "first", 0, INT64_MAX, &found), 1);
    fault_arm("disk.map", 0, 2, ERR_IO); /* the log may meet one, for a file it makes ahead */
    for (int i = 0; i < COUNT; i++) {
        snprintf(text, sizeof text,
                 "UNIQ_KEY\001key-%d\002KEYS\001%d-a %d-b %d-c %d-d %d-e %d-f %d-g\002", i, i, i, i,
                 i, i, i, i);
        store_dir_put(dir, "orders", 0, "x", text);
    }
    for (int i = COUNT - 1; i >= 0; i--) {
        snprintf(text, sizeof text, "key-%d", i);
        while (query(dir, text, 0, INT64_MAX, &found) == 0)
            usleep(10000);
        assert_int_equal(query(dir, text, 0, INT64_MAX, &found), 1);
        snprintf(text, sizeof text, "%d-g", i);
        assert_int_equal(query(dir, text, 0, INT64_MAX, &found), 1);
    }
    fault_disarm_all();
    buf_fini(&found);
}

/* Goal: a deleted topic is gone at once, and one of the same name starts anew.
 * Method: delete, look, put again, look, reopen, look. */
static void a_deleted_topic_starts_anew(void **state)
{
    struct store_dir *dir = *state;
    store_dir_put(dir, "orders", 0, "old", "");
    store_dir_put(dir, "orders", 1, "old", "");
    store_dir_put(dir, "keep", 0, "kept", "");
    store_delete_topic(dir->store, SLICE("orders"));
    assert_int_equal(store_queue_max(dir->store, SLICE("orders"), 0), 0);
    struct buf body = BUF_INIT;
    assert_int_equal(get(dir, "orders", 0, 1, 100, &body).status, GET_NO_MATCHED_LOGIC_QUEUE);
    store_dir_put(dir, "orders", 0, "new", "");
    store_dir_expect(dir, "orders", 0, 0, "new");
    store_dir_close(dir);
    store_dir_open(dir);
    store_dir_expect(dir, "orders", 0, 0, "new");
    assert_int_equal(store_queue_max(dir->store, SLICE("orders"), 0), 1);
    store_dir_expect(dir, "keep", 0, 0, "kept");
    buf_fini(&body);
}

static struct store_put_result put_at(struct store_dir *dir, struct store_place *place,
                                      int32_t queue_id, const char *body)
{
    struct store_put_result result;
    struct record record = store_dir_record("orders", queue_id, slice_str(body), "");
    assert_int_equal(store_put_at(dir->store, place, &record, 1, 1700000000000, &result, NULL), 0);
    return result;
}

/* Goal: who keeps what a put found is not led to queues of a topic that was deleted meanwhile. */
static void a_place_outlives_its_topic(void **state)
{
    struct store_dir *dir = *state;
    struct store_place place = { NULL, NULL };
    put_at(dir, &place, 0, "old");
    assert_int_equal(put_at(dir, &place, 0, "older").queue_offset, 1);
    assert_int_equal(put_at(dir, &place, 1, "beside").queue_offset, 0);
    store_delete_topic(dir->store, SLICE("orders"));
    assert_int_equal(put_at(dir, &place, 0, "new").queue_offset, 0);
    assert_int_equal(store_queue_max(dir->store, SLICE("orders"), 0), 1);
    assert_int_equal(store_queue_max(dir->store, SLICE("orders"), 1), 0);
    store_dir_expect(dir, "orders", 0, 0, "new");
}

struct arrivals {
    int count;
    int64_t last_queue_offset;
    int64_t last_tags_code;
};

static void note_arrival(void *ctx, const struct store_arrival *arrival)
{
    struct arrivals *arrivals = ctx;
    arrivals->count++;
    arrivals->last_queue_offset = arrival->queue_offset;
    arrivals->last_tags_code = arrival->tags_code;
    assert_true(slice_eq(arrival->topic, SLICE("orders")));
}

/* Goal: each message's arrival is told, in order, when it can be got.
 * Method: a batch of two and a half message. */
static void arrivals_are_told(void **state)
{
    struct store_dir *dir = *state;
    struct arrivals arrivals = { 0 };
    store_dir_close(dir);
    dir->options.on_arrival = note_arrival;
    dir->options.ctx = &arrivals;
    store_dir_open(dir);
    struct record records[2] = { store_dir_record("orders", 0, SLICE("a"), ""),
                                 store_dir_record("orders", 0, SLICE("b"), "TAGS\001red\002") };
    struct store_put_result result;
    assert_int_equal(store_put(dir->store, records, 2, dir->now_ms, &result, NULL), 0);
    assert_int_equal(arrivals.count, 2);
    assert_int_equal(arrivals.last_queue_offset, 1);
    assert_int_equal(arrivals.last_tags_code, java_hash(SLICE("red")));
    records[0].sys_flag = SYS_FLAG_TRANSACTION_PREPARED;
    assert_int_equal(store_put(dir->store, records, 1, dir->now_ms, &result, NULL), 0);
    assert_int_equal(arrivals.count, 2);
}

/* Goal: what no record or no file holds is refused and changes nothing.
 * Method: properties, a topic and a body that are too long; then the longest properties. */
static void what_is_too_long_is_refused(void **state)
{
    static uint8_t bytes[LOG_FILE_BYTES];
    struct store_dir *dir = *state;
    struct record record = store_dir_record("orders", 0, SLICE("x"), "");
    struct store_put_result result;
    record.properties = slice_of(bytes, RECORD_PROPERTIES_MAX + 1);
    assert_int_equal(store_put(dir->store, &record, 1, dir->now_ms, &result, NULL), ERR_TOO_BIG);
    record.properties = slice_of(bytes, RECORD_PROPERTIES_MAX);
    record.topic = slice_of(bytes, RECORD_TOPIC_MAX + 1);
    assert_int_not_equal(store_put(dir->store, &record, 1, dir->now_ms, &result, NULL), 0);
    record.topic = SLICE("orders");
    record.body = slice_of(bytes, sizeof bytes);
    assert_int_equal(store_put(dir->store, &record, 1, dir->now_ms, &result, NULL), ERR_TOO_BIG);
    assert_int_equal(store_dir_log_end(dir), 0);
    record.body.len = 1;
    assert_int_equal(store_put(dir->store, &record, 1, dir->now_ms, &result, NULL), 0);
}

/* Goal: a message that waits in the store when the limit of bodies is lowered is moved on all the
 * same: a delay, a timer, a retry, a commit put it once more. It is there after a crash, too. */
static void a_lower_limit_stops_nothing_that_was_taken(void **state)
{
    struct store_dir *dir = *state;
    static char body[2002];
    memset(body, 'x', sizeof body - 1);
    store_dir_put(dir, "waiting", 0, body, "");
    store_dir_close(dir);
    dir->options.max_message_bytes = 1000;
    store_dir_open(dir);
    store_dir_put(dir, "orders", 0, body, "");
    store_dir_expect(dir, "orders", 0, 0, body);
    struct store_dir *crashed = store_dir_copy_without_checkpoint(dir);
    store_dir_open(crashed);
    store_dir_expect(crashed, "waiting", 0, 0, body);
    store_dir_expect(crashed, "orders", 0, 0, body);
    store_dir_remove(crashed);
}

/* Goal: nor are they hidden from who asks for them by their place or their key: transactions are
 * committed by place, messages sent back.
 * Method: a body that is longer than the limit is now, by more than all of a record beside it. */
static void a_lower_limit_hides_nothing_that_was_taken(void **state)
{
    enum { BODY_BYTES = 200000 };
    (void)state;
    struct store_dir *dir = store_dir_new();
    dir->options.commit_log_file_bytes = 1 << 20;
    store_dir_open(dir);
    char *body = memory_zeroed(1, BODY_BYTES + 1);
    memset(body, 'x', BODY_BYTES);
    struct store_put_result put = store_dir_put(dir, "orders", 0, body, "KEYS\001k\002");
    store_dir_close(dir);
    dir->options.max_message_bytes = 1000;
    store_dir_open(dir);
    struct buf bytes = BUF_INIT;
    int64_t last_ms, last_phy_offset;
    assert_int_equal(store_get_at(dir->store, put.phy_offset, &bytes), 0);
    assert_int_equal(store_query(dir->store, SLICE("orders"), SLICE("k"), 1, 0, INT64_MAX, &bytes,
                                 &last_ms, &last_phy_offset),
                     1);
    assert_true(bytes.len > 2 * BODY_BYTES);
    buf_fini(&bytes);
    free(body);
    store_dir_remove(dir);
}

/* Goal: an empty body and IPv6 addresses are stored as they are.
 * Method: put, get, compare. */
static void empty_bodies_and_long_addresses(void **state)
{
    struct store_dir *dir = *state;
    struct record record = store_dir_record("orders", 0, SLICE(""), "");
    record.born_host = (struct host){ .address = { 0xfe, 0x80, 1 }, .is_v6 = true, .port = 99 };
    struct store_put_result result;
    assert_int_equal(store_put(dir->store, &record, 1, dir->now_ms, &result, NULL), 0);
    struct buf bytes = BUF_INIT;
    struct record got;
    assert_true(store_dir_get(dir, "orders", 0, 0, &bytes, &got));
    assert_int_equal(got.body.len, 0);
    assert_true(got.born_host.is_v6);
    assert_memory_equal(got.born_host.address, record.born_host.address, 16);
    assert_false(got.store_host.is_v6);
    buf_fini(&bytes);
}

#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, store_dir_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(what_was_put_is_got),
        STORE_TEST(a_get_that_finds_nothing_says_why),
        STORE_TEST(a_get_keeps_to_its_limits),
        STORE_TEST(tags_decide_what_is_got),
        STORE_TEST(files_roll),
        STORE_TEST(a_batch_is_not_split),
        STORE_TEST(prepared_messages_take_no_queue_offset),
        STORE_TEST(delayed_messages_keep_their_due_time),
        STORE_TEST(a_place_without_a_record_is_not_found),
        STORE_TEST(times_lead_to_queue_offsets),
        STORE_TEST(keys_lead_to_messages),
        STORE_TEST(many_keys_lead_to_a_message),
        STORE_TEST(the_index_rolls),
        STORE_TEST(the_index_goes_on_after_a_failure),
        STORE_TEST(a_deleted_topic_starts_anew),
        STORE_TEST(a_place_outlives_its_topic),
        STORE_TEST(arrivals_are_told),
        STORE_TEST(what_is_too_long_is_refused),
        STORE_TEST(a_lower_limit_stops_nothing_that_was_taken),
        cmocka_unit_test(a_lower_limit_hides_nothing_that_was_taken),
        STORE_TEST(empty_bodies_and_long_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
