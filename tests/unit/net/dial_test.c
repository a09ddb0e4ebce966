#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/conn.h"
#include "net/workers.h"

struct fixture {
    struct loop *loop;
    int listen_fd;
    int port;
    int told;
    int err;
    struct conn *conn;
};

static const struct conn_limits limits = { .input_max_bytes = 4096,
                                           .output_high_bytes = 4096,
                                           .output_max_bytes = 8192 };

static size_t on_input(struct conn *conn, void *ctx, struct slice in)
{
    (void)conn;
    (void)ctx;
    return in.len;
}

static const struct conn_user user = { on_input, NULL, NULL };

static void on_connected(void *ctx, struct conn *conn, int err)
{
    struct fixture *f = ctx;
    f->told++;
    f->err = err;
    f->conn = conn;
    assert_int_equal(conn == NULL, err != 0);
    loop_stop(f->loop);
}

typedef int resolver(const char *host, const char *port, const struct addrinfo *hints,
                     struct addrinfo **found);

/* In the place of the C library's, which it asks: the host "two.test" has two addresses, and nobody
 * listens on the first. */
int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                struct addrinfo **found)
{
    resolver *ask = (resolver *)dlsym(RTLD_NEXT, "getaddrinfo");
    if (strcmp(host, "two.test") != 0)
        return ask(host, port, hints, found);
    if ((hints->ai_flags & AI_NUMERICHOST) != 0)
        return EAI_NONAME;
    int err = ask("127.0.0.2", port, hints, found);
    return err != 0 ? err : ask("127.0.0.1", port, hints, &(*found)->ai_next);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    *state = f;
    f->listen_fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(f->listen_fd, (const struct sockaddr *)&at, len) != 0 ||
        listen(f->listen_fd, 8) != 0 ||
        getsockname(f->listen_fd, (struct sockaddr *)&at, &len) != 0)
        return -1;
    f->port = ntohs(at.sin_port);
    return loop_new("test", &f->loop);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->conn != NULL)
        conn_close(f->conn, NULL);
    loop_free(f->loop);
    if (f->listen_fd >= 0)
        close(f->listen_fd);
    free(f);
    return 0;
}

static struct conn_dial *dial(struct fixture *f, struct workers *workers, const char *host)
{
    struct conn_dial *dial;
    assert_int_equal(conn_dial_start(f->loop, workers, host, f->port, 10000, &limits, &user, NULL,
                                     on_connected, f, &dial),
                     0);
    assert_int_equal(f->told, 0);
    return dial;
}

/* Goal: a numeric address is connected to, and both ends know each other's address.
 * Method: dial a listening socket. */
static void a_numeric_address_is_dialled(void **state)
{
    struct fixture *f = *state;
    dial(f, NULL, "127.0.0.1");
    loop_run(f->loop);
    assert_int_equal(f->err, 0);
    assert_true(conn_is_open(f->conn));
    char expected[32];
    snprintf(expected, sizeof expected, "127.0.0.1:%d", f->port);
    assert_string_equal(conn_peer(f->conn)->text, expected);
    int fd = accept(f->listen_fd, NULL, NULL);
    assert_true(fd >= 0);
    close(fd);
}

/* Goal: a name is resolved by the workers; without workers it is refused.
 * Method: "localhost" both ways. */
static void a_name_needs_workers(void **state)
{
    struct fixture *f = *state;
    struct workers *workers;
    dial(f, NULL, "localhost");
    loop_run(f->loop);
    assert_int_equal(f->err, ERR_NOT_FOUND);
    f->told = 0;
    assert_int_equal(workers_new("work", 1, 4, &workers), 0);
    dial(f, workers, "localhost");
    loop_run(f->loop);
    assert_int_equal(f->told, 1);
    assert_int_equal(f->err, 0); /* also where localhost is ::1 first, and nobody listens there */
    workers_free(workers);
}

/* Goal: a name is reached when any of its addresses answers, and a refusal is the last one's.
 * Method: a name whose first address refuses; then nobody listens at the second either. */
static void each_address_is_tried(void **state)
{
    struct fixture *f = *state;
    struct workers *workers;
    assert_int_equal(workers_new("work", 1, 4, &workers), 0);
    dial(f, workers, "two.test");
    loop_run(f->loop);
    assert_int_equal(f->err, 0);
    assert_non_null(strstr(conn_peer(f->conn)->text, "127.0.0.1:"));
    conn_close(f->conn, NULL);
    close(f->listen_fd);
    f->listen_fd = -1;
    f->told = 0;
    dial(f, workers, "two.test");
    loop_run(f->loop);
    assert_int_equal(f->told, 1);
    assert_int_equal(f->err, ERR_CLOSED);
    workers_free(workers);
}

/* Goal: a refusal is told once, as ERR_CLOSED.
 * Method: the port of a socket that was closed. */
static void a_refusal_is_told(void **state)
{
    struct fixture *f = *state;
    close(f->listen_fd);
    f->listen_fd = -1;
    dial(f, NULL, "127.0.0.1");
    loop_run(f->loop);
    assert_int_equal(f->told, 1);
    assert_int_equal(f->err, ERR_CLOSED);
}

static void on_stop(struct loop_timer *timer)
{
    loop_stop(timer->loop);
}

/* Goal: a cancelled dial tells nothing, whatever stage it is in.
 * Method: cancel one that connects, one that failed at once and one being resolved; then run. */
static void a_cancelled_dial_is_silent(void **state)
{
    struct fixture *f = *state;
    struct workers *workers;
    assert_int_equal(workers_new("work", 1, 4, &workers), 0);
    conn_dial_cancel(dial(f, NULL, "127.0.0.1"));
    conn_dial_cancel(dial(f, NULL, "no such host"));
    conn_dial_cancel(dial(f, workers, "localhost"));
    workers_free(workers);
    struct loop_timer timer;
    loop_timer_init(&timer, on_stop);
    loop_timer_start(f->loop, &timer, 1);
    loop_run(f->loop);
    assert_int_equal(f->told, 0);
}

#define DIAL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIAL_TEST(a_numeric_address_is_dialled), DIAL_TEST(a_name_needs_workers),
        DIAL_TEST(each_address_is_tried),        DIAL_TEST(a_refusal_is_told),
        DIAL_TEST(a_cancelled_dial_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
