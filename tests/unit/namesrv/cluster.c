#include "namesrv/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void note_min_id(void *ctx, const struct min_id_change *change)
{
    struct cluster *c = ctx;
    size_t len = strlen(c->told);
    len +=
        (size_t)snprintf(c->told + len, sizeof c->told - len,
                         "%.*s:%lld@%.*s offline=%.*s ha=%.*s ->", SLICE_FMT(change->broker_name),
                         (long long)change->min_broker_id, SLICE_FMT(change->min_broker_addr),
                         SLICE_FMT(change->offline_broker_addr), SLICE_FMT(change->ha_broker_addr));
    for (int i = 0; i < change->notify_count; i++)
        len += (size_t)snprintf(c->told + len, sizeof c->told - len, " %.*s",
                                SLICE_FMT(change->notify[i]));
    snprintf(c->told + len, sizeof c->told - len, ";");
}

int cluster_make(void **state)
{
    struct cluster *c = calloc(1, sizeof *c);
    if (c == NULL)
        return -1;
    namesrv_conf_init(&c->conf);
    route_table_init(&c->table, &c->conf, note_min_id, c);
    arena_init(&c->arena);
    c->now_ms = 1000;
    *state = c;
    return 0;
}

int cluster_remove(void **state)
{
    struct cluster *c = *state;
    route_table_fini(&c->table);
    namesrv_conf_fini(&c->conf);
    arena_fini(&c->arena);
    free(c);
    return 0;
}

static int split_topics(struct cluster *c, const char *names, struct topic_config **configs)
{
    int count = 0;
    *configs = arena_alloc(&c->arena, 16 * sizeof **configs);
    for (const char *at = names; at != NULL && *at != '\0';) {
        size_t len = strcspn(at, ",");
        assert_true(count < 16);
        (*configs)[count++] = (struct topic_config){ .name = slice_of(at, len),
                                                     .read_queue_count = 4,
                                                     .write_queue_count = 4,
                                                     .perm = PERM_READ | PERM_WRITE };
        at += len + (at[len] == ',' ? 1 : 0);
    }
    return count;
}

const char *cluster_register(struct cluster *c, struct broker_words words,
                             struct register_broker_response *answer)
{
    struct topic_config *configs;
    struct slice none = { NULL, 0 };
    int count = split_topics(c, words.topics, &configs);
    struct register_broker_request broker = {
        .broker_name = slice_str(words.name),
        .broker_addr = slice_str(words.addr),
        .cluster_name = slice_str(words.in_cluster == NULL ? "c1" : words.in_cluster),
        .ha_server_addr = arena_printf(&c->arena, "ha-%s", words.addr),
        .broker_id = words.id,
        .heartbeat_timeout_ms = words.timeout_ms,
        .enable_acting_master = words.acting == NULL ? none : slice_str(words.acting),
        .zone_name = words.zone == NULL ? none : slice_str(words.zone),
    };
    struct register_body body = { .topics = { .version = { words.state_version, 5, words.version },
                                              .topics = configs,
                                              .count = count } };
    return route_table_register(&c->table, &broker, &body, words.conn, c->now_ms, answer);
}

void cluster_add(struct cluster *c, struct broker_words words)
{
    struct register_broker_response answer;
    const char *why = cluster_register(c, words, &answer);
    if (why != NULL)
        fail_msg("refused: %s", why);
}

const char *cluster_route_in_zone(struct cluster *c, const char *topic, const char *zone)
{
    static char text[512];
    struct route_data route;
    struct slice zone_name = zone == NULL ? (struct slice){ NULL, 0 } : slice_str(zone);
    size_t len = 0;
    if (!route_table_route(&c->table, slice_str(topic), zone_name, &c->arena, &route))
        return "none";
    assert_int_equal(route.broker_count, route.queue_count);
    text[0] = '\0';
    for (int i = 0; i < route.broker_count; i++) {
        const struct broker_data *broker = &route.brokers[i];
        assert_true(slice_eq(broker->broker_name, route.queues[i].broker_name));
        len += (size_t)snprintf(text + len, sizeof text - len, "%.*s[",
                                SLICE_FMT(broker->broker_name));
        for (int a = 0; a < broker->addr_count; a++)
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%lld=%.*s", a > 0 ? "," : "",
                                    (long long)broker->addrs[a].broker_id,
                                    SLICE_FMT(broker->addrs[a].address));
        len += (size_t)snprintf(text + len, sizeof text - len, "]:%d;", route.queues[i].perm);
    }
    return text;
}

const char *cluster_route(struct cluster *c, const char *topic)
{
    return cluster_route_in_zone(c, topic, NULL);
}
