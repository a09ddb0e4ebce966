/* proxy_header.h - what a proxy in front of a server says first: where the connection comes from.
 *
 * The PROXY protocol, version 1 (a line of text) and 2 (binary). docs/protocol/connection.md has
 * the bytes.
 *
 * Threads    any: no state.
 */
#ifndef WIRE_PROXY_HEADER_H
#define WIRE_PROXY_HEADER_H

#include "base/err.h"
#include "base/slice.h"

/* The longest header that is taken; version 2 could say 64 KiB, its additions are passed over. */
enum { PROXY_HEADER_BYTES_MAX = 8192 };

enum proxy_source { PROXY_SOURCE_UNKNOWN, PROXY_SOURCE_IPV4, PROXY_SOURCE_IPV6 };

struct proxy_header {
    size_t bytes;             /* of the header: what follows is the client's */
    enum proxy_source source; /* UNKNOWN: the proxy speaks for itself, or of a family of no use */
    uint8_t address[16];      /* as on the wire; 4 bytes for IPv4 */
    uint16_t port;
};

/* Can a header begin with this byte? No frame and no TLS does. */
bool proxy_header_begins(uint8_t first);
/* ERR_INCOMPLETE: *need bytes are needed in all. ERR_CORRUPT: it is none. ERR_TOO_BIG. */
MUST_CHECK int proxy_header_decode(struct slice in, struct proxy_header *header, size_t *need);

#endif
