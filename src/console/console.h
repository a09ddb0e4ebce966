/* console.h - the console: a web page, and what it shows as JSON over HTTP. Read only.
 *
 *     browser ── http ──┬── assets: html, css, js
 *                       └── api ── client: name servers (who are the brokers?), brokers
 *
 * A request that needs another server waits without keeping any other waiting: one that hangs makes
 * late what is asked of it, and ends with an error by itself.
 *
 * Bounds     CONSOLE_CONNS_MAX connections of CONSOLE_CONN_BYTES each and an answer; whoever brings
 *            no request in CONSOLE_IDLE_MS is dropped, and the oldest of them when there are more.
 * Threads    the loop it was started on.
 * Errors     0, or a negative code of base/err.h, logged where it arose.
 */
#ifndef CONSOLE_CONSOLE_H
#define CONSOLE_CONSOLE_H

#include "base/log.h"
#include "net/loop.h"
#include "net/tls.h"
#include "net/workers.h"

enum { CONSOLE_PORT = 8082 }; /* that of the reference's dashboard */
enum { CONSOLE_CONNS_MAX = 64, CONSOLE_CONN_BYTES = 32 << 10, CONSOLE_IDLE_MS = 10000 };

struct console;

struct console_options {
    const char *host; /* numeric */
    int port;         /* 0: the kernel picks */
    /* What a browser may call it by beside numeric addresses and localhost; NULL: nothing else. */
    const char *name;
    const char *name_servers;     /* "host:port;host:port" */
    struct workers *workers;      /* resolve names of name servers and brokers */
    const struct tls_conf *tls;   /* as their client; read at start only */
    enum log_level failure_level; /* how loud it is that it cannot listen */
};

/* Texts of the options are copied. ERR_EXISTS: the port is taken. ERR_INVALID: no name server is
 * given. */
MUST_CHECK int console_start(struct loop *loop, const struct console_options *options,
                             struct console **console);
int console_port(const struct console *console);
/* Requests under way get an error. */
void console_stop(struct console *console);

#endif
