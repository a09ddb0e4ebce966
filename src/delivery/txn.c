/* txn.c - the end of transactions, op records and positions.
 *
 *   half queue   | done | done | waits | moved | ... | copy |
 *                               ^ base                   the same message, stored again by a check
 *   op queue     | "0,1," | "4,9," | ...               which halves have ended
 *
 * Whether a half still waits is known in memory (halves). Commit puts the final message first and
 * notes the end after: between the two a crash leaves a half that waits although its message is
 * out. So every op record is put with all ends before it in its body, and what was committed behind
 * the latest op record is found in the log when it is opened (txn_recover.c); no message is put
 * twice. A rollback that was not noted in time is only forgotten: its producers are asked again.
 *
 * A check stores a half that waits once more at the end of the queue, so that the base can move on;
 * the place it had is over. A producer that was slow knows the old place only: `moved` finds the
 * newest one by what the message is, which includes who sent it, so nobody can end another's.
 */
#include "delivery/txn.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "delivery/txn_internal.h"
#include "wire/names.h"
#include "wire/txn_op.h"

/* Ends that could not be noted yet; beyond, no more are taken. */

/* ---- halves that were stored again ----------------------------------------------------------- */

struct moved_half *txn_find_moved(struct txn *t, const struct txn_half *half)
{
    return map_get(&t->moved, txn_identity(half, &t->key));
}

void txn_note_moved(struct txn *t, const struct txn_half *half, const struct moved_half *moved)
{
    assert(moved->newest > moved->previous);
    struct moved_half *m = txn_find_moved(t, half);
    if (m == NULL) {
        m = memory_take(sizeof *m);
        map_put(&t->moved, txn_identity(half, &t->key), m);
    }
    *m = *moved;
}

void txn_forget_moved(struct txn *t, const struct txn_half *half)
{
    free(map_remove(&t->moved, txn_identity(half, &t->key)));
}

/* ---- putting --------------------------------------------------------------------------------- */

int txn_put(struct txn *t, struct record *record, int64_t now_ms, struct store_put_result *result)
{
    int err = store_put(t->options.store, record, 1, now_ms, result, NULL);
    if (err != 0)
        return err;
    assert(result->end_phy_offset > t->end_phy_offset); /* the log only grows */
    t->end_phy_offset = result->end_phy_offset;
    return 0;
}

bool txn_has_ops(const struct txn *txn)
{
    return txn->op_body.len > 0;
}

int txn_put_ops(struct txn *txn, int64_t now_ms)
{
    if (!txn_has_ops(txn))
        return 0;
    assert(txn->op_highest_half >= 0);
    struct record record = txn_op_record(&txn->options.self, buf_slice(&txn->op_body), now_ms);
    struct store_put_result result;
    int err = txn_put(txn, &record, now_ms, &result);
    if (err != 0)
        return err;
    buf_clear(&txn->op_body);
    op_places_add(&txn->ops, result.queue_offset, txn->op_highest_half);
    txn->op_highest_half = -1;
    return 0;
}

void txn_set_over(struct txn *t, int64_t half_offset, enum half_state state, bool is_noted)
{
    assert(half_offset >= 0 && state != HALF_WAITS);
    if (half_offset >= t->halves.base)
        half_window_set(&t->halves, half_offset, state);
    if (!is_noted)
        return;
    txn_op_append(&t->op_body, half_offset);
    if (half_offset > t->op_highest_half)
        t->op_highest_half = half_offset;
}

/* Full op records are put at once; one that cannot be is tried again by the caller's timer. */
static void put_full_ops(struct txn *t, int64_t now_ms)
{
    if (t->op_body.len < (size_t)t->options.limits.op_max_bytes)
        return;
    int err = txn_put_ops(t, now_ms);
    if (err != 0)
        log_warn("transaction_ops_not_put bytes=%zu reason=%s", t->op_body.len, err_name(err));
}

/* ---- the end --------------------------------------------------------------------------------- */

int txn_read_half(struct store *store, int64_t half_offset, int64_t phy_offset, bool may_block,
                  struct buf *bytes, struct txn_half *half)
{
    struct store_get_request get = {
        .topic = SLICE(TOPIC_TRANS_HALF),
        .queue_id = TXN_QUEUE,
        .queue_offset = half_offset,
        .max_count = 1,
        .may_block = may_block,
    };
    struct store_get_result got;
    struct record record;
    if (half_offset < 0)
        return ERR_NOT_FOUND;
    buf_clear(bytes);
    int err = store_get(store, &get, bytes, &got);
    if (err != 0)
        return err;
    if (got.status != GET_FOUND || got.count != 1 ||
        record_decode(buf_slice(bytes), RECORD_CHECK_BODY_CRC, &record) != 0 ||
        record.queue_offset != half_offset || !txn_half_read(&record, half))
        return ERR_NOT_FOUND;
    return record.phy_offset == phy_offset ? 0 : ERR_INVALID;
}

bool txn_is_late(const struct txn_half *half, int64_t timeout_ms, int64_t now_ms)
{
    int64_t least_ms = half->immunity_ms > timeout_ms ? half->immunity_ms : timeout_ms;
    return half->immunity_ms >= 0 && now_ms - half->record.born_timestamp > least_ms;
}

/* Where the half waits now: its own place, or that of its newest copy; -1: nowhere. */
static int64_t waiting_place(struct txn *t, const struct txn_half *half)
{
    int64_t own = half->record.queue_offset;
    enum half_state state = half_window_get(&t->halves, own);
    if (state == HALF_WAITS)
        return own;
    if (state != HALF_MOVED && state != HALF_OVER)
        return -1;
    const struct moved_half *m = txn_find_moved(t, half);
    if (m == NULL || half_window_get(&t->halves, m->newest) != HALF_WAITS)
        return -1;
    return m->newest;
}

static enum txn_verdict verdict_of_ended(const struct txn *t, const struct txn_half *half,
                                         bool commit)
{
    enum half_state state = half_window_get(&t->halves, half->record.queue_offset);
    bool is_same = state == HALF_COMMITTED || (state == HALF_ROLLED_BACK && !commit);
    /* a rollback after the commit is told that all is well, as with the reference */
    return is_same ? TXN_REPEATED : TXN_REFUSED;
}

/* The half at `place` is over in this way, and so is the place it was copied from. */
static void end_at(struct txn *t, const struct txn_half *half, int64_t place, enum half_state state,
                   int64_t now_ms)
{
    const struct moved_half *m = txn_find_moved(t, half);
    assert(state == HALF_COMMITTED || state == HALF_ROLLED_BACK);
    assert(place >= t->halves.base);
    assert(half_window_get(&t->halves, place) == HALF_WAITS);
    if (m != NULL && m->newest == place && m->previous >= 0)
        txn_set_over(t, m->previous, state, true);
    txn_set_over(t, place, state, true);
    assert(half_window_get(&t->halves, place) == state);
    if (half->record.queue_offset != place && half->record.queue_offset >= t->halves.base)
        txn_set_over(t, half->record.queue_offset, state, false);
    if (m != NULL && m->newest == place)
        txn_forget_moved(t, half);
    topic_counts_add(&t->waiting, half->real_topic, -1, now_ms);
}

struct txn_end txn_commit(struct txn *txn, const struct txn_half *half, int64_t now_ms,
                          struct arena *arena)
{
    int64_t place = waiting_place(txn, half);
    if (place < 0)
        return (struct txn_end){ .verdict = verdict_of_ended(txn, half, true),
                                 .end_phy_offset = txn->end_phy_offset };
    if (txn->op_body.len > TXN_ENDS_BYTES_MAX)
        return (struct txn_end){ .verdict = TXN_FAILED, .err = ERR_DISK_FULL };
    struct record final = txn_final(half);
    struct store_put_result result;
    int err = txn->options.put_final(txn->options.ctx, &final, arena, &result);
    if (err != 0)
        return (struct txn_end){ .verdict = TXN_FAILED, .err = err };
    txn->end_phy_offset = result.end_phy_offset;
    end_at(txn, half, place, HALF_COMMITTED, now_ms);
    put_full_ops(txn, now_ms);
    return (struct txn_end){ .verdict = TXN_ENDED, .end_phy_offset = result.end_phy_offset };
}

struct txn_end txn_rollback(struct txn *txn, const struct txn_half *half, bool at_once,
                            int64_t now_ms)
{
    int64_t place = waiting_place(txn, half);
    struct txn_end end = { .verdict = TXN_ENDED };
    if (place >= 0 && txn->op_body.len > TXN_ENDS_BYTES_MAX)
        return (struct txn_end){ .verdict = TXN_FAILED, .err = ERR_DISK_FULL };
    if (place >= 0)
        end_at(txn, half, place, HALF_ROLLED_BACK, now_ms);
    else
        end.verdict = verdict_of_ended(txn, half, false);
    if (end.verdict == TXN_REFUSED)
        return end;
    /* When this put fails it is over nevertheless, until a restart or until the next one. */
    int err = at_once ? txn_put_ops(txn, now_ms) : 0;
    if (err != 0)
        return (struct txn_end){ .verdict = TXN_FAILED, .err = err };
    put_full_ops(txn, now_ms);
    end.end_phy_offset = txn->end_phy_offset;
    return end;
}

struct txn_end txn_resume(struct txn *txn, const struct record *given_up, int64_t now_ms,
                          struct arena *arena)
{
    struct txn_half half;
    if (!slice_eq(given_up->topic, SLICE(TOPIC_TRANS_CHECK_MAX_TIME)) ||
        !txn_half_read(given_up, &half))
        return (struct txn_end){ .verdict = TXN_REFUSED };
    if (txn_find_moved(txn, &half) != NULL)
        return (struct txn_end){ .verdict = TXN_REPEATED };
    struct record record = txn_resumed(given_up, arena);
    struct store_put_result result;
    int err = txn_put(txn, &record, now_ms, &result);
    if (err != 0)
        return (struct txn_end){ .verdict = TXN_FAILED, .err = err };
    struct moved_half moved = { result.queue_offset, -1, true };
    txn_note_moved(txn, &half, &moved);
    topic_counts_add(&txn->waiting, half.real_topic, 1, now_ms);
    return (struct txn_end){ .verdict = TXN_ENDED, .end_phy_offset = result.end_phy_offset };
}

/* ---- how many wait --------------------------------------------------------------------------- */

void txn_half_was_put(struct txn *txn, struct slice real_topic, int64_t now_ms)
{
    topic_counts_add(&txn->waiting, real_topic, 1, now_ms);
}

bool txn_counts_changed(const struct txn *txn)
{
    return txn->waiting.is_changed;
}

void txn_counts_text(struct txn *txn, struct buf *out)
{
    topic_counts_text(&txn->waiting, out);
}

/* ---- life ------------------------------------------------------------------------------------ */

bool txn_wants_check(const struct txn *txn)
{
    int64_t end = store_queue_max(txn->options.store, SLICE(TOPIC_TRANS_HALF), TXN_QUEUE);
    return txn->halves.base < end || txn->ops.count > 0;
}

struct txn_positions txn_positions(const struct txn *txn)
{
    assert(txn->halves.base >= 0 && txn->op_next >= 0);
    return (struct txn_positions){
        .half_next = txn->halves.base,
        .op_next = txn->op_next,
        .end_phy_offset = txn->end_phy_offset,
    };
}

void txn_set_limits(struct txn *txn, const struct txn_limits *limits)
{
    txn->options.limits = *limits;
}

int txn_open(const struct txn_options *options, struct txn **txn)
{
    assert(options->put_final != NULL && options->ask != NULL);
    assert(options->make_give_up_topic != NULL && options->log_file_bytes > 0);
    struct txn *t = calloc(1, sizeof *t);
    if (t == NULL)
        return ERR_NO_MEMORY;
    t->options = *options;
    t->op_highest_half = -1;
    map_init(&t->moved);
    topic_counts_init(&t->waiting, "transactionCount");
    arena_init(&t->arena);
    int err = store_queue_open(options->store, SLICE(TOPIC_TRANS_HALF), TXN_QUEUE);
    if (err == 0)
        err = store_queue_open(options->store, SLICE(TOPIC_TRANS_OP_HALF), TXN_QUEUE);
    if (err == 0)
        err = txn_recover(t);
    if (err != 0) {
        txn_free(t);
        return err;
    }
    *txn = t;
    return 0;
}

void txn_free(struct txn *txn)
{
    if (txn == NULL)
        return;
    size_t cursor = 0;
    struct slice key;
    void *moved;
    while (map_next(&txn->moved, &cursor, &key, &moved))
        free(moved);
    map_fini(&txn->moved);
    topic_counts_fini(&txn->waiting);
    half_window_fini(&txn->halves);
    op_places_fini(&txn->ops);
    buf_fini(&txn->op_body);
    buf_fini(&txn->key);
    buf_fini(&txn->batch);
    arena_fini(&txn->arena);
    free(txn);
}
