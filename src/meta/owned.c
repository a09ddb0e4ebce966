#include "meta/owned.h"

#include <assert.h>

size_t owned_pairs_bytes(const struct pair *pairs, int count)
{
    size_t bytes = (size_t)count * sizeof *pairs;
    for (int i = 0; i < count; i++)
        bytes += pairs[i].key.len + pairs[i].value.len;
    return bytes;
}

struct owned owned_behind(void *block, size_t struct_bytes, int pair_count)
{
    assert(struct_bytes % _Alignof(struct pair) == 0);
    assert(pair_count >= 0);
    struct pair *pairs = (struct pair *)((uint8_t *)block + struct_bytes);
    struct pair *end = pairs + pair_count;
    return (struct owned){ .pairs = pairs, .pairs_end = end, .bytes = (uint8_t *)end };
}

struct slice owned_text(struct owned *owned, struct slice text)
{
    struct slice copy = slice_of(owned->bytes, text.len);
    if (text.len > 0)
        memcpy(owned->bytes, text.data, text.len);
    owned->bytes += text.len;
    return copy;
}

const struct pair *owned_pairs(struct owned *owned, const struct pair *pairs, int count)
{
    struct pair *copies = owned->pairs;
    assert(count <= owned->pairs_end - owned->pairs); /* behind them are texts */
    for (int i = 0; i < count; i++)
        copies[i] =
            (struct pair){ owned_text(owned, pairs[i].key), owned_text(owned, pairs[i].value) };
    owned->pairs += count;
    return copies;
}

bool owned_is_whole(const struct owned *owned, const void *end)
{
    return owned->pairs == owned->pairs_end && owned->bytes == end;
}
