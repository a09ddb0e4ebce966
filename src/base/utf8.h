/* utf8.h - UTF-8, a code point at a time. Pure functions; any thread. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Stands for what is no text: bytes that are not UTF-8, halves of a surrogate pair. */
enum { UTF8_REPLACEMENT = 0xFFFD };
enum { UTF8_BYTES_MAX = 4 }; /* of a code point */

/* UTF-16 has two units, a high and a low one, for code points from UTF16_PAIRS_FROM on. */
enum {
    UTF16_HIGH_FIRST = 0xD800,
    UTF16_LOW_FIRST = 0xDC00,
    UTF16_LOW_END = 0xE000,
    UTF16_PAIRS_FROM = 0x10000,
};

/* The code point at `at` (at < end); *bytes is its length, at least 1. What is not UTF-8: -1, one
 * byte. */
int32_t utf8_decode(const uint8_t *at, const uint8_t *end, size_t *bytes);
/* Writes 1 to UTF8_BYTES_MAX bytes. */
size_t utf8_encode(int32_t code_point, uint8_t *out);

#endif
