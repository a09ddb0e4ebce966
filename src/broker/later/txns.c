/* txns.c - runs transactions on the broker's loop.
 *
 * Positions are saved behind what they stand for: only when the copies and final messages they pass
 * over are on disk.
 */
#include "broker/later/txns.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "broker/groups/clients.h"
#include "broker/saver.h"
#include "broker/send/put.h"
#include "broker/topic_rules.h"
#include "wire/req_txn.h"

/* How soon to look again whether the disk has it, a worker is free, or a put succeeds now. */
enum { BUSY_RETRY_MS = 100 };
enum { HOUR_MS = 3600 * 1000 };

struct txns {
    struct broker *broker;
    struct txn *txn;
    struct loop_timer op_timer;    /* armed while ends are not noted on disk */
    struct loop_timer check_timer; /* armed while a half waits */
    struct loop_timer save_timer;  /* armed while positions wait for the disk */
    struct job read_job;
    bool is_reading;
    bool is_in_pass; /* of checks; not reading: every worker was busy */
    bool is_stopped;
    struct txn_positions saved;
    struct txn_positions unsaved; /* those after the latest pass */
    uint32_t turn;                /* whose it is to be asked */
};

/* ---- asking ---------------------------------------------------------------------------------- */

/* The members of a group are asked in turn; NULL: none is connected. */
static struct peer *next_producer(struct txns *t, struct slice group_name)
{
    const struct client_group *group = clients_producer_group(t->broker->clients, group_name);
    if (group == NULL)
        return NULL;
    assert(group->member_count > 0);
    uint32_t skip = t->turn++ % (uint32_t)group->member_count;
    struct peer *found = NULL;
    list_each(link, &group->members) {
        struct peer *peer = list_entry(link, struct client_member, group_link)->peer;
        if (peer_is_open(peer))
            found = peer;
        if (found != NULL && skip == 0)
            break;
        skip -= skip > 0;
    }
    return found;
}

/* CHECK_TRANSACTION_STATE names the newest copy of the half, and carries the message as it would be
 * delivered. */
static void tell_producer(struct txns *t, struct peer *peer, const struct txn_half *half,
                          struct arena *arena)
{
    struct record record = half->record;
    char id[MSG_ID_TEXT_MAX];
    size_t id_bytes = msg_id_encode(&record.store_host, record.phy_offset, id);
    struct check_transaction_request fields = {
        .topic = record.topic,
        .half_offset = record.queue_offset,
        .half_phy_offset = record.phy_offset,
        .msg_id = half->transaction_id,
        .transaction_id = half->transaction_id,
        .offset_msg_id = slice_of(id, id_bytes),
        .broker_name = slice_str(t->broker->conf.broker_name),
    };
    record.topic = half->real_topic;
    record.queue_id = half->real_queue_id;
    size_t bytes = record_bytes(&record);
    uint8_t *body = arena_alloc(arena, bytes);
    record_encode(&record, body);
    struct call call = { .code = REQ_CHECK_TRANSACTION_STATE, .body = slice_of(body, bytes) };
    call.ext = fields_encode(&check_transaction_request_fields, FIELD_LONG_NAMES, &fields, arena,
                             &call.ext_count);
    peer_tell(peer, &call);
}

static void ask(void *ctx, const struct txn_half *half)
{
    struct txns *t = ctx;
    struct peer *peer = next_producer(t, half->producer_group);
    if (peer == NULL)
        return; /* it is asked again at the next check */
    struct arena arena;
    arena_init(&arena);
    tell_producer(t, peer, half, &arena);
    arena_fini(&arena);
}

static int put_final(void *ctx, struct record *record, struct arena *arena,
                     struct store_put_result *result)
{
    return broker_put(((struct txns *)ctx)->broker, record, 1, arena, result, NULL);
}

static void make_give_up_topic(void *ctx)
{
    broker_topic_ensure(((struct txns *)ctx)->broker, SLICE(TOPIC_TRANS_CHECK_MAX_TIME));
}

/* ---- positions ------------------------------------------------------------------------------- */

static void save_positions(struct txns *t)
{
    struct broker *broker = t->broker;
    const struct txn_positions *p = &t->unsaved;
    int64_t now_ms = loop_now_ms(broker->loop);
    if (p->half_next == t->saved.half_next && p->op_next == t->saved.op_next)
        return;
    if (store_flushed_to(broker->store) < p->end_phy_offset) {
        store_request_flush(broker->store, p->end_phy_offset);
        if (!t->is_stopped)
            loop_timer_start(broker->loop, &t->save_timer, BUSY_RETRY_MS);
        return;
    }
    offsets_put(broker->offsets, SLICE(TOPIC_TRANS_HALF), SLICE(GROUP_TRANS), 0, p->half_next,
                now_ms);
    offsets_put(broker->offsets, SLICE(TOPIC_TRANS_OP_HALF), SLICE(GROUP_TRANS), 0, p->op_next,
                now_ms);
    t->saved = *p;
    saver_changed(broker->saver, TABLE_OFFSETS);
}

static void save_due(struct loop_timer *timer)
{
    save_positions(list_entry(timer, struct txns, save_timer));
}

/* ---- checks and op records ------------------------------------------------------------------- */

static void set_limits(struct txns *t)
{
    const struct broker_conf *conf = &t->broker->conf;
    struct txn_limits limits = {
        .timeout_ms = conf->transaction_timeout_ms,
        .reserved_ms = (int64_t)conf->file_reserved_hours * HOUR_MS,
        .check_max = conf->transaction_check_max,
        .op_max_bytes = conf->transaction_op_max_bytes,
    };
    txn_set_limits(t->txn, &limits);
}

void txns_changed(struct txns *txns)
{
    struct broker *broker = txns->broker;
    if (txns->is_stopped)
        return;
    if (txn_counts_changed(txns->txn))
        saver_changed(broker->saver, TABLE_TXN_COUNTS);
    if (txn_has_ops(txns->txn) && txns->op_timer.at == 0)
        loop_timer_start(broker->loop, &txns->op_timer,
                         broker->conf.transaction_op_batch_interval_ms);
    if (!txns->is_in_pass && txns->check_timer.at == 0 && txn_wants_check(txns->txn))
        loop_timer_start(broker->loop, &txns->check_timer,
                         broker->conf.transaction_check_interval_ms);
}

static void put_ops(struct loop_timer *timer)
{
    struct txns *t = list_entry(timer, struct txns, op_timer);
    int err = txn_put_ops(t->txn, loop_now_ms(t->broker->loop));
    if (err != 0)
        loop_timer_start(t->broker->loop, timer, BUSY_RETRY_MS);
    else
        txns_changed(t);
}

static void read_halves(struct job *job)
{
    txn_check_read(list_entry(job, struct txns, read_job)->txn);
}

/* Reads on when the pass goes on; else plans what comes after it. */
static void go_on(struct txns *t)
{
    struct broker *broker = t->broker;
    if (t->is_stopped)
        return;
    if (!t->is_in_pass) {
        t->unsaved = txn_positions(t->txn);
        save_positions(t);
        txns_changed(t);
        return;
    }
    t->is_reading = workers_submit(broker->workers, broker->loop, &t->read_job) == 0;
    if (!t->is_reading)
        loop_timer_start(broker->loop, &t->check_timer, BUSY_RETRY_MS);
}

static void halves_read(struct job *job)
{
    struct txns *t = list_entry(job, struct txns, read_job);
    assert(t->is_reading && t->is_in_pass);
    t->is_reading = false;
    t->is_in_pass = !t->is_stopped && txn_check_step(t->txn, loop_now_ms(t->broker->loop));
    go_on(t);
}

static void check_due(struct loop_timer *timer)
{
    struct txns *t = list_entry(timer, struct txns, check_timer);
    if (!t->is_in_pass) {
        set_limits(t);
        txn_check_begin(t->txn, loop_now_ms(t->broker->loop));
        t->is_in_pass = true;
    }
    go_on(t);
}

/* ---- life ------------------------------------------------------------------------------------ */

int txns_open(struct broker *broker, struct txns **txns)
{
    struct txns *t = calloc(1, sizeof *t);
    if (t == NULL)
        return ERR_NO_MEMORY;
    t->broker = broker;
    t->read_job = (struct job){ .run = read_halves, .done = halves_read };
    loop_timer_init(&t->op_timer, put_ops);
    loop_timer_init(&t->check_timer, check_due);
    loop_timer_init(&t->save_timer, save_due);
    t->saved.half_next =
        offsets_get(broker->offsets, SLICE(TOPIC_TRANS_HALF), SLICE(GROUP_TRANS), 0);
    t->saved.op_next =
        offsets_get(broker->offsets, SLICE(TOPIC_TRANS_OP_HALF), SLICE(GROUP_TRANS), 0);
    t->unsaved = t->saved;
    struct txn_options options = {
        .store = broker->store,
        .self = broker->self,
        .log_file_bytes = broker->conf.commit_log_file_bytes,
        .half_next = t->saved.half_next,
        .op_next = t->saved.op_next,
        .put_final = put_final,
        .ask = ask,
        .make_give_up_topic = make_give_up_topic,
        .ctx = t,
    };
    int err = txn_open(&options, &t->txn);
    if (err != 0) {
        free(t);
        return err;
    }
    set_limits(t);
    txns_changed(t);
    *txns = t;
    return 0;
}

struct txn *txns_txn(struct txns *txns)
{
    return txns->txn;
}

void txns_stop(struct txns *txns)
{
    txns->is_stopped = true;
    loop_timer_stop(&txns->op_timer);
    loop_timer_stop(&txns->check_timer);
    loop_timer_stop(&txns->save_timer);
}

bool txns_are_idle(const struct txns *txns)
{
    return !txns->is_reading;
}

void txns_finish(struct txns *txns)
{
    assert(txns->is_stopped && txns_are_idle(txns));
    int err = txn_put_ops(txns->txn, loop_now_ms(txns->broker->loop));
    if (err != 0)
        log_warn("transaction_ops_not_put reason=%s", err_name(err));
    save_positions(txns);
}

void txns_close(struct txns *txns)
{
    if (txns == NULL)
        return;
    assert(txns->is_stopped && txns_are_idle(txns));
    txn_free(txns->txn);
    free(txns);
}
