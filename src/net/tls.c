/* tls.c - TLS under one connection: a transport that encrypts.
 *
 * OpenSSL reads and writes the socket itself, so that the kernel can take over the encryption when
 * it offers to. What was read off the socket to find out that it is TLS comes first: a filter in
 * front of the socket hands it out.
 *
 *     rbio: first bytes ── socket        wbio: socket
 *
 * Reading    a call gives as many records as fit. What then is left lies in OpenSSL, where no event
 *            tells of it: conn->has_unread.
 * Writing    a record at a time, 16 KiB at most; a record that the socket did not take whole is
 *            tried again with the same bytes, which the connection's output keeps.
 */
#include "base/memory.h"
#include "net/tls_internal.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

/* ---- the first bytes ------------------------------------------------------------------------ */

static BIO_METHOD *first_method; /* made once, never freed */
static pthread_once_t first_once = PTHREAD_ONCE_INIT;

static int first_read(BIO *bio, char *into, size_t len, size_t *got)
{
    struct tls *tls = BIO_get_data(bio);
    size_t left = tls->first_bytes - tls->first_taken;
    BIO_clear_retry_flags(bio);
    if (left > 0) {
        *got = left < len ? left : len;
        memcpy(into, tls->first + tls->first_taken, *got);
        tls->first_taken += *got;
        return 1;
    }
    int outcome = BIO_read_ex(BIO_next(bio), into, len, got);
    BIO_copy_next_retry(bio);
    return outcome;
}

static long first_control(BIO *bio, int command, long number, void *pointer)
{
    return BIO_ctrl(BIO_next(bio), command, number, pointer);
}

static int first_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static void make_first_method(void)
{
    first_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_FILTER, "first bytes");
    if (first_method == NULL || BIO_meth_set_read_ex(first_method, first_read) != 1 ||
        BIO_meth_set_ctrl(first_method, first_control) != 1 ||
        BIO_meth_set_create(first_method, first_create) != 1)
        memory_none(0);
}

/* ---- the handshake -------------------------------------------------------------------------- */

int tls_set_session(struct tls *tls, SSL_CTX *context)
{
    pthread_once(&first_once, make_first_method);
    BIO *first = BIO_new(first_method);
    BIO *in = BIO_new_socket(tls->fd, BIO_NOCLOSE);
    BIO *out = BIO_new_socket(tls->fd, BIO_NOCLOSE);
    tls->ssl = SSL_new(context);
    if (first == NULL || in == NULL || out == NULL || tls->ssl == NULL) {
        BIO_free(first);
        BIO_free(in);
        BIO_free(out);
        SSL_free(tls->ssl);
        tls->ssl = NULL;
        return ERR_NO_MEMORY;
    }
    BIO_set_data(first, tls);
    SSL_set_bio(tls->ssl, BIO_push(first, in), out);
    if (tls->server != NULL)
        SSL_set_accept_state(tls->ssl);
    else
        SSL_set_connect_state(tls->ssl);
    return 0;
}

/* Why the handshake failed, most telling first. */
static void explain(struct tls *tls)
{
    long verdict = SSL_get_verify_result(tls->ssl);
    tls_error_text(tls->reason);
    if (verdict != X509_V_OK)
        snprintf(tls->reason, sizeof tls->reason, "certificate: %s",
                 X509_verify_cert_error_string(verdict));
}

enum tls_step tls_shake(struct tls *tls)
{
    ERR_clear_error();
    errno = 0;
    int outcome = SSL_do_handshake(tls->ssl);
    if (outcome == 1)
        return TLS_STEP_DONE;
    switch (SSL_get_error(tls->ssl, outcome)) {
    case SSL_ERROR_WANT_READ:
        return TLS_STEP_READS;
    case SSL_ERROR_WANT_WRITE:
        return TLS_STEP_WRITES;
    default:
        explain(tls);
        return TLS_STEP_FAILED;
    }
}

static void became_ready(struct tls *tls)
{
    struct conn *conn = tls->conn;
    tls->is_ready = true;
    if (tls->server != NULL)
        tls_server_forget(tls);
    conn_set_ready_deadline(conn, 0);
    conn->output_waits = false;
    if (conn->out_bytes > 0)
        loop_defer(conn->loop, &conn->flush);
}

void tls_note_step(struct tls *tls, enum tls_step step)
{
    struct conn *conn = tls->conn;
    switch (step) {
    case TLS_STEP_DONE:
        became_ready(tls);
        conn->has_unread = true; /* more than the handshake may have been read off the socket */
        break;
    case TLS_STEP_READS:
        break;
    case TLS_STEP_WRITES:
        conn->reads_when_writable = true;
        break;
    case TLS_STEP_FAILED:
        tls->is_broken = true;
        log_info("tls_handshake_failed peer=%s reason=\"%s\"", conn->peer.text, tls->reason);
        conn_close(conn, NULL);
        break;
    }
}

/* ---- the transport -------------------------------------------------------------------------- */

/* Sets errno for a call that gave nothing, and what the connection has to wait for. */
static ssize_t nothing_read(struct tls *tls, int outcome)
{
    switch (SSL_get_error(tls->ssl, outcome)) {
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_WANT_READ:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_WANT_WRITE: /* an answer of the protocol's own does not fit the socket */
        tls->conn->reads_when_writable = true;
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_SYSCALL: /* reset, as any connection may be */
        tls->is_broken = true;
        errno = errno == 0 ? ECONNRESET : errno;
        return -1;
    default:
        tls->is_broken = true;
        tls_error_text(tls->reason);
        log_info("tls_failed peer=%s reason=\"%s\"", tls->conn->peer.text, tls->reason);
        errno = EPROTO;
        return -1;
    }
}

static ssize_t read_records(struct tls *tls, uint8_t *into, size_t len)
{
    size_t filled = 0;
    while (filled < len) {
        size_t n = 0;
        ERR_clear_error();
        errno = 0;
        int outcome = SSL_read_ex(tls->ssl, into + filled, len - filled, &n);
        if (outcome != 1 && filled == 0)
            return nothing_read(tls, outcome);
        if (outcome != 1) { /* an end or a failure is met again, and told, by the next read */
            tls->conn->has_unread = SSL_get_error(tls->ssl, outcome) != SSL_ERROR_WANT_READ;
            return (ssize_t)filled;
        }
        filled += n;
        if (!SSL_has_pending(tls->ssl))
            return (ssize_t)filled; /* the socket will tell when there is more */
    }
    tls->conn->has_unread = true;
    return (ssize_t)filled;
}

static ssize_t tls_read(struct conn *conn, void *into, size_t len)
{
    struct tls *tls = conn->tls;
    assert(!tls->is_at_work);
    conn->has_unread = false;
    if (tls->is_broken) {
        errno = EPROTO;
        return -1;
    }
    if (!tls->is_ready) {
        enum tls_step step = tls_shake(tls);
        tls_note_step(tls, step);
        conn->has_unread = false; /* it is read below */
        if (step != TLS_STEP_DONE) {
            errno = EAGAIN;
            return -1;
        }
    }
    return read_records(tls, into, len);
}

static ssize_t tls_write(struct conn *conn, const struct iovec *runs, int count)
{
    struct tls *tls = conn->tls;
    size_t sent = 0;
    assert(tls->is_ready && !tls->is_at_work);
    for (int i = 0; i < count; i++) {
        for (size_t from = 0; from < runs[i].iov_len;) {
            size_t n = 0;
            ERR_clear_error();
            int outcome = SSL_write_ex(tls->ssl, (const uint8_t *)runs[i].iov_base + from,
                                       runs[i].iov_len - from, &n);
            if (outcome != 1) {
                int error = SSL_get_error(tls->ssl, outcome);
                bool waits = error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ;
                tls->is_broken |= !waits;
                errno = waits ? EAGAIN : EPIPE;
                return waits && sent > 0 ? (ssize_t)sent : -1;
            }
            from += n;
            sent += n;
        }
    }
    return (ssize_t)sent;
}

static void tls_close(struct conn *conn)
{
    struct tls *tls = conn->tls;
    if (tls->server != NULL)
        tls_server_forget(tls);
    if (tls->is_at_work) { /* the descriptor must not become another's meanwhile */
        shutdown(tls->fd, SHUT_RDWR);
        return;
    }
    if (tls->is_ready && !tls->is_broken) {
        SSL_shutdown(tls->ssl);
        ERR_clear_error();
    }
    close(tls->fd);
    tls_free(tls);
    conn->tls = NULL;
}

static const struct transport tls_transport = { tls_read, tls_write, tls_close };

/* ---- life ----------------------------------------------------------------------------------- */

struct tls *tls_new(struct conn *conn)
{
    assert(conn->tls == NULL && conn->out_bytes == 0);
    struct tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL)
        return NULL;
    tls->conn = conn;
    tls->fd = conn->watch.fd;
    list_init(&tls->link);
    conn->tls = tls;
    conn->transport = &tls_transport;
    conn->output_waits = true;
    return tls;
}

void tls_free(struct tls *tls)
{
    assert(!tls->is_at_work && list_empty(&tls->link));
    SSL_free(tls->ssl);
    free(tls->first);
    free(tls);
}
