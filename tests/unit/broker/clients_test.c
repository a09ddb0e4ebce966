#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "broker/groups/clients.h"

enum { PEERS = 2, MAX_BYTES = 64 << 10 };

struct fixture {
    struct loop *loop;
    struct server *server;
    struct clients *clients;
    int fds[PEERS];
    int peer_count;
    struct peer *peers[PEERS];
    struct list members[PEERS]; /* their sessions */
    int64_t expire_ms;
    int told; /* how often on_changed was called */
    int gone; /* how often on_gone was */
};

/* The smallest request that makes a peer known: its header is all defaults. */
static const char any_request[] = "\0\0\0\x06\0\0\0\x02{}";

static void on_request(void *ctx, struct request *req)
{
    struct fixture *f = ctx;
    f->peers[f->peer_count++] = peer_ref(req->peer);
    request_drop(req);
    loop_stop(f->loop);
}

static void on_changed(void *ctx, struct client_group *group)
{
    assert_true(group->member_count > 0);
    ((struct fixture *)ctx)->told++;
}

static void on_gone(void *ctx, struct slice group)
{
    assert_true(slice_eq(group, SLICE("g")));
    ((struct fixture *)ctx)->gone++;
}

static void connect_peer(struct fixture *f)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(server_port(f->server)) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(write(fd, any_request, sizeof any_request - 1), sizeof any_request - 1);
    f->fds[f->peer_count] = fd;
    list_init(&f->members[f->peer_count]);
    loop_run(f->loop);
}

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){ .expire_ms = 120000 };
    struct server_options options;
    server_options_init(&options);
    options.host = "127.0.0.1";
    options.port = 0;
    options.on_request = on_request;
    options.ctx = &f;
    assert_int_equal(loop_new("test", &f.loop), 0);
    assert_int_equal(server_start(f.loop, &options, &f.server), 0);
    struct clients_options clients = {
        .loop = f.loop,
        .expire_ms = &f.expire_ms,
        .max_bytes = MAX_BYTES,
        .on_changed = on_changed,
        .on_gone = on_gone,
        .ctx = &f,
    };
    assert_int_equal(clients_new(&clients, &f.clients), 0);
    for (int i = 0; i < PEERS; i++)
        connect_peer(&f);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < PEERS; i++) {
        clients_remove_all(f->clients, &f->members[i]);
        peer_unref(f->peers[i]);
        close(f->fds[i]);
    }
    clients_free(f->clients);
    server_free(f->server);
    loop_free(f->loop);
    return 0;
}

static struct subscription subscription(const char *topic, const char *expression, int64_t version)
{
    return (struct subscription){ .topic = slice_str(topic),
                                  .sub_string = slice_str(expression),
                                  .sub_version = version };
}

/* A heartbeat of peer `i` for group g with these subscriptions. Returns whether it was told of. */
static bool beat(struct fixture *f, int i, enum message_model model,
                 const struct subscription *subs, int count)
{
    struct request req = { .peer = f->peers[i] };
    struct heartbeat_consumer consumer = { .group = SLICE("g"),
                                           .consume_type = CONSUME_PASSIVELY,
                                           .message_model = model,
                                           .subscriptions = subs,
                                           .subscription_count = count };
    int told = f->told;
    assert_int_equal(clients_add_consumer(f->clients, &req, &f->members[i], SLICE("id"), &consumer,
                                          subs == NULL, true),
                     0);
    return f->told != told;
}

static int produce(struct fixture *f, int i, struct slice client_id, const char *group)
{
    struct request req = { .peer = f->peers[i] };
    return clients_add_producer(f->clients, &req, &f->members[i], client_id, slice_str(group));
}

/* Goal: a new member is told of; its further heartbeats are not. */
static void a_new_member_is_told_once(void **state)
{
    struct fixture *f = *state;
    struct subscription subs[] = { subscription("t", "*", 1) };
    assert_true(beat(f, 0, MESSAGE_MODEL_CLUSTERING, subs, 1));
    assert_false(beat(f, 0, MESSAGE_MODEL_CLUSTERING, subs, 1));
    assert_int_equal(f->told, 1);
    assert_true(beat(f, 1, MESSAGE_MODEL_CLUSTERING, subs, 1));
    assert_int_equal(f->told, 2);
    assert_int_equal(clients_consumer_group(f->clients, SLICE("g"))->member_count, 2);
}

/* Goal: members of a broadcasting group need not know of each other. */
static void broadcasting_groups_are_not_told(void **state)
{
    struct fixture *f = *state;
    struct subscription subs[] = { subscription("t", "*", 1) };
    beat(f, 0, MESSAGE_MODEL_BROADCASTING, subs, 1);
    beat(f, 1, MESSAGE_MODEL_BROADCASTING, subs, 1);
    assert_int_equal(f->told, 0);
}

/* Goal: topics that come or go are told of, a changed expression is not, but it is taken. */
static void topics_count_expressions_do_not(void **state)
{
    struct fixture *f = *state;
    struct subscription one[] = { subscription("t", "a", 1) };
    struct subscription newer[] = { subscription("t", "b", 2) };
    struct subscription two[] = { subscription("t", "b", 2), subscription("u", "*", 2) };
    beat(f, 0, MESSAGE_MODEL_CLUSTERING, one, 1);
    assert_false(beat(f, 0, MESSAGE_MODEL_CLUSTERING, newer, 1));
    const struct client_group *group = clients_consumer_group(f->clients, SLICE("g"));
    assert_true(
        slice_eq(client_group_subscription(group, SLICE("t"))->data.sub_string, SLICE("b")));
    assert_true(beat(f, 0, MESSAGE_MODEL_CLUSTERING, two, 2));
    assert_true(beat(f, 0, MESSAGE_MODEL_CLUSTERING, newer, 1));
    assert_null(client_group_subscription(group, SLICE("u")));
}

/* Goal: an older version of a subscription does not replace a newer one. */
static void older_subscriptions_are_ignored(void **state)
{
    struct fixture *f = *state;
    struct subscription newer[] = { subscription("t", "new", 2) };
    struct subscription older[] = { subscription("t", "old", 1) };
    beat(f, 0, MESSAGE_MODEL_CLUSTERING, newer, 1);
    beat(f, 0, MESSAGE_MODEL_CLUSTERING, older, 1);
    const struct client_group *group = clients_consumer_group(f->clients, SLICE("g"));
    assert_int_equal(client_group_subscription(group, SLICE("t"))->data.sub_version, 2);
}

/* Goal: who stays is told when another leaves; a group goes with its last member. */
static void leaving_is_told_to_those_left(void **state)
{
    struct fixture *f = *state;
    struct subscription subs[] = { subscription("t", "*", 1) };
    beat(f, 0, MESSAGE_MODEL_CLUSTERING, subs, 1);
    beat(f, 1, MESSAGE_MODEL_CLUSTERING, subs, 1);
    f->told = 0;
    clients_remove_consumer(f->clients, &f->members[0], SLICE("g"), true);
    assert_int_equal(f->told, 1);
    assert_int_equal(f->gone, 0);
    clients_remove_all(f->clients, &f->members[1]);
    assert_int_equal(f->told, 1);
    assert_int_equal(f->gone, 1);
    assert_null(clients_consumer_group(f->clients, SLICE("g")));
}

/* Goal: V2: a heartbeat without subscriptions keeps those known, and asks for them when none are
 * known or another client of the group showed others. */
static void short_heartbeats_ask_for_what_is_missing(void **state)
{
    struct fixture *f = *state;
    struct subscription subs[] = { subscription("t", "*", 1) };
    beat(f, 0, MESSAGE_MODEL_CLUSTERING, NULL, 0);
    assert_true(clients_fingerprint_changed(f->clients, SLICE("g"), 77));
    beat(f, 0, MESSAGE_MODEL_CLUSTERING, subs, 1);
    assert_false(clients_fingerprint_changed(f->clients, SLICE("g"), 77));
    beat(f, 0, MESSAGE_MODEL_CLUSTERING, NULL, 0);
    assert_false(clients_fingerprint_changed(f->clients, SLICE("g"), 77));
    assert_non_null(
        client_group_subscription(clients_consumer_group(f->clients, SLICE("g")), SLICE("t")));
    assert_true(clients_fingerprint_changed(f->clients, SLICE("g"), 78));
}

/* Goal: a connection is a producer and a consumer of the same group name at once. */
static void producers_and_consumers_are_apart(void **state)
{
    struct fixture *f = *state;
    struct subscription subs[] = { subscription("t", "*", 1) };
    assert_int_equal(produce(f, 0, SLICE("id"), "g"), 0);
    beat(f, 0, MESSAGE_MODEL_CLUSTERING, subs, 1);
    clients_remove_producer(f->clients, &f->members[0], SLICE("g"));
    assert_null(clients_producer_group(f->clients, SLICE("g")));
    assert_non_null(clients_consumer_group(f->clients, SLICE("g")));
}

/* Goal: a producer is found by its client id through any of its groups; of two with one id the
 * later one is, until it leaves. */
static void a_producer_is_found_by_its_id(void **state)
{
    struct fixture *f = *state;
    assert_null(clients_producer(f->clients, SLICE("id")));
    assert_int_equal(produce(f, 0, SLICE("id"), "a"), 0);
    assert_int_equal(produce(f, 0, SLICE("id"), "b"), 0);
    assert_ptr_equal(clients_producer(f->clients, SLICE("id"))->peer, f->peers[0]);
    assert_int_equal(produce(f, 1, SLICE("id"), "a"), 0);
    assert_ptr_equal(clients_producer(f->clients, SLICE("id"))->peer, f->peers[1]);
    clients_remove_all(f->clients, &f->members[1]);
    clients_remove_producer(f->clients, &f->members[0], SLICE("a"));
    assert_ptr_equal(clients_producer(f->clients, SLICE("id"))->peer, f->peers[0]);
    clients_remove_producer(f->clients, &f->members[0], SLICE("b"));
    assert_null(clients_producer(f->clients, SLICE("id")));
}

/* Goal: what clients have kept of them is bounded; who is known stays so, and what they give back
 * is there for others. The test's end looks whether all of it was.
 * Method: an id of a third of the bound, in one group after another; then a subscription. */
static void what_is_kept_is_bounded(void **state)
{
    static char text[MAX_BYTES / 3];
    struct fixture *f = *state;
    struct slice id = slice_of(text, sizeof text / 2);
    memset(text, 'x', sizeof text - 1);
    assert_int_equal(produce(f, 0, id, "a"), 0);
    assert_int_equal(produce(f, 0, id, "b"), 0);
    assert_int_equal(produce(f, 0, id, "c"), ERR_TOO_BIG);
    assert_null(clients_producer_group(f->clients, SLICE("c")));
    assert_int_equal(produce(f, 0, id, "a"), 0);
    assert_int_equal(produce(f, 1, SLICE("id"), "c"), 0);
    struct subscription small[] = { subscription("t", "a", 1) };
    struct subscription big[] = { subscription("t", text, 2), subscription("u", "*", 2) };
    struct request req = { .peer = f->peers[0] };
    struct heartbeat_consumer consumer = { .group = SLICE("g"), .subscriptions = big };
    beat(f, 0, MESSAGE_MODEL_CLUSTERING, small, 1);
    consumer.subscription_count = 2;
    assert_int_equal(
        clients_add_consumer(f->clients, &req, &f->members[0], SLICE("id"), &consumer, false, true),
        ERR_TOO_BIG);
    const struct client_group *group = clients_consumer_group(f->clients, SLICE("g"));
    assert_int_equal(client_group_subscription(group, SLICE("t"))->data.sub_version, 1);
    assert_non_null(client_group_subscription(group, SLICE("u")));
    clients_remove_producer(f->clients, &f->members[0], SLICE("a"));
    beat(f, 0, MESSAGE_MODEL_CLUSTERING, big, 2);
    assert_int_equal(client_group_subscription(group, SLICE("t"))->data.sub_version, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_producer_is_found_by_its_id, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_kept_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(a_new_member_is_told_once, setup, teardown),
        cmocka_unit_test_setup_teardown(broadcasting_groups_are_not_told, setup, teardown),
        cmocka_unit_test_setup_teardown(topics_count_expressions_do_not, setup, teardown),
        cmocka_unit_test_setup_teardown(older_subscriptions_are_ignored, setup, teardown),
        cmocka_unit_test_setup_teardown(leaving_is_told_to_those_left, setup, teardown),
        cmocka_unit_test_setup_teardown(short_heartbeats_ask_for_what_is_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(producers_and_consumers_are_apart, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
