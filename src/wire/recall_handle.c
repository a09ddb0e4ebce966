#include "wire/recall_handle.h"

enum { PART_VERSION, PART_TOPIC, PART_BROKER_NAME, PART_DELIVER_MS, PART_UNIQ_KEY, PARTS };

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static struct slice to_base64(struct slice in, struct arena *arena)
{
    uint8_t *start = arena_alloc(arena, (in.len + 2) / 3 * 4 + 1);
    uint8_t *out = start;
    for (size_t i = 0; i < in.len; i += 3) {
        size_t left = in.len - i;
        uint32_t bits = (uint32_t)in.data[i] << 16;
        bits |= left > 1 ? (uint32_t)in.data[i + 1] << 8 : 0;
        bits |= left > 2 ? in.data[i + 2] : 0;
        *out++ = (uint8_t)digits[bits >> 18];
        *out++ = (uint8_t)digits[bits >> 12 & 63];
        *out++ = left > 1 ? (uint8_t)digits[bits >> 6 & 63] : '=';
        *out++ = left > 2 ? (uint8_t)digits[bits & 63] : '=';
    }
    return slice_of(start, (size_t)(out - start));
}

static int digit_of(uint8_t c)
{
    const char *at = c == 0 ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

/* Without the padding, which must be whole where there is any, as Java has it. */
static bool strip_padding(struct slice *in)
{
    size_t padding = 0;
    while (padding < 2 && in->len > padding && in->data[in->len - 1 - padding] == '=')
        padding++;
    if (padding > 0 && in->len % 4 != 0)
        return false;
    in->len -= padding;
    return in->len % 4 != 1;
}

static bool from_base64(struct slice in, struct arena *arena, struct slice *out)
{
    if (!strip_padding(&in))
        return false;
    uint8_t *start = arena_alloc(arena, in.len / 4 * 3 + 3);
    size_t len = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < in.len; i++) {
        int digit = digit_of(in.data[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4 != 0) /* the second to fourth digit end a byte each */
            start[len++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    *out = slice_of(start, len);
    return true;
}

struct slice recall_handle_encode(const struct recall_handle *handle, struct arena *arena)
{
    struct slice text = arena_printf(arena, "v1 %.*s %.*s %.*s %.*s", SLICE_FMT(handle->topic),
                                     SLICE_FMT(handle->broker_name), SLICE_FMT(handle->deliver_ms),
                                     SLICE_FMT(handle->uniq_key));
    return to_base64(text, arena);
}

int recall_handle_decode(struct slice text, struct arena *arena, struct recall_handle *handle)
{
    struct slice raw;
    struct slice parts[PARTS];
    if (text.len == 0 || text.len > RECALL_HANDLE_TEXT_MAX || !from_base64(text, arena, &raw))
        return ERR_CORRUPT;
    for (int i = 0; i < PARTS; i++) {
        parts[i] = slice_cut(&raw, ' ');
        if (parts[i].len == 0)
            return ERR_CORRUPT;
    }
    if (!slice_eq(parts[PART_VERSION], SLICE("v1")))
        return ERR_CORRUPT;
    *handle = (struct recall_handle){ .topic = parts[PART_TOPIC],
                                      .broker_name = parts[PART_BROKER_NAME],
                                      .deliver_ms = parts[PART_DELIVER_MS],
                                      .uniq_key = parts[PART_UNIQ_KEY] };
    return 0;
}
