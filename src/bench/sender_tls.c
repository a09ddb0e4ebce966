#include "bench/sender_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/time.h>

static SSL_CTX *shared_context(void)
{
    static SSL_CTX *context; /* until the process ends */
    if (context == NULL) {
        signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
        context = SSL_CTX_new(TLS_client_method());
        if (context != NULL) {
            SSL_CTX_set_mode(context,
                             SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
            SSL_CTX_set_read_ahead(context, 1);
        }
    }
    return context;
}

int sender_tls_open(int fd, int64_t timeout_ns, struct ssl_st **opened)
{
    struct timeval limit = { .tv_sec = timeout_ns / 1000000000,
                             .tv_usec = timeout_ns % 1000000000 / 1000 };
    SSL_CTX *context = shared_context();
    SSL *ssl = context == NULL ? NULL : SSL_new(context);
    if (ssl == NULL)
        return ERR_NO_MEMORY;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0 ||
        SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        SSL_free(ssl);
        return ERR_CLOSED;
    }
    *opened = ssl;
    return 0;
}

void sender_tls_close(struct ssl_st *ssl)
{
    SSL_free(ssl);
}

/* What a call that did nothing means. */
static ssize_t nothing(SSL *ssl, int outcome)
{
    int error = SSL_get_error(ssl, outcome);
    bool waits = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
    ERR_clear_error();
    errno = waits ? EAGAIN : EPIPE;
    return error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

ssize_t sender_tls_write(struct ssl_st *ssl, const struct iovec *parts, size_t count)
{
    size_t sent = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t from = 0, n = 0; from < parts[i].iov_len; from += n, sent += n) {
            int outcome = SSL_write_ex(ssl, (const char *)parts[i].iov_base + from,
                                       parts[i].iov_len - from, &n);
            if (outcome != 1)
                return sent > 0 ? (ssize_t)sent : nothing(ssl, outcome);
        }
    return (ssize_t)sent;
}

ssize_t sender_tls_read(struct ssl_st *ssl, void *into, size_t len)
{
    size_t got = 0;
    do {
        size_t n = 0;
        int outcome = SSL_read_ex(ssl, (char *)into + got, len - got, &n);
        if (outcome != 1)
            return got > 0 ? (ssize_t)got : nothing(ssl, outcome);
        got += n;
    } while (got < len && SSL_has_pending(ssl));
    return (ssize_t)got;
}
