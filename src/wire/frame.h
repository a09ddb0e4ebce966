/* frame.h - the unit of the protocol: one request or response with its header and body.
 *
 *   0        4         5           8            8+H           4+total
 *   | total  | type u8 | H u24     | header     | body        |
 *
 * total counts the bytes behind itself. No I/O here: incomplete is an ordinary result.
 *
 * Threads    any: no state.
 */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

#include "base/err.h"
#include "base/slice.h"

enum serialize_type { SERIALIZE_JSON = 0, SERIALIZE_BINARY = 1 };

enum { FRAME_PREFIX_BYTES = 8, FRAME_MAX_BYTES = 16777216 };

struct frame {
    enum serialize_type type;
    struct slice header; /* borrowed from the input */
    struct slice body;
    size_t bytes; /* whole frame, length field included */
};

/* Looks for one frame at the start of `in`.
 * 0: found. ERR_INCOMPLETE: *need is how many bytes of `in` must be there to get further.
 * ERR_TOO_BIG: longer than FRAME_MAX_BYTES, told as soon as the length is there.
 * ERR_CORRUPT: lengths that contradict each other, or an unknown type. */
MUST_CHECK int frame_parse(struct slice in, struct frame *frame, size_t *need);

/* Writes the 8 bytes that stand before a header. */
void frame_put_prefix(uint8_t out[FRAME_PREFIX_BYTES], enum serialize_type type,
                      size_t header_bytes, size_t body_bytes);

#endif
