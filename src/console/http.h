/* http.h - HTTP requests in, answers out: libmicrohttpd, run by a loop.
 *
 * The library (mhd.h) has no thread and no listening socket of its own here: an acceptor gives it
 * connections, and the loop watches the one descriptor it waits with. What it does not bound, time,
 * is bounded here: a connection that brings no whole request, or takes no answer, in
 * CONSOLE_IDLE_MS is shut down, however slowly it dribbles.
 *
 * A request that is no GET or HEAD, has a body, or names another host (path.h) is refused here.
 *
 * Ownership  a request is the callee's until http_answer*() and stays where it is until then, also
 *            when its connection has gone; its arena goes with it.
 * Bounds     those of console.h.
 * Threads    the loop it was started on.
 * Errors     0, or a negative code of base/err.h, logged where it arose.
 */
#ifndef CONSOLE_HTTP_H
#define CONSOLE_HTTP_H

#include "base/arena.h"
#include "base/bytes.h"
#include "console/console.h"

struct http;

struct http_request {
    struct slice path; /* as it came: with its %XX, without the query */
    struct arena arena;
};

enum http_status {
    HTTP_OK = 200,
    HTTP_BAD_REQUEST = 400,
    HTTP_NOT_FOUND = 404,
    HTTP_METHOD_NOT_ALLOWED = 405,
    HTTP_TOO_LARGE = 413,
    HTTP_MISDIRECTED = 421,
    HTTP_NOT_IMPLEMENTED = 501,
    HTTP_BAD_GATEWAY = 502,
    HTTP_UNAVAILABLE = 503,
    HTTP_GATEWAY_TIMEOUT = 504,
};

struct http_options {
    const char *host;
    int port;
    const char *name; /* console_options; lives as long as the server */
    enum log_level failure_level;
    void (*on_request)(void *ctx, struct http_request *request);
    void *ctx;
};

MUST_CHECK int http_start(struct loop *loop, const struct http_options *options,
                          struct http **http);
int http_port(const struct http *http);
void http_stop_accepting(struct http *http);
/* Accepts nothing more; every request was answered, and what is not sent at once is not sent. */
void http_free(struct http *http);

/* What never changes while the program runs. */
void http_answer_asset(struct http_request *request, const char *content_type, struct slice body);
/* JSON in a `taken` buffer. */
void http_answer_json(struct http_request *request, struct buf *taken);
/* {"error": "..."} */
void http_answer_error(struct http_request *request, enum http_status status, const char *format,
                       ...) __attribute__((format(printf, 3, 4)));

#endif
