#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "remoting/remoting.h"

/* What the server's handler does with a request. */
enum { ECHO = 1, PARK = 2, CALL_BACK = 3, HANG_UP = 4 };

/* A client and a server on one loop. */
struct fixture {
    struct loop *loop;
    struct server *server;
    struct client *client;
    char address[32];
    struct list parked;
    int done;        /* calls that ended */
    int done_err;    /* of the last one */
    char bodies[64]; /* of the answers, one behind the other */
    int tells;
    struct loop_timer step;
    bool (*until)(struct fixture *f);
};

static void on_done(void *ctx, const struct call_result *result)
{
    struct fixture *f = ctx;
    f->done++;
    f->done_err = result->err;
    size_t len = strlen(f->bodies);
    if (result->err == 0)
        snprintf(f->bodies + len, sizeof f->bodies - len, "%.*s", SLICE_FMT(result->body));
}

static void on_server_request(void *ctx, struct request *req)
{
    struct fixture *f = ctx;
    if (request_is_oneway(req))
        f->tells++;
    switch (req->header.code) {
    case ECHO:
        reply_body(req, req->body);
        break;
    case PARK:
        list_append(&f->parked, &req->link);
        request_detach(req);
        break;
    case CALL_BACK:
        peer_call(req->peer, &(struct call){ .code = ECHO, .body = SLICE("back") }, 5000, on_done,
                  f);
        reply_body(req, SLICE("there "));
        break;
    default:
        peer_close(req->peer, NULL);
        request_drop(req);
    }
}

static void on_client_request(void *ctx, struct request *req)
{
    (void)ctx;
    reply_body(req, req->body);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    list_init(&f->parked);
    struct server_options server;
    server_options_init(&server);
    server.host = "127.0.0.1";
    server.on_request = on_server_request;
    server.ctx = f;
    struct client_options client;
    client_options_init(&client);
    client.on_request = on_client_request;
    client.ctx = f;
    if (loop_new("test", &f->loop) != 0 || server_start(f->loop, &server, &f->server) != 0 ||
        client_new(f->loop, &client, &f->client) != 0)
        return -1;
    snprintf(f->address, sizeof f->address, "127.0.0.1:%d", server_port(f->server));
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->client != NULL)
        client_free(f->client);
    list_each(link, &f->parked)
        request_drop(list_entry(link, struct request, link));
    if (f->server != NULL)
        server_free(f->server);
    loop_free(f->loop);
    free(f);
    return 0;
}

static void on_step(struct loop_timer *timer)
{
    struct fixture *f = list_entry(timer, struct fixture, step);
    if (f->until(f))
        loop_stop(f->loop);
    else
        loop_timer_start(f->loop, timer, 1);
}

static void run_until(struct fixture *f, bool (*until)(struct fixture *f))
{
    f->until = until;
    loop_timer_init(&f->step, on_step);
    loop_timer_start(f->loop, &f->step, 0);
    loop_run(f->loop);
}

static bool one_done(struct fixture *f)
{
    return f->done == 1;
}

static bool two_done(struct fixture *f)
{
    return f->done == 2;
}

static bool three_done(struct fixture *f)
{
    return f->done == 3;
}

static bool one_told(struct fixture *f)
{
    return f->tells == 1;
}

static bool one_parked(struct fixture *f)
{
    return !list_empty(&f->parked);
}

static void call(struct fixture *f, int code, struct slice body, int64_t timeout_ms)
{
    int before = f->done;
    client_call(f->client, f->address, &(struct call){ .code = code, .body = body }, timeout_ms,
                on_done, f);
    assert_int_equal(f->done, before);
}

/* Goal: calls made before the connection stands go out in order over one connection, and are
 * answered. Method: three calls at once; later one-way. */
static void calls_wait_for_their_connection(void **state)
{
    struct fixture *f = *state;
    call(f, ECHO, SLICE("one "), 5000);
    call(f, ECHO, SLICE("two "), 5000);
    call(f, ECHO, SLICE("three"), 5000);
    run_until(f, three_done);
    assert_string_equal(f->bodies, "one two three");
    assert_int_equal(server_peer_count(f->server), 1);
    client_tell(f->client, f->address, &(struct call){ .code = ECHO });
    run_until(f, one_told);
    assert_int_equal(server_peer_count(f->server), 1);
}

/* Goal: both ends call over the same connection.
 * Method: the server calls back before it answers. */
static void the_server_calls_back(void **state)
{
    struct fixture *f = *state;
    call(f, CALL_BACK, SLICE(""), 5000);
    run_until(f, two_done);
    assert_string_equal(f->bodies, "there back");
    assert_int_equal(server_peer_count(f->server), 1);
}

/* Goal: a call nobody answers ends with ERR_TIMEOUT, once; a late answer is ignored.
 * Method: the connection stands; 20 ms for a request that is parked; then it is answered, and
 * another call made. */
static void an_unanswered_call_times_out(void **state)
{
    struct fixture *f = *state;
    call(f, ECHO, SLICE("first "), 5000);
    run_until(f, one_done);
    call(f, PARK, SLICE("late"), 20);
    run_until(f, two_done);
    assert_int_equal(f->done_err, ERR_TIMEOUT);
    run_until(f, one_parked); /* a busy machine may take longer than 20 ms for that */
    struct request *req = list_entry(f->parked.next, struct request, link);
    list_remove(&req->link);
    reply_body(req, req->body);
    call(f, ECHO, SLICE("next"), 5000);
    run_until(f, three_done);
    assert_string_equal(f->bodies, "first next");
}

/* Goal: calls on a lost connection end with ERR_CLOSED; the next call opens another.
 * Method: one call is parked, the next makes the server hang up; then an ordinary one. */
static void a_lost_connection_ends_its_calls(void **state)
{
    struct fixture *f = *state;
    call(f, PARK, SLICE(""), 5000);
    call(f, HANG_UP, SLICE(""), 5000);
    run_until(f, two_done);
    assert_int_equal(f->done_err, ERR_CLOSED);
    call(f, ECHO, SLICE("again"), 5000);
    run_until(f, three_done);
    assert_int_equal(f->done_err, 0);
    assert_string_equal(f->bodies, "again");
}

/* Goal: an address nobody listens at, or that is none, fails the call soon and not at once.
 * Method: the port of a server that was freed; text that is no address. */
static void an_address_without_server_fails(void **state)
{
    struct fixture *f = *state;
    server_free(f->server);
    f->server = NULL;
    call(f, ECHO, SLICE(""), 5000);
    run_until(f, one_done);
    assert_int_equal(f->done_err, ERR_CLOSED);
    snprintf(f->address, sizeof f->address, "nowhere");
    call(f, ECHO, SLICE(""), 5000);
    run_until(f, two_done);
    assert_int_equal(f->done_err, ERR_CLOSED);
}

/* Goal: freeing a client ends its calls with ERR_CLOSED, sent or waiting for a connection.
 * Method: one parked at the server, one to an address that is being dialled. */
static void freeing_ends_the_calls_under_way(void **state)
{
    struct fixture *f = *state;
    call(f, PARK, SLICE(""), 5000);
    run_until(f, one_parked);
    snprintf(f->address, sizeof f->address, "127.0.0.1:1");
    call(f, ECHO, SLICE(""), 5000);
    client_free(f->client);
    f->client = NULL;
    assert_int_equal(f->done, 2);
    assert_int_equal(f->done_err, ERR_CLOSED);
}

/* Goal: freeing a server ends the calls it has under way to its peers.
 * Method: the server calls back, and is freed before the answer comes. */
static void freeing_a_server_ends_its_calls(void **state)
{
    struct fixture *f = *state;
    call(f, PARK, SLICE(""), 5000);
    run_until(f, one_parked);
    struct request *req = list_entry(f->parked.next, struct request, link);
    peer_call(req->peer, &(struct call){ .code = ECHO }, 5000, on_done, f);
    server_free(f->server);
    f->server = NULL;
    assert_int_equal(f->done, 1);
    assert_int_equal(f->done_err, ERR_CLOSED);
}

#define CLIENT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLIENT_TEST(calls_wait_for_their_connection), CLIENT_TEST(the_server_calls_back),
        CLIENT_TEST(an_unanswered_call_times_out),    CLIENT_TEST(a_lost_connection_ends_its_calls),
        CLIENT_TEST(an_address_without_server_fails), CLIENT_TEST(freeing_ends_the_calls_under_way),
        CLIENT_TEST(freeing_a_server_ends_its_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
