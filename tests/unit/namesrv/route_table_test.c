#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "namesrv/cluster.h"

/* Goal: a broker that registers is in the routes of its topics, and in no others. */
static void registered_topics_are_routed(void **state)
{
    struct cluster *c = *state;
    cluster_add(c, (struct broker_words){ .name = "a", .addr = "h1:1", .topics = "t1,t2" });
    cluster_add(c, (struct broker_words){ .name = "b", .addr = "h2:1", .topics = "t2,t3" });
    assert_string_equal(cluster_route(c, "t1"), "a[0=h1:1]:6;");
    assert_string_equal(cluster_route(c, "t2"), "a[0=h1:1]:6;b[0=h2:1]:6;");
    assert_string_equal(cluster_route(c, "t4"), "none");
    assert_string_equal(cluster_route(c, ""), "none");
}

/* Goal: the first registration of an id with exactly one topic is refused and leaves no trace; with
 * none or several it is taken, and after that with one too. */
static void first_registration_with_one_topic_is_refused(void **state)
{
    struct cluster *c = *state;
    struct register_broker_response answer;
    struct broker_words words = { .name = "a", .addr = "h1:1", .topics = "t1", .version = 1 };
    assert_string_equal(cluster_register(c, words, &answer), "register broker failed");
    assert_int_equal(c->table.live.by_name.count, 0);
    words.topics = NULL;
    cluster_add(c, words);
    words.topics = "t1";
    words.version = 2;
    cluster_add(c, words);
    assert_string_equal(cluster_route(c, "t1"), "a[0=h1:1]:6;");
}

/* Goal: a slave is answered the master's addresses, the master and a slave without one are not. */
static void slave_learns_its_master(void **state)
{
    struct cluster *c = *state;
    struct register_broker_response answer;
    struct broker_words slave = { .name = "a", .id = 1, .addr = "h2:1", .topics = "t1,t2" };
    struct broker_words master = { .name = "a", .id = 0, .addr = "h1:1", .topics = "t1,t2" };
    assert_null(cluster_register(c, slave, &answer));
    assert_null(answer.master_addr.data);
    assert_string_equal(cluster_route(c, "t1"), "none");
    assert_null(cluster_register(c, master, &answer));
    assert_null(answer.master_addr.data);
    assert_null(cluster_register(c, slave, &answer));
    assert_true(slice_eq(answer.master_addr, SLICE("h1:1")));
    assert_true(slice_eq(answer.ha_server_addr, SLICE("ha-h1:1")));
    assert_string_equal(cluster_route(c, "t1"), "a[0=h1:1,1=h2:1]:6;");
}

/* Goal: an address stands under one id only: a slave that became master is no slave any more. */
static void same_address_with_other_id_moves(void **state)
{
    struct cluster *c = *state;
    cluster_add(c, (struct broker_words){ .name = "a", .id = 1, .addr = "h1:1", .topics = "t,u" });
    cluster_add(c, (struct broker_words){ .name = "a", .id = 0, .addr = "h1:1", .topics = "t,u" });
    assert_string_equal(cluster_route(c, "t"), "a[0=h1:1]:6;");
}

/* Goal: of two addresses with one id the later state version wins; equal ones: the latest to come.
 */
static void same_id_goes_to_the_higher_state_version(void **state)
{
    struct cluster *c = *state;
    struct register_broker_response answer;
    struct broker_words old = { .name = "a", .addr = "h1:1", .topics = "t,u", .state_version = 2 };
    struct broker_words new = { .name = "a", .addr = "h2:1", .topics = "t,u", .state_version = 3 };
    cluster_add(c, old);
    cluster_add(c, new);
    assert_string_equal(cluster_route(c, "t"), "a[0=h2:1]:6;");
    assert_null(cluster_register(c, old, &answer));
    assert_null(answer.master_addr.data);
    assert_string_equal(cluster_route(c, "t"), "a[0=h2:1]:6;");
    old.state_version = 3;
    cluster_add(c, old);
    assert_string_equal(cluster_route(c, "t"), "a[0=h1:1]:6;");
}

/* Goal: topics left out stay, unless the settings say otherwise. */
static void topics_left_out_stay_unless_told(void **state)
{
    struct cluster *c = *state;
    struct broker_words words = { .name = "a", .addr = "h1:1", .topics = "t,u,v", .version = 1 };
    cluster_add(c, words);
    words.topics = "t,u";
    words.version = 2;
    cluster_add(c, words);
    assert_string_equal(cluster_route(c, "v"), "a[0=h1:1]:6;");
    c->conf.delete_topic_with_broker_registration = true;
    cluster_add(c, words);
    assert_string_equal(cluster_route(c, "v"), "none");
    assert_string_equal(cluster_route(c, "u"), "a[0=h1:1]:6;");
}

/* Goal: a permission taken by request stays taken while the broker says nothing new, and can be
 * given back. */
static void wiped_permission_stays_until_the_version_changes(void **state)
{
    struct cluster *c = *state;
    struct broker_words words = { .name = "a", .addr = "h1:1", .topics = "t,u", .version = 1 };
    cluster_add(c, words);
    assert_int_equal(route_table_set_write_perm(&c->table, SLICE("a"), false), 2);
    cluster_add(c, words);
    assert_string_equal(cluster_route(c, "t"), "a[0=h1:1]:4;");
    assert_int_equal(route_table_set_write_perm(&c->table, SLICE("a"), true), 2);
    assert_string_equal(cluster_route(c, "t"), "a[0=h1:1]:6;");
    route_table_set_write_perm(&c->table, SLICE("a"), false);
    words.version = 2;
    cluster_add(c, words);
    assert_string_equal(cluster_route(c, "t"), "a[0=h1:1]:6;");
    assert_int_equal(route_table_set_write_perm(&c->table, SLICE("nobody"), false), 0);
}

/* Goal: with the last member of a group its topics go; unknown ones are no error. */
static void unregistration_removes(void **state)
{
    struct cluster *c = *state;
    cluster_add(c, (struct broker_words){ .name = "a", .id = 0, .addr = "h1:1", .topics = "t,u" });
    cluster_add(c, (struct broker_words){ .name = "a", .id = 1, .addr = "h2:1", .topics = "t,u" });
    route_table_unregister(&c->table, SLICE("a"), SLICE("h9:1"));
    route_table_unregister(&c->table, SLICE("z"), SLICE("h1:1"));
    route_table_unregister(&c->table, SLICE("a"), SLICE("h1:1"));
    assert_string_equal(cluster_route(c, "t"), "a[1=h2:1]:6;");
    route_table_unregister(&c->table, SLICE("a"), SLICE("h2:1"));
    assert_string_equal(cluster_route(c, "t"), "none");
    assert_int_equal(c->table.topics.row_count, 0);
    assert_int_equal(c->table.live.member_count, 0);
}

/* Goal: a closed connection takes the brokers that registered through it, not one that came back
 * through another. */
static void closed_connection_takes_its_brokers(void **state)
{
    struct cluster *c = *state;
    int first;
    int second;
    cluster_add(
        c, (struct broker_words){ .name = "a", .addr = "h1:1", .topics = "t,u", .conn = &first });
    cluster_add(
        c, (struct broker_words){ .name = "b", .addr = "h2:1", .topics = "t,u", .conn = &first });
    cluster_add(
        c, (struct broker_words){ .name = "b", .addr = "h2:1", .topics = "t,u", .conn = &second });
    route_table_conn_closed(&c->table, &first);
    assert_string_equal(cluster_route(c, "t"), "b[0=h2:1]:6;");
}

static void note_closed(void *ctx, const void *conn)
{
    const void **closed = ctx;
    assert_null(*closed);
    *closed = conn;
}

/* Goal: a broker lives for its own timeout, counted from what it said last, be that a registration,
 * a heartbeat, or a question with an equal version; silence ends it and its connection once. */
static void silence_takes_a_broker_offline(void **state)
{
    struct cluster *c = *state;
    int conn;
    const void *closed = NULL;
    struct broker_identity_request asked = { .broker_name = SLICE("a"),
                                             .broker_addr = SLICE("h1:1") };
    assert_int_equal(route_table_next_expiry_ms(&c->table), -1);
    cluster_add(c, (struct broker_words){ .name = "a",
                                          .addr = "h1:1",
                                          .topics = "t,u",
                                          .version = 1,
                                          .timeout_ms = 500,
                                          .conn = &conn });
    cluster_add(c, (struct broker_words){ .name = "b", .addr = "h2:1", .topics = "t,u" });
    assert_int_equal(route_table_next_expiry_ms(&c->table), 1500);
    route_table_heartbeat(&c->table, SLICE("a"), SLICE("h1:1"), 1200);
    assert_int_equal(route_table_next_expiry_ms(&c->table), 1700);
    assert_int_equal(route_table_query_version(&c->table, &asked, 1300)->counter, 1);
    assert_int_equal(route_table_next_expiry_ms(&c->table), 1800);
    route_table_expire(&c->table, 1799, note_closed, &closed);
    assert_null(closed);
    route_table_expire(&c->table, 1800, note_closed, &closed);
    assert_ptr_equal(closed, &conn);
    assert_string_equal(cluster_route(c, "t"), "b[0=h2:1]:6;");
    assert_int_equal(route_table_next_expiry_ms(&c->table), 1000 + BROKER_TIMEOUT_MS);
    assert_null(route_table_query_version(&c->table, &asked, 1900));
}

/* Goal: when the master is gone, a group that allows it gets an acting one: read only, and shown as
 * id 0 only if the name server is set so; the master takes everything back. */
static void slave_acts_as_master(void **state)
{
    struct cluster *c = *state;
    struct broker_words master = {
        .name = "a", .id = 0, .addr = "h1:1", .topics = "t,u", .acting = "true"
    };
    struct broker_words slave = {
        .name = "a", .id = 1, .addr = "h2:1", .topics = "t,u", .acting = "true"
    };
    cluster_add(c, master);
    cluster_add(c, slave);
    c->conf.support_acting_master = true;
    assert_string_equal(cluster_route(c, "t"), "a[0=h1:1,1=h2:1]:6;");
    route_table_unregister(&c->table, SLICE("a"), SLICE("h1:1"));
    assert_string_equal(cluster_route(c, "t"), "a[0=h2:1]:4;");
    c->conf.support_acting_master = false;
    assert_string_equal(cluster_route(c, "t"), "a[1=h2:1]:4;");
    slave.topics = "t,u,w";
    slave.version = 1;
    cluster_add(c, slave);
    assert_string_equal(cluster_route(c, "w"), "a[1=h2:1]:4;");
    cluster_add(c, master);
    assert_string_equal(cluster_route(c, "t"), "a[0=h1:1,1=h2:1]:6;");
}

/* Goal: without the broker's consent a lost master leaves everything as it was. */
static void no_one_acts_without_consent(void **state)
{
    struct cluster *c = *state;
    c->conf.support_acting_master = true;
    cluster_add(c, (struct broker_words){
                       .name = "a", .id = 0, .addr = "h1:1", .topics = "t,u", .acting = "false" });
    cluster_add(c, (struct broker_words){
                       .name = "a", .id = 1, .addr = "h2:1", .topics = "t,u", .acting = "false" });
    route_table_unregister(&c->table, SLICE("a"), SLICE("h1:1"));
    assert_string_equal(cluster_route(c, "t"), "a[1=h2:1]:6;");
}

/* Goal: members hear of a new smallest id when the settings ask for it: of a loss all, of a gain
 * all but the one that came. */
static void change_of_the_smallest_id_is_told(void **state)
{
    struct cluster *c = *state;
    struct broker_words words = { .name = "a", .id = 2, .addr = "h2:1", .topics = "t,u" };
    cluster_add(c, words);
    words.id = 1;
    words.addr = "h1:1";
    cluster_add(c, words);
    assert_string_equal(c->told, "");
    c->conf.notify_min_broker_id_changed = true;
    words.id = 0;
    words.addr = "h0:1";
    cluster_add(c, words);
    assert_string_equal(c->told, "a:0@h0:1 offline= ha=ha-h0:1 -> h1:1 h2:1;");
    c->told[0] = '\0';
    route_table_unregister(&c->table, SLICE("a"), SLICE("h2:1"));
    assert_string_equal(c->told, "");
    route_table_unregister(&c->table, SLICE("a"), SLICE("h0:1"));
    assert_string_equal(c->told, "a:1@h1:1 offline=h0:1 ha= -> h1:1;");
    c->told[0] = '\0';
    route_table_unregister(&c->table, SLICE("a"), SLICE("h1:1"));
    assert_string_equal(c->told, "");
}

/* Goal: names without end or beginning are refused, and too many topics too. */
static void abuse_is_refused_with_a_reason(void **state)
{
    struct cluster *c = *state;
    struct register_broker_response answer;
    static char long_name[ROUTE_NAME_MAX + 2];
    memset(long_name, 'x', ROUTE_NAME_MAX + 1);
    struct broker_words words = { .name = long_name, .addr = "h1:1" };
    assert_non_null(cluster_register(c, words, &answer));
    words.name = "a";
    words.addr = "";
    assert_non_null(cluster_register(c, words, &answer));
    words.addr = long_name;
    assert_non_null(cluster_register(c, words, &answer));
    words.addr = "h1:1";
    c->table.topics.row_count = ROUTE_ROWS_MAX - 1; /* as if so many were there */
    words.topics = "t,u";
    assert_non_null(cluster_register(c, words, &answer));
    c->table.topics.row_count = 0;
    c->table.live.member_count = ROUTE_MEMBERS_MAX;
    assert_non_null(cluster_register(c, words, &answer));
    c->table.live.member_count = 0;
    cluster_add(c, words);
}

/* Goal: a topic can be deleted in one cluster or in all, and added by request for known brokers. */
static void topics_by_request(void **state)
{
    struct cluster *c = *state;
    struct queue_data queues[] = { { SLICE("a"), 2, 2, PERM_READ, 0 } };
    struct route_data route = { .queues = queues, .queue_count = 1 };
    cluster_add(c, (struct broker_words){ .name = "a", .addr = "h1:1", .topics = "t,u" });
    cluster_add(c, (struct broker_words){
                       .name = "b", .addr = "h2:1", .topics = "t,u", .in_cluster = "c2" });
    route_table_delete_topic(&c->table, SLICE("t"), SLICE("c1"));
    assert_string_equal(cluster_route(c, "t"), "b[0=h2:1]:6;");
    route_table_delete_topic(&c->table, SLICE("t"), SLICE("no such"));
    route_table_delete_topic(&c->table, SLICE("u"), (struct slice){ NULL, 0 });
    assert_string_equal(cluster_route(c, "u"), "none");
    assert_null(route_table_add_topic(&c->table, SLICE("v"), &route));
    assert_string_equal(cluster_route(c, "v"), "a[0=h1:1]:4;");
    queues[0].broker_name = SLICE("nobody");
    assert_null(route_table_add_topic(&c->table, SLICE("w"), &route));
    assert_string_equal(cluster_route(c, "w"), "none");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, cluster_make, cluster_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(registered_topics_are_routed),
        TEST(first_registration_with_one_topic_is_refused),
        TEST(slave_learns_its_master),
        TEST(same_address_with_other_id_moves),
        TEST(same_id_goes_to_the_higher_state_version),
        TEST(topics_left_out_stay_unless_told),
        TEST(wiped_permission_stays_until_the_version_changes),
        TEST(unregistration_removes),
        TEST(closed_connection_takes_its_brokers),
        TEST(silence_takes_a_broker_offline),
        TEST(slave_acts_as_master),
        TEST(no_one_acts_without_consent),
        TEST(change_of_the_smallest_id_is_told),
        TEST(abuse_is_refused_with_a_reason),
        TEST(topics_by_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
