/* handle_evidence.c - what the evidence holds, for tools: 90001. */
#include "broker/figures/evidence.h"
#include "broker/internal.h"
#include "broker/requests.h"

void handle_slow_requests(struct broker *broker, struct request *req)
{
    struct slow_requests slow;
    struct buf body = BUF_INIT;
    evidence_describe(broker->evidence, &req->arena, &slow);
    slow_requests_encode(&slow, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}
