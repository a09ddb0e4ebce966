/* handle_admin_group.c - consumer groups made, changed, deleted and described for tools: 200, 207,
 * 201, 352. A change is answered when it is on disk. */
#include "broker/internal.h"
#include "broker/saved_reply.h"
#include "wire/req_admin.h"

void handle_put_group(struct broker *broker, struct request *req)
{
    struct group_config config;
    if (group_config_decode(req->body, &req->arena, &config) != 0 || config.name.len == 0) {
        reply_code(req, RESP_SYSTEM_ERROR, "the body is no subscription group with a name");
        return;
    }
    groups_put(broker->groups, &config, loop_now_ms(broker->loop));
    broker_groups_changed(broker);
    reply_when_saved(broker, req, TABLE_GROUPS);
}

void handle_delete_group(struct broker *broker, struct request *req)
{
    struct delete_group_request fields;
    if (request_fields(req, &delete_group_request_fields, &fields) != 0)
        return;
    groups_remove(broker->groups, fields.group_name, loop_now_ms(broker->loop));
    broker_groups_changed(broker);
    if (fields.clean_offset) {
        offsets_remove_group(broker->offsets, fields.group_name);
        saver_changed(broker->saver, TABLE_OFFSETS);
    }
    reply_when_saved(broker, req, TABLE_GROUPS);
}

void handle_all_groups(struct broker *broker, struct request *req)
{
    int count = 0;
    size_t cursor = 0;
    const struct group_config *config;
    while (groups_next(broker->groups, &cursor, &config))
        count++;
    struct group_config *configs = arena_alloc(&req->arena, ((size_t)count + 1) * sizeof *configs);
    struct group_table table = { .version = *groups_version(broker->groups), .groups = configs };
    cursor = 0;
    while (groups_next(broker->groups, &cursor, &config))
        configs[table.count++] = *config;
    struct buf body = BUF_INIT;
    group_table_encode(&table, false, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}

void handle_get_group(struct broker *broker, struct request *req)
{
    struct group_request fields;
    if (request_fields(req, &group_request_fields, &fields) != 0)
        return;
    const struct group_config *config = broker_group_ensure(broker, fields.group);
    if (config == NULL) {
        reply_code(req, RESP_SUBSCRIPTION_GROUP_NOT_EXIST, "No group in this broker. group: %.*s",
                   SLICE_FMT(fields.group));
        return;
    }
    struct buf body = BUF_INIT;
    group_config_encode(config, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}
