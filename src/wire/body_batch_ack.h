/* body_batch_ack.h - BATCH_ACK_MESSAGE: messages of several pops, acknowledged at once.
 *
 *   {"acks":[{"b":"AQ==","c":"group","it":60000,"pt":..,"q":0,"r":"0","rq":3,"so":118,"t":"topic"}],
 *    "brokerName":"bk-a"}
 *
 * b is the base64 text of a bit set, least significant bit of the first byte first: bit i stands
 * for the message at queue offset so + i.
 *
 * Contract   that of all bodies, in body_data_version.h.
 */
#ifndef WIRE_BODY_BATCH_ACK_H
#define WIRE_BODY_BATCH_ACK_H

#include "wire/json.h"
#include "wire/pop_info.h"

struct batch_ack {
    struct slice group;
    struct slice topic; /* without the retry part */
    enum pop_origin origin;
    bool has_origin; /* false: "r" was none of 0, 1 and 2 */
    int64_t start_offset;
    int32_t queue_id;
    int32_t revive_queue_id;
    int64_t pop_time_ms;
    int64_t invisible_ms;
    struct slice bits; /* bytes of the set */
};

struct batch_ack_request {
    struct slice broker_name;
    const struct batch_ack *acks;
    int count;
};

/* A body with more is none: the decoding happens on a loop. */
enum { BATCH_ACKS_MAX = 4096 };

/* ERR_CORRUPT: not such a body. An entry whose bits are no base64 has none. */
MUST_CHECK int batch_ack_request_decode(struct slice body, struct arena *arena,
                                        struct batch_ack_request *request);

/* The next bit that is set, from `at` on; -1: none. */
int64_t batch_ack_next_bit(struct slice bits, int64_t at);

#endif
