#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "delivery/delivery.h"
#include "delivery/txn_internal.h"
#include "store/store_dir.h"
#include "wire/json.h"
#include "wire/properties.h"
#include "wire/txn_op.h"

enum { TIMEOUT_MS = 6000, PASS_MS = 30000, CHECK_MAX = 3, HALVES_MAX = 4096 };

/* A transaction as its producer sees it, and what may be expected of it. */
enum fate {
    OPEN,    /* neither ended nor given up */
    OUT,     /* committed: its message is there once */
    BACK,    /* rolled back, and that was noted on disk: its message never comes */
    FORGOT,  /* rolled back or given up, perhaps without a note: may be open again after a crash */
    DROPPED, /* given up */
};
struct known_half {
    enum fate fate;
    int64_t first, first_phy; /* where it was stored */
    int64_t last, last_phy;   /* where it was when its producer was asked last */
    int asked;                /* since the latest look */
};

/* A store, the transactions on it, and their model. Time is a number. */
struct fixture {
    struct store_dir *dir;
    struct txn *txn;
    struct arena arena;
    struct txn_positions saved;
    struct known_half halves[HALVES_MAX];
    int half_count;
    uint64_t random;
    int asked_count;
    int refusals;             /* so many final messages cannot be put */
    bool copies_in_put;       /* the process dies behind the final message */
    bool copies_in_ask;       /* the process dies behind a copy */
    struct store_dir *copied; /* what it left */
    struct txn_positions copied_positions;
    int given_up_topics;
};

static uint32_t next_random(struct fixture *f, uint32_t below)
{
    f->random = f->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(f->random >> 33) % below;
}

static void leave_copy(struct fixture *f, bool *wanted)
{
    if (!*wanted || f->copied != NULL)
        return;
    *wanted = false;
    f->copied = store_dir_copy(f->dir);
    f->copied_positions = f->saved;
}

static int put_final(void *ctx, struct record *record, struct arena *arena,
                     struct store_put_result *result)
{
    (void)arena;
    struct fixture *f = ctx;
    if (f->refusals > 0) {
        f->refusals--;
        return ERR_DISK_FULL;
    }
    int err = store_put(f->dir->store, record, 1, f->dir->now_ms, result, NULL);
    leave_copy(f, &f->copies_in_put);
    return err;
}

static int number_of(const struct record *record)
{
    int32_t number;
    assert_true(slice_to_i32(record->body, &number));
    return number;
}

static void ask(void *ctx, const struct txn_half *half)
{
    struct fixture *f = ctx;
    struct known_half *known = &f->halves[number_of(&half->record)];
    assert_true(half->record.queue_offset > known->last);
    known->last = half->record.queue_offset;
    known->last_phy = half->record.phy_offset;
    known->asked++;
    f->asked_count++;
    leave_copy(f, &f->copies_in_ask);
}

static void make_give_up_topic(void *ctx)
{
    ((struct fixture *)ctx)->given_up_topics++;
}

static void open_txn(struct fixture *f)
{
    struct txn_options options = {
        .store = f->dir->store,
        .log_file_bytes = LOG_FILE_BYTES,
        .half_next = f->saved.half_next,
        .op_next = f->saved.op_next,
        .limits = { .timeout_ms = TIMEOUT_MS,
                    .reserved_ms = 1000 * 1000 * 1000,
                    .check_max = CHECK_MAX,
                    .op_max_bytes = 64 },
        .put_final = put_final,
        .ask = ask,
        .make_give_up_topic = make_give_up_topic,
        .ctx = f,
    };
    assert_int_equal(txn_open(&options, &f->txn), 0);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->dir = store_dir_new();
    f->dir->options.append_record_crc = true; /* records are longer in the log than when read */
    f->random = 1;
    f->saved = (struct txn_positions){ .half_next = -1, .op_next = -1 };
    arena_init(&f->arena);
    store_dir_open(f->dir);
    open_txn(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    txn_free(f->txn);
    store_dir_remove(f->dir);
    if (f->copied != NULL)
        store_dir_remove(f->copied);
    arena_fini(&f->arena);
    free(f);
    return 0;
}

/* ---- what a test does ------------------------------------------------------------------------ */

/* Stores a half for queue 1 of topic "real"; its body is its number. */
static int send_half(struct fixture *f, const char *more_properties)
{
    int number = f->half_count++;
    assert_true(number < HALVES_MAX);
    arena_reset(&f->arena);
    struct record record = {
        .topic = SLICE("real"),
        .queue_id = 1,
        .flag = 5,
        .sys_flag = SYS_FLAG_TRANSACTION_PREPARED,
        .born_timestamp = f->dir->now_ms,
        .body = arena_printf(&f->arena, "%d", number),
        .properties =
            arena_printf(&f->arena, "TRAN_MSG\001true\002PGROUP\001g\002UNIQ_KEY\001k%d\002%s",
                         number, more_properties),
    };
    struct store_put_result put;
    txn_half_prepare(&record, &f->arena);
    assert_int_equal(store_put(f->dir->store, &record, 1, f->dir->now_ms++, &put, NULL), 0);
    txn_half_was_put(f->txn, SLICE("real"), f->dir->now_ms);
    f->halves[number] = (struct known_half){ .first = put.queue_offset,
                                             .first_phy = put.phy_offset,
                                             .last = put.queue_offset,
                                             .last_phy = put.phy_offset };
    return number;
}

static enum txn_verdict end_at(struct fixture *f, int64_t place, int64_t phy_offset, bool commit,
                               bool at_once)
{
    struct buf bytes = BUF_INIT;
    struct txn_half half;
    assert_int_equal(txn_read_half(f->dir->store, place, phy_offset, true, &bytes, &half), 0);
    struct txn_end end = commit ? txn_commit(f->txn, &half, f->dir->now_ms, &f->arena)
                                : txn_rollback(f->txn, &half, at_once, f->dir->now_ms);
    buf_fini(&bytes);
    return end.verdict;
}

static enum txn_verdict commit_first(struct fixture *f, int number)
{
    return end_at(f, f->halves[number].first, f->halves[number].first_phy, true, false);
}

static enum txn_verdict commit_last(struct fixture *f, int number)
{
    return end_at(f, f->halves[number].last, f->halves[number].last_phy, true, false);
}

static void pass(struct fixture *f)
{
    f->dir->now_ms++;
    txn_check_begin(f->txn, f->dir->now_ms);
    do
        txn_check_read(f->txn);
    while (txn_check_step(f->txn, f->dir->now_ms));
}

static void pass_later(struct fixture *f)
{
    f->dir->now_ms += PASS_MS;
    pass(f);
}

/* The process dies and starts again, from what it left in the page cache. */
static void die(struct fixture *f, struct store_dir *left, struct txn_positions positions)
{
    txn_free(f->txn);
    left->now_ms = f->dir->now_ms;
    left->options.append_record_crc = f->dir->options.append_record_crc;
    store_dir_remove(f->dir);
    f->dir = left;
    f->saved = positions;
    store_dir_open(f->dir);
    open_txn(f);
}

static void restart(struct fixture *f)
{
    assert_int_equal(txn_put_ops(f->txn, f->dir->now_ms), 0);
    f->saved = txn_positions(f->txn);
    txn_free(f->txn);
    store_dir_close(f->dir);
    store_dir_open(f->dir);
    open_txn(f);
}

static int count_in(struct fixture *f, const char *topic, int32_t queue_id, int number)
{
    struct buf bytes = BUF_INIT;
    struct record record;
    int count = 0;
    for (int64_t i = 0; store_dir_get(f->dir, topic, queue_id, i, &bytes, &record); i++)
        count += number_of(&record) == number;
    buf_fini(&bytes);
    return count;
}

static int delivered(struct fixture *f, int number)
{
    return count_in(f, "real", 1, number);
}

/* ---- one behaviour each ---------------------------------------------------------------------- */

/* Goal: a commit puts the message on its topic, marked and tied to its half, with all it had. */
static void a_commit_delivers_the_message(void **state)
{
    struct fixture *f = *state;
    int number = send_half(f, "TAGS\001t\002");
    struct buf bytes = BUF_INIT;
    struct record record;
    assert_int_equal(delivered(f, number), 0);
    assert_int_equal(commit_first(f, number), TXN_ENDED);
    assert_true(store_dir_get(f->dir, "real", 1, 0, &bytes, &record));
    assert_int_equal(record.sys_flag & SYS_FLAG_TRANSACTION_MASK, SYS_FLAG_TRANSACTION_COMMIT);
    assert_int_equal(record.prepared_transaction_offset, f->halves[number].first_phy);
    assert_int_equal(record.flag, 5);
    assert_true(slice_eq(property_get(record.properties, SLICE("TAGS")), SLICE("t")));
    buf_fini(&bytes);
}

/* Goal: whatever comes after the end changes nothing, and is told apart. */
static void an_end_is_final(void **state)
{
    struct fixture *f = *state;
    int out = send_half(f, "");
    int back = send_half(f, "");
    struct known_half *h = &f->halves[back];
    assert_int_equal(commit_first(f, out), TXN_ENDED);
    assert_int_equal(commit_first(f, out), TXN_REPEATED);
    assert_int_equal(end_at(f, f->halves[out].first, f->halves[out].first_phy, false, true),
                     TXN_REPEATED);
    assert_int_equal(end_at(f, h->first, h->first_phy, false, true), TXN_ENDED);
    assert_int_equal(end_at(f, h->first, h->first_phy, false, true), TXN_REPEATED);
    assert_int_equal(commit_first(f, back), TXN_REFUSED);
    assert_int_equal(delivered(f, out), 1);
    assert_int_equal(delivered(f, back), 0);
}

/* Goal: only the half's own two offsets read it. */
static void made_up_places_read_nothing(void **state)
{
    struct fixture *f = *state;
    int a = send_half(f, "");
    int b = send_half(f, "");
    struct store_put_result plain = store_dir_put(f->dir, "real", 0, "7", "");
    struct buf bytes = BUF_INIT;
    struct txn_half half;
    struct store *store = f->dir->store;
    int64_t place = f->halves[a].first;
    assert_int_equal(txn_read_half(store, place, f->halves[b].first_phy, true, &bytes, &half),
                     ERR_INVALID);
    assert_int_equal(txn_read_half(store, place, plain.phy_offset, true, &bytes, &half),
                     ERR_INVALID);
    assert_int_equal(txn_read_half(store, place, -1, true, &bytes, &half), ERR_INVALID);
    assert_int_equal(txn_read_half(store, 99, f->halves[a].first_phy, true, &bytes, &half),
                     ERR_NOT_FOUND);
    assert_int_equal(txn_read_half(store, -1, f->halves[a].first_phy, true, &bytes, &half),
                     ERR_NOT_FOUND);
    buf_fini(&bytes);
}

/* Goal: a client cannot make its message look like a check's copy of another. */
static void what_only_checks_may_say_is_removed(void **state)
{
    struct fixture *f = *state;
    int number =
        send_half(f, "TRANSACTION_CHECK_TIMES\0019\002TRAN_PREPARED_QUEUE_OFFSET\0010\002");
    struct buf bytes = BUF_INIT;
    struct txn_half half;
    assert_int_equal(txn_read_half(f->dir->store, f->halves[number].first,
                                   f->halves[number].first_phy, true, &bytes, &half),
                     0);
    assert_false(half.is_copy);
    assert_int_equal(half.check_times, 0);
    buf_fini(&bytes);
}

/* Goal: nobody is asked before the time; then in order, and the positions move on. */
static void old_halves_are_asked_about(void **state)
{
    struct fixture *f = *state;
    int a = send_half(f, "");
    int b = send_half(f, "");
    assert_int_equal(commit_first(f, b), TXN_ENDED);
    f->dir->now_ms += TIMEOUT_MS - 4;
    pass(f);
    assert_int_equal(f->asked_count, 0);
    assert_int_equal(txn_positions(f->txn).half_next, 0);
    f->dir->now_ms += 10;
    pass(f);
    assert_int_equal(f->asked_count, 1);
    assert_int_equal(f->halves[a].asked, 1);
    assert_int_equal(txn_positions(f->txn).half_next, 2);
    assert_int_equal(commit_last(f, a), TXN_ENDED);
    assert_true(txn_wants_check(f->txn));
    assert_int_equal(txn_put_ops(f->txn, f->dir->now_ms), 0);
    pass_later(f);
    assert_false(txn_wants_check(f->txn));
    assert_int_equal(txn_positions(f->txn).half_next, 3);
    assert_int_equal(txn_positions(f->txn).op_next,
                     store_queue_max(f->dir->store, SLICE("RMQ_SYS_TRANS_OP_HALF_TOPIC"), 0));
    assert_int_equal(f->asked_count, 1);
}

/* Goal: a producer that knows the first place only ends the newest copy with it. */
static void an_old_place_ends_the_newest_copy(void **state)
{
    struct fixture *f = *state;
    int number = send_half(f, "");
    pass_later(f);
    pass_later(f);
    assert_int_equal(f->halves[number].asked, 2);
    assert_int_equal(commit_first(f, number), TXN_ENDED);
    assert_int_equal(commit_last(f, number), TXN_REPEATED);
    assert_int_equal(delivered(f, number), 1);
    pass_later(f);
    assert_int_equal(f->halves[number].asked, 2);
}

/* Goal: after so many questions it is given up, once, and can be put back. */
static void nobody_answers_and_it_is_given_up(void **state)
{
    struct fixture *f = *state;
    int number = send_half(f, "");
    for (int i = 0; i < CHECK_MAX + 2; i++)
        pass_later(f);
    assert_int_equal(f->halves[number].asked, CHECK_MAX);
    assert_int_equal(count_in(f, "TRANS_CHECK_MAX_TIME_TOPIC", 0, number), 1);
    assert_int_equal(f->given_up_topics, 1);
    assert_int_equal(commit_last(f, number), TXN_REFUSED);
    struct buf bytes = BUF_INIT;
    struct record record;
    assert_true(store_dir_get(f->dir, "TRANS_CHECK_MAX_TIME_TOPIC", 0, 0, &bytes, &record));
    assert_int_equal(txn_resume(f->txn, &record, f->dir->now_ms, &f->arena).verdict, TXN_ENDED);
    assert_int_equal(txn_resume(f->txn, &record, f->dir->now_ms, &f->arena).verdict, TXN_REPEATED);
    record.topic = SLICE("real");
    assert_int_equal(txn_resume(f->txn, &record, f->dir->now_ms, &f->arena).verdict, TXN_REFUSED);
    pass_later(f);
    assert_int_equal(f->halves[number].asked, CHECK_MAX + 1);
    assert_int_equal(commit_last(f, number), TXN_ENDED);
    assert_int_equal(delivered(f, number), 1);
    buf_fini(&bytes);
}

/* Goal: an immune half is not asked about, its copies are not counted as checks, and the producer's
 * own place ends it. */
static void an_immune_half_is_left_alone(void **state)
{
    struct fixture *f = *state;
    int a = send_half(f, "CHECK_IMMUNITY_TIME_IN_SECONDS\001200\002");
    int b = send_half(f, "CHECK_IMMUNITY_TIME_IN_SECONDS\001200\002");
    for (int i = 0; i < CHECK_MAX + 2; i++)
        pass_later(f);
    assert_int_equal(f->asked_count, 0);
    assert_int_equal(commit_first(f, a), TXN_ENDED);
    restart(f);
    for (int i = 0; i < 2; i++)
        pass_later(f);
    assert_int_equal(f->halves[a].asked, 0);
    assert_int_equal(f->halves[b].asked, 1);
    assert_int_equal(delivered(f, a), 1);
    assert_int_equal(count_in(f, "TRANS_CHECK_MAX_TIME_TOPIC", 0, b), 0);
}

/* Goal: what an immunity time means for a producer that comes late. */
static void a_late_producer_of_an_immune_half_is_told(void **state)
{
    (void)state;
    struct txn_half half = { .immunity_ms = 10000, .record.born_timestamp = 1000 };
    assert_false(txn_is_late(&half, 6000, 11000));
    assert_true(txn_is_late(&half, 6000, 11001));
    assert_false(txn_is_late(&half, 20000, 21000)); /* the time-out is the least */
    half.immunity_ms = -1;
    assert_false(txn_is_late(&half, 6000, 1000000));
}

/* Goal: a final message that cannot be put leaves the half as it was. */
static void a_failed_put_ends_nothing(void **state)
{
    struct fixture *f = *state;
    int number = send_half(f, "");
    f->refusals = 1;
    assert_int_equal(commit_first(f, number), TXN_FAILED);
    assert_false(txn_has_ops(f->txn));
    assert_int_equal(commit_first(f, number), TXN_ENDED);
    assert_int_equal(delivered(f, number), 1);
}

/* Goal: a crash between the final message and its note does not deliver it twice. */
static void a_crash_behind_the_final_message_is_noticed(void **state)
{
    struct fixture *f = *state;
    int asked = send_half(f, "");
    pass_later(f);
    int fresh = send_half(f, "");
    for (int i = 0; i < 2; i++) {
        int number = i == 0 ? asked : fresh;
        f->copies_in_put = true;
        assert_int_equal(commit_first(f, number), TXN_ENDED);
        struct store_dir *left = f->copied;
        f->copied = NULL;
        die(f, left, f->copied_positions);
        assert_int_not_equal(commit_first(f, number), TXN_ENDED);
        assert_int_equal(commit_last(f, number), TXN_REPEATED);
        pass_later(f);
        assert_int_equal(delivered(f, number), 1);
    }
    assert_int_equal(f->halves[asked].asked, 1);
}

/* Goal: a crash behind a check's copy leaves one half that waits, not two. */
static void a_crash_behind_a_copy_is_noticed(void **state)
{
    struct fixture *f = *state;
    int number = send_half(f, "");
    f->copies_in_ask = true;
    pass_later(f);
    struct store_dir *left = f->copied;
    f->copied = NULL;
    die(f, left, f->copied_positions);
    pass_later(f);
    assert_int_equal(f->halves[number].asked, 2);
    assert_int_equal(commit_first(f, number), TXN_ENDED);
    pass_later(f);
    assert_int_equal(f->halves[number].asked, 2);
    assert_int_equal(delivered(f, number), 1);
}

/* Goal: two clients that gave their messages one unique key do not end each other's. */
static void one_key_twice_is_two_messages(void **state)
{
    struct fixture *f = *state;
    int a = send_half(f, "UNIQ_KEY\001same\002");
    int b = send_half(f, "UNIQ_KEY\001same\002");
    pass_later(f);
    restart(f);
    assert_int_equal(commit_first(f, a), TXN_ENDED);
    assert_int_equal(commit_first(f, b), TXN_ENDED);
    assert_int_equal(delivered(f, a), 1);
    assert_int_equal(delivered(f, b), 1);
}

/* Goal: lists of both generations are read; what is no number is passed over. */
static void op_bodies_of_all_versions_are_read(void **state)
{
    (void)state;
    static const char *const bodies[] = { "12", "12,", "x,12,-3,", ",,12" };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct slice rest = slice_str(bodies[i]);
        int64_t half = -1;
        assert_true(txn_op_next(&rest, &half));
        assert_int_equal(half, 12);
        assert_false(txn_op_next(&rest, &half));
    }
}

/* ---- the model ------------------------------------------------------------------------------- */

/* What config/transactionMetrics says. */
static int64_t waiting(struct fixture *f)
{
    struct buf text = BUF_INIT;
    txn_counts_text(f->txn, &text);
    json_t *json = json_read(buf_slice(&text));
    assert_non_null(json);
    int64_t count = json_get_i64(json_get(json_get(json, "transactionCount"), "real"), "count", 0);
    json_decref(json);
    buf_fini(&text);
    return count;
}

/* A rollback that no op record notes may be forgotten by a crash. */
static void expect_waiting(struct fixture *f)
{
    int open = 0, forgot = 0;
    for (int i = 0; i < f->half_count; i++) {
        open += f->halves[i].fate == OPEN;
        forgot += f->halves[i].fate == FORGOT;
    }
    assert_in_range(waiting(f), open, open + forgot);
}

static void expect_model(struct fixture *f)
{
    expect_waiting(f);
    int *counts = calloc((size_t)f->half_count + 1, sizeof *counts);
    struct buf bytes = BUF_INIT;
    struct record record;
    for (int64_t i = 0; store_dir_get(f->dir, "real", 1, i, &bytes, &record); i++)
        counts[number_of(&record)]++;
    for (int i = 0; i < f->half_count; i++)
        assert_int_equal(counts[i], f->halves[i].fate == OUT ? 1 : 0);
    free(counts);
    buf_fini(&bytes);
}

/* What an end did, compared with what the model allows. */
static void end_randomly(struct fixture *f)
{
    struct known_half *h = &f->halves[next_random(f, (uint32_t)f->half_count)];
    bool by_last = next_random(f, 2) == 0;
    bool commit = next_random(f, 3) > 0;
    bool at_once = next_random(f, 2) == 0;
    bool could_end = h->fate == OPEN || h->fate == FORGOT;
    enum txn_verdict verdict = end_at(f, by_last ? h->last : h->first,
                                      by_last ? h->last_phy : h->first_phy, commit, at_once);
    assert_int_not_equal(verdict, TXN_FAILED);
    if (h->fate == OPEN)
        assert_int_equal(verdict, TXN_ENDED);
    if (verdict == TXN_ENDED) {
        assert_true(could_end);
        h->fate = commit ? OUT : at_once ? BACK : FORGOT;
    }
    if (verdict == TXN_REPEATED && !commit && at_once && h->fate == FORGOT)
        h->fate = BACK;
}

/* Ends that were only noted in memory may be forgotten, all others not. */
static void die_now(struct fixture *f)
{
    if (f->copied != NULL) {
        store_dir_remove(f->copied);
        f->copied = NULL;
    }
    for (int i = 0; i < f->half_count; i++)
        if (f->halves[i].fate == DROPPED)
            f->halves[i].fate = FORGOT;
    die(f, store_dir_copy(f->dir), f->saved);
}

static void note_given_up(struct fixture *f)
{
    struct buf bytes = BUF_INIT;
    struct record record;
    for (int64_t i = 0; store_dir_get(f->dir, "TRANS_CHECK_MAX_TIME_TOPIC", 0, i, &bytes, &record);
         i++) {
        struct known_half *h = &f->halves[number_of(&record)];
        if (h->fate == OPEN || h->fate == FORGOT)
            h->fate = DROPPED;
    }
    buf_fini(&bytes);
}

static void step(struct fixture *f)
{
    switch (next_random(f, 24)) {
    case 0:
        die_now(f);
        expect_model(f);
        break;
    case 1:
        restart(f);
        expect_model(f);
        break;
    case 2:
    case 3:
        f->dir->now_ms += next_random(f, PASS_MS);
        pass(f);
        note_given_up(f);
        break;
    case 4:
        f->saved = txn_positions(f->txn);
        break;
    case 5:
        assert_int_equal(txn_put_ops(f->txn, f->dir->now_ms), 0);
        break;
    default:
        if (f->half_count == 0 || next_random(f, 2) == 0)
            send_half(f, next_random(f, 4) == 0 ? "CHECK_IMMUNITY_TIME_IN_SECONDS\00120\002" : "");
        else
            end_randomly(f);
    }
}

/* Every half that is open is asked about until it ends: nothing was lost. */
static void end_all(struct fixture *f)
{
    for (int i = 0; i < f->half_count; i++)
        f->halves[i].asked = 0;
    for (int i = 0; i < CHECK_MAX + 2; i++)
        pass_later(f);
    note_given_up(f);
    for (int i = 0; i < f->half_count; i++)
        assert_true(f->halves[i].fate != OPEN);
    expect_model(f);
    assert_int_equal(waiting(f), 0);
}

/* Goal: over random sends, ends by old and new places, checks, restarts and crashes, each committed
 * message is there once, what was rolled back or is open is not, and whatever is open is asked
 * about and, unanswered, given up. Method: a model beside it; many seeds. */
static void the_model_agrees(void **state)
{
    struct fixture *f = *state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        f->random = seed;
        for (int i = 0; i < 250; i++)
            step(f);
        end_all(f);
    }
    print_message("%d halves\n", f->half_count);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_commit_delivers_the_message),
        TEST(an_end_is_final),
        TEST(made_up_places_read_nothing),
        TEST(what_only_checks_may_say_is_removed),
        TEST(old_halves_are_asked_about),
        TEST(an_old_place_ends_the_newest_copy),
        TEST(nobody_answers_and_it_is_given_up),
        TEST(an_immune_half_is_left_alone),
        TEST(a_late_producer_of_an_immune_half_is_told),
        TEST(a_failed_put_ends_nothing),
        TEST(a_crash_behind_the_final_message_is_noticed),
        TEST(a_crash_behind_a_copy_is_noticed),
        TEST(one_key_twice_is_two_messages),
        TEST(op_bodies_of_all_versions_are_read),
        TEST(the_model_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
