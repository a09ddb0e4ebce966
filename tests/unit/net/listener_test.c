#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "net/listener.h"

/* first bytes that mean something to the sniffer of this test */
enum { REFUSED = 0x16, SKIPPED = 0x17 };

struct fixture {
    struct loop *loop;
    struct listener *listener;
    struct listener_options options;
    int taken;        /* connections given to on_conn */
    int closed;       /* of those */
    size_t got;       /* bytes given to their user */
    bool refuses;     /* what on_conn answers */
    size_t sniff_len; /* bytes the sniffer wants */
    struct loop_timer watchdog;
    int fd; /* of a connection whose end is waited for */
    bool (*until)(struct fixture *f);
};

static size_t on_input(struct conn *conn, void *ctx, struct slice in)
{
    struct fixture *f = ctx;
    f->got += in.len;
    conn_write(conn, in);
    return in.len;
}

static void on_closed(struct conn *conn, void *ctx)
{
    (void)conn;
    struct fixture *f = ctx;
    f->closed++;
}

static const struct conn_user user = { on_input, on_closed, NULL };

static struct sniffed sniff(void *ctx, struct conn *conn, struct slice first)
{
    (void)conn;
    const struct fixture *f = ctx;
    assert_true(first.len > 0);
    if (first.data[0] == REFUSED)
        return (struct sniffed){ .what = SNIFF_REFUSE, .reason = "refused" };
    if (first.data[0] == SKIPPED)
        return (struct sniffed){ .what = SNIFF_SKIP, .bytes = 1 };
    if (first.len < f->sniff_len)
        return (struct sniffed){ .what = SNIFF_MORE, .bytes = f->sniff_len };
    return (struct sniffed){ .what = SNIFF_PLAIN };
}

static bool on_conn(void *ctx, struct conn *conn)
{
    struct fixture *f = ctx;
    if (f->refuses)
        return false;
    f->taken++;
    conn_set_user(conn, &user, f);
    return true;
}

static void on_watchdog(struct loop_timer *timer)
{
    (void)timer;
    fail_msg("nothing happened for a minute");
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    f->sniff_len = 1;
    f->options = (struct listener_options){
        .host = "127.0.0.1",
        .backlog = 1024,
        .max_conns = 1000,
        .limits = { .input_max_bytes = 4096, .output_high_bytes = 4096, .output_max_bytes = 8192 },
        .sniff = sniff,
        .on_conn = on_conn,
        .ctx = f,
    };
    loop_timer_init(&f->watchdog, on_watchdog);
    return loop_new("test", &f->loop);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    loop_timer_stop(&f->watchdog);
    loop_free(f->loop);
    free(f);
    return 0;
}

static void start(struct fixture *f)
{
    assert_int_equal(listener_open(f->loop, &f->options, &f->listener), 0);
    assert_true(listener_port(f->listener) > 0);
}

static int dial(struct fixture *f)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)listener_port(f->listener)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

struct step {
    struct loop_timer timer;
    struct fixture *f;
};

static void on_step(struct loop_timer *timer)
{
    struct step *step = list_entry(timer, struct step, timer);
    if (step->f->until(step->f))
        loop_stop(step->f->loop);
    else
        loop_timer_start(step->f->loop, timer, 1);
}

static void run_until(struct fixture *f, bool (*until)(struct fixture *f))
{
    struct step step = { .f = f };
    f->until = until;
    loop_timer_init(&step.timer, on_step);
    loop_timer_start(f->loop, &step.timer, 0);
    loop_timer_start(f->loop, &f->watchdog, 60000);
    loop_run(f->loop);
    loop_timer_stop(&step.timer);
}

static bool one_is_open(struct fixture *f)
{
    return listener_conn_count(f->listener) == 1;
}

/* The peer sees its end, which may be on its way for a moment. */
static bool peer_sees_the_end(struct fixture *f)
{
    char byte;
    ssize_t got = recv(f->fd, &byte, 1, MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno == ECONNRESET);
}

static bool none_is_open(struct fixture *f)
{
    return listener_conn_count(f->listener) == 0;
}

static bool two_are_open(struct fixture *f)
{
    return listener_conn_count(f->listener) == 2;
}

static bool ten_are_open(struct fixture *f)
{
    return listener_conn_count(f->listener) == 10;
}

static bool one_was_closed(struct fixture *f)
{
    return f->closed == 1;
}

static bool five_bytes_came(struct fixture *f)
{
    return f->got == 5;
}

/* Goal: a connection reaches its user when its first bytes are enough for the sniffer, with all of
 * them. Method: the sniffer wants three; two come, then three more; the user gets five and echoes
 * them. */
static void first_bytes_decide_and_are_not_lost(void **state)
{
    struct fixture *f = *state;
    f->sniff_len = 3;
    start(f);
    int fd = dial(f);
    assert_int_equal(send(fd, "he", 2, 0), 2);
    run_until(f, one_is_open);
    assert_int_equal(f->taken, 0);
    assert_int_equal(send(fd, "llo", 3, 0), 3);
    run_until(f, five_bytes_came);
    assert_int_equal(f->taken, 1);
    char echo[8];
    assert_int_equal(recv(fd, echo, sizeof echo, 0), 5);
    assert_memory_equal(echo, "hello", 5);
    close(fd);
    run_until(f, none_is_open);
    assert_int_equal(f->closed, 1);
    listener_close(f->listener);
}

/* Goal: what the sniffer or the user refuses is closed and never reaches a user.
 * Method: a TLS first byte; then a plain one that on_conn refuses. */
static void refused_connections_are_closed(void **state)
{
    struct fixture *f = *state;
    start(f);
    for (int i = 0; i < 2; i++) {
        f->refuses = i == 1;
        f->fd = dial(f);
        assert_int_equal(send(f->fd, i == 0 ? "\x16" : "x", 1, 0), 1);
        run_until(f, peer_sees_the_end);
        run_until(f, none_is_open);
        close(f->fd);
    }
    assert_int_equal(f->taken, 0);
    listener_close(f->listener);
}

/* Goal: one more than the bound is closed at once, those inside are not touched.
 * Method: a bound of one; the second sees the end, the first still gets its echo. */
static void beyond_the_bound_newcomers_are_closed(void **state)
{
    struct fixture *f = *state;
    f->options.max_conns = 1;
    start(f);
    int first = dial(f);
    run_until(f, one_is_open);
    f->fd = dial(f);
    assert_int_equal(send(first, "hello", 5, 0), 5);
    run_until(f, five_bytes_came);
    run_until(f, peer_sees_the_end);
    char byte;
    assert_int_equal(recv(first, &byte, 1, 0), 1);
    close(first);
    close(f->fd);
    run_until(f, none_is_open);
    listener_close(f->listener);
}

/* Goal: closing the listener closes who said nothing yet and leaves the others open.
 * Method: one that spoke, one that is silent. */
static void closing_ends_the_silent_and_keeps_the_others(void **state)
{
    struct fixture *f = *state;
    start(f);
    int speaker = dial(f);
    assert_int_equal(send(speaker, "hello", 5, 0), 5);
    run_until(f, five_bytes_came);
    f->fd = dial(f);
    run_until(f, two_are_open);
    listener_close(f->listener);
    run_until(f, peer_sees_the_end);
    assert_int_equal(f->closed, 0);
    close(f->fd);
    close(speaker);
    run_until(f, one_was_closed);
}

static bool eleven_are_open(struct fixture *f)
{
    return listener_conn_count(f->listener) == 11;
}

/* Goal: without free descriptors accepting pauses instead of spinning or failing, and goes on
 * later. Method: lower the limit so that none is free, dial, see nobody come, raise it. */
static void no_descriptors_is_survived(void **state)
{
    struct fixture *f = *state;
    start(f);
    int fds[11];
    for (int i = 0; i < 10; i++)
        fds[i] = dial(f);
    run_until(f, ten_are_open);
    fds[10] = dial(f);
    struct rlimit before, none;
    getrlimit(RLIMIT_NOFILE, &before);
    none = (struct rlimit){ (rlim_t)fds[10] + 1, before.rlim_max };
    setrlimit(RLIMIT_NOFILE, &none);
    for (int i = 0; i < 20; i++)
        run_until(f, ten_are_open);
    assert_int_equal(listener_conn_count(f->listener), 10);
    setrlimit(RLIMIT_NOFILE, &before);
    run_until(f, eleven_are_open);
    for (int i = 0; i < 11; i++)
        close(fds[i]);
    run_until(f, none_is_open);
    listener_close(f->listener);
}

/* Goal: a port that is taken and a host that is none are told apart.
 * Method: listen twice on one port; listen on a name. */
static void an_address_that_cannot_be_had_is_an_error(void **state)
{
    struct fixture *f = *state;
    start(f);
    struct listener *second;
    f->options.port = listener_port(f->listener);
    assert_int_equal(listener_open(f->loop, &f->options, &second), ERR_EXISTS);
    f->options.host = "not-an-address";
    assert_int_equal(listener_open(f->loop, &f->options, &second), ERR_INVALID);
    listener_close(f->listener);
}

#define LISTENER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LISTENER_TEST(first_bytes_decide_and_are_not_lost),
        LISTENER_TEST(refused_connections_are_closed),
        LISTENER_TEST(beyond_the_bound_newcomers_are_closed),
        LISTENER_TEST(closing_ends_the_silent_and_keeps_the_others),
        LISTENER_TEST(no_descriptors_is_survived),
        LISTENER_TEST(an_address_that_cannot_be_had_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
