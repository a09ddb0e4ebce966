/* req_txn.h - header fields of transactions: END_TRANSACTION (37), CHECK_TRANSACTION_STATE (39),
 * RESUME_CHECK_HALF_MESSAGE (323).
 *
 * Contract   that of fields.h.
 */
#ifndef WIRE_REQ_TXN_H
#define WIRE_REQ_TXN_H

#include "wire/fields.h"

/* commitOrRollback has the values of the transaction bits of a record's sysFlag; 0: not known. */
struct end_transaction_request {
    struct slice topic;
    struct slice producer_group;
    int64_t half_offset;     /* tranStateTableOffset */
    int64_t half_phy_offset; /* commitLogOffset */
    int32_t commit_or_rollback;
    bool from_transaction_check;
    struct slice msg_id;
    struct slice transaction_id;
};
extern const struct fields end_transaction_request_fields;

struct check_transaction_request {
    struct slice topic; /* of half messages */
    int64_t half_offset;
    int64_t half_phy_offset;
    struct slice msg_id;
    struct slice transaction_id;
    struct slice offset_msg_id;
    struct slice broker_name;
};
extern const struct fields check_transaction_request_fields;

struct resume_check_request {
    struct slice topic;
    struct slice msg_id;
};
extern const struct fields resume_check_request_fields;

#endif
