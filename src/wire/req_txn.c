#include "wire/req_txn.h"

static const struct field end_transaction_request_rows[] = {
    FIELD(struct end_transaction_request, topic, "topic", FIELD_STRING, FIELD_OPTIONAL),
    FIELD(struct end_transaction_request, producer_group, "producerGroup", FIELD_STRING,
          FIELD_MANDATORY),
    FIELD(struct end_transaction_request, half_offset, "tranStateTableOffset", FIELD_I64,
          FIELD_MANDATORY),
    FIELD(struct end_transaction_request, half_phy_offset, "commitLogOffset", FIELD_I64,
          FIELD_MANDATORY),
    FIELD(struct end_transaction_request, commit_or_rollback, "commitOrRollback", FIELD_I32,
          FIELD_MANDATORY),
    FIELD(struct end_transaction_request, from_transaction_check, "fromTransactionCheck",
          FIELD_BOOL, FIELD_OPTIONAL),
    FIELD(struct end_transaction_request, msg_id, "msgId", FIELD_STRING, FIELD_OPTIONAL),
    FIELD(struct end_transaction_request, transaction_id, "transactionId", FIELD_STRING,
          FIELD_OPTIONAL),
};
const struct fields end_transaction_request_fields =
    FIELDS(end_transaction_request_rows, struct end_transaction_request);

static const struct field check_transaction_request_rows[] = {
    FIELD(struct check_transaction_request, topic, "topic", FIELD_STRING, FIELD_OPTIONAL),
    FIELD(struct check_transaction_request, half_offset, "tranStateTableOffset", FIELD_I64,
          FIELD_MANDATORY),
    FIELD(struct check_transaction_request, half_phy_offset, "commitLogOffset", FIELD_I64,
          FIELD_MANDATORY),
    FIELD(struct check_transaction_request, msg_id, "msgId", FIELD_STRING, FIELD_OPTIONAL),
    FIELD(struct check_transaction_request, transaction_id, "transactionId", FIELD_STRING,
          FIELD_OPTIONAL),
    FIELD(struct check_transaction_request, offset_msg_id, "offsetMsgId", FIELD_STRING,
          FIELD_OPTIONAL),
    FIELD(struct check_transaction_request, broker_name, "bname", FIELD_STRING, FIELD_OPTIONAL),
};
const struct fields check_transaction_request_fields =
    FIELDS(check_transaction_request_rows, struct check_transaction_request);

static const struct field resume_check_request_rows[] = {
    FIELD(struct resume_check_request, topic, "topic", FIELD_STRING, FIELD_OPTIONAL),
    FIELD(struct resume_check_request, msg_id, "msgId", FIELD_STRING, FIELD_OPTIONAL),
};
const struct fields resume_check_request_fields =
    FIELDS(resume_check_request_rows, struct resume_check_request);
