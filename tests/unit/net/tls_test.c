#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>

#include "net/listener.h"

enum { ECHO_BYTES = 5 * 1024 * 1024, PATIENCE_MS = 300000 };

/* A TLS echo server and a client of ours, on one loop. */
struct fixture {
    struct loop *loop;
    struct tls_conf conf;
    struct tls_server *server;
    struct tls_client *client;
    struct listener *listener;
    struct loop_timer watchdog;
    struct loop_timer pause;
    struct conn *paused;
    size_t echoed, back, wanted;
    int clients_closed;
    bool pauses; /* the server stops reading now and then */
    bool all_good;
};

static void on_resume(struct loop_timer *timer)
{
    struct fixture *f = list_entry(timer, struct fixture, pause);
    conn_resume_input(f->paused);
}

static size_t server_input(struct conn *conn, void *ctx, struct slice in)
{
    struct fixture *f = ctx;
    f->echoed += in.len;
    conn_write(conn, in);
    if (f->pauses && f->pause.at == 0) {
        f->paused = conn;
        conn_pause_input(conn);
        loop_timer_start(f->loop, &f->pause, 1);
    }
    return in.len;
}

static const struct conn_user server_user = { server_input, NULL, NULL };

static struct sniffed sniff(void *ctx, struct conn *conn, struct slice first)
{
    (void)ctx;
    size_t need = 0;
    if (conn_is_encrypted(conn))
        return (struct sniffed){ .what = SNIFF_PLAIN };
    if (tls_hello_check(first, &need) == 0)
        return (struct sniffed){ .what = SNIFF_TLS };
    return (struct sniffed){ .what = SNIFF_MORE, .bytes = need };
}

static bool on_conn(void *ctx, struct conn *conn)
{
    assert_true(conn_is_encrypted(conn));
    conn_set_user(conn, &server_user, ctx);
    return true;
}

static size_t client_input(struct conn *conn, void *ctx, struct slice in)
{
    struct fixture *f = ctx;
    for (size_t i = 0; i < in.len; i++)
        f->all_good &= in.data[i] == (uint8_t)((f->back + i) % 251);
    f->back += in.len;
    if (f->back == f->wanted)
        conn_close(conn, NULL);
    return in.len;
}

static void client_closed(struct conn *conn, void *ctx)
{
    (void)conn;
    struct fixture *f = ctx;
    f->clients_closed++;
    loop_stop(f->loop);
}

static const struct conn_user client_user = { client_input, client_closed, NULL };

static void on_connected(void *ctx, struct conn *conn, int err)
{
    struct fixture *f = ctx;
    assert_int_equal(err, 0);
    tls_connect(f->client, conn, PATIENCE_MS);
    uint8_t *bytes = malloc(f->wanted);
    for (size_t i = 0; i < f->wanted; i++)
        bytes[i] = (uint8_t)(i % 251);
    conn_write(conn, slice_of(bytes, f->wanted));
    free(bytes);
}

static void on_watchdog(struct loop_timer *timer)
{
    (void)timer;
    fail_msg("nothing happened for five minutes");
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    signal(SIGPIPE, SIG_IGN);
    tls_conf_init(&f->conf);
    f->conf.client_enable = true;
    free(f->conf.config_file);
    f->conf.config_file = strdup("/nonexistent");
    loop_timer_init(&f->watchdog, on_watchdog);
    loop_timer_init(&f->pause, on_resume);
    f->all_good = true;
    return loop_new("test", &f->loop);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    loop_timer_stop(&f->watchdog);
    loop_timer_stop(&f->pause);
    tls_conf_fini(&f->conf);
    loop_free(f->loop);
    free(f);
    return 0;
}

static void end_when_idle(struct loop_timer *timer)
{
    struct fixture *f = list_entry(timer, struct fixture, pause);
    if (tls_server_is_idle(f->server) && listener_conn_count(f->listener) == 0)
        loop_stop(f->loop);
    else
        loop_timer_start(f->loop, timer, 1);
}

/* Sends so many bytes to the echo server and waits until they are back. */
static void echo(struct fixture *f, size_t bytes)
{
    const struct conn_limits limits = { .input_max_bytes = 1 << 20,
                                        .output_high_bytes = 1 << 20,
                                        .output_max_bytes = 16 << 20 };
    struct listener_options options = { .host = "127.0.0.1",
                                        .backlog = 16,
                                        .max_conns = 16,
                                        .limits = limits,
                                        .sniff = sniff,
                                        .on_conn = on_conn,
                                        .ctx = f };
    struct conn_limits client_limits = limits;
    client_limits.output_high_bytes = 16 << 20; /* it must read while it has much to write */
    struct conn_dial *dial;
    f->wanted = bytes;
    assert_int_equal(tls_server_new(f->loop, &f->conf, &f->server), 0);
    assert_int_equal(tls_client_new(&f->conf, &f->client), 0);
    options.tls = f->server;
    assert_int_equal(listener_open(f->loop, &options, &f->listener), 0);
    assert_int_equal(conn_dial_start(f->loop, NULL, "127.0.0.1", listener_port(f->listener),
                                     PATIENCE_MS, &client_limits, &client_user, f, on_connected, f,
                                     &dial),
                     0);
    loop_timer_start(f->loop, &f->watchdog, PATIENCE_MS);
    loop_run(f->loop);
    if (f->pause.at != 0)
        conn_resume_input(f->paused);
    f->pauses = false;
    f->pause.run = end_when_idle;
    loop_timer_start(f->loop, &f->pause, 0);
    loop_run(f->loop);
    listener_close(f->listener);
    tls_server_free(f->server);
    tls_client_free(f->client);
}

/* Goal: what is written before the handshake is over arrives, and comes back unchanged. */
static void bytes_go_there_and_back(void **state)
{
    struct fixture *f = *state;
    echo(f, 1000);
    assert_int_equal(f->back, 1000);
    assert_true(f->all_good);
}

/* Goal: nothing is lost or reordered when records outgrow every buffer on the way.
 * Method: five megabytes at once, more than the socket, the budget of a pass and the throttle. */
static void megabytes_go_there_and_back(void **state)
{
    struct fixture *f = *state;
    echo(f, ECHO_BYTES);
    assert_int_equal(f->back, ECHO_BYTES);
    assert_true(f->all_good);
}

/* Goal: what lies decrypted while input is paused is delivered afterwards, though no event tells of
 * it. */
static void a_paused_reader_misses_nothing(void **state)
{
    struct fixture *f = *state;
    f->pauses = true;
    echo(f, ECHO_BYTES);
    assert_int_equal(f->back, ECHO_BYTES);
    assert_true(f->all_good);
}

static void a_hello_is_told_from_garbage(void **state)
{
    (void)state;
    size_t need = 0;
    assert_int_equal(tls_hello_check(SLICE("\x16"), &need), ERR_INCOMPLETE);
    assert_int_equal(need, 6);
    assert_int_equal(tls_hello_check(SLICE("\x16\x03\x01\x00\x05\x01"), &need), ERR_INCOMPLETE);
    assert_int_equal(need, 10);
    assert_int_equal(tls_hello_check(SLICE("\x16\x03\x01\x00\x05\x01"
                                           "abcd"),
                                     &need),
                     0);
    const struct slice bad[] = {
        SLICE("\x17"),
        SLICE("\x16\x02"),
        SLICE("\x16\x03\x01\x00\x00\x01"),
        SLICE("\x16\x03\x01\x00\x05\x02"),
        SLICE("\x16\x03\x01\x40\x01\x01"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(tls_hello_check(bad[i], &need), ERR_CORRUPT);
}

/* Goal: an enforcing server does not start without its certificate; a permissive one does. */
static void files_that_are_missing_are_told_at_start(void **state)
{
    struct fixture *f = *state;
    f->conf.test_mode = false;
    assert_int_equal(tls_server_new(f->loop, &f->conf, &f->server), 0);
    tls_server_free(f->server);
    free(f->conf.server_mode);
    f->conf.server_mode = strdup("enforcing");
    assert_int_equal(tls_server_new(f->loop, &f->conf, &f->server), ERR_INVALID);
    free(f->conf.server_mode);
    f->conf.server_mode = strdup("sometimes");
    assert_int_equal(tls_server_new(f->loop, &f->conf, &f->server), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bytes_go_there_and_back, setup, teardown),
        cmocka_unit_test_setup_teardown(megabytes_go_there_and_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_paused_reader_misses_nothing, setup, teardown),
        cmocka_unit_test(a_hello_is_told_from_garbage),
        cmocka_unit_test_setup_teardown(files_that_are_missing_are_told_at_start, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
