/* sender_tls.h - a sender's connection under TLS: the calls of a socket, encrypted.
 *
 * Any certificate is taken. The context is the process's, made at first use.
 * Threads    one at a time.
 */
#ifndef BENCH_SENDER_TLS_H
#define BENCH_SENDER_TLS_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/err.h"

struct ssl_st;

/* Shakes hands on a connected, blocking socket, which does not block afterwards. ERR_CLOSED: it
 * failed, or took longer than timeout_ns. */
MUST_CHECK int sender_tls_open(int fd, int64_t timeout_ns, struct ssl_st **ssl);
void sender_tls_close(struct ssl_st *ssl); /* NULL: nothing */

/* As sendmsg() and recv(): -1 with errno EAGAIN when it would block. A read goes on as long as
 * there is something. */
ssize_t sender_tls_write(struct ssl_st *ssl, const struct iovec *parts, size_t count);
ssize_t sender_tls_read(struct ssl_st *ssl, void *into, size_t len);

#endif
