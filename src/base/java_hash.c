#include "base/java_hash.h"

#include "base/utf8.h"

static uint32_t add_unit(uint32_t hash, uint32_t unit)
{
    return hash * 31 + unit;
}

/* The ASCII at `at` that fills whole words of four; returns where something else begins. */
static const uint8_t *add_ascii(const uint8_t *at, const uint8_t *end, uint32_t *hash)
{
    for (; end - at >= 4 && ((at[0] | at[1] | at[2] | at[3]) & 0x80) == 0; at += 4)
        *hash = *hash * (31u * 31 * 31 * 31) + at[0] * (31u * 31 * 31) + at[1] * (31u * 31) +
                at[2] * 31u + at[3];
    return at;
}

int32_t java_hash_on(int32_t before, struct slice text)
{
    uint32_t hash = (uint32_t)before;
    if (text.len == 0)
        return before;
    const uint8_t *end = text.data + text.len;
    for (const uint8_t *at = add_ascii(text.data, end, &hash); at < end;) {
        size_t bytes = 1;
        int32_t code_point = utf8_decode(at, end, &bytes);
        at += bytes;
        if (code_point < 0)
            code_point = UTF8_REPLACEMENT;
        if (code_point < 0x10000) {
            hash = add_unit(hash, (uint32_t)code_point);
        } else {
            hash = add_unit(hash, 0xD800u + (uint32_t)((code_point - 0x10000) >> 10));
            hash = add_unit(hash, 0xDC00u + (uint32_t)((code_point - 0x10000) & 0x3FF));
        }
    }
    return (int32_t)hash;
}

int32_t java_hash(struct slice text)
{
    return java_hash_on(0, text);
}
