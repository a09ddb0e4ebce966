/* tls.h - TLS 1.2 and 1.3 under connections, with OpenSSL.
 *
 * Server     the listener hands a connection over when its first bytes are a ClientHello. The first
 *            step of its handshake, the one with the private key, runs on a worker thread made for
 *            it, so that no loop waits for it; the rest is done by the connection's own events:
 *
 *     hello ── worker: certificate, key exchange, signature ── loop: finished ── decrypted bytes
 *
 * Nothing of OpenSSL is touched, and no thread runs, before the first TLS connection, unless
 * certificates come from files: those are read at start, to be told then what is wrong with them.
 *
 * Certificates  are read again when their files have changed, looked at once a second at most, when
 *            somebody connects. Connections that stand keep what they began with; files that are no
 *            good (half of them written) are logged, and the ones before stay in use.
 * Bounds     TLS_SHAKING_MAX handshakes at once: the oldest makes room. A handshake ends in
 *            READY_MS (listener.h). What a peer sends before it is over is bounded by OpenSSL: a
 *            hello by 128 KiB, a certificate chain by TLS_CERT_LIST_MAX.
 * Client     tls_connect() starts a handshake on a connection that was dialled; what is written
 *            meanwhile waits.
 * Threads    the loop given at creation, but for what the header says of the worker.
 * Errors     0, or a negative code of base/err.h; the cause is in the log. A handshake that fails
 *            closes its connection with one line of the log.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "net/conn.h"
#include "net/tls_conf.h"

enum { TLS_SHAKING_MAX = 1024, TLS_CERT_LIST_MAX = 65536 };

enum tls_mode { TLS_DISABLED, TLS_PERMISSIVE, TLS_ENFORCING };

struct tls_server;

/* With certificates from files that cannot be used: an error in enforcing mode; in permissive mode
 * TLS is refused until the files are good. */
MUST_CHECK int tls_server_new(struct loop *loop, const struct tls_conf *given,
                              struct tls_server **server);
/* Idle, see below; NULL: nothing happens. */
void tls_server_free(struct tls_server *server);
enum tls_mode tls_server_mode(const struct tls_server *server);
/* False while the worker has a handshake: it comes back to the loop by itself. */
bool tls_server_is_idle(const struct tls_server *server);

/* Looks at the first bytes of what may be a TLS connection. 0: the whole record of a ClientHello is
 * there. ERR_INCOMPLETE: *need bytes are needed in all. ERR_CORRUPT: it is something else. */
MUST_CHECK int tls_hello_check(struct slice first, size_t *need);
/* From here on the connection is TLS; `first` was read off it. */
void tls_accept(struct tls_server *server, struct conn *conn, struct slice first);

struct tls_client;

/* NULL in *client, and 0, when tls.enable is off. */
MUST_CHECK int tls_client_new(const struct tls_conf *given, struct tls_client **client);
void tls_client_free(struct tls_client *client);
/* From here on the connection, on which nothing was read or written yet, is TLS. */
void tls_connect(struct tls_client *client, struct conn *conn, int64_t timeout_ms);

#endif
