/* utf8.h - UTF-8, a code point at a time. Pure functions; any thread. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Stands for what is no text: bytes that are not UTF-8, halves of a surrogate pair. */
enum { UTF8_REPLACEMENT = 0xFFFD };
enum { UTF8_BYTES_MAX = 4 }; /* of a code point */

/* The code point at `at` (at < end); *bytes is its length, at least 1. What is not UTF-8: -1, one
 * byte. */
int32_t utf8_decode(const uint8_t *at, const uint8_t *end, size_t *bytes);
/* Writes 1 to UTF8_BYTES_MAX bytes. */
size_t utf8_encode(int32_t code_point, uint8_t *out);

#endif
