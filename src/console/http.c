/* http.c - libmicrohttpd on a loop.
 *
 *     acceptor ── MHD_add_connection ── [headers] ── refused? ── [whole] ── on_request
 *                                                                   │ not answered yet: suspended
 *                    bytes out <── MHD_queue_response <── resumed <──┘ http_answer*()
 *
 * The library calls back from MHD_run() only. It is run when its epoll descriptor is readable, and
 * again at once while it says that it has more to do. Its own timeout is a time without any byte,
 * which a peer that dribbles never lets pass; so it is off, and `idle_until_ns` of a connection is
 * a deadline that only whole requests and answers move. `idle` is in the order of the deadlines:
 * each is as far away as the next when it is set. Who waits for its answer has none.
 */
#include "console/http.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "console/mhd.h"
#include "console/path.h"
#include "net/acceptor.h"
#include "wire/json.h"

/* Those that were told to go are still the library's until it has run. */
enum { BACKLOG = 128, GOING_MAX = 64 };

struct http {
    struct loop *loop;
    struct http_options options;
    struct acceptor acceptor;
    bool is_accepting;
    const struct mhd *mhd;     /* NULL: nobody came yet */
    struct MHD_Daemon *daemon; /* NULL: the same */
    bool is_broken;            /* it could not be had: everybody is sent away */
    struct loop_watch watch;
    struct loop_timer run_again;
    struct loop_deferred resumed; /* the library does not tell its descriptor of those */
    struct list idle; /* connections that owe a request, or take an answer; the next to go first */
    struct list waiting; /* for us */
    int conn_count;      /* in both */
    struct loop_timer idle_over;
};

struct http_conn {
    struct list link; /* in `idle` or `waiting`, unless it was told to go */
    int64_t idle_until_ns;
    int fd;
};

struct exchange {
    struct http_request request;
    struct http *http;
    struct MHD_Connection *connection;
    struct MHD_Response *response; /* NULL: not answered yet */
    unsigned status;
    bool is_asked;
    bool is_suspended;
};

/* ---- connections ----------------------------------------------------------------------------- */

static void tell_to_go(struct http *http, struct http_conn *conn)
{
    list_remove(&conn->link);
    http->conn_count--;
    shutdown(conn->fd, SHUT_RDWR);
}

static void watch_idle(struct http *http)
{
    if (list_empty(&http->idle)) {
        loop_timer_stop(&http->idle_over);
        return;
    }
    const struct http_conn *first = list_entry(http->idle.next, struct http_conn, link);
    int64_t left_ns = first->idle_until_ns - loop_now_ns(http->loop);
    loop_timer_start(http->loop, &http->idle_over, (left_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static void on_idle_over(struct loop_timer *timer)
{
    struct http *http = list_entry(timer, struct http, idle_over);
    while (!list_empty(&http->idle)) {
        struct http_conn *first = list_entry(http->idle.next, struct http_conn, link);
        if (first->idle_until_ns > loop_now_ns(http->loop))
            break;
        tell_to_go(http, first);
    }
    watch_idle(http);
}

static void put(struct http *http, struct http_conn *conn, struct list *into)
{
    conn->idle_until_ns = loop_now_ns(http->loop) + CONSOLE_IDLE_MS * NS_PER_MS;
    list_append(into, &conn->link);
}

static void move(const struct exchange *x, struct list *into)
{
    const union MHD_ConnectionInfo *info =
        x->http->mhd->get_connection_info(x->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct http_conn *conn = info->socket_context;
    if (list_empty(&conn->link)) /* it was told to go */
        return;
    list_remove(&conn->link);
    put(x->http, conn, into);
}

static void on_connection(void *ctx, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http *http = ctx;
    struct http_conn *conn = *socket_context;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (!list_empty(&conn->link)) {
            list_remove(&conn->link);
            http->conn_count--;
        }
        free(conn);
        *socket_context = NULL;
        return;
    }
    conn = memory_zeroed(1, sizeof *conn);
    conn->fd =
        http->mhd->get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    put(http, conn, &http->idle);
    http->conn_count++;
    *socket_context = conn;
}

/* ---- requests -------------------------------------------------------------------------------- */

static struct exchange *exchange_of(struct http_request *request)
{
    return list_entry(request, struct exchange, request);
}

static const char *header_of(const struct exchange *x, const char *name)
{
    return x->http->mhd->lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

static bool is_method(const char *method)
{
    return strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
}

static bool has_body(const struct exchange *x)
{
    const char *length = header_of(x, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return header_of(x, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL ||
           (length != NULL && strcmp(length, "0") != 0);
}

/* Answers what is refused by its head alone. */
static void refuse(struct exchange *x, const char *method)
{
    const char *host = header_of(x, MHD_HTTP_HEADER_HOST);
    if (host == NULL)
        http_answer_error(&x->request, HTTP_BAD_REQUEST, "the request has no Host header");
    else if (!host_is_ours(slice_str(host), x->http->options.name))
        http_answer_error(&x->request, HTTP_MISDIRECTED,
                          "this console is asked by a numeric address, localhost or the name it "
                          "was started with (--advertise), not by %s",
                          host);
    else if (!is_method(method))
        http_answer_error(&x->request, HTTP_METHOD_NOT_ALLOWED, "the console takes GET and HEAD");
    else if (has_body(x))
        http_answer_error(&x->request, HTTP_TOO_LARGE, "the console takes no body");
}

static enum MHD_Result send_answer(struct exchange *x)
{
    move(x, &x->http->idle);
    return x->http->mhd->queue_response(x->connection, x->status, x->response);
}

/* Called when the head of a request is there, when all of it is, and when it is resumed. NO drops
 * the connection. */
static enum MHD_Result on_access(void *ctx, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *upload,
                                 size_t *upload_bytes, void **request_context)
{
    struct http *http = ctx;
    struct exchange *x = *request_context;
    (void)version;
    (void)upload;
    (void)upload_bytes; /* what has a body is refused by its head */
    if (x == NULL) {
        x = memory_zeroed(1, sizeof *x);
        x->http = http;
        x->connection = connection;
        arena_init(&x->request.arena);
        x->request.path = arena_copy(&x->request.arena, slice_str(url));
        *request_context = x;
        refuse(x, method);
        return x->response != NULL ? send_answer(x) : MHD_YES;
    }
    if (!x->is_asked) {
        x->is_asked = true;
        http->options.on_request(http->options.ctx, &x->request);
        if (x->response == NULL) {
            x->is_suspended = true;
            move(x, &http->waiting);
            http->mhd->suspend_connection(connection);
            return MHD_YES;
        }
    }
    return send_answer(x);
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **request_context,
                         enum MHD_RequestTerminationCode how)
{
    (void)ctx;
    (void)connection;
    (void)how;
    struct exchange *x = *request_context;
    if (x == NULL)
        return;
    move(x, &x->http->idle);
    if (x->response != NULL)
        x->http->mhd->destroy_response(x->response);
    arena_fini(&x->request.arena);
    free(x);
    *request_context = NULL;
}

/* Paths are decoded where their segments are known. */
static size_t leave_escaped(void *ctx, struct MHD_Connection *connection, char *text)
{
    (void)ctx;
    (void)connection;
    return strlen(text);
}

/* ---- answers --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *value;
} headers[] = {
    /* nothing from elsewhere, and in no frame of another page */
    { MHD_HTTP_HEADER_CONTENT_SECURITY_POLICY,
      "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" },
    { "Cross-Origin-Resource-Policy", "same-origin" },
    { "Referrer-Policy", "no-referrer" },
    { "X-Content-Type-Options", "nosniff" },
};
enum { HEADER_COUNT = sizeof headers / sizeof headers[0] };

static void add_header(struct exchange *x, const char *name, const char *value)
{
    if (x->http->mhd->add_response_header(x->response, name, value) != MHD_YES)
        memory_none(strlen(value)); /* it fails at nothing else */
}

static void answer(struct http_request *request, enum http_status status, const char *content_type,
                   const char *cache, struct slice body, enum MHD_ResponseMemoryMode mode)
{
    struct exchange *x = exchange_of(request);
    assert(x->response == NULL);
    x->response =
        x->http->mhd->create_response_from_buffer(body.len, (void *)(uintptr_t)body.data, mode);
    if (x->response == NULL)
        memory_none(body.len);
    x->status = (unsigned)status;
    add_header(x, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    add_header(x, MHD_HTTP_HEADER_CACHE_CONTROL, cache);
    for (int i = 0; i < HEADER_COUNT; i++)
        add_header(x, headers[i].name, headers[i].value);
    if (status == HTTP_METHOD_NOT_ALLOWED)
        add_header(x, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    if (x->is_suspended) {
        x->is_suspended = false;
        x->http->mhd->resume_connection(x->connection);
        loop_defer(x->http->loop, &x->http->resumed);
    }
}

void http_answer_asset(struct http_request *request, const char *content_type, struct slice body)
{
    answer(request, HTTP_OK, content_type, "no-cache", body, MHD_RESPMEM_PERSISTENT);
}

static void answer_json(struct http_request *request, enum http_status status, struct buf *taken)
{
    answer(request, status, "application/json", "no-store", buf_slice(taken),
           MHD_RESPMEM_MUST_FREE);
    *taken = BUF_INIT;
}

void http_answer_json(struct http_request *request, struct buf *taken)
{
    answer_json(request, HTTP_OK, taken);
}

void http_answer_error(struct http_request *request, enum http_status status, const char *format,
                       ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct buf body = BUF_INIT;
    struct json_out j = json_out_to(&body, JSON_STANDARD);
    json_object_begin(&j);
    json_member_str(&j, "error", slice_str(text));
    json_object_end(&j);
    answer_json(request, status, &body);
}

/* ---- running --------------------------------------------------------------------------------- */

static void run(struct http *http)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;
    http->mhd->run(http->daemon);
    if (http->mhd->get_timeout(http->daemon, &wait_ms) == MHD_YES)
        loop_timer_start(http->loop, &http->run_again, (int64_t)wait_ms);
    else
        loop_timer_stop(&http->run_again);
    watch_idle(http);
}

static void on_ready(struct loop_watch *watch, uint32_t ready)
{
    (void)ready;
    run(list_entry(watch, struct http, watch));
}

static void on_run_again(struct loop_timer *timer)
{
    run(list_entry(timer, struct http, run_again));
}

static void on_resumed(struct loop_deferred *deferred)
{
    run(list_entry(deferred, struct http, resumed));
}

/* For the first that comes. */
static int start_daemon(struct http *http)
{
    http->mhd = mhd_load();
    if (http->mhd == NULL)
        return ERR_UNSUPPORTED;
    http->daemon = http->mhd->start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL,
        on_access, http, MHD_OPTION_CONNECTION_LIMIT, (unsigned)(CONSOLE_CONNS_MAX + GOING_MAX),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONSOLE_CONN_BYTES,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, http, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, http,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
    if (http->daemon == NULL)
        return ERR_NO_MEMORY;
    const union MHD_DaemonInfo *info =
        http->mhd->get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    http->watch = (struct loop_watch){ on_ready, info->epoll_fd, EPOLLIN };
    int err = loop_watch_start(http->loop, &http->watch);
    if (err != 0) {
        http->mhd->stop_daemon(http->daemon);
        http->daemon = NULL;
    }
    return err;
}

static void stop_daemon(struct http *http)
{
    loop_watch_stop(http->loop, &http->watch);
    run(http); /* what was answered last goes out */
    http->mhd->stop_daemon(http->daemon);
    assert(http->conn_count == 0);
}

static void on_fd(struct acceptor *acceptor, int fd)
{
    struct http *http = list_entry(acceptor, struct http, acceptor);
    struct sockaddr_storage peer = { 0 };
    socklen_t len = sizeof peer;
    if (http->daemon == NULL && !http->is_broken)
        http->is_broken = start_daemon(http) != 0;
    if (http->is_broken || getpeername(fd, (struct sockaddr *)&peer, &len) != 0) {
        close(fd);
        return;
    }
    if (http->conn_count == CONSOLE_CONNS_MAX) {
        struct list *from = list_empty(&http->idle) ? &http->waiting : &http->idle;
        tell_to_go(http, list_entry(from->next, struct http_conn, link));
    }
    if (http->mhd->add_connection(http->daemon, fd, (struct sockaddr *)&peer, len) != MHD_YES)
        acceptor_say_refused(acceptor, "too_many"); /* the library has closed it */
    run(http);
}

int http_start(struct loop *loop, const struct http_options *options, struct http **started)
{
    struct http *http = calloc(1, sizeof *http);
    if (http == NULL)
        return ERR_NO_MEMORY;
    http->loop = loop;
    http->options = *options;
    list_init(&http->idle);
    list_init(&http->waiting);
    loop_timer_init(&http->run_again, on_run_again);
    loop_deferred_init(&http->resumed, on_resumed);
    loop_timer_init(&http->idle_over, on_idle_over);
    const struct acceptor_options at = { .host = options->host,
                                         .port = options->port,
                                         .backlog = BACKLOG,
                                         .failure_level = options->failure_level,
                                         .on_fd = on_fd };
    int err = acceptor_open(&http->acceptor, loop, &at);
    if (err != 0) {
        free(http);
        return err;
    }
    http->is_accepting = true;
    *started = http;
    return 0;
}

int http_port(const struct http *http)
{
    return http->acceptor.port;
}

void http_stop_accepting(struct http *http)
{
    assert(http->is_accepting);
    acceptor_close(&http->acceptor);
    http->is_accepting = false;
}

void http_free(struct http *http)
{
    if (http->is_accepting)
        http_stop_accepting(http);
    if (http->daemon != NULL)
        stop_daemon(http);
    loop_undefer(&http->resumed);
    loop_timer_stop(&http->run_again);
    loop_timer_stop(&http->idle_over);
    free(http);
}
