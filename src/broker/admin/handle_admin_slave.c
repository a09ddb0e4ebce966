/* handle_admin_slave.c - what slaves, name servers and their tools ask a master that is on its own:
 * 905 to 908, 1007, 200056. */
#include "broker/internal.h"
#include "broker/requests.h"
#include "wire/body_ha_status.h"
#include "wire/req_admin.h"

void handle_ha_status(struct broker *broker, struct request *req)
{
    struct ha_status status = { .max_phy_offset = store_max_phy_offset(broker->store) };
    struct buf body = BUF_INIT;
    ha_status_encode(&status, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}

/* A question is answered with this broker's addresses; an announcement of another master is for
 * slaves. */
void handle_exchange_ha_info(struct broker *broker, struct request *req)
{
    struct exchange_ha_info asked;
    if (request_fields(req, &exchange_ha_info_fields, &asked) != 0)
        return;
    struct exchange_ha_info answer = { .master_flush_offset = -1 };
    if (asked.master_ha_address.data == NULL) {
        answer.master_ha_address =
            arena_printf(&req->arena, "%s:%d", broker->conf.broker_ip1, broker->self.port + 1);
        answer.master_address = slice_str(broker->address);
        answer.master_flush_offset = broker->start_phy_offset;
    }
    reply_fields(req, RESP_SUCCESS, slice_of(NULL, 0), &exchange_ha_info_fields, &answer,
                 slice_of(NULL, 0));
}

/* Only a slave has the offset of a master to reset. */
void handle_reset_flush_offset(struct broker *broker, struct request *req)
{
    (void)broker;
    reply_code(req, RESP_SUCCESS, NULL);
}

/* News for slaves: who acts for a master that is gone. */
void handle_min_broker_changed(struct broker *broker, struct request *req)
{
    (void)broker;
    struct min_broker_changed_request fields;
    if (request_fields(req, &min_broker_changed_request_fields, &fields) == 0)
        reply_code(req, RESP_SUCCESS, NULL);
}

void handle_epoch_cache(struct broker *broker, struct request *req)
{
    (void)broker;
    reply_code(req, RESP_SYSTEM_ERROR, "this request only for controllerMode ");
}

/* Moves what the reference's other store of pop records has into the one everybody has: nothing,
 * here. */
void handle_pop_rollback(struct broker *broker, struct request *req)
{
    (void)broker;
    reply_code(req, RESP_SUCCESS, NULL);
}
