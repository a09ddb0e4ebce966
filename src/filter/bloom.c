#include "filter/bloom.h"

#include <assert.h>
#include <math.h>

struct bloom_shape bloom_shape_of(int error_percent, int consumer_count)
{
    assert(error_percent >= 1 && error_percent < 100 && consumer_count >= 1);
    double rate = error_percent / 100.0;
    int hashes = (int)ceil(log(rate) / log(0.5));
    int bits = (int)ceil(consumer_count * (log(1 / rate) / log(2)) * (log(M_E) / log(2)));
    assert(hashes >= 1 && hashes <= BLOOM_HASHES_MAX);
    return (struct bloom_shape){ hashes, (bits + 7) / 8 * 8 };
}

/* ---- MurmurHash3 for x64, 128 bits, of which the first 64 are wanted ------------------------ */

static uint64_t rotated(uint64_t v, int by)
{
    return v << by | v >> (64 - by);
}

/* Up to eight bytes, little-endian. */
static uint64_t word_at(const uint8_t *p, size_t bytes)
{
    uint64_t word = 0;
    for (size_t i = 0; i < bytes; i++)
        word |= (uint64_t)p[i] << (8 * i);
    return word;
}

static uint64_t first_mixed(uint64_t word)
{
    return rotated(word * UINT64_C(0x87c37b91114253d5), 31) * UINT64_C(0x4cf5ad432745937f);
}

static uint64_t second_mixed(uint64_t word)
{
    return rotated(word * UINT64_C(0x4cf5ad432745937f), 33) * UINT64_C(0x87c37b91114253d5);
}

static uint64_t finished(uint64_t h)
{
    h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
    h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ h >> 33;
}

static uint64_t murmur3(struct slice text)
{
    uint64_t h1 = 0;
    uint64_t h2 = 0;
    size_t at = 0;
    for (; at + 16 <= text.len; at += 16) {
        h1 ^= first_mixed(word_at(text.data + at, 8));
        h1 = (rotated(h1, 27) + h2) * 5 + 0x52dce729;
        h2 ^= second_mixed(word_at(text.data + at + 8, 8));
        h2 = (rotated(h2, 31) + h1) * 5 + 0x38495ab5;
    }
    size_t left = text.len - at;
    if (left > 8)
        h2 ^= second_mixed(word_at(text.data + at + 8, left - 8));
    if (left > 0)
        h1 ^= first_mixed(word_at(text.data + at, left < 8 ? left : 8));
    h1 ^= text.len;
    h2 ^= text.len;
    h1 += h2;
    h2 += h1;
    h1 = finished(h1);
    h2 = finished(h2);
    return h1 + h2;
}

void bloom_bits(struct bloom_shape shape, struct slice text, int32_t bits[BLOOM_HASHES_MAX])
{
    uint64_t hash = murmur3(text);
    for (int i = 1; i <= shape.hash_count; i++) {
        uint32_t combined = (uint32_t)hash + (uint32_t)i * (uint32_t)(hash >> 32);
        if (combined > INT32_MAX)
            combined = ~combined;
        bits[i - 1] = (int32_t)(combined % (uint32_t)shape.bit_count);
    }
}
