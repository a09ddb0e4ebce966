#include "base/java_hash.h"

#include "base/utf8.h"

struct units {
    uint32_t hash;
    size_t count;
};

static void add_unit(struct units *u, uint32_t unit)
{
    u->hash = u->hash * 31 + unit;
    u->count++;
}

static struct units units_of(struct slice text)
{
    struct units u = { 0, 0 };
    if (text.len == 0)
        return u;
    const uint8_t *at = text.data;
    const uint8_t *end = at + text.len;
    while (at < end) {
        size_t bytes = 1;
        int32_t code_point = utf8_decode(at, end, &bytes);
        at += bytes;
        if (code_point < 0)
            code_point = UTF8_REPLACEMENT;
        if (code_point < 0x10000) {
            add_unit(&u, (uint32_t)code_point);
        } else {
            add_unit(&u, 0xD800u + (uint32_t)((code_point - 0x10000) >> 10));
            add_unit(&u, 0xDC00u + (uint32_t)((code_point - 0x10000) & 0x3FF));
        }
    }
    return u;
}

int32_t java_hash(struct slice text)
{
    return (int32_t)units_of(text).hash;
}

size_t java_length(struct slice text)
{
    return units_of(text).count;
}
