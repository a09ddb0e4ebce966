#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "client/client.h"

/* A loop with a stand-in for a name server on it, and routes that ask it. The name server knows one
 * topic, "orders": two brokers, one of which has no master. */
struct fixture {
    struct loop *loop;
    struct server *server;
    struct client *client;
    struct routes *routes;
    char address[64];
    int questions;
    /* what the latest answer was */
    int answers;
    bool found;
    bool no_such_topic;
    int readable, writable, masters;
    struct route_queue first;
    char first_address[64];
};

static void answer(void *ctx, struct request *req)
{
    struct fixture *f = ctx;
    f->questions++;
    if (!slice_eq(header_ext(&req->header, SLICE("topic")), SLICE("orders"))) {
        reply_code(req, RESP_TOPIC_NOT_EXIST, "No topic route info");
        return;
    }
    reply_body(
        req,
        SLICE("{\"brokerDatas\":["
              "{\"brokerAddrs\":{\"0\":\"10.0.0.2:10911\",\"1\":\"10.0.0.3:10911\"},\"brokerName\":"
              "\"b\"},"
              "{\"brokerAddrs\":{\"1\":\"10.0.0.9:10911\"},\"brokerName\":\"headless\"},"
              "{\"brokerAddrs\":{\"0\":\"10.0.0.1:10911\"},\"brokerName\":\"a\"}],"
              "\"queueDatas\":["
              "{\"brokerName\":\"b\",\"perm\":6,\"readQueueNums\":2,\"writeQueueNums\":1},"
              "{\"brokerName\":\"headless\",\"perm\":6,\"readQueueNums\":2,\"writeQueueNums\":2},"
              "{\"brokerName\":\"a\",\"perm\":4,\"readQueueNums\":3,\"writeQueueNums\":3}]}"));
}

static void got_route(void *ctx, const struct route *route, bool no_such_topic, const char *why)
{
    struct fixture *f = ctx;
    f->answers++;
    f->found = route != NULL;
    f->no_such_topic = no_such_topic;
    assert_int_equal(route == NULL, why != NULL);
    if (route != NULL) {
        f->readable = route->readable_count;
        f->writable = route->writable_count;
        f->masters = route->master_count;
        f->first = route->readable[0];
        snprintf(f->first_address, sizeof f->first_address, "%s", route->readable[0].address);
    }
    loop_stop(f->loop);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_int_equal(loop_new("test", &f->loop), 0);
    struct server_options server;
    server_options_init(&server);
    server.host = "127.0.0.1";
    server.port = 0;
    server.on_request = answer;
    server.ctx = f;
    assert_int_equal(server_start(f->loop, &server, &f->server), 0);
    snprintf(f->address, sizeof f->address, "127.0.0.1:%d", server_port(f->server));
    struct client_options client;
    client_options_init(&client);
    assert_int_equal(client_new(f->loop, &client, &f->client), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    client_free(f->client);
    routes_free(f->routes);
    server_free(f->server);
    loop_free(f->loop);
    free(f);
    return 0;
}

static void ask(struct fixture *f, const char *topic)
{
    routes_find(f->routes, slice_str(topic), got_route, f);
    loop_run(f->loop);
}

/* Goal: a route lists the queues that may be read and written, sorted, of brokers that have a
 * master. Method: ask for the topic of the stand-in. */
static void a_route_lists_queues_of_masters_in_order(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(routes_new(f->loop, f->client, f->address, &f->routes), 0);
    ask(f, "orders");
    assert_true(f->found);
    assert_int_equal(f->readable, 5);
    assert_int_equal(f->writable, 1);
    assert_int_equal(f->masters, 2);
    assert_int_equal(f->first.queue_id, 0);
    assert_string_equal(f->first_address, "10.0.0.1:10911");
}

/* Goal: a route is kept; what is unknown is not.
 * Method: count the questions that reach the name server. */
static void a_route_is_kept_but_not_that_there_is_none(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(routes_new(f->loop, f->client, f->address, &f->routes), 0);
    ask(f, "orders");
    ask(f, "orders");
    assert_int_equal(f->questions, 1);
    assert_int_equal(f->answers, 2);
    ask(f, "nowhere");
    assert_false(f->found);
    assert_true(f->no_such_topic);
    ask(f, "nowhere");
    assert_int_equal(f->questions, 3);
}

/* Goal: questions for one topic at the same time share one answer.
 * Method: ask twice before the loop runs. */
static void questions_under_way_share_the_answer(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(routes_new(f->loop, f->client, f->address, &f->routes), 0);
    routes_find(f->routes, SLICE("orders"), got_route, f);
    ask(f, "orders");
    assert_int_equal(f->questions, 1);
    assert_int_equal(f->answers, 2);
}

/* Goal: a name server that is not there is passed over, and the one that answered asked first then.
 * Method: a closed port before the stand-in; then only closed ports. */
static void a_dead_name_server_is_passed_over(void **state)
{
    struct fixture *f = *state;
    char list[128];
    snprintf(list, sizeof list, " ;127.0.0.1:1; %s ", f->address);
    assert_int_equal(routes_new(f->loop, f->client, list, &f->routes), 0);
    ask(f, "orders");
    assert_true(f->found);
    assert_string_equal(routes_name_server(f->routes), f->address);
    routes_free(f->routes);
    assert_int_equal(routes_new(f->loop, f->client, "127.0.0.1:1", &f->routes), 0);
    ask(f, "orders");
    assert_false(f->found);
    assert_false(f->no_such_topic);
}

/* Goal: of several whose questions one name server left open, the first moves on to the next one,
 * and the others find it moved. */
static void passing_over_goes_one_step(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(routes_new(f->loop, f->client, "10.0.0.1:1;10.0.0.2:1;10.0.0.3:1", &f->routes),
                     0);
    assert_int_equal(routes_name_server_count(f->routes), 3);
    const char *first = routes_name_server(f->routes);
    routes_pass_over(f->routes, first);
    routes_pass_over(f->routes, first);
    assert_string_equal(routes_name_server(f->routes), "10.0.0.2:1");
    routes_pass_over(f->routes, "10.0.0.2:1");
    routes_pass_over(f->routes, "10.0.0.3:1");
    assert_string_equal(routes_name_server(f->routes), first);
}

/* Goal: a list without a name server is refused. */
static void an_empty_list_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(routes_new(f->loop, f->client, " ;", &f->routes), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_route_lists_queues_of_masters_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_route_is_kept_but_not_that_there_is_none, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(questions_under_way_share_the_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dead_name_server_is_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(passing_over_goes_one_step, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_list_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
