/* header_binary.c - a header in the binary form, which is drawn in docs/protocol/headers.md. */
#include "wire/header_internal.h"

#include <assert.h>

#include "base/bytes.h"
#include "wire/fields.h"

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

size_t header_binary_bound(const struct header *header)
{
    enum { LENGTHS = 2 + 4 };
    size_t bytes = BINARY_FIXED_BYTES + header->remark.len;
    for (int i = 0; i < header->ext_count; i++)
        bytes += LENGTHS + header->ext[i].key.len + header->ext[i].value.len;
    for (int i = 0; header->fields != NULL && i < header->fields->count; i++) {
        const struct field *row = &header->fields->rows[i];
        struct slice text = { NULL, NUMBER_TEXT_MAX };
        if (row->type == FIELD_STRING)
            memcpy(&text, (const uint8_t *)header->values + row->at, sizeof text);
        bytes += LENGTHS + row->name.len + text.len;
    }
    return bytes;
}

static uint8_t *put_sized(uint8_t *out, struct slice text)
{
    put_be32(out, (uint32_t)text.len);
    if (text.len > 0)
        memcpy(out + 4, text.data, text.len);
    return out + 4 + text.len;
}

static uint8_t *put_pair(uint8_t *out, struct slice key, struct slice value)
{
    assert(key.len <= INT16_MAX);
    put_be16(out, (uint16_t)key.len);
    if (key.len > 0)
        memcpy(out + 2, key.data, key.len);
    return put_sized(out + 2 + key.len, value);
}

static uint8_t *put_values(uint8_t *out, const struct fields *fields, const void *values)
{
    for (int i = 0; i < fields->count; i++) {
        struct slice text;
        int64_t number;
        uint8_t digits[NUMBER_TEXT_MAX];
        enum value_kind kind = field_value(&fields->rows[i], values, &text, &number);
        if (kind == VALUE_NUMBER)
            text = slice_of(digits, (size_t)(number_put(digits, number) - digits));
        if (kind != VALUE_NONE)
            out = put_pair(out, fields->rows[i].name, text);
    }
    return out;
}

uint8_t *header_binary_put(uint8_t *out, const struct header *header)
{
    put_be16(out, (uint16_t)header->code);
    out[2] = (uint8_t)header->language;
    put_be16(out + 3, (uint16_t)header->version);
    put_be32(out + 5, (uint32_t)header->opaque);
    put_be32(out + 9, (uint32_t)header->flag);
    uint8_t *ext_length = put_sized(out + 13, header->remark);
    uint8_t *ext = out = ext_length + 4;
    for (int i = 0; i < header->ext_count; i++)
        out = put_pair(out, header->ext[i].key, header->ext[i].value);
    if (header->fields != NULL)
        out = put_values(out, header->fields, header->values);
    put_be32(ext_length, (uint32_t)(out - ext));
    return out;
}
