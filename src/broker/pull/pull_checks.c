#include "broker/pull/pull_checks.h"

#include "base/log.h"
#include "broker/groups/clients.h"
#include "broker/topic_rules.h"
#include "wire/names.h"

static void forbid(struct pull *p, enum pull_forbidden type, struct slice remark)
{
    struct pull_forbidden_response fields = { .forbidden_type = type };
    reply_fields(pull_req(p), RESP_NO_PERMISSION, remark, &pull_forbidden_response_fields, &fields,
                 slice_of(NULL, 0));
}

#define forbid_printf(p, type, ...) forbid(p, type, arena_printf(&pull_req(p)->arena, __VA_ARGS__))

bool pull_check_broker(struct pull *p)
{
    const struct broker_conf *conf = &pull_broker(p)->conf;
    if ((conf->broker_permission & PERM_READ) == 0) {
        forbid_printf(p, PULL_FORBIDDEN_BROKER, "the broker[%s] pulling message is forbidden",
                      conf->broker_ip1);
        return false;
    }
    if (pull_req(p)->header.code == REQ_LITE_PULL_MESSAGE && !conf->lite_pull_message_enable) {
        forbid_printf(p, PULL_FORBIDDEN_BROKER,
                      "the broker[%s] for lite pull consumer is forbidden", conf->broker_ip1);
        return false;
    }
    return true;
}

/* Takes the right to consume from a group that reads too far behind the end of the log. */
static bool is_too_slow(const struct pull *p)
{
    struct broker *broker = pull_broker(p);
    struct store_queue_entry entry;
    if (!broker->conf.disable_consume_if_read_slowly ||
        store_queue_entry_at(broker->store, p->fields.topic, p->fields.queue_id,
                             p->fields.queue_offset, &entry) != 0)
        return false;
    return store_max_phy_offset(broker->store) - entry.phy_offset >
           broker->conf.consumer_fallbehind_threshold;
}

static void disable_group(struct broker *broker, const struct group_config *group)
{
    struct group_config changed = *group;
    changed.consume_enable = false;
    log_warn("group_disabled group=%.*s reason=\"reads too far behind\"", SLICE_FMT(group->name));
    groups_put(broker->groups, &changed, loop_now_ms(broker->loop));
    broker_groups_changed(broker);
}

bool pull_check_group(struct pull *p)
{
    struct broker *broker = pull_broker(p);
    struct slice name = p->fields.consumer_group;
    const struct group_config *group = broker_group_ensure(broker, name);
    if (group == NULL) {
        reply_code(pull_req(p), RESP_SUBSCRIPTION_GROUP_NOT_EXIST,
                   "subscription group [%.*s] does not exist", SLICE_FMT(name));
        return false;
    }
    if (group->consume_enable && is_too_slow(p)) {
        disable_group(broker, group);
        group = groups_get(broker->groups, name);
    }
    if (!group->consume_enable) {
        forbid_printf(p, PULL_FORBIDDEN_GROUP, "subscription group no permission, %.*s",
                      SLICE_FMT(name));
        return false;
    }
    p->group_sys_flag = group->group_sys_flag;
    return true;
}

bool pull_check_topic(struct pull *p)
{
    const struct topic_config *topic = topics_get(pull_broker(p)->topics, p->fields.topic);
    if (topic == NULL) {
        reply_code(pull_req(p), RESP_TOPIC_NOT_EXIST, "topic[%.*s] not exist, apply first please!",
                   SLICE_FMT(p->fields.topic));
        return false;
    }
    if ((topic->perm & PERM_READ) == 0) {
        forbid_printf(p, PULL_FORBIDDEN_TOPIC, "the topic[%.*s] pulling message is forbidden",
                      SLICE_FMT(p->fields.topic));
        return false;
    }
    if (p->fields.queue_id < 0 || p->fields.queue_id >= topic->read_queue_count) {
        reply_code(
            pull_req(p), RESP_INVALID_PARAMETER,
            "queueId[%d] is illegal, topic:[%.*s] topicConfig.readQueueNums:[%d] consumer:[%s]",
            p->fields.queue_id, SLICE_FMT(p->fields.topic), topic->read_queue_count,
            peer_address(pull_req(p)->peer)->text);
        return false;
    }
    p->topic_sys_flag = topic->sys_flag;
    return true;
}

static bool check_expression_type(struct pull *p, struct slice type)
{
    if (expression_is_by_tag(type) || pull_broker(p)->conf.enable_property_filter)
        return true;
    reply_code(pull_req(p), RESP_SYSTEM_ERROR,
               "The broker does not support consumer to filter message by %.*s", SLICE_FMT(type));
    return false;
}

/* The request brings its subscription along. */
static bool take_own_filter(struct pull *p)
{
    struct slice type = p->fields.expression_type;
    struct slice text = p->fields.subscription;
    struct sql_error error = { .text = "there is none" };
    int err = ERR_INVALID;
    if (expression_is_by_tag(type) || text.len > 0) {
        if (!check_expression_type(p, type))
            return false;
        err = message_filter_compile(type, text, &pull_req(p)->arena, &p->filter, &error);
    }
    if (err != 0)
        reply_code(pull_req(p), RESP_SUBSCRIPTION_PARSE_FAILED,
                   "parse the consumer's subscription failed: %s", error.text);
    return err == 0;
}

static bool take_known_expression(struct pull *p)
{
    const struct filter_entry *entry =
        filters_get(pull_broker(p)->filters, p->fields.topic, p->fields.consumer_group);
    if (entry == NULL) {
        reply_code(pull_req(p), RESP_FILTER_DATA_NOT_EXIST,
                   "The broker's consumer filter data is not exist!Your expression may be wrong!");
        return false;
    }
    if (entry->client_version < p->fields.sub_version) {
        reply_code(pull_req(p), RESP_FILTER_DATA_NOT_LATEST,
                   "the consumer's consumer filter data not latest");
        return false;
    }
    p->filter = (struct message_filter){ .tags = { .all = true }, .sql = entry->sql };
    return true;
}

/* The subscription is known from heartbeats. */
static bool take_known_filter(struct pull *p, const struct client_group *online)
{
    struct broker *broker = pull_broker(p);
    struct request *req = pull_req(p);
    const struct client_subscription *sub =
        online == NULL ? NULL : client_group_subscription(online, p->fields.topic);
    if (online == NULL) {
        reply_code(req, RESP_SUBSCRIPTION_NOT_EXIST, "the consumer's group info not exist");
        return false;
    }
    const struct group_config *group = groups_get(broker->groups, p->fields.consumer_group);
    if (online->message_model == MESSAGE_MODEL_BROADCASTING && !group->consume_broadcast_enable) {
        forbid_printf(p, PULL_FORBIDDEN_BROADCASTING,
                      "the consumer group[%.*s] can not consume by broadcast way",
                      SLICE_FMT(p->fields.consumer_group));
        return false;
    }
    if ((groups_forbidden(broker->groups, p->fields.consumer_group, p->fields.topic) &
         GROUP_FORBIDDEN_READ) != 0) {
        forbid_printf(p, PULL_FORBIDDEN_SUBSCRIPTION,
                      "the consumer group[%.*s] is forbidden for topic[%.*s]",
                      SLICE_FMT(p->fields.consumer_group), SLICE_FMT(p->fields.topic));
        return false;
    }
    if (sub == NULL) {
        reply_code(req, RESP_SUBSCRIPTION_NOT_EXIST, "the consumer's subscription not exist");
        return false;
    }
    if (sub->data.sub_version < p->fields.sub_version) {
        reply_code(req, RESP_SUBSCRIPTION_NOT_LATEST, "the consumer's subscription not latest");
        return false;
    }
    p->filter = (struct message_filter){ .tags = sub->filter };
    return expression_is_by_tag(sub->data.expression_type) ||
           (take_known_expression(p) && check_expression_type(p, sub->data.expression_type));
}

/* "%RETRY%group", or "%RETRY%group+topic" of a pop consumer. */
static struct slice group_of_retry(struct slice topic)
{
    struct slice group = slice_from(topic, strlen(TOPIC_RETRY_PREFIX));
    return slice_cut(&group, '+');
}

bool pull_check_subscription(struct pull *p)
{
    struct broker *broker = pull_broker(p);
    struct client_group *online = clients_consumer_group(broker->clients, p->fields.consumer_group);
    bool is_ok = (p->fields.sys_flag & PULL_SUBSCRIPTION) != 0 ? take_own_filter(p)
                                                               : take_known_filter(p, online);
    if (!is_ok)
        return false;
    if (broker->conf.filter_support_retry && p->filter.sql != NULL &&
        slice_starts_with(p->fields.topic, SLICE(TOPIC_RETRY_PREFIX)))
        message_filter_for_retry(&p->filter, broker->filters, group_of_retry(p->fields.topic),
                                 &pull_req(p)->arena);
    if (broker->conf.reject_pull_consumer_enable &&
        (online == NULL || online->consume_type == CONSUME_ACTIVELY)) {
        reply_code(pull_req(p), RESP_SUBSCRIPTION_NOT_EXIST,
                   "the consumer's group info not exist: consumers that pull are refused");
        return false;
    }
    return true;
}
