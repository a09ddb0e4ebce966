/* txn_check.c - a pass over the halves that wait.
 *
 * Oldest first. A half that is old enough is stored again at the queue's end with one more check
 * counted, and its producers are asked about that copy; one that is immune still is stored again
 * uncounted; one with all its checks done, or older than files are kept, is given up. At the first
 * one that is too young the pass ends: those behind it are younger. What the pass went over is done
 * with, and the positions move on.
 */
#include <assert.h>

#include "base/log.h"
#include "delivery/txn_internal.h"
#include "wire/names.h"

/* The op records that may be forgotten when all before `base` is. */
static void advance(struct txn *t, int64_t base)
{
    struct store *store = t->options.store;
    half_window_advance(&t->halves, base);
    t->op_next = op_places_advance(&t->ops, base,
                                   store_queue_max(store, SLICE(TOPIC_TRANS_OP_HALF), TXN_QUEUE));
}

/* The half stands at the end of the queue as well now, where it waits on. */
static void move(struct txn *t, struct txn_half *half, const struct record *copy,
                 const struct store_put_result *put)
{
    int64_t old = half->record.queue_offset;
    const struct moved_half *before = txn_find_moved(t, half);
    /* An op for the first place of an immune half would say to the reference that its copies are
     * over. It is noted in the end; places of copies are at once, or the last but one would wait
     * after a crash. */
    bool is_noted = half->immunity_ms < 0 || half->is_copy;
    assert(put->queue_offset > old);
    int64_t first = before == NULL ? -1 : before->previous;
    struct moved_half moved = { put->queue_offset, is_noted ? first : old, true };
    if (t->moved.count < MOVED_MAX || before != NULL)
        txn_note_moved(t, half, &moved);
    txn_set_over(t, old, HALF_MOVED, is_noted);
    half->record = *copy;
    half->record.queue_offset = put->queue_offset;
    half->record.phy_offset = put->phy_offset;
    half->record.store_timestamp = put->store_timestamp;
}

static bool put_copy(struct txn *t, struct txn_half *half, struct record copy, int64_t now_ms)
{
    struct store_put_result put;
    if (copy.properties.len > RECORD_PROPERTIES_MAX || txn_put(t, &copy, now_ms, &put) != 0)
        return false;
    move(t, half, &copy, &put);
    return true;
}

static bool give_up(struct txn *t, const struct txn_half *half, int64_t now_ms)
{
    struct record record = txn_given_up(half);
    struct store_put_result put;
    t->options.make_give_up_topic(t->options.ctx);
    if (txn_put(t, &record, now_ms, &put) != 0)
        return false;
    log_warn("transaction_given_up topic=%.*s transaction_id=%.*s checks=%d",
             SLICE_FMT(half->real_topic), SLICE_FMT(half->transaction_id), half->check_times);
    txn_set_over(t, half->record.queue_offset, HALF_GIVEN_UP, true);
    txn_forget_moved(t, half);
    topic_counts_add(&t->waiting, half->real_topic, -1, now_ms);
    return true;
}

/* False: the pass ends before this half. */
static bool check_half(struct txn *t, const struct record *record, int64_t now_ms)
{
    const struct txn_limits *limits = &t->options.limits;
    struct txn_half half;
    assert(half_window_get(&t->halves, record->queue_offset) == HALF_WAITS);
    if (!txn_half_read(record, &half)) {
        log_error("half_message_unusable queue_offset=%lld", (long long)record->queue_offset);
        txn_set_over(t, record->queue_offset, HALF_GIVEN_UP, true);
        return true;
    }
    int64_t age_ms = now_ms - record->born_timestamp; /* by the producer's clock: may be negative */
    if (half.check_times >= limits->check_max || age_ms > limits->reserved_ms)
        return give_up(t, &half, now_ms);
    if (record->store_timestamp >= t->pass_started_ms)
        return false;
    if (half.immunity_ms >= 0 && age_ms <= half.immunity_ms)
        return put_copy(t, &half, txn_immune_copy(&half, &t->arena), now_ms);
    if (half.immunity_ms < 0 && age_ms >= 0 && age_ms <= limits->timeout_ms)
        return false;
    if (!put_copy(t, &half, txn_checked_copy(&half, &t->arena), now_ms))
        return false;
    t->options.ask(t->options.ctx, &half);
    return true;
}

void txn_check_begin(struct txn *txn, int64_t now_ms)
{
    assert(!txn->is_checking);
    txn->is_checking = true;
    txn->pass_started_ms = now_ms;
    txn->at = half_window_next(&txn->halves, txn->halves.base);
}

void txn_check_read(struct txn *txn)
{
    assert(txn->is_checking);
    struct store_get_request get = {
        .topic = SLICE(TOPIC_TRANS_HALF),
        .queue_id = TXN_QUEUE,
        .queue_offset = txn->at,
        .max_count = TXN_READ_COUNT,
        .max_bytes = TXN_READ_BYTES,
        .may_block = true,
    };
    struct store_get_result got;
    buf_clear(&txn->batch);
    txn->batch_err = store_get(txn->options.store, &get, &txn->batch, &got);
    txn->batch_next = txn->batch_err == 0 ? got.next_offset : txn->at;
}

/* False: the pass ends at t->at. */
static bool check_batch(struct txn *t, int64_t now_ms)
{
    struct slice rest = buf_slice(&t->batch);
    struct record record;
    while (rest.len > 0 && record_decode(rest, RECORD_CHECK_BODY_CRC, &record) == 0) {
        int64_t place = record.queue_offset;
        rest = slice_from(rest, (size_t)record.total_bytes);
        if (place < t->at)
            continue;
        t->at = place;
        if (half_window_get(&t->halves, place) == HALF_WAITS && !check_half(t, &record, now_ms))
            return false;
        arena_reset(&t->arena);
        t->at = place + 1;
    }
    return true;
}

bool txn_check_step(struct txn *txn, int64_t now_ms)
{
    assert(txn->is_checking);
    int64_t end = store_queue_max(txn->options.store, SLICE(TOPIC_TRANS_HALF), TXN_QUEUE);
    int64_t begun_at = txn->at;
    bool goes_on = txn->batch_err == 0 && check_batch(txn, now_ms);
    if (goes_on && txn->batch_next > txn->at)
        txn->at = txn->batch_next;
    txn->at = half_window_next(&txn->halves, txn->at);
    assert(txn->at >= begun_at);
    arena_reset(&txn->arena);
    if (goes_on && txn->at < end && txn->at > begun_at)
        return true;
    txn->is_checking = false;
    advance(txn, txn->at < end ? txn->at : end);
    return false;
}
