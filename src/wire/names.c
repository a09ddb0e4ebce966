#include "wire/names.h"

static const char *const system_topics[] = {
    TOPIC_SCHEDULE,   TOPIC_AUTO_CREATE,   TOPIC_BENCHMARK,
    TOPIC_TRANS_HALF, TOPIC_TRANS_OP_HALF, TOPIC_TRACE,
    TOPIC_SELF_TEST,  TOPIC_OFFSET_MOVED,  TOPIC_TRANS_CHECK_MAX_TIME,
    TOPIC_CHECKPOINT,
};

static const char *const system_groups[] = {
    "DEFAULT_CONSUMER",      "TOOLS_CONSUMER",    "SCHEDULE_CONSUMER", "FILTERSRV_CONSUMER",
    "__MONITOR_CONSUMER",    "SELF_TEST_P_GROUP", "SELF_TEST_C_GROUP", "CID_ONS-HTTP-PROXY",
    "CID_ONSAPI_PERMISSION", "CID_ONSAPI_OWNER",  "CID_ONSAPI_PULL",
};
#define SYSTEM_GROUP_PREFIX "CID_RMQ_SYS_"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static bool is_listed(struct slice name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_eq(name, slice_str(list[i])))
            return true;
    return false;
}

static bool is_name_text(struct slice name)
{
    static const bool is_name_char[256] = {
        ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true, ['%'] = true,
        ['|'] = true,         ['_'] = true,         ['-'] = true,
    };
    for (size_t i = 0; i < name.len; i++)
        if (!is_name_char[name.data[i]])
            return false;
    return true;
}

const char *topic_name_fault(struct slice topic)
{
    if (topic.len == 0)
        return "the topic is empty";
    bool is_derived = topic_is_retry(topic) || topic_is_dlq(topic);
    if (topic.len > RETRY_TOPIC_NAME_MAX || (!is_derived && topic.len > TOPIC_NAME_MAX))
        return is_derived ? "the topic is longer than 255 characters"
                          : "the topic is longer than 127 characters";
    if (!is_name_text(topic))
        return "the topic has characters other than %|a-zA-Z0-9_-";
    return NULL;
}

const char *group_name_fault(struct slice group)
{
    if (group.len == 0)
        return "the group is empty";
    if (group.len > GROUP_NAME_MAX)
        return "the group is longer than 120 characters";
    if (!is_name_text(group))
        return "the group has characters other than %|a-zA-Z0-9_-";
    return NULL;
}

static bool is_reply_topic_of(struct slice topic, struct slice cluster)
{
    return topic.len == cluster.len + sizeof(TOPIC_REPLY_SUFFIX) - 1 &&
           slice_starts_with(topic, cluster) &&
           slice_eq(slice_from(topic, cluster.len), SLICE(TOPIC_REPLY_SUFFIX));
}

bool topic_is_system(struct slice topic, struct slice cluster)
{
    return slice_starts_with(topic, SLICE(TOPIC_SYSTEM_PREFIX)) ||
           is_listed(topic, system_topics, COUNT_OF(system_topics)) ||
           (cluster.len > 0 && is_reply_topic_of(topic, cluster));
}

bool group_is_system(struct slice group)
{
    return slice_starts_with(group, SLICE(SYSTEM_GROUP_PREFIX)) ||
           is_listed(group, system_groups, COUNT_OF(system_groups));
}

bool topic_is_not_sendable(struct slice topic)
{
    /* The reference takes what is sent to its own queues, and a record there without the properties
     * their reader expects stops that reader for good. */
    return slice_starts_with(topic, SLICE(TOPIC_SYSTEM_PREFIX)) ||
           slice_eq(topic, SLICE(TOPIC_SCHEDULE)) || slice_eq(topic, SLICE(TOPIC_TRANS_HALF)) ||
           slice_eq(topic, SLICE(TOPIC_TRANS_OP_HALF)) ||
           slice_eq(topic, SLICE(TOPIC_TRANS_CHECK_MAX_TIME)) ||
           slice_eq(topic, SLICE(TOPIC_SELF_TEST)) || slice_eq(topic, SLICE(TOPIC_OFFSET_MOVED));
}

bool topic_is_retry(struct slice topic)
{
    return slice_starts_with(topic, SLICE(TOPIC_RETRY_PREFIX));
}

bool topic_is_dlq(struct slice topic)
{
    return slice_starts_with(topic, SLICE(TOPIC_DLQ_PREFIX));
}

static struct slice joined(struct slice prefix, struct slice group, struct arena *arena)
{
    uint8_t *text = arena_alloc(arena, prefix.len + group.len);
    memcpy(text, prefix.data, prefix.len);
    if (group.len > 0)
        memcpy(text + prefix.len, group.data, group.len);
    return slice_of(text, prefix.len + group.len);
}

struct slice retry_topic_of(struct slice group, struct arena *arena)
{
    return joined(SLICE(TOPIC_RETRY_PREFIX), group, arena);
}

struct slice dlq_topic_of(struct slice group, struct arena *arena)
{
    return joined(SLICE(TOPIC_DLQ_PREFIX), group, arena);
}

struct slice group_of_retry_topic(struct slice topic)
{
    if (topic_is_retry(topic))
        return slice_from(topic, sizeof(TOPIC_RETRY_PREFIX) - 1);
    if (topic_is_dlq(topic))
        return slice_from(topic, sizeof(TOPIC_DLQ_PREFIX) - 1);
    return topic;
}
