#include "wire/frame.h"

#include <assert.h>

#include "base/bytes.h"

enum { FRAME_LENGTH_BYTES = 4, FRAME_HEADER_LENGTH_MASK = 0xFFFFFF };

int frame_parse(struct slice in, struct frame *frame, size_t *need)
{
    if (in.len < FRAME_LENGTH_BYTES) {
        *need = FRAME_LENGTH_BYTES;
        return ERR_INCOMPLETE;
    }
    int32_t total = (int32_t)get_be32(in.data);
    if (total < FRAME_PREFIX_BYTES - FRAME_LENGTH_BYTES)
        return ERR_CORRUPT;
    if (total > FRAME_MAX_BYTES - FRAME_LENGTH_BYTES)
        return ERR_TOO_BIG;
    if (in.len < FRAME_PREFIX_BYTES) {
        *need = FRAME_PREFIX_BYTES;
        return ERR_INCOMPLETE;
    }

    uint32_t type_and_length = get_be32(in.data + FRAME_LENGTH_BYTES);
    uint32_t type = type_and_length >> 24;
    size_t header_bytes = type_and_length & FRAME_HEADER_LENGTH_MASK;
    size_t bytes = FRAME_LENGTH_BYTES + (size_t)total;
    if (type > SERIALIZE_BINARY || header_bytes == 0 || header_bytes > bytes - FRAME_PREFIX_BYTES)
        return ERR_CORRUPT;
    if (in.len < bytes) {
        *need = bytes;
        return ERR_INCOMPLETE;
    }

    const uint8_t *header = in.data + FRAME_PREFIX_BYTES;
    frame->type = (enum serialize_type)type;
    frame->header = slice_of(header, header_bytes);
    frame->body = slice_of(header + header_bytes, bytes - FRAME_PREFIX_BYTES - header_bytes);
    frame->bytes = bytes;
    return 0;
}

void frame_put_prefix(uint8_t out[FRAME_PREFIX_BYTES], enum serialize_type type,
                      size_t header_bytes, size_t body_bytes)
{
    assert(header_bytes > 0 && header_bytes <= FRAME_HEADER_LENGTH_MASK);
    assert(body_bytes <= INT32_MAX - FRAME_MAX_BYTES); /* the reader judges its limit */
    size_t total = FRAME_PREFIX_BYTES - FRAME_LENGTH_BYTES + header_bytes + body_bytes;
    put_be32(out, (uint32_t)total);
    put_be32(out + FRAME_LENGTH_BYTES, (uint32_t)type << 24 | (uint32_t)header_bytes);
}
