/* put.c - the way of every message into the store. */
#include "broker/delays.h"
#include "broker/internal.h"

int broker_put(struct broker *broker, struct record *records, int count, struct arena *arena,
               struct store_put_result *result, int64_t *phy_offsets)
{
    if (count == 1) /* batches have no delay level */
        delay_redirect(delays_levels(broker->delays), records, arena);
    return store_put(broker->store, records, count, loop_now_ms(broker->loop), result, phy_offsets);
}

int32_t put_refusal(int err, const char **remark)
{
    switch (err) {
    case ERR_TOO_BIG:
    case ERR_INVALID:
        *remark = "the message is illegal, maybe msg body or properties length not matched";
        return RESP_MESSAGE_ILLEGAL;
    case ERR_DISK_FULL:
        *remark = "service not available now: the broker's disk is full";
        return RESP_SERVICE_NOT_AVAILABLE;
    case ERR_IO:
        *remark = "service not available now: a write to the broker's disk has failed";
        return RESP_SERVICE_NOT_AVAILABLE;
    case ERR_CLOSED:
        *remark = "service not available now: the broker is shutting down";
        return RESP_SERVICE_NOT_AVAILABLE;
    default:
        *remark = "UNKNOWN_ERROR";
        return RESP_SYSTEM_ERROR;
    }
}
