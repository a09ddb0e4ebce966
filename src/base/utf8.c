#include "base/utf8.h"

#include <stdbool.h>

enum { CODE_POINT_MAX = 0x10FFFF };

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

int32_t utf8_decode(const uint8_t *at, const uint8_t *end, size_t *bytes)
{
    size_t left = (size_t)(end - at);
    int32_t code_point = -1;
    *bytes = 1;
    if (at[0] < 0x80)
        return at[0];
    if (at[0] >= 0xC2 && at[0] < 0xE0) {
        if (left < 2 || !is_continuation(at[1]))
            return -1;
        *bytes = 2;
        return (at[0] & 0x1F) << 6 | (at[1] & 0x3F);
    }
    if (at[0] >= 0xE0 && at[0] < 0xF0) {
        if (left < 3 || !is_continuation(at[1]) || !is_continuation(at[2]))
            return -1;
        code_point = (at[0] & 0x0F) << 12 | (at[1] & 0x3F) << 6 | (at[2] & 0x3F);
        if (code_point < 0x800 || (code_point >= UTF16_HIGH_FIRST && code_point < UTF16_LOW_END))
            return -1;
        *bytes = 3;
        return code_point;
    }
    if (at[0] >= 0xF0 && at[0] < 0xF5) {
        if (left < 4 || !is_continuation(at[1]) || !is_continuation(at[2]) ||
            !is_continuation(at[3]))
            return -1;
        code_point =
            (at[0] & 0x07) << 18 | (at[1] & 0x3F) << 12 | (at[2] & 0x3F) << 6 | (at[3] & 0x3F);
        if (code_point < UTF16_PAIRS_FROM || code_point > CODE_POINT_MAX)
            return -1;
        *bytes = 4;
        return code_point;
    }
    return -1;
}

size_t utf8_encode(int32_t code_point, uint8_t *out)
{
    uint32_t c = (uint32_t)code_point;
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xC0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < UTF16_PAIRS_FROM) {
        out[0] = (uint8_t)(0xE0 | c >> 12);
        out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
        out[2] = (uint8_t)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (uint8_t)(0xF0 | c >> 18);
    out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (c & 0x3F));
    return 4;
}
