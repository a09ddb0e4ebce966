/* txn_recover.c - which halves wait, found out when the store is opened.
 *
 *   1. op records from the saved position on: their halves are over
 *   2. halves from the saved position on that are not: they wait; of a half and its copies only the
 *      newest does (a crash may have come before the older place was noted or passed)
 *   3. the log behind the latest op record: final messages whose end was not noted yet
 *
 * The third is a walk over what was written in the seconds before a crash, and done only when a
 * half waits.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "delivery/txn_internal.h"
#include "wire/names.h"
#include "wire/properties.h"
#include "wire/txn_op.h"

typedef void note_fn(struct txn *t, const struct record *record);

/* Every record of a queue in [at, end), but for halves that are over already. Records that cannot
 * be read are passed over: the log says so itself. */
static int walk_queue(struct txn *t, struct slice topic, int64_t at, int64_t end, note_fn *note)
{
    assert(note != NULL && at >= 0);
    bool is_half = slice_eq(topic, SLICE(TOPIC_TRANS_HALF));
    while (at < end) {
        struct store_get_request get = {
            .topic = topic,
            .queue_id = TXN_QUEUE,
            .queue_offset = at,
            .max_count = TXN_READ_COUNT,
            .max_bytes = TXN_READ_BYTES,
            .may_block = true,
        };
        struct store_get_result got;
        struct record record;
        buf_clear(&t->batch);
        int err = store_get(t->options.store, &get, &t->batch, &got);
        if (err != 0)
            return err;
        struct slice rest = buf_slice(&t->batch);
        while (rest.len > 0 && record_decode(rest, RECORD_CHECK_BODY_CRC, &record) == 0) {
            note(t, &record);
            rest = slice_from(rest, (size_t)record.total_bytes);
        }
        at = got.next_offset > at ? got.next_offset : at + 1;
        if (is_half)
            at = half_window_next(&t->halves, at);
        assert(at > get.queue_offset);
    }
    return 0;
}

static int64_t half_end(const struct txn *t)
{
    return store_queue_max(t->options.store, SLICE(TOPIC_TRANS_HALF), TXN_QUEUE);
}

static void note_op(struct txn *t, const struct record *record)
{
    struct slice rest = record->body;
    int64_t half, highest = -1;
    while (txn_op_next(&rest, &half)) {
        if (half < t->halves.base || half >= half_end(t))
            continue;
        half_window_set(&t->halves, half, HALF_OVER);
        if (half > highest)
            highest = half;
    }
    op_places_add(&t->ops, record->queue_offset, highest);
}

static void note_half(struct txn *t, const struct record *record)
{
    struct txn_half half;
    int64_t place = record->queue_offset;
    if (half_window_get(&t->halves, place) != HALF_WAITS || !txn_half_read(record, &half))
        return;
    if (half.first_offset >= t->halves.base && half.first_offset < place &&
        half_window_get(&t->halves, half.first_offset) == HALF_OVER) {
        txn_set_over(t, place, HALF_OVER, true);
        return;
    }
    const struct moved_half *m = txn_find_moved(t, &half);
    if (m == NULL || !half.is_copy)
        topic_counts_add(&t->waiting, half.real_topic, 1, record->store_timestamp);
    if (m != NULL && !half.is_copy)
        return; /* the same message, sent twice: each waits for itself */
    struct moved_half moved = { place, -1, half.is_copy };
    if (m != NULL) {
        bool is_noted = half.immunity_ms < 0 || m->is_copy;
        moved.previous = is_noted ? m->previous : m->newest;
        txn_set_over(t, m->newest, HALF_MOVED, is_noted);
    }
    txn_note_moved(t, &half, &moved);
}

/* ---- final messages whose end was not noted -------------------------------------------------- */

/* The half that a final message came from, if it says so rightly. */
static bool read_origin(struct txn *t, const struct record *final, struct buf *bytes,
                        struct txn_half *half)
{
    struct record record;
    buf_clear(bytes);
    return store_get_at(t->options.store, final->prepared_transaction_offset, bytes) == 0 &&
           record_decode(buf_slice(bytes), RECORD_CHECK_BODY_CRC, &record) == 0 &&
           slice_eq(record.topic, SLICE(TOPIC_TRANS_HALF)) && txn_half_read(&record, half) &&
           record.born_timestamp == final->born_timestamp && record.body_crc == final->body_crc &&
           slice_eq(half->transaction_id,
                    property_get(final->properties, SLICE(PROPERTY_UNIQ_KEY)));
}

static void note_final(struct txn *t, const struct record *final, struct buf *bytes)
{
    struct txn_half half;
    if ((final->sys_flag & SYS_FLAG_TRANSACTION_MASK) != SYS_FLAG_TRANSACTION_COMMIT ||
        !read_origin(t, final, bytes, &half))
        return;
    int64_t place = half.record.queue_offset;
    const struct moved_half *m = txn_find_moved(t, &half);
    if (half_window_get(&t->halves, place) != HALF_WAITS && m != NULL)
        place = m->newest;
    if (place < half_end(t) && half_window_get(&t->halves, place) == HALF_WAITS) {
        txn_set_over(t, place, HALF_COMMITTED, true);
        topic_counts_add(&t->waiting, half.real_topic, -1, final->store_timestamp);
    }
    if (m != NULL && m->newest == place)
        txn_forget_moved(t, &half);
}

static int walk_log(struct txn *t, int64_t phy_offset)
{
    int64_t min = store_min_phy_offset(t->options.store);
    int64_t max = store_max_phy_offset(t->options.store);
    struct buf origin = BUF_INIT;
    int64_t file_bytes = t->options.log_file_bytes;
    int err = 0;
    if (phy_offset < min || phy_offset > max)
        phy_offset = min; /* a damaged entry led here */
    while (err == 0 && phy_offset < max) {
        struct record record;
        int64_t next;
        buf_clear(&t->batch);
        err = store_get_walking(t->options.store, phy_offset, &t->batch, &next);
        if (err == 0 && record_decode(buf_slice(&t->batch), RECORD_CHECK_LENGTHS, &record) == 0)
            note_final(t, &record, &origin);
        if (next == phy_offset) /* the rest of a file */
            next = (phy_offset / file_bytes + 1) * file_bytes;
        if (err == ERR_NOT_FOUND)
            err = 0;
        phy_offset = next;
    }
    buf_fini(&origin);
    return err;
}

/* Where the walk begins: at the latest op record, or at the first half that waits. */
static int walk_start(struct txn *t, int64_t first_waiting, int64_t *phy_offset)
{
    struct store *store = t->options.store;
    struct store_queue_entry entry;
    int64_t op_end = store_queue_max(store, SLICE(TOPIC_TRANS_OP_HALF), TXN_QUEUE);
    int err =
        store_queue_entry_at(store, SLICE(TOPIC_TRANS_HALF), TXN_QUEUE, first_waiting, &entry);
    if (err != 0)
        return err;
    *phy_offset = entry.phy_offset;
    if (op_end > 0 &&
        store_queue_entry_at(store, SLICE(TOPIC_TRANS_OP_HALF), TXN_QUEUE, op_end - 1, &entry) ==
            0 &&
        entry.phy_offset > *phy_offset)
        *phy_offset = entry.phy_offset;
    return 0;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int64_t start_of(const struct txn *t, struct slice topic, int64_t saved)
{
    int64_t min = store_queue_min(t->options.store, topic, TXN_QUEUE);
    int64_t max = store_queue_max(t->options.store, topic, TXN_QUEUE);
    int64_t start = saved < min ? min : saved > max ? max : saved;
    assert(start >= 0 && start <= max);
    if (saved >= 0 && start != saved)
        log_warn("transaction_position_corrected topic=%.*s saved=%lld next=%lld", SLICE_FMT(topic),
                 (long long)saved, (long long)start);
    return start;
}

/* Originals need no entry: their own place is all that anybody knows of them. */
static void forget_originals(struct txn *t)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&t->moved, &cursor, &key, &value)) {
        if (((struct moved_half *)value)->is_copy)
            continue;
        map_remove(&t->moved, key);
        free(value);
    }
}

int txn_recover(struct txn *t)
{
    struct store *store = t->options.store;
    int64_t first;
    int64_t from = 0;
    half_window_init(&t->halves, start_of(t, SLICE(TOPIC_TRANS_HALF), t->options.half_next));
    t->op_next = start_of(t, SLICE(TOPIC_TRANS_OP_HALF), t->options.op_next);
    int64_t op_end = store_queue_max(store, SLICE(TOPIC_TRANS_OP_HALF), TXN_QUEUE);
    int err = walk_queue(t, SLICE(TOPIC_TRANS_OP_HALF), t->op_next, op_end, note_op);
    first = half_window_next(&t->halves, t->halves.base);
    if (err != 0 || first >= half_end(t))
        return err;
    err = walk_queue(t, SLICE(TOPIC_TRANS_HALF), first, half_end(t), note_half);
    if (err == 0)
        err = walk_start(t, first, &from);
    if (err == 0)
        err = walk_log(t, from);
    forget_originals(t);
    log_info("transactions_found from=%lld to=%lld scanned_from=%lld", (long long)t->halves.base,
             (long long)half_end(t), (long long)from);
    return err;
}
