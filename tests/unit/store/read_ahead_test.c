#include "store/store_dir.h"

#include <stdlib.h>

#include "store/store_internal.h"

/* A 64th of the memory is a step: one of the log's files. What is asked for below is therefore as
 * small as the log; the last 4 MiB of that are near its end, where nobody reads ahead. */
enum { STEP = LOG_FILE_BYTES, MEMORY = 64 * STEP, MESSAGE_BYTES = 60000, MESSAGES = 160 };

struct fixture {
    struct store_dir *dir;
    struct read_ahead *ahead;
    int64_t first; /* phy_offset of the first message of "old" */
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->dir = store_dir_new();
    f->dir->options.flush_interval_ms = ANY_TEST_MS;
    f->dir->options.queue_flush_interval_ms = ANY_TEST_MS;
    store_dir_open(f->dir);
    store_dir_calm(f->dir->store);
    f->first = store_dir_log_end(f->dir);
    for (int i = 0; i < MESSAGES; i++)
        store_dir_put_big(f->dir, "old", 0, i, MESSAGE_BYTES);
    assert_int_equal(read_ahead_new(f->dir->store->log, MEMORY, &f->ahead), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    read_ahead_free(f->ahead);
    store_dir_remove(f->dir);
    free(f);
    return 0;
}

struct noting {
    struct read_ahead *ahead;
    int64_t noted;
    int64_t phy_offset;
    int64_t end;
};

static bool is_asked_to(void *ctx)
{
    const struct noting *n = ctx;
    read_ahead_note(n->ahead, n->noted);
    return read_ahead_end(n->ahead, n->phy_offset) == n->end;
}

/* What is noted while the thread is at it counts for nothing, so it is noted until it did. */
static void note_until_end(struct fixture *f, int64_t noted, int64_t phy_offset, int64_t end)
{
    struct noting noting = { f->ahead, noted, phy_offset, end };
    store_dir_await(is_asked_to, &noting);
}

/* Goal: a step is asked for when someone waits, the next when half of it was read, whoever of the
 * readers was there first, and not again for those behind. */
static void the_next_step_comes_when_half_of_one_is_read(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(read_ahead_end(f->ahead, 0), -1);
    read_ahead_begin(f->ahead, 100);
    assert_int_equal(read_ahead_end(f->ahead, 100), 100 + STEP);
    assert_int_equal(read_ahead_end(f->ahead, 99), -1);
    read_ahead_note(f->ahead, 99 + STEP / 2);
    read_ahead_begin(f->ahead, 5000); /* another waits for the same */
    assert_int_equal(read_ahead_end(f->ahead, 100), 100 + STEP);
    note_until_end(f, 100 + STEP / 2, 100, 100 + 2 * STEP);
    read_ahead_note(f->ahead, 200 + STEP / 2); /* behind: a step and more is left */
    note_until_end(f, 100 + STEP + STEP / 2, 100, 100 + 3 * STEP);
}

/* Goal: switched off, a read that waits has the disk asked for what it reads and no more. */
static void it_can_be_switched_off(void **state)
{
    const struct fixture *f = *state;
    struct store *store = f->dir->store;
    const struct store_get_request request = {
        .topic = SLICE("old"), .max_count = 8, .max_bytes = 1 << 20, .may_block = true
    };
    struct store_get_result result;
    struct buf body = BUF_INIT;
    for (int is_on = 0; is_on < 2; is_on++) {
        store_set_read_ahead(store, is_on);
        assert_int_equal(store_get(store, &request, &body, &result), 0);
        assert_int_equal(result.status, GET_FOUND);
        assert_int_equal(read_ahead_end(store->read_ahead, f->first) >= 0, is_on);
    }
    buf_fini(&body);
}

/* Goal: a long stream forgets where it began: who starts there anew has the disk asked again. */
static void a_stream_forgets_its_start(void **state)
{
    struct fixture *f = *state;
    read_ahead_begin(f->ahead, 0);
    int64_t end = STEP;
    while (read_ahead_end(f->ahead, 0) >= 0) {
        note_until_end(f, end - 1, end + STEP - 1, end + STEP);
        end += STEP;
        assert_true(end <= 20 * STEP);
    }
    assert_true(end > 4 * STEP);
}

/* Goal: one stream more than there may be takes the place of the one used least recently. */
static void streams_are_bounded(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < READ_AHEAD_STREAMS; i++)
        read_ahead_begin(f->ahead, 2 * i * STEP);
    read_ahead_begin(f->ahead, 0); /* used again: the second is the least recent now */
    read_ahead_begin(f->ahead, 2 * READ_AHEAD_STREAMS * STEP);
    assert_int_equal(read_ahead_end(f->ahead, 0), STEP);
    assert_int_equal(read_ahead_end(f->ahead, 2 * STEP), -1);
    assert_int_equal(read_ahead_end(f->ahead, 4 * STEP), 5 * STEP);
}

/* Goal: near the end of the log, what is in memory anyway, nothing is asked for.
 * Method: a step from another stream, asked for afterwards, is there; the thread takes all. */
static void nothing_is_asked_for_near_the_end(void **state)
{
    struct fixture *f = *state;
    int64_t near = commit_log_near_start(f->dir->store->log);
    assert_true(near > STEP);
    read_ahead_begin(f->ahead, near - STEP / 2);
    read_ahead_begin(f->ahead, 0);
    read_ahead_note(f->ahead, near + STEP / 2 - 1);
    note_until_end(f, STEP - 1, 0, 2 * STEP);
    assert_int_equal(read_ahead_end(f->ahead, near), near + STEP / 2);
}

static struct store_get_result get(struct fixture *f, const char *topic, bool must_be_near,
                                   int64_t queue_offset, int *err)
{
    struct buf body = BUF_INIT;
    struct store_get_result result;
    const struct store_get_request request = { .topic = slice_str(topic),
                                               .queue_offset = queue_offset,
                                               .max_count = 32,
                                               .max_bytes = 1 << 20,
                                               .apart_max_count = 8,
                                               .apart_max_bytes = 4096,
                                               .may_block = !must_be_near,
                                               .must_be_near = must_be_near };
    *err = store_get(f->dir->store, &request, &body, &result);
    buf_fini(&body);
    return result;
}

/* Goal: who asks for what was put last gets that at once, and is told to come back for the rest. */
static void what_is_old_is_not_near(void **state)
{
    struct fixture *f = *state;
    int err;
    get(f, "old", true, 0, &err);
    assert_int_equal(err, ERR_WOULD_BLOCK);
    struct store_get_result last = get(f, "old", true, MESSAGES - 3, &err);
    assert_int_equal(err, 0);
    assert_int_equal(last.count, 3);
}

/* Goal: the limits for records that are fetched each for itself hold where they lie far apart, and
 * not where what lies between is brought in with them. */
static void records_far_apart_are_given_a_few_at_a_time(void **state)
{
    struct fixture *f = *state;
    int err;
    for (int i = 0; i < 12; i++) {
        store_dir_put_big(f->dir, "old", 0, i, MESSAGE_BYTES);
        store_dir_put(f->dir, "rare", 0, "a small one", "");
    }
    for (int i = 0; i < 12; i++)
        store_dir_put(f->dir, "dense", 0, "a small one", "");
    assert_int_equal(get(f, "rare", false, 0, &err).count, 8);
    assert_int_equal(err, 0);
    assert_int_equal(get(f, "dense", false, 0, &err).count, 12);
    assert_int_equal(err, 0);
}

#define AHEAD_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        AHEAD_TEST(the_next_step_comes_when_half_of_one_is_read),
        AHEAD_TEST(a_stream_forgets_its_start),
        AHEAD_TEST(it_can_be_switched_off),
        AHEAD_TEST(streams_are_bounded),
        AHEAD_TEST(nothing_is_asked_for_near_the_end),
        AHEAD_TEST(what_is_old_is_not_near),
        AHEAD_TEST(records_far_apart_are_given_a_few_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
