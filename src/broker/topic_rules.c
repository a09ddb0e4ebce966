/* topic_rules.c - topics and groups that come to be by themselves. */
#include "broker/topic_rules.h"

#include "broker/internal.h"
#include "broker/register.h"
#include "broker/saver.h"
#include "broker/send/acks.h"
#include "wire/names.h"

enum { READ_WRITE = PERM_READ | PERM_WRITE };
enum { BENCHMARK_QUEUES = 1024, CLUSTER_QUEUES = 16, DELAY_QUEUES = 18 };

void broker_topics_changed(struct broker *broker)
{
    if (broker->saver != NULL)
        saver_changed(broker->saver, TABLE_TOPICS);
    if (broker->registrar != NULL)
        registrar_changed(broker->registrar);
}

void broker_groups_changed(struct broker *broker)
{
    if (broker->saver != NULL)
        saver_changed(broker->saver, TABLE_GROUPS);
}

static const struct topic_config *make_topic(struct broker *broker, struct slice name,
                                             int32_t queue_count, int32_t perm, int32_t sys_flag)
{
    struct topic_config config = topic_config_default(name);
    config.read_queue_count = queue_count;
    config.write_queue_count = queue_count;
    config.perm = perm;
    config.sys_flag = sys_flag;
    topics_put(broker->topics, &config, loop_now_ms(broker->loop));
    broker_topics_changed(broker);
    acks_topic_created(broker);
    return topics_get(broker->topics, name);
}

const struct topic_config *broker_topic_ensure(struct broker *broker, struct slice topic)
{
    const struct topic_config *config = topics_get(broker->topics, topic);
    if (config != NULL || topic_name_fault(topic) != NULL)
        return config;
    return make_topic(broker, topic, 1, READ_WRITE, 0);
}

const struct topic_config *broker_dead_letter_topic_ensure(struct broker *broker,
                                                           struct slice group)
{
    struct arena arena;
    arena_init(&arena);
    const struct topic_config *config = broker_topic_ensure(broker, dlq_topic_of(group, &arena));
    arena_fini(&arena);
    return config;
}

const struct topic_config *broker_topic_for_send(struct broker *broker, struct slice topic,
                                                 struct slice default_topic, int32_t queue_count,
                                                 int32_t sys_flag, const char **why)
{
    const struct topic_config *config = topics_get(broker->topics, topic);
    if (config != NULL)
        return config;
    const struct topic_config *pattern = topics_get(broker->topics, default_topic);
    bool is_allowed = pattern != NULL && (pattern->perm & PERM_INHERIT) != 0 &&
                      (broker->conf.auto_create_topic_enable ||
                       !slice_eq(default_topic, SLICE(TOPIC_AUTO_CREATE)));
    if (is_allowed) {
        if (queue_count > pattern->write_queue_count)
            queue_count = pattern->write_queue_count;
        return make_topic(broker, topic, queue_count < 0 ? 0 : queue_count,
                          pattern->perm & ~PERM_INHERIT, sys_flag);
    }
    if (topic_is_retry(topic))
        return make_topic(broker, topic, 1, READ_WRITE, sys_flag);
    *why = "not exist, apply first please!";
    return NULL;
}

const struct group_config *broker_group_ensure(struct broker *broker, struct slice group)
{
    const struct group_config *config = groups_get(broker->groups, group);
    if (config != NULL)
        return config;
    if (group_name_fault(group) != NULL ||
        (!broker->conf.auto_create_subscription_group && !group_is_system(group)))
        return NULL;
    struct group_config made = group_config_default(group);
    groups_put(broker->groups, &made, loop_now_ms(broker->loop));
    broker_groups_changed(broker);
    return groups_get(broker->groups, group);
}

const struct topic_config *
broker_retry_topic_ensure(struct broker *broker, const struct group_config *group, bool unit_mode)
{
    struct arena arena;
    arena_init(&arena);
    struct slice name = retry_topic_of(group->name, &arena);
    const struct topic_config *config = topics_get(broker->topics, name);
    if (config == NULL && topic_name_fault(name) == NULL)
        config = make_topic(broker, name, group->retry_queue_nums, READ_WRITE,
                            unit_mode ? TOPIC_SYS_FLAG_UNIT_SUB : 0);
    arena_fini(&arena);
    return config;
}

const struct topic_config *broker_pop_retry_topic_ensure(struct broker *broker, struct slice name,
                                                         struct slice group)
{
    const struct topic_config *config = topics_get(broker->topics, name);
    if (config != NULL || name.len > RETRY_TOPIC_NAME_MAX)
        return config;
    config = make_topic(broker, name, 1, READ_WRITE, 0);
    if (offsets_get(broker->offsets, name, group, 0) < 0)
        offsets_put(broker->offsets, name, group, 0, 0, loop_now_ms(broker->loop));
    return config;
}

/* ---- at start -------------------------------------------------------------------------------- */

static void system_topic(struct broker *broker, struct slice name, int32_t queue_count,
                         int32_t perm)
{
    if (topics_get(broker->topics, name) == NULL)
        make_topic(broker, name, queue_count, perm, 0);
}

static void make_system_topics(struct broker *broker, struct arena *arena)
{
    const struct broker_conf *conf = &broker->conf;
    struct slice cluster = slice_str(conf->cluster_name);
    struct slice name = slice_str(conf->broker_name);
    system_topic(broker, SLICE(TOPIC_SELF_TEST), 1, READ_WRITE);
    if (conf->auto_create_topic_enable)
        system_topic(broker, SLICE(TOPIC_AUTO_CREATE), conf->default_topic_queue_nums,
                     READ_WRITE | PERM_INHERIT);
    system_topic(broker, SLICE(TOPIC_BENCHMARK), BENCHMARK_QUEUES, READ_WRITE);
    system_topic(broker, cluster, CLUSTER_QUEUES,
                 PERM_INHERIT | (conf->cluster_topic_enable ? READ_WRITE : 0));
    system_topic(broker, name, 1, PERM_INHERIT | (conf->broker_topic_enable ? READ_WRITE : 0));
    system_topic(broker, SLICE(TOPIC_OFFSET_MOVED), 1, READ_WRITE);
    system_topic(broker, SLICE(TOPIC_SCHEDULE), DELAY_QUEUES, READ_WRITE);
    if (conf->trace_topic_enable)
        system_topic(broker, slice_str(conf->msg_trace_topic_name), 1, READ_WRITE);
    system_topic(broker, arena_printf(arena, "%s" TOPIC_REPLY_SUFFIX, conf->cluster_name), 1,
                 READ_WRITE);
    system_topic(broker, arena_printf(arena, "rmq_sys_REVIVE_LOG_%s", conf->cluster_name),
                 conf->revive_queue_num, READ_WRITE);
    system_topic(broker, arena_printf(arena, "rmq_sys_SYNC_BROKER_MEMBER_%s", conf->broker_name), 1,
                 PERM_INHERIT);
    system_topic(broker, SLICE(TOPIC_TRANS_HALF), 1, READ_WRITE);
    system_topic(broker, SLICE(TOPIC_TRANS_OP_HALF), 1, READ_WRITE);
    system_topic(broker, SLICE(TOPIC_TIMER), 1, READ_WRITE);
}

static void make_system_groups(struct broker *broker)
{
    static const char *const names[] = {
        "TOOLS_CONSUMER",  "FILTERSRV_CONSUMER",    "SELF_TEST_C_GROUP", "CID_ONS-HTTP-PROXY",
        "CID_ONSAPI_PULL", "CID_ONSAPI_PERMISSION", "CID_ONSAPI_OWNER",  "CID_RMQ_SYS_TRANS",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct group_config config = group_config_default(slice_str(names[i]));
        config.consume_broadcast_enable = true;
        if (groups_get(broker->groups, config.name) != NULL)
            continue;
        groups_put(broker->groups, &config, loop_now_ms(broker->loop));
        broker_groups_changed(broker);
    }
}

void broker_make_system_topics(struct broker *broker)
{
    struct arena arena;
    arena_init(&arena);
    make_system_topics(broker, &arena);
    make_system_groups(broker);
    arena_fini(&arena);
}
