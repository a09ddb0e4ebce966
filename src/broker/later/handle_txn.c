/* handle_txn.c - END_TRANSACTION (37) and RESUME_CHECK_HALF_MESSAGE (323).
 *
 * The half is read where the request says it lies, and both places must be its own; so a made-up
 * offset meets no half, or one of another group. What the request says about the message itself is
 * compared with it. A half that has left memory is read by a worker.
 */
#include "broker/internal.h"
#include "broker/later/txns.h"
#include "broker/offload.h"
#include "broker/requests.h"
#include "broker/send/acks.h"
#include "broker/send/put.h"
#include "wire/req_txn.h"

struct end {
    struct offload offload;
    struct end_transaction_request fields;
    int read_err;
};

static bool is_commit(const struct end *e)
{
    return e->fields.commit_or_rollback == SYS_FLAG_TRANSACTION_COMMIT;
}

/* False: the request was answered. */
static bool check_half(struct broker *broker, struct request *req, const struct end *e,
                       const struct txn_half *half)
{
    int64_t now_ms = loop_now_ms(broker->loop);
    if (!e->fields.from_transaction_check &&
        txn_is_late(half, broker->conf.transaction_timeout_ms, now_ms)) {
        reply_code(req, RESP_ILLEGAL_OPERATION,
                   "the immunity time of the message is over, its producers will be asked");
        return false;
    }
    if (!slice_eq(half->producer_group, e->fields.producer_group)) {
        reply_code(req, RESP_SYSTEM_ERROR, "The producer group wrong");
        return false;
    }
    if (e->fields.transaction_id.len > 0 &&
        !slice_eq(half->transaction_id, e->fields.transaction_id)) {
        reply_code(req, RESP_ILLEGAL_OPERATION, "The transaction id wrong");
        return false;
    }
    return true;
}

static void answer_end(struct broker *broker, struct request *req, const struct txn_end *end)
{
    if (end->verdict == TXN_FAILED) {
        struct slice remark;
        int32_t code = put_refusal(broker, end->err, &req->arena, &remark);
        reply_code(req, code, "%.*s", SLICE_FMT(remark));
    } else if (end->verdict == TXN_REFUSED) {
        reply_code(req, RESP_ILLEGAL_OPERATION, "the transaction has ended already");
    } else if (request_is_oneway(req)) {
        request_drop(req);
    } else {
        struct reply reply = { .code = RESP_SUCCESS };
        acks_reply(broker, req, &reply, end->end_phy_offset, true);
    }
}

static void end_half(struct broker *broker, struct request *req, const struct end *e,
                     const struct txn_half *half)
{
    if (!check_half(broker, req, e, half))
        return;
    struct txn *txn = txns_txn(broker->txns);
    int64_t now_ms = loop_now_ms(broker->loop);
    struct txn_end end = is_commit(e) ? txn_commit(txn, half, now_ms, &req->arena)
                                      : txn_rollback(txn, half, !request_is_oneway(req), now_ms);
    txns_changed(broker->txns);
    answer_end(broker, req, &end);
}

static void refuse_place(struct request *req, int read_err)
{
    const char *remark = read_err == ERR_INVALID     ? "The commit log offset wrong"
                         : read_err == ERR_NOT_FOUND ? "Find prepared transaction message failed"
                                                     : "the half message could not be read";
    reply_code(req, RESP_SYSTEM_ERROR, "%s", remark);
}

static void read_cold(struct offload *o)
{
    struct end *e = (struct end *)o;
    struct txn_half half;
    e->read_err = txn_read_half(o->broker->store, e->fields.half_offset, e->fields.half_phy_offset,
                                true, &o->body, &half);
}

static void end_cold(struct offload *o)
{
    const struct end *e = (const struct end *)o;
    struct record record;
    struct txn_half half;
    if (e->read_err == 0 &&
        record_decode(buf_slice(&o->body), RECORD_CHECK_LENGTHS, &record) == 0 &&
        txn_half_read(&record, &half))
        end_half(o->broker, o->req, e, &half);
    else
        refuse_place(o->req, e->read_err);
}

void handle_end_transaction(struct broker *broker, struct request *req)
{
    struct end *e = arena_zalloc(&req->arena, sizeof *e);
    if (request_fields(req, &end_transaction_request_fields, &e->fields) != 0)
        return;
    int32_t how = e->fields.commit_or_rollback;
    if (how == 0) { /* not known yet: no answer is expected */
        request_drop(req);
        return;
    }
    if (how != SYS_FLAG_TRANSACTION_COMMIT && how != SYS_FLAG_TRANSACTION_ROLLBACK) {
        reply_code(req, RESP_SYSTEM_ERROR, "commitOrRollback is %d, neither 0, 8 nor 12", how);
        return;
    }
    struct buf bytes = BUF_INIT;
    struct txn_half half;
    int err = txn_read_half(broker->store, e->fields.half_offset, e->fields.half_phy_offset, false,
                            &bytes, &half);
    if (err == 0) {
        end_half(broker, req, e, &half);
    } else if (err == ERR_WOULD_BLOCK) {
        request_detach(req);
        struct end *cold = arena_zalloc(&req->arena, sizeof *cold);
        if (request_fields(req, &end_transaction_request_fields, &cold->fields) == 0)
            offload_start(&cold->offload, broker, req, read_cold, end_cold);
    } else {
        refuse_place(req, err);
    }
    buf_fini(&bytes);
}

/* ---- a half that was given up ---------------------------------------------------------------- */

struct resume {
    struct offload offload;
    int64_t phy_offset;
    int read_err;
};

static void read_given_up(struct offload *o)
{
    struct resume *r = (struct resume *)o;
    r->read_err = store_get_at(o->broker->store, r->phy_offset, &o->body);
}

static void put_back(struct offload *o)
{
    const struct resume *r = (const struct resume *)o;
    struct broker *broker = o->broker;
    struct record record;
    struct txn_end end = { .verdict = TXN_REFUSED };
    if (r->read_err == 0 && record_decode(buf_slice(&o->body), RECORD_CHECK_BODY_CRC, &record) == 0)
        end =
            txn_resume(txns_txn(broker->txns), &record, loop_now_ms(broker->loop), &o->req->arena);
    txns_changed(broker->txns);
    if (end.verdict == TXN_REFUSED)
        reply_code(o->req, RESP_SYSTEM_ERROR,
                   "Put message back to RMQ_SYS_TRANS_HALF_TOPIC failed: there is no given-up half "
                   "message at %lld",
                   (long long)r->phy_offset);
    else
        answer_end(broker, o->req, &end);
}

void handle_resume_check(struct broker *broker, struct request *req)
{
    struct resume_check_request fields;
    struct host store_host;
    request_detach(req);
    struct resume *r = arena_zalloc(&req->arena, sizeof *r);
    if (request_fields(req, &resume_check_request_fields, &fields) != 0)
        return;
    if (msg_id_decode(fields.msg_id, &store_host, &r->phy_offset) != 0) {
        reply_code(req, RESP_SYSTEM_ERROR, "msgId \"%.*s\" is no message id",
                   SLICE_FMT(fields.msg_id));
        return;
    }
    offload_start(&r->offload, broker, req, read_given_up, put_back);
}
