#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "broker/groups/relay.h"

enum { CLIENT, ASKER, PEERS };
enum { BYTES_MAX = 4096 };

/* A broker that has clients and nothing else: a consumer and somebody who asks about it. */
struct fixture {
    struct broker broker;
    struct server *server;
    struct loop_timer turn;
    int64_t expire_ms;
    int fds[PEERS];
    int peer_count;
    struct peer *peers[PEERS];
    struct list members;
};

static void stop_loop(struct loop_timer *timer)
{
    loop_stop(timer->loop);
}

/* The first request of each makes it known; the asker's second one is relayed. */
static void on_request(void *ctx, struct request *req)
{
    struct fixture *f = ctx;
    if (f->peer_count < PEERS) {
        f->peers[f->peer_count++] = peer_ref(req->peer);
        request_drop(req);
        return;
    }
    struct ext_field ext = { SLICE("k"), SLICE("v") };
    struct call call = { .code = 307, .ext = &ext, .ext_count = 1, .body = SLICE("ask") };
    relay_request(&f->broker, req, SLICE("g"), SLICE("id"), &call);
}

static void write_frame(int fd, const char *header, const char *body)
{
    uint8_t frame[BYTES_MAX];
    size_t header_bytes = strlen(header);
    size_t body_bytes = strlen(body);
    put_be32(frame, (uint32_t)(4 + header_bytes + body_bytes));
    put_be32(frame + 4, (uint32_t)header_bytes);
    memcpy(frame + 8, header, header_bytes);
    memcpy(frame + 8 + header_bytes, body, body_bytes);
    size_t bytes = 8 + header_bytes + body_bytes;
    assert_int_equal(write(fd, frame, bytes), bytes);
}

/* What the loop sends to fd next, as text behind its length. */
static void next_frame(struct fixture *f, int fd, char *text)
{
    ssize_t got;
    do {
        loop_timer_start(f->broker.loop, &f->turn, 1);
        loop_run(f->broker.loop);
        got = recv(fd, text, BYTES_MAX - 1, MSG_DONTWAIT);
    } while (got < 0);
    assert_true(got > 8);
    memmove(text, text + 8, (size_t)got - 8);
    text[got - 8] = '\0';
}

static void connect_peer(struct fixture *f, int i)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(server_port(f->server)) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    f->fds[i] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(f->fds[i], (struct sockaddr *)&to, sizeof to), 0);
    write_frame(f->fds[i], "{}", "");
    while (f->peer_count <= i) {
        loop_timer_start(f->broker.loop, &f->turn, 1);
        loop_run(f->broker.loop);
    }
}

static void ignore_change(void *ctx, struct client_group *group)
{
    (void)ctx, (void)group;
}

static void beat(struct fixture *f, int32_t version)
{
    struct request req = { .peer = f->peers[CLIENT], .header.version = version };
    struct heartbeat_consumer consumer = { .group = SLICE("g") };
    assert_int_equal(clients_add_consumer(f->broker.clients, &req, &f->members, SLICE("id"),
                                          &consumer, false, true),
                     0);
}

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){ .expire_ms = 120000 };
    assert_int_equal(loop_new("test", &f.broker.loop), 0);
    loop_timer_init(&f.turn, stop_loop);
    struct server_options options;
    server_options_init(&options);
    options.host = "127.0.0.1";
    options.on_request = on_request;
    options.ctx = &f;
    assert_int_equal(server_start(f.broker.loop, &options, &f.server), 0);
    struct clients_options clients = { .loop = f.broker.loop,
                                       .expire_ms = &f.expire_ms,
                                       .max_bytes = 1 << 20,
                                       .on_changed = ignore_change };
    assert_int_equal(clients_new(&clients, &f.broker.clients), 0);
    list_init(&f.members);
    for (int i = 0; i < PEERS; i++)
        connect_peer(&f, i);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    clients_remove_all(f->broker.clients, &f->members);
    for (int i = 0; i < PEERS; i++) {
        peer_unref(f->peers[i]);
        close(f->fds[i]);
    }
    clients_free(f->broker.clients);
    server_free(f->server);
    loop_free(f->broker.loop);
    return 0;
}

static void ask(struct fixture *f)
{
    write_frame(f->fds[ASKER], "{\"code\":307,\"opaque\":77}", "");
}

/* Goal: the client sees the question, the asker the client's answer, with its language and version,
 * under the asker's own opaque. */
static void an_answer_is_passed_on_as_it_came(void **state)
{
    struct fixture *f = *state;
    char text[BYTES_MAX];
    beat(f, 479);
    ask(f);
    next_frame(f, f->fds[CLIENT], text);
    assert_non_null(strstr(text, "\"code\":307"));
    assert_non_null(strstr(text, "\"k\":\"v\""));
    assert_non_null(strstr(text, "}ask"));
    write_frame(f->fds[CLIENT],
                "{\"code\":5,\"opaque\":0,\"flag\":1,\"language\":\"GO\",\"version\":317,"
                "\"remark\":\"because\",\"extFields\":{\"a\":\"b\"}}",
                "told");
    next_frame(f, f->fds[ASKER], text);
    assert_non_null(strstr(text, "\"code\":5"));
    assert_non_null(strstr(text, "\"opaque\":77"));
    assert_non_null(strstr(text, "\"language\":\"GO\""));
    assert_non_null(strstr(text, "\"version\":317"));
    assert_non_null(strstr(text, "\"remark\":\"because\""));
    assert_non_null(strstr(text, "\"a\":\"b\""));
    assert_non_null(strstr(text, "}told"));
}

/* Goal: nobody of that id, and a client too old to understand, are told at once. */
static void who_cannot_be_asked_is_named(void **state)
{
    struct fixture *f = *state;
    char text[BYTES_MAX];
    ask(f);
    next_frame(f, f->fds[ASKER], text);
    assert_non_null(strstr(text, "The Consumer <g> <id> not online"));
    beat(f, 28);
    ask(f);
    next_frame(f, f->fds[ASKER], text);
    assert_non_null(strstr(text, "too low"));
}

/* Goal: a client that goes away while it is asked is told of. */
static void a_client_that_leaves_ends_the_question(void **state)
{
    struct fixture *f = *state;
    char text[BYTES_MAX];
    beat(f, 479);
    ask(f);
    next_frame(f, f->fds[CLIENT], text);
    clients_remove_all(f->broker.clients, &f->members);
    peer_close(f->peers[CLIENT], "test");
    next_frame(f, f->fds[ASKER], text);
    assert_non_null(strstr(text, "\"code\":1,"));
    assert_non_null(strstr(text, "its connection is gone"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_answer_is_passed_on_as_it_came, setup, teardown),
        cmocka_unit_test_setup_teardown(who_cannot_be_asked_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(a_client_that_leaves_ends_the_question, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
