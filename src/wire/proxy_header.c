/* proxy_header.c - see docs/protocol/connection.md.
 *
 *   v1   PROXY TCP4 192.0.2.7 198.51.100.1 40112 10911 CR LF      at most 107 bytes
 *        PROXY UNKNOWN ... CR LF
 *
 *   v2   0            12            13           14        16
 *        | signature  | version 2,  | family,    | length  | source, destination, ports, additions
 *        |            | command     | protocol   |         |
 */
#include "wire/proxy_header.h"

#include <arpa/inet.h>
#include <assert.h>

#include "base/bytes.h"

static const uint8_t v2_signature[] = { '\r', '\n', '\r', '\n', 0,   '\r',
                                        '\n', 'Q',  'U',  'I',  'T', '\n' };

enum { V1_BYTES_MAX = 107 };
enum { V2_COMMAND = 12, V2_FAMILY = 13, V2_LENGTH = 14, V2_HEAD_BYTES = 16 };
enum { V2_LOCAL = 0x20, V2_PROXY = 0x21 };
enum { FAMILY_UNSPEC = 0, FAMILY_IPV4 = 1, FAMILY_IPV6 = 2, FAMILY_UNIX = 3, PROTOCOL_MAX = 2 };
enum { V2_IPV4_BYTES = 12, V2_IPV6_BYTES = 36, V2_UNIX_BYTES = 216 };
static_assert(sizeof v2_signature == V2_COMMAND, "the command follows the signature");

bool proxy_header_begins(uint8_t first)
{
    return first == 'P' || first == v2_signature[0];
}

/* ---- version 1 ------------------------------------------------------------------------------ */

static bool take_address(struct slice *line, int family, uint8_t into[16])
{
    char text[INET6_ADDRSTRLEN];
    struct slice word = slice_cut(line, ' ');
    if (word.len == 0 || word.len >= sizeof text)
        return false;
    memcpy(text, word.data, word.len);
    text[word.len] = '\0';
    return inet_pton(family, text, into) == 1;
}

static bool take_port(struct slice *line, uint16_t *port)
{
    int32_t number;
    if (!slice_to_i32(slice_cut(line, ' '), &number) || number < 0 || number > UINT16_MAX)
        return false;
    *port = (uint16_t)number;
    return true;
}

/* What stands behind "PROXY ". */
static int decode_line(struct slice line, struct proxy_header *header)
{
    struct slice kind = slice_cut(&line, ' ');
    uint8_t destination[16];
    uint16_t destination_port;
    if (slice_eq(kind, SLICE("UNKNOWN")))
        return 0;
    bool is_v6 = slice_eq(kind, SLICE("TCP6"));
    int family = is_v6 ? AF_INET6 : AF_INET;
    if ((!is_v6 && !slice_eq(kind, SLICE("TCP4"))) ||
        !take_address(&line, family, header->address) ||
        !take_address(&line, family, destination) || !take_port(&line, &header->port) ||
        !take_port(&line, &destination_port) || line.len != 0)
        return ERR_CORRUPT;
    header->source = is_v6 ? PROXY_SOURCE_IPV6 : PROXY_SOURCE_IPV4;
    return 0;
}

static int decode_v1(struct slice in, struct proxy_header *header, size_t *need)
{
    const struct slice begin = SLICE("PROXY ");
    size_t common = in.len < begin.len ? in.len : begin.len;
    if (memcmp(in.data, begin.data, common) != 0)
        return ERR_CORRUPT;
    size_t searched = in.len < V1_BYTES_MAX ? in.len : V1_BYTES_MAX;
    const uint8_t *end = memchr(in.data, '\n', searched);
    if (end == NULL && searched == V1_BYTES_MAX)
        return ERR_TOO_BIG;
    if (end == NULL) {
        *need = in.len + 1;
        return ERR_INCOMPLETE;
    }
    size_t bytes = (size_t)(end - in.data) + 1;
    if (bytes < begin.len + 2 || in.data[bytes - 2] != '\r')
        return ERR_CORRUPT;
    header->bytes = bytes;
    return decode_line(slice_of(in.data + begin.len, bytes - begin.len - 2), header);
}

/* ---- version 2 ------------------------------------------------------------------------------ */

static const size_t address_bytes[] = { [FAMILY_UNSPEC] = 0,
                                        [FAMILY_IPV4] = V2_IPV4_BYTES,
                                        [FAMILY_IPV6] = V2_IPV6_BYTES,
                                        [FAMILY_UNIX] = V2_UNIX_BYTES };

/* Source and destination, then both ports. */
static void take_v2_source(struct slice addresses, size_t each, enum proxy_source source,
                           struct proxy_header *header)
{
    memcpy(header->address, addresses.data, each);
    header->port = get_be16(addresses.data + 2 * each);
    header->source = source;
}

static int decode_v2_head(const uint8_t *head, size_t *bytes)
{
    unsigned family = head[V2_FAMILY] >> 4, protocol = head[V2_FAMILY] & 0x0F;
    size_t len = get_be16(head + V2_LENGTH);
    if (head[V2_COMMAND] != V2_LOCAL && head[V2_COMMAND] != V2_PROXY)
        return ERR_CORRUPT;
    *bytes = V2_HEAD_BYTES + len;
    if (*bytes > PROXY_HEADER_BYTES_MAX)
        return ERR_TOO_BIG;
    if (head[V2_COMMAND] == V2_LOCAL)
        return 0; /* the rest means nothing then */
    return family > FAMILY_UNIX || protocol > PROTOCOL_MAX || len < address_bytes[family]
               ? ERR_CORRUPT
               : 0;
}

static int decode_v2(struct slice in, struct proxy_header *header, size_t *need)
{
    size_t common = in.len < sizeof v2_signature ? in.len : sizeof v2_signature;
    if (memcmp(in.data, v2_signature, common) != 0)
        return ERR_CORRUPT;
    *need = V2_HEAD_BYTES;
    if (in.len < V2_HEAD_BYTES)
        return ERR_INCOMPLETE;
    int err = decode_v2_head(in.data, need);
    if (err != 0)
        return err;
    if (in.len < *need)
        return ERR_INCOMPLETE;
    header->bytes = *need;
    struct slice addresses = slice_from(in, V2_HEAD_BYTES);
    unsigned family = in.data[V2_FAMILY] >> 4;
    if (in.data[V2_COMMAND] == V2_PROXY && family == FAMILY_IPV4)
        take_v2_source(addresses, 4, PROXY_SOURCE_IPV4, header);
    else if (in.data[V2_COMMAND] == V2_PROXY && family == FAMILY_IPV6)
        take_v2_source(addresses, 16, PROXY_SOURCE_IPV6, header);
    return 0;
}

int proxy_header_decode(struct slice in, struct proxy_header *header, size_t *need)
{
    assert(in.len > 0);
    *header = (struct proxy_header){ .source = PROXY_SOURCE_UNKNOWN };
    return in.data[0] == 'P' ? decode_v1(in, header, need) : decode_v2(in, header, need);
}
