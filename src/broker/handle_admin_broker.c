/* handle_admin_broker.c - the broker's settings, for tools: 25, 26. */
#include "base/log.h"
#include "broker/internal.h"
#include "broker/register.h"
#include "broker/saver.h"
#include "wire/req_admin.h"

/* Where settings come from cannot be a setting that a request changes. */
static const char *const black_list[] = { "brokerConfigPath", "rocketmqHome", "configBlackList" };

static int refuse_black_listed(void *ctx, int line, struct slice key, struct slice value)
{
    (void)ctx, (void)line, (void)value;
    for (size_t i = 0; i < sizeof black_list / sizeof black_list[0]; i++)
        if (slice_eq(key, slice_str(black_list[i])))
            return ERR_INVALID;
    return 0;
}

void handle_put_conf(struct broker *broker, struct request *req)
{
    if (conf_parse(req->body, refuse_black_listed, NULL) != 0) {
        reply_code(req, RESP_NO_PERMISSION, "Can not update config in black list.");
        return;
    }
    int permission = broker->conf.broker_permission;
    struct buf complaints = BUF_INIT;
    int err = conf_update(&broker_conf_table, &broker->conf, req->body, &complaints);
    if (err != 0) {
        reply_code(req, RESP_INVALID_PARAMETER, "nothing was changed: %.*s",
                   SLICE_FMT(buf_slice(&complaints)));
    } else {
        data_version_next(&broker->conf_version, loop_now_ms(broker->loop));
        if (broker->conf.broker_permission != permission) {
            topics_touch(broker->topics, loop_now_ms(broker->loop));
            saver_changed(broker->saver, TABLE_TOPICS);
            registrar_tell_all(broker->registrar);
        }
        log_info("settings_changed by=%s", peer_address(req->peer)->text);
        reply_code(req, RESP_SUCCESS, NULL);
    }
    buf_fini(&complaints);
}

void handle_get_conf(struct broker *broker, struct request *req)
{
    struct buf text = BUF_INIT;
    struct buf version = BUF_INIT;
    conf_print(&broker_conf_table, &broker->conf, &text);
    data_version_encode(&broker->conf_version, &version);
    struct get_config_response response = { .version = buf_slice(&version) };
    reply_fields(req, RESP_SUCCESS, slice_of(NULL, 0), &get_config_response_fields, &response,
                 buf_slice(&text));
    buf_fini(&text);
    buf_fini(&version);
}
