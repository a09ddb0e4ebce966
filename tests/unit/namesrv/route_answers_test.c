#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "namesrv/cluster.h"

/* Goal: a zone filter keeps the brokers of the zone (letter case aside) and groups without a
 * master; none left is an empty route, not an unknown topic. */
static void zone_restricts_the_route(void **state)
{
    struct cluster *c = *state;
    cluster_add(
        c, (struct broker_words){ .name = "a", .addr = "h1:1", .topics = "t,u", .zone = "East" });
    cluster_add(
        c, (struct broker_words){ .name = "b", .addr = "h2:1", .topics = "t,u", .zone = "west" });
    assert_string_equal(cluster_route_in_zone(c, "t", "east"), "a[0=h1:1]:6;");
    assert_string_equal(cluster_route_in_zone(c, "t", "north"), "");
    cluster_add(c, (struct broker_words){
                       .name = "b", .id = 1, .addr = "h3:1", .topics = "t,u", .zone = "west" });
    route_table_unregister(&c->table, SLICE("b"), SLICE("h2:1"));
    assert_string_equal(cluster_route_in_zone(c, "t", "east"), "a[0=h1:1]:6;b[1=h3:1]:6;");
}

/* Goal: the queue mappings of a static topic are handed on as they came, by broker. */
static void mappings_are_handed_on(void **state)
{
    struct cluster *c = *state;
    struct route_data route;
    struct register_broker_response answer;
    struct topic_config topics[] = { { .name = SLICE("t"), .perm = 6 },
                                     { .name = SLICE("u"), .perm = 6 } };
    struct queue_mapping mappings[] = { { SLICE("t"), SLICE("{\"totalQueues\":1}") } };
    struct register_broker_request broker = { .broker_name = SLICE("a"),
                                              .broker_addr = SLICE("h1:1"),
                                              .cluster_name = SLICE("c1") };
    struct register_body body = { .topics = { .topics = topics, .count = 2 },
                                  .mappings = mappings,
                                  .mapping_count = 1 };
    assert_null(route_table_register(&c->table, &broker, &body, NULL, 0, &answer));
    assert_true(
        route_table_route(&c->table, SLICE("t"), (struct slice){ NULL, 0 }, &c->arena, &route));
    assert_true(slice_eq(route.mapping_by_broker, SLICE("{\"a\":{\"totalQueues\":1}}")));
    assert_true(
        route_table_route(&c->table, SLICE("u"), (struct slice){ NULL, 0 }, &c->arena, &route));
    assert_null(route.mapping_by_broker.data);
}

/* Goal: the cluster's picture has every broker once, below its cluster. */
static void cluster_info_has_all_brokers(void **state)
{
    struct cluster *c = *state;
    struct cluster_info info;
    struct topic_list list;
    static const char *const names[] = { "a", "b", "x", "d" };
    for (int i = 0; i < 4; i++)
        cluster_add(c, (struct broker_words){
                           .name = names[i], .addr = "h1:1", .in_cluster = i == 2 ? "c2" : "c1" });
    route_table_cluster_info(&c->table, &c->arena, &info);
    assert_int_equal(info.broker_count, 4);
    assert_int_equal(info.cluster_count, 2);
    assert_int_equal(info.clusters[0].broker_count, 3);
    assert_true(slice_eq(info.clusters[0].broker_names[2], SLICE("d")));
    assert_int_equal(info.clusters[1].broker_count, 1);
    assert_true(slice_eq(info.clusters[1].broker_names[0], SLICE("x")));
    route_table_system_topics(&c->table, &c->arena, &list);
    assert_int_equal(list.count, 6);
    assert_true(slice_eq(list.broker_addr, SLICE("h1:1")));
}

/* Goal: members of a group are told by id; of an unknown group there are none. */
static void members_are_told_by_id(void **state)
{
    struct cluster *c = *state;
    struct member_group group;
    cluster_add(c, (struct broker_words){ .name = "a", .id = 3, .addr = "h3:1" });
    cluster_add(c, (struct broker_words){ .name = "a", .id = 0, .addr = "h0:1" });
    route_table_members(&c->table, SLICE("a"), &c->arena, &group);
    assert_int_equal(group.addr_count, 2);
    assert_int_equal(group.addrs[0].broker_id, 0);
    assert_true(slice_eq(group.addrs[1].address, SLICE("h3:1")));
    route_table_members(&c->table, SLICE("b"), &c->arena, &group);
    assert_int_equal(group.addr_count, 0);
}

static int count_topics(struct cluster *c, enum topic_choice choice, const char *cluster)
{
    struct topic_list list;
    route_table_topics(&c->table, choice, slice_str(cluster), &c->arena, &list);
    return list.count;
}

/* Goal: each list holds the topics it is named for. */
static void topic_lists_choose(void **state)
{
    struct cluster *c = *state;
    static const int32_t flags[] = { 0, 1, 2, 3 };
    static const char *const names[] = { "t0", "t1", "t2", "t3" };
    cluster_add(c, (struct broker_words){ .name = "a", .addr = "h1:1", .topics = "t0,t1,t2,t3" });
    cluster_add(c, (struct broker_words){
                       .name = "b", .addr = "h2:1", .topics = "t0,t9", .in_cluster = "c2" });
    for (int i = 0; i < 4; i++)
        topic_rows_find(&c->table.topics, slice_str(names[i]),
                        live_group(&c->table.live, SLICE("a")))
            ->sys_flag = flags[i];
    assert_int_equal(count_topics(c, TOPICS_ALL, ""), 5);
    assert_int_equal(count_topics(c, TOPICS_OF_CLUSTER, "c1"), 4);
    assert_int_equal(count_topics(c, TOPICS_OF_CLUSTER, "c2"), 2);
    assert_int_equal(count_topics(c, TOPICS_OF_CLUSTER, "c3"), 0);
    assert_int_equal(count_topics(c, TOPICS_UNIT, ""), 2);
    assert_int_equal(count_topics(c, TOPICS_UNIT_SUB, ""), 2);
    assert_int_equal(count_topics(c, TOPICS_UNIT_SUB_NOT_UNIT, ""), 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, cluster_make, cluster_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(zone_restricts_the_route),     TEST(mappings_are_handed_on),
        TEST(cluster_info_has_all_brokers), TEST(members_are_told_by_id),
        TEST(topic_lists_choose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
