/* header_binary.c - a header in the binary form, which is drawn in docs/protocol/headers.md. */
#include "wire/header_internal.h"

#include <assert.h>

#include "base/bytes.h"

enum { BINARY_FIXED_BYTES = 2 + 1 + 2 + 4 + 4 + 4 + 4 };

int header_binary_decode(struct slice bytes, struct arena *arena, struct header *header)
{
    struct reader r = reader_of(bytes);
    struct ext_list ext;
    ext.count = 0;
    header->code = read_i16(&r);
    uint8_t language = read_u8(&r);
    header->language = language < LANGUAGE_COUNT ? (enum language)language : LANGUAGE_OTHER;
    header->version = read_i16(&r);
    header->opaque = read_i32(&r);
    header->flag = read_i32(&r);
    int32_t remark_bytes = read_i32(&r);
    struct slice remark = read_bytes(&r, remark_bytes);
    int32_t ext_bytes = read_i32(&r);
    struct reader fields = reader_of(read_bytes(&r, ext_bytes));
    if (r.failed)
        return ERR_CORRUPT;
    if (remark_bytes > 0)
        header->remark = remark;

    while (fields.rest.len > 0) {
        struct slice key = read_bytes(&fields, read_i16(&fields));
        struct slice value = read_bytes(&fields, read_i32(&fields));
        if (fields.failed)
            return ERR_CORRUPT;
        int err = ext_add(&ext, key, value);
        if (err != 0)
            return err;
    }
    header->has_ext = ext_bytes > 0;
    ext_finish(&ext, arena, header);
    return 0;
}

static size_t binary_ext_bytes(const struct header *header)
{
    size_t bytes = 0;
    for (int i = 0; i < header->ext_count; i++)
        bytes += 2 + header->ext[i].key.len + 4 + header->ext[i].value.len;
    return bytes;
}

size_t header_binary_bytes(const struct header *header)
{
    return BINARY_FIXED_BYTES + header->remark.len + binary_ext_bytes(header);
}

static uint8_t *put_sized(uint8_t *out, struct slice text)
{
    put_be32(out, (uint32_t)text.len);
    if (text.len > 0)
        memcpy(out + 4, text.data, text.len);
    return out + 4 + text.len;
}

uint8_t *header_binary_put(uint8_t *out, const struct header *header)
{
    put_be16(out, (uint16_t)header->code);
    out[2] = (uint8_t)header->language;
    put_be16(out + 3, (uint16_t)header->version);
    put_be32(out + 5, (uint32_t)header->opaque);
    put_be32(out + 9, (uint32_t)header->flag);
    out = put_sized(out + 13, header->remark);
    put_be32(out, (uint32_t)binary_ext_bytes(header));
    out += 4;
    for (int i = 0; i < header->ext_count; i++) {
        const struct ext_field *field = &header->ext[i];
        assert(field->key.len <= INT16_MAX);
        put_be16(out, (uint16_t)field->key.len);
        if (field->key.len > 0)
            memcpy(out + 2, field->key.data, field->key.len);
        out = put_sized(out + 2 + field->key.len, field->value);
    }
    return out;
}
