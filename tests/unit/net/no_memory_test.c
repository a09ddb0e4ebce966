/* Goal: want of memory ends a connection, or the process, and nothing else: no byte is lost or
 * doubled on a connection that goes on, and each end is told once.
 * Method: a listener, a connection dialled to it and an echo of a long text, all on one loop; each
 * allocation fails in turn.
 */
#include "no_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "net/listener.h"

enum { TEXT_BYTES = 200000, NEED_BYTES = 100000 };

struct scene {
    struct loop *loop;
    struct listener *listener;
    struct conn *client; /* while they are open */
    struct conn *server;
    uint8_t text[TEXT_BYTES];
    size_t got_bytes;
    bool is_wrong;
};

static const struct conn_limits limits = { .input_max_bytes = 1 << 20,
                                           .output_high_bytes = 1 << 20,
                                           .output_max_bytes = 4 << 20 };

/* The far end: gives back what it got, in two pieces, so that the first must be kept. */
static size_t on_server_input(struct conn *conn, void *ctx, struct slice in)
{
    (void)ctx;
    if (in.len < NEED_BYTES) {
        conn_need(conn, NEED_BYTES);
        return 0;
    }
    conn_write(conn, slice_of(in.data, NEED_BYTES));
    return NEED_BYTES;
}

static void on_server_closed(struct conn *conn, void *ctx)
{
    struct scene *scene = ctx;
    scene->is_wrong |= scene->server != conn;
    scene->server = NULL;
}

static const struct conn_user server = { on_server_input, on_server_closed, NULL };

static bool on_conn(void *ctx, struct conn *conn)
{
    struct scene *scene = ctx;
    scene->server = conn;
    conn_set_user(conn, &server, ctx);
    return true;
}

static size_t on_client_input(struct conn *conn, void *ctx, struct slice in)
{
    (void)conn;
    struct scene *scene = ctx;
    if (scene->got_bytes + in.len > TEXT_BYTES ||
        memcmp(scene->text + scene->got_bytes, in.data, in.len) != 0)
        scene->is_wrong = true;
    scene->got_bytes += in.len;
    if (scene->got_bytes >= TEXT_BYTES)
        loop_stop(scene->loop);
    return in.len;
}

static void on_client_closed(struct conn *conn, void *ctx)
{
    struct scene *scene = ctx;
    scene->is_wrong |= scene->client != conn;
    scene->client = NULL;
    loop_stop(scene->loop);
}

static const struct conn_user client = { on_client_input, on_client_closed, NULL };

static void on_connected(void *ctx, struct conn *conn, int err)
{
    struct scene *scene = ctx;
    if (err != 0) {
        loop_stop(scene->loop);
        return;
    }
    scene->client = conn;
    conn_write(conn, slice_of(scene->text, TEXT_BYTES));
}

static int run(struct scene *scene)
{
    struct conn_dial *dial;
    const struct listener_options options = { .host = "127.0.0.1",
                                              .backlog = 8,
                                              .max_conns = 8,
                                              .limits = limits,
                                              .on_conn = on_conn,
                                              .ctx = scene };
    int err = listener_open(scene->loop, &options, &scene->listener);
    if (err != 0)
        return err;
    err = conn_dial_start(scene->loop, NULL, "127.0.0.1", listener_port(scene->listener), 60000,
                          &limits, &client, scene, on_connected, scene, &dial);
    if (err == 0)
        loop_run(scene->loop);
    if (scene->client != NULL)
        conn_close(scene->client, NULL);
    if (scene->server != NULL)
        conn_close(scene->server, NULL);
    listener_close(scene->listener);
    return err;
}

static int echo(void *ctx)
{
    struct scene *scene = ctx;
    int err = loop_new("test", &scene->loop);
    if (err != 0)
        return err;
    err = run(scene);
    loop_free(scene->loop);
    if (scene->is_wrong)
        return ERR_CORRUPT;
    return err != 0 || scene->got_bytes == TEXT_BYTES ? err : ERR_NO_MEMORY;
}

static void want_of_memory_ends_a_connection(void **state)
{
    (void)state;
    static struct scene scene;
    for (size_t i = 0; i < TEXT_BYTES; i++)
        scene.text[i] = (uint8_t)(i * 7919 >> 5);
    int count = no_memory_at_each(echo, &scene);
    print_message("%d allocations\n", count);
    assert_true(count > 5);
    assert_int_equal(echo(&scene), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(want_of_memory_ends_a_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
