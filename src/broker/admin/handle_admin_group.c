/* handle_admin_group.c - consumer groups made, changed, deleted and described for tools: 200, 225,
 * 207, 201, 352, and what one is forbidden: 353. A change is answered when it is on disk. */
#include "broker/figures/stats.h"
#include "broker/groups/progress.h"
#include "broker/internal.h"
#include "broker/requests.h"
#include "broker/saved_reply.h"
#include "broker/topic_attributes.h"
#include "broker/topic_rules.h"
#include "wire/req_admin.h"

void handle_put_group(struct broker *broker, struct request *req)
{
    struct group_config config;
    if (group_config_decode(req->body, &req->arena, &config) != 0 || config.name.len == 0) {
        reply_code(req, RESP_SYSTEM_ERROR, "the body is no subscription group with a name");
        return;
    }
    struct slice why;
    if (group_attributes_apply(groups_get(broker->groups, config.name), &req->arena, &config,
                               &why) != 0) {
        reply_code(req, RESP_SYSTEM_ERROR, "%.*s", SLICE_FMT(why));
        return;
    }
    groups_put(broker->groups, &config, loop_now_ms(broker->loop));
    broker_groups_changed(broker);
    reply_when_saved(broker, req, TABLE_GROUPS);
}

/* All or none: the reference keeps those before the first that it stumbles over. */
void handle_put_groups(struct broker *broker, struct request *req)
{
    struct group_config_list list;
    if (group_config_list_decode(req->body, &req->arena, &list) != 0) {
        reply_code(req, RESP_SYSTEM_ERROR, "the body is no list of subscription groups with names");
        return;
    }
    struct group_config *groups =
        arena_alloc(&req->arena, ((size_t)list.count + 1) * sizeof *groups);
    for (int i = 0; i < list.count; i++) {
        struct slice why;
        groups[i] = list.groups[i];
        if (group_attributes_apply(groups_get(broker->groups, groups[i].name), &req->arena,
                                   &groups[i], &why) != 0) {
            reply_code(req, RESP_SYSTEM_ERROR, "%.*s: %.*s", SLICE_FMT(groups[i].name),
                       SLICE_FMT(why));
            return;
        }
    }
    for (int i = 0; i < list.count; i++)
        groups_put(broker->groups, &groups[i], loop_now_ms(broker->loop));
    broker_groups_changed(broker);
    reply_when_saved(broker, req, TABLE_GROUPS);
}

void handle_delete_group(struct broker *broker, struct request *req)
{
    struct delete_group_request fields;
    if (request_fields(req, &delete_group_request_fields, &fields) != 0)
        return;
    groups_remove(broker->groups, fields.group_name, loop_now_ms(broker->loop));
    stats_forget_group(broker->stats, fields.group_name);
    broker_groups_changed(broker);
    if (fields.clean_offset)
        progress_forget_group(broker->progress, fields.group_name);
    reply_when_saved(broker, req, TABLE_GROUPS);
}

void handle_all_groups(struct broker *broker, struct request *req)
{
    struct buf body = BUF_INIT;
    groups_body(broker->groups, &body);
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

/* Without `readable` it only asks. The remark is empty text, not absent, as the reference's. */
void handle_group_forbidden(struct broker *broker, struct request *req)
{
    struct group_forbidden_request fields;
    if (request_fields(req, &group_forbidden_request_fields, &fields) != 0)
        return;
    int32_t bits = groups_forbidden(broker->groups, fields.group, fields.topic);
    if (fields.readable.data != NULL) {
        bool readable = slice_eq(fields.readable, SLICE("true"));
        bits = readable ? bits & ~GROUP_FORBIDDEN_READ : bits | GROUP_FORBIDDEN_READ;
        int err = groups_forbid(broker->groups, fields.group, fields.topic, bits,
                                loop_now_ms(broker->loop));
        if (err != 0) {
            reply_code(req, RESP_SYSTEM_ERROR,
                       err == ERR_TOO_BIG ? "the table of what is forbidden is full"
                                          : "group and topic must be names");
            return;
        }
        broker_groups_changed(broker);
    }
    struct group_readable answer = { fields.group, fields.topic,
                                     (bits & GROUP_FORBIDDEN_READ) == 0 };
    struct buf body = BUF_INIT;
    group_readable_encode(&answer, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}
