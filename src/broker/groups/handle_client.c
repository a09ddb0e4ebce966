/* handle_client.c - heartbeats and groups: HEART_BEAT (34), UNREGISTER_CLIENT (35),
 * GET_CONSUMER_LIST_BY_GROUP (38), CHECK_CLIENT_CONFIG (46). */
#include "broker/bounds.h"
#include "broker/groups/clients.h"
#include "broker/internal.h"
#include "broker/pull/message_filter.h"
#include "broker/requests.h"
#include "broker/saver.h"
#include "broker/session.h"
#include "broker/topic_rules.h"
#include "wire/body_consumer_list.h"
#include "wire/body_subscription.h"
#include "wire/req_client.h"

/* Groups and subscriptions in a heartbeat, and about the groups of a connection. Finding one among
 * them takes a walk, and the loop serves everybody. */
enum { HEARTBEAT_ITEMS_MAX = 2048 };

static bool is_too_much(const struct heartbeat *heartbeat, const struct list *members)
{
    int64_t count = (int64_t)heartbeat->consumer_count + heartbeat->producer_count;
    int64_t known = 0;
    for (int i = 0; i < heartbeat->consumer_count; i++)
        count += heartbeat->consumers[i].subscription_count;
    list_each(link, members)
        known++;
    return count > HEARTBEAT_ITEMS_MAX || known > HEARTBEAT_ITEMS_MAX;
}

/* Returns whether the group's members are to be told of changes. */
static bool group_wants_news(const struct group_config *group)
{
    return group == NULL || group->notify_consumer_ids_changed_enable;
}

static void take_filters(struct broker *broker, const struct heartbeat_consumer *consumer)
{
    filters_register(broker->filters, consumer->group, consumer->subscriptions,
                     consumer->subscription_count, loop_now_ms(broker->loop));
    if (filters_changed(broker->filters))
        saver_changed(broker->saver, TABLE_FILTERS);
}

/* One group of a heartbeat. *asks_again: the client is to send its subscriptions again. */
static int take_consumer(struct broker *broker, struct request *req,
                         const struct heartbeat *heartbeat,
                         const struct heartbeat_consumer *consumer, bool *asks_again)
{
    if (broker->conf.reject_pull_consumer_enable && consumer->consume_type == CONSUME_ACTIVELY)
        return 0;
    const struct group_config *group = broker_group_ensure(broker, consumer->group);
    if (group == NULL)
        return 0;
    broker_retry_topic_ensure(broker, group, consumer->unit_mode);
    if (heartbeat->fingerprint == 0 || !heartbeat->without_sub)
        take_filters(broker, consumer);
    int err = clients_add_consumer(
        broker->clients, req, &session_of(req->peer)->members, heartbeat->client_id, consumer,
        heartbeat->fingerprint != 0 && heartbeat->without_sub, group_wants_news(group));
    if (err == 0 && heartbeat->fingerprint != 0 &&
        clients_fingerprint_changed(broker->clients, consumer->group, heartbeat->fingerprint))
        *asks_again = true;
    return err;
}

/* All groups of it. ERR_TOO_BIG: one found no room among the live clients. */
static int take_heartbeat(struct broker *broker, struct request *req,
                          const struct heartbeat *heartbeat, bool *asks_again)
{
    int err = 0;
    for (int i = 0; i < heartbeat->consumer_count && err == 0; i++)
        err = take_consumer(broker, req, heartbeat, &heartbeat->consumers[i], asks_again);
    for (int i = 0; i < heartbeat->producer_count && err == 0; i++)
        err = clients_add_producer(broker->clients, req, &session_of(req->peer)->members,
                                   heartbeat->client_id, heartbeat->producer_groups[i]);
    return err;
}

void handle_heartbeat(struct broker *broker, struct request *req)
{
    struct heartbeat heartbeat;
    if (heartbeat_decode(req->body, &req->arena, &heartbeat) != 0) {
        reply_code(req, RESP_SYSTEM_ERROR, "the body is not a heartbeat");
        return;
    }
    if (is_too_much(&heartbeat, &session_of(req->peer)->members)) {
        reply_code(req, RESP_SYSTEM_ERROR, "a client has at most %d groups and subscriptions",
                   HEARTBEAT_ITEMS_MAX);
        return;
    }
    struct heartbeat_response fields = { .is_support_heartbeat_v2 = true };
    if (take_heartbeat(broker, req, &heartbeat, &fields.is_sub_change) != 0) {
        reply_code(req, RESP_SYSTEM_ERROR, "there is no room for more live clients: %d MiB of them",
                   BOUND_CLIENT_BYTES >> 20);
        return;
    }
    if (heartbeat.fingerprint == 0)
        fields.is_sub_change = true;
    reply_fields(req, RESP_SUCCESS, slice_of(NULL, 0), &heartbeat_response_fields, &fields,
                 slice_of(NULL, 0));
}

void handle_unregister(struct broker *broker, struct request *req)
{
    struct unregister_client_request fields;
    if (request_fields(req, &unregister_client_request_fields, &fields) != 0)
        return;
    struct list *members = &session_of(req->peer)->members;
    if (fields.producer_group.data != NULL)
        clients_remove_producer(broker->clients, members, fields.producer_group);
    if (fields.consumer_group.data != NULL)
        clients_remove_consumer(
            broker->clients, members, fields.consumer_group,
            group_wants_news(groups_get(broker->groups, fields.consumer_group)));
    reply_code(req, RESP_SUCCESS, NULL);
}

void handle_consumer_list(struct broker *broker, struct request *req)
{
    struct consumer_list_request fields;
    if (request_fields(req, &consumer_list_request_fields, &fields) != 0)
        return;
    const struct client_group *group =
        clients_consumer_group(broker->clients, fields.consumer_group);
    if (group == NULL) {
        reply_code(req, RESP_SYSTEM_ERROR, "no consumer for this group, %.*s",
                   SLICE_FMT(fields.consumer_group));
        return;
    }
    struct slice *ids = arena_alloc(&req->arena, (size_t)group->member_count * sizeof *ids);
    struct consumer_list list = { .client_ids = ids };
    list_each(link, &group->members)
        ids[list.count++] = list_entry(link, struct client_member, group_link)->client_id;
    struct buf body = BUF_INIT;
    consumer_list_encode(&list, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}

void handle_check_client_config(struct broker *broker, struct request *req)
{
    struct client_config config = { 0 };
    struct message_filter filter;
    struct sql_error error;
    if (req->body.len > 0 && client_config_decode(req->body, &req->arena, &config) != 0) {
        reply_code(req, RESP_SYSTEM_ERROR, "the body is not a client's configuration");
        return;
    }
    struct slice type = config.subscription.expression_type;
    if (!config.has_subscription || expression_is_by_tag(type))
        reply_code(req, RESP_SUCCESS, NULL);
    else if (!broker->conf.enable_property_filter)
        reply_code(req, RESP_SYSTEM_ERROR,
                   "The broker does not support consumer to filter message by %.*s",
                   SLICE_FMT(type));
    else if (message_filter_compile(type, config.subscription.sub_string, &req->arena, &filter,
                                    &error) != 0)
        reply_code(req, RESP_SUBSCRIPTION_PARSE_FAILED, "%s", error.text);
    else
        reply_code(req, RESP_SUCCESS, NULL);
}
