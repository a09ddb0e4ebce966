#include "waiting.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delivery/delivery.h"
#include "history.h"
#include "popping.h"
#include "wire/properties.h"

#define TOPIC "waiting"
#define GROUP "consumers"
enum { WAITING_MAX = 600, BODY_BYTES = 24, LEVELS = 3, POPS_A_PASS = 2 };
enum { POPS_COME_MS = 180 * 1000 };
enum { PRECISION_MS = 100, WHEEL_SLOTS = 4096, WINDOW_TICKS = 40, TIMER_LOG_FILE = 52 * 60 + 16 };
/* Of histories whose timers lie on many pages of log and wheel: what a sync leaves on one of them
 * is not brought to the disk by chance, with the next timer. */
enum { WIDE_WINDOW_TICKS = 1200, WIDE_TIMER_LOG_FILE = 52 * 200 + 16, WIDE_WAIT_MS = 110 * 1000 };

enum kind { KIND_DELAY, KIND_TIMER, KIND_HALF };
enum fate { FATE_OPEN, FATE_COMMITTED, FATE_ROLLED_BACK };

struct waiting {
    enum kind kind;
    bool is_stored; /* its put returned */
    bool is_refused;
    bool is_safe;
    bool is_gone; /* was not promised, and a stop took it */
    int64_t due_ms;
    int64_t queue_offset;
    int64_t phy_offset;
    int64_t end_phy_offset;
    enum fate fate; /* of a half */
    bool fate_is_safe;
    bool may_be_out; /* it was committed, and a stop may have taken that */
    int64_t fate_end_phy_offset;
    int times_seen;
};

static struct {
    struct waiting all[WAITING_MAX];
    int count;
    int64_t committed; /* the consumer's offset, at most: it has read everything */
    int64_t saved;     /* in a table whose write was acknowledged; -1: none */
    bool has_pops;
    bool is_wide;
} waits;

static struct {
    struct store *store;
    char delay_path[128];
    char offsets_path[128];
    char root_dir[64];
    struct arena arena;
    struct delay *delay;
    struct delay_offsets delay_saved;
    int64_t delay_end; /* behind the latest copy */
    struct timer *timer;
    bool has_snapshot;
    bool is_flushing;
    bool is_flushed;
    int64_t snapshot_needs;
    pthread_t flusher;
    struct txn *txn;
    struct txn_positions positions;
    struct offsets *offsets;
} now;

static int64_t now_ms(void)
{
    return machine_now_ns() / 1000000;
}

/* True when nothing was done that may have cost what no promise covers. */
static bool has_promises(void)
{
    return history.has_promises && !history.sync_failed && !disk_had_sync_error;
}

/* ---- putting --------------------------------------------------------------------------------- */

static int put_now(const struct record *record, struct store_put_result *result)
{
    return store_put(now.store, record, 1, now_ms(), result, NULL);
}

static int put_delayed(void *ctx, struct record *record, struct arena *arena)
{
    (void)ctx;
    (void)arena;
    struct store_put_result result;
    int err = put_now(record, &result);
    if (err == 0)
        now.delay_end = result.end_phy_offset;
    return err;
}

static int put_timed(void *ctx, const struct record *record, int64_t *end_phy_offset)
{
    (void)ctx;
    struct store_put_result result;
    *end_phy_offset = 0;
    int err = put_now(record, &result);
    if (err == 0)
        *end_phy_offset = result.end_phy_offset;
    if (err == 0 && slice_eq(record->topic, SLICE(TOPIC_TIMER)))
        timer_arrived(now.timer, record->properties, now_ms());
    return err;
}

static int put_final(void *ctx, struct record *record, struct arena *arena,
                     struct store_put_result *result)
{
    (void)ctx;
    (void)arena;
    return put_now(record, result);
}

static void ask(void *ctx, const struct txn_half *half)
{
    (void)ctx;
    (void)half;
}

static void make_give_up_topic(void *ctx)
{
    (void)ctx;
    violation("a half message was given up");
}

/* ---- sending --------------------------------------------------------------------------------- */

static void make_record(int id, uint8_t body[BODY_BYTES], char properties[160],
                        struct record *record)
{
    const struct host host = { .address = { 127, 0, 0, 1 }, .port = 10911 };
    memset(body, 'w', BODY_BYTES);
    put_be64(body, (uint64_t)id);
    *record = (struct record){ .born_timestamp = now_ms(),
                               .born_host = host,
                               .store_host = host,
                               .body = slice_of(body, BODY_BYTES),
                               .topic = SLICE(TOPIC),
                               .properties = slice_str(properties) };
}

static void note_stored(struct waiting *waiting, const struct store_put_result *result)
{
    waiting->is_stored = true;
    waiting->queue_offset = result->queue_offset;
    waiting->phy_offset = result->phy_offset;
    waiting->end_phy_offset = result->end_phy_offset;
    waiting->is_safe = store_flushed_to(now.store) >= result->end_phy_offset;
    if (chance_one_in(6))
        store_request_flush(now.store, result->end_phy_offset);
}

static void send_some(void)
{
    static const struct timer_rules rules = { true, PRECISION_MS, 1000 * 86400 };
    uint8_t body[BODY_BYTES];
    char properties[160];
    struct record record;
    struct store_put_result result;
    if (waits.count == WAITING_MAX)
        return;
    int id = waits.count++;
    struct waiting *waiting = &waits.all[id];
    *waiting = (struct waiting){ .kind = (enum kind)chance_below(3) };
    int level = 1 + (int)chance_below(LEVELS);
    if (waiting->kind == KIND_DELAY)
        snprintf(properties, sizeof properties, "UNIQ_KEY\001w%d\002DELAY\001%d\002", id, level);
    else if (waiting->kind == KIND_HALF)
        snprintf(properties, sizeof properties,
                 "UNIQ_KEY\001w%d\002PGROUP\001p\002TRAN_MSG\001true\002", id);
    else {
        uint32_t most = waits.is_wide ? WIDE_WAIT_MS : chance_one_in(4) ? 12000 : 900;
        waiting->due_ms = now_ms() + 100 + chance_below(most);
        snprintf(properties, sizeof properties, "UNIQ_KEY\001w%d\002TIMER_DELIVER_MS\001%lld\002",
                 id, (long long)waiting->due_ms);
    }
    make_record(id, body, properties, &record);
    if (waiting->kind == KIND_DELAY)
        delay_redirect(store_delay_levels(now.store), &record, &now.arena);
    else if (waiting->kind == KIND_HALF)
        txn_half_prepare(&record, &now.arena);
    else if (timer_redirect(&rules, &record, now_ms(), &now.arena) != TIMER_REDIRECTED)
        violation("timer %d is not taken", id);
    int err = put_now(&record, &result);
    waiting->is_refused = err != 0;
    if (err == 0) {
        if (waiting->kind == KIND_DELAY)
            waiting->due_ms = result.store_timestamp + store_delay_levels(now.store)->ms[level];
        note_stored(waiting, &result);
        if (waiting->kind == KIND_DELAY) {
            delay_arrived(now.delay, record.queue_id);
        } else if (waiting->kind == KIND_TIMER) {
            timer_arrived(now.timer, record.properties, now_ms());
        }
    }
    arena_reset(&now.arena);
}

/* ---- ends of transactions -------------------------------------------------------------------- */

static bool is_open_half(const struct waiting *waiting)
{
    return waiting->kind == KIND_HALF && waiting->is_stored && !waiting->is_gone &&
           waiting->fate == FATE_OPEN;
}

static void note_committed(struct waiting *waiting, const struct txn_end *end)
{
    waiting->fate = FATE_COMMITTED;
    waiting->fate_end_phy_offset = end->end_phy_offset;
    waiting->fate_is_safe = store_flushed_to(now.store) >= end->end_phy_offset;
}

static void commit(int id, struct waiting *waiting, const struct txn_half *half)
{
    bool may_be_out = waiting->may_be_out;
    waiting->may_be_out = true; /* the process may die in the middle */
    struct txn_end end = txn_commit(now.txn, half, now_ms(), &now.arena);
    arena_reset(&now.arena);
    bool was_out = end.verdict == TXN_REPEATED || end.verdict == TXN_REFUSED;
    if (was_out && !may_be_out && has_promises())
        violation("half %d cannot be committed: %s", id,
                  end.verdict == TXN_REPEATED ? "repeated" : "refused");
    if (end.verdict == TXN_ENDED)
        note_committed(waiting, &end);
    waiting->may_be_out = may_be_out || was_out;
}

/* Decided, whatever comes of it: nobody commits it any more. */
static void roll_back(struct waiting *waiting, const struct txn_half *half)
{
    waiting->fate = FATE_ROLLED_BACK;
    struct txn_end end = txn_rollback(now.txn, half, chance_one_in(2), now_ms());
    if (end.verdict == TXN_REFUSED && has_promises())
        violation("a half cannot be rolled back: refused");
}

static void end_half(int id, bool commits)
{
    struct waiting *waiting = &waits.all[id];
    struct buf bytes = BUF_INIT;
    struct txn_half half;
    int err =
        txn_read_half(now.store, waiting->queue_offset, waiting->phy_offset, true, &bytes, &half);
    if (err == ERR_NOT_FOUND && has_promises())
        violation("half %d is not found at queue offset %lld", id,
                  (long long)waiting->queue_offset);
    if (err == 0 && commits)
        commit(id, waiting, &half);
    else if (err == 0)
        roll_back(waiting, &half);
    buf_fini(&bytes);
}

static void end_some(void)
{
    int id = waits.count == 0 ? 0 : (int)chance_below((uint32_t)waits.count);
    if (waits.count == 0 || !is_open_half(&waits.all[id]))
        return;
    /* what may be out cannot be called back */
    end_half(id, waits.all[id].may_be_out || chance_one_in(2));
}

static void check_halves(void)
{
    txn_check_begin(now.txn, now_ms());
    do
        txn_check_read(now.txn);
    while (txn_check_step(now.txn, now_ms()));
    now.positions = txn_positions(now.txn);
}

/* ---- saving ---------------------------------------------------------------------------------- */

static bool is_flushed_to(int64_t phy_offset)
{
    if (store_flushed_to(now.store) >= phy_offset)
        return true;
    store_request_flush(now.store, phy_offset);
    return false;
}

static bool delays_have_progress(void)
{
    return memcmp(delay_progress(now.delay), &now.delay_saved, sizeof now.delay_saved) != 0;
}

static void save_delays(void)
{
    struct delay_offsets saving = *delay_progress(now.delay);
    struct buf text = BUF_INIT;
    if (!delays_have_progress() || !is_flushed_to(now.delay_end))
        return;
    delay_offsets_text(&saving, now_ms(), true, &text);
    if (table_file_write(now.delay_path, buf_slice(&text)) == 0)
        now.delay_saved = saving;
    buf_fini(&text);
}

static void *flush_timer(void *arg)
{
    (void)arg;
    timer_flush(now.timer);
    now.is_flushed = true;
    return NULL;
}

static void save_timers(void)
{
    if (now.is_flushing) {
        if (!now.is_flushed)
            return;
        pthread_join(now.flusher, NULL);
        now.is_flushing = false;
        timer_flush_end(now.timer);
    }
    if (!now.has_snapshot && timer_has_progress(now.timer)) {
        now.snapshot_needs = timer_flush_begin(now.timer, now_ms());
        now.has_snapshot = true;
    }
    if (!now.has_snapshot || !is_flushed_to(now.snapshot_needs))
        return;
    now.has_snapshot = false;
    now.is_flushing = true;
    now.is_flushed = false;
    if (pthread_create(&now.flusher, NULL, flush_timer, NULL) != 0)
        abort();
}

/* As the broker's saver does: never ahead of the log. */
static void save_offsets(void)
{
    struct table_text text;
    if (now.positions.half_next >= 0 && is_flushed_to(now.positions.end_phy_offset)) {
        offsets_put(now.offsets, SLICE(TOPIC_TRANS_HALF), SLICE(GROUP_TRANS), 0,
                    now.positions.half_next, now_ms());
        offsets_put(now.offsets, SLICE(TOPIC_TRANS_OP_HALF), SLICE(GROUP_TRANS), 0,
                    now.positions.op_next, now_ms());
    }
    if (!offsets_changed(now.offsets))
        return;
    table_text_init(&text);
    if (waits.has_pops)
        popping_offsets_saving();
    while (!offsets_text_step(now.offsets, &text))
        ;
    int64_t saving = offsets_get(now.offsets, SLICE(TOPIC), SLICE(GROUP), 0);
    if (store_sync(now.store) == 0 &&
        table_file_write(now.offsets_path, buf_slice(&text.out)) == 0) {
        waits.saved = saving;
        if (waits.has_pops)
            popping_offsets_saved();
    }
    table_text_fini(&text);
}

void waiting_save_offsets_here(void)
{
    save_offsets();
}

static void consume(void)
{
    int64_t end = store_queue_max(now.store, SLICE(TOPIC), 0);
    offsets_put(now.offsets, SLICE(TOPIC), SLICE(GROUP), 0, end, now_ms());
    waits.committed = end > waits.committed ? end : waits.committed;
}

/* ---- a pass ---------------------------------------------------------------------------------- */

/* When there is something to deliver again. */
static int64_t deliver(void)
{
    delay_run(now.delay, now_ms(), 8);
    int64_t due_ms = delay_next_due(now.delay, now_ms());
    if (delay_wants_read(now.delay)) {
        delay_read_ahead(now.delay);
        due_ms = now_ms();
    }
    int64_t timer_ms = timer_run(now.timer, now_ms(), 8);
    int64_t work_ms = timer_work_due(now.timer, now_ms());
    if (work_ms <= now_ms()) {
        timer_work_begin(now.timer, now_ms(), true);
        timer_work(now.timer);
        timer_work_end(now.timer, now_ms(), true);
        work_ms = now_ms();
    }
    if (waits.has_pops) {
        int64_t pops_ms = popping_run();
        due_ms = pops_ms < due_ms ? pops_ms : due_ms;
    }
    due_ms = timer_ms < due_ms ? timer_ms : due_ms;
    return work_ms < due_ms ? work_ms : due_ms;
}

void waiting_pass(void)
{
    switch (chance_below(12)) {
    case 0:
        save_delays();
        break;
    case 1:
        save_timers();
        break;
    case 2:
        save_offsets();
        break;
    case 3:
        consume();
        break;
    case 4:
        if (txn_put_ops(now.txn, now_ms()) != 0) {
            /* tried again later */
        }
        break;
    case 5:
        check_halves();
        break;
    case 6:
    case 7:
        end_some();
        break;
    default:
        send_some();
    }
    for (int i = 0; waits.has_pops && i < POPS_A_PASS; i++)
        popping_do_something();
    deliver();
}

/* ---- looking --------------------------------------------------------------------------------- */

static void see(const struct record *record)
{
    uint64_t number = record->body.len < 8 ? UINT64_MAX : get_be64(record->body.data);
    if (number >= (uint64_t)waits.count)
        violation("a waiting message of nobody came out");
    struct waiting *waiting = &waits.all[number];
    int id = (int)number;
    if (waiting->is_refused)
        violation("waiting message %d was refused, and came out", id);
    if (waiting->kind == KIND_HALF && waiting->fate != FATE_COMMITTED && !waiting->may_be_out)
        violation("half %d came out, it was %s", id,
                  waiting->fate == FATE_OPEN ? "never ended" : "rolled back");
    if (waiting->kind == KIND_HALF && waiting->times_seen > 0)
        violation("half %d came out twice", id);
    /* A flipped bit may have been in the due time that a queue's entry holds. */
    if (history.has_promises && waiting->kind != KIND_HALF &&
        record->store_timestamp < waiting->due_ms)
        violation("waiting message %d came out %lld ms early", id,
                  (long long)(waiting->due_ms - record->store_timestamp));
    waiting->times_seen++;
}

static void read_all(void)
{
    struct buf body = BUF_INIT;
    int64_t at = store_queue_min(now.store, SLICE(TOPIC), 0);
    int64_t max = store_queue_max(now.store, SLICE(TOPIC), 0);
    for (int i = 0; i < waits.count; i++)
        waits.all[i].times_seen = 0;
    while (at < max) {
        struct store_get_request request = { .topic = SLICE(TOPIC),
                                             .queue_offset = at,
                                             .max_count = 32,
                                             .max_bytes = 1 << 20,
                                             .may_block = true };
        struct store_get_result result;
        struct record record;
        buf_clear(&body);
        if (store_get(now.store, &request, &body, &result) != 0)
            violation("what came out cannot be read at %lld", (long long)at);
        struct slice rest = buf_slice(&body);
        while (rest.len > 0) {
            if (record_decode(rest, RECORD_CHECK_BODY_CRC, &record) != 0)
                violation("what came out is no record at %lld", (long long)at);
            see(&record);
            rest = slice_from(rest, (size_t)record.total_bytes);
        }
        at = result.next_offset > at ? result.next_offset : at + 1;
    }
    buf_fini(&body);
}

static bool is_there(int id)
{
    struct buf bytes = BUF_INIT;
    struct record record;
    bool found = store_get_at(now.store, waits.all[id].phy_offset, &bytes) == 0 &&
                 record_decode(buf_slice(&bytes), RECORD_CHECK_BODY_CRC, &record) == 0 &&
                 record.body.len == BODY_BYTES && get_be64(record.body.data) == (uint64_t)id;
    buf_fini(&bytes);
    return found;
}

/* What the stop took, and whether it might. */
static void look_at_losses(enum machine_end stop, bool sync_failed)
{
    bool keeps_all = stop != MACHINE_POWER_LOST && !sync_failed;
    for (int id = 0; id < waits.count; id++) {
        struct waiting *waiting = &waits.all[id];
        if (!waiting->is_stored || waiting->is_gone)
            continue;
        if (!is_there(id)) {
            if (has_promises() && (waiting->is_safe || keeps_all))
                violation("waiting message %d is lost%s", id, waiting->is_safe ? " (safe)" : "");
            waiting->is_gone = true;
        }
        if (waiting->fate != FATE_COMMITTED || keeps_all || waiting->fate_is_safe)
            continue;
        waiting->fate = FATE_OPEN;
        waiting->may_be_out = true;
    }
}

static void look_at_ends(void)
{
    for (int id = 0; id < waits.count; id++) {
        const struct waiting *waiting = &waits.all[id];
        if (waiting->fate == FATE_COMMITTED && !waiting->is_gone && waiting->times_seen != 1 &&
            has_promises())
            violation("half %d was committed, and is not out", id);
    }
}

static void look_at_offsets(void)
{
    int64_t found = offsets_get(now.offsets, SLICE(TOPIC), SLICE(GROUP), 0);
    int64_t end = store_queue_max(now.store, SLICE(TOPIC), 0);
    if (!has_promises())
        return;
    if (found > end)
        violation("the consumer has read up to %lld, and the queue ends at %lld", (long long)found,
                  (long long)end);
    if (found < waits.saved || found > waits.committed)
        violation("the consumer's offset is %lld, saved was %lld, committed %lld", (long long)found,
                  (long long)waits.saved, (long long)waits.committed);
}

/* ---- life ------------------------------------------------------------------------------------ */

void waiting_reset(bool with_pops, bool is_wide)
{
    waits.has_pops = with_pops;
    waits.is_wide = is_wide;
    popping_reset();
    waits.count = 0;
    waits.committed = 0;
    waits.saved = -1;
}

bool waiting_is_wide(void)
{
    return waits.is_wide;
}

static void open_delays(void)
{
    int err = delay_offsets_read(now.delay_path, &now.delay_saved);
    if (err != 0 && err != ERR_NOT_FOUND && has_promises())
        violation("the delay offsets cannot be read: %s", err_name(err));
    for (int level = 0; err != 0 && level <= DELAY_LEVELS_MAX; level++)
        now.delay_saved.next[level] = -1;
    const struct delay_options options = { .store = now.store,
                                           .offsets = now.delay_saved,
                                           .put = put_delayed };
    if (delay_new(&options, &now.delay) != 0)
        violation("the delay levels do not open");
}

/* A bit has turned that no checksum guards: as advised. */
static void remove_timers(void)
{
    static const char *const names[] = { "timerlog", "timerwheel", "config/timercheck" };
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", now.root_dir, names[i]);
        sim_disk_remove_tree(path);
    }
}

static void open_timers(void)
{
    const struct timer_options options = { .store = now.store,
                                           .root_dir = now.root_dir,
                                           .precision_ms = PRECISION_MS,
                                           .roll_window_ticks =
                                               waits.is_wide ? WIDE_WINDOW_TICKS : WINDOW_TICKS,
                                           .wheel_slots = WHEEL_SLOTS,
                                           .log_file_bytes =
                                               waits.is_wide ? WIDE_TIMER_LOG_FILE : TIMER_LOG_FILE,
                                           .put = put_timed };
    int err = timer_open(&options, now_ms(), &now.timer);
    if (err == ERR_CORRUPT && !history.has_promises) {
        remove_timers();
        err = timer_open(&options, now_ms(), &now.timer);
    }
    if (err != 0)
        violation("the timers do not open: %s", err_name(err));
}

static void open_txns(void)
{
    const struct txn_options options = {
        .store = now.store,
        .log_file_bytes = 32768,
        .half_next = offsets_get(now.offsets, SLICE(TOPIC_TRANS_HALF), SLICE(GROUP_TRANS), 0),
        .op_next = offsets_get(now.offsets, SLICE(TOPIC_TRANS_OP_HALF), SLICE(GROUP_TRANS), 0),
        .limits = { .timeout_ms = 300,
                    .reserved_ms = 1000LL * 1000 * 1000,
                    .check_max = 1000000,
                    .op_max_bytes = 48 },
        .put_final = put_final,
        .ask = ask,
        .make_give_up_topic = make_give_up_topic,
    };
    if (txn_open(&options, &now.txn) != 0)
        violation("the transactions do not open");
}

void waiting_open(struct store *store, const char *root_dir, enum machine_end stop,
                  bool sync_failed)
{
    memset(&now, 0, sizeof now);
    now.store = store;
    now.positions.half_next = -1;
    snprintf(now.root_dir, sizeof now.root_dir, "%s", root_dir);
    snprintf(now.delay_path, sizeof now.delay_path, "%s/config/delayOffset.json", root_dir);
    snprintf(now.offsets_path, sizeof now.offsets_path, "%s/config/offsets.json", root_dir);
    arena_init(&now.arena);
    look_at_losses(stop, sync_failed);
    read_all();
    look_at_ends();
    int err = offsets_open(now.offsets_path, &now.offsets);
    if (err != 0 && has_promises())
        violation("the offsets cannot be read: %s", err_name(err));
    if (err != 0 && offsets_new(&now.offsets) != 0)
        abort();
    look_at_offsets();
    open_delays();
    open_timers();
    if (waits.has_pops) {
        const struct popping_parts parts = { now.store, now.root_dir, now.timer, now.offsets };
        popping_open(&parts, stop, sync_failed);
    }
    open_txns();
}

void waiting_close(void)
{
    if (waits.has_pops)
        popping_close();
    while (now.is_flushing) {
        machine_sleep_ms(1);
        save_timers();
    }
    if (delays_have_progress() && store_sync(now.store) == 0)
        save_delays();
    delay_free(now.delay);
    timer_close(now.timer, now_ms());
    txn_free(now.txn);
    offsets_free(now.offsets);
    arena_fini(&now.arena);
    now.store = NULL;
}

void waiting_arrived(const struct store_arrival *arrival)
{
    if (waits.has_pops)
        popping_arrived(arrival);
}

void waiting_note_flushed(int64_t upto)
{
    if (waits.has_pops)
        popping_note_flushed(upto);
    for (int id = 0; id < waits.count; id++) {
        struct waiting *waiting = &waits.all[id];
        if (waiting->is_stored && !waiting->is_gone && waiting->end_phy_offset <= upto)
            waiting->is_safe = true;
        if (waiting->fate != FATE_OPEN && waiting->fate_end_phy_offset <= upto)
            waiting->fate_is_safe = true;
    }
}

/* ---- the end --------------------------------------------------------------------------------- */

static int64_t last_due(void)
{
    int64_t last_ms = now_ms();
    for (int id = 0; id < waits.count; id++)
        if (waits.all[id].due_ms > last_ms)
            last_ms = waits.all[id].due_ms;
    return last_ms;
}

/* Everything that was popped and not acknowledged comes again. */
static void finish_pops(void)
{
    int64_t until_ms = now_ms() + POPS_COME_MS;
    while (now_ms() < until_ms && !popping_is_drained()) {
        int64_t wait_ms = deliver() - now_ms();
        machine_sleep_ms(wait_ms < 1 ? 1 : wait_ms > 500 ? 500 : wait_ms);
    }
    popping_look_at_end();
}

void waiting_finish(void)
{
    if (waits.has_pops)
        finish_pops();
    int64_t until_ms = last_due() + 2 * TIMER_RETRY_MS;
    for (int id = 0; id < waits.count; id++)
        if (is_open_half(&waits.all[id]))
            end_half(id, true);
    while (now_ms() < until_ms) {
        int64_t due_ms = deliver();
        int64_t wait_ms = due_ms - now_ms();
        machine_sleep_ms(wait_ms < 1 ? 1 : wait_ms > 200 ? 200 : wait_ms);
    }
    read_all();
    look_at_ends();
    for (int id = 0; id < waits.count && has_promises(); id++) {
        const struct waiting *waiting = &waits.all[id];
        bool must_come = waiting->is_stored && !waiting->is_gone && waiting->kind != KIND_HALF;
        if (must_come && waiting->times_seen == 0)
            violation("%s %d never came out, it was due at %lld",
                      waiting->kind == KIND_DELAY ? "delayed message" : "timer", id,
                      (long long)waiting->due_ms);
        if (waiting->may_be_out && !waiting->is_gone && waiting->times_seen != 1)
            violation("half %d was committed, and is not out", id);
    }
}
