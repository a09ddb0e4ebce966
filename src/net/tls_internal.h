/* tls_internal.h - the inside of TLS, shared by tls.c (one connection), tls_server.c (handshakes of
 * a server, on its worker), tls_client.c and tls_context.c (keys and certificates).
 *
 * Threads    a connection's loop, but for handshakes of a server, whose first step is its worker's.
 */
#ifndef NET_TLS_INTERNAL_H
#define NET_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "net/conn_internal.h"
#include "net/tls.h"
#include "net/workers.h"

enum { TLS_REASON_BYTES = 160 };

enum tls_step { TLS_STEP_DONE, TLS_STEP_READS, TLS_STEP_WRITES, TLS_STEP_FAILED };

/* What lies under one connection. Owner: the loop, but the worker's while is_at_work. */
struct tls {
    SSL *ssl; /* NULL until the worker made it */
    struct conn *conn;
    struct tls_server *server; /* NULL: we are the client */
    int fd;
    uint8_t *first; /* what was read off the socket before TLS began; freed when it stands */
    size_t first_bytes;
    size_t first_taken;
    bool is_ready;  /* the handshake is over */
    bool is_broken; /* nothing more may be said on it */
    bool is_at_work;
    enum tls_step step; /* how far the worker came */
    char reason[TLS_REASON_BYTES];
    struct job job;
    struct list link; /* of tls_server, while it shakes hands */
};

/* ---- tls.c ---------------------------------------------------------------------------------- */

/* Puts TLS under `conn`; the rest is the caller's. NULL: no memory. */
struct tls *tls_new(struct conn *conn);
void tls_free(struct tls *tls);
/* Makes the session; reads what is in `first` before what is in the socket. */
MUST_CHECK int tls_set_session(struct tls *tls, SSL_CTX *context);
/* One step of the handshake; when it failed, tls->reason says why. Loop or worker. */
enum tls_step tls_shake(struct tls *tls);
/* Tells the connection where the handshake stands; it may be closed by that. Loop. */
void tls_note_step(struct tls *tls, enum tls_step step);

/* ---- tls_server.c --------------------------------------------------------------------------- */

/* The handshake is over, or the connection is. */
void tls_server_forget(struct tls *tls);

/* ---- tls_context.c -------------------------------------------------------------------------- */

/* Reads key and certificates, or makes them. ERR_INVALID: `reason` says why not. */
MUST_CHECK int tls_context_for_server(const struct tls_conf *conf, SSL_CTX **context,
                                      char reason[TLS_REASON_BYTES]);
MUST_CHECK int tls_context_for_client(const struct tls_conf *conf, SSL_CTX **context,
                                      char reason[TLS_REASON_BYTES]);
/* The first of the thread's OpenSSL errors, in words. */
void tls_error_text(char reason[TLS_REASON_BYTES]);

#endif
