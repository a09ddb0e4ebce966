/* text.h - the strings of JSON, shared by the header's scanner, the body reader and writer.
 *
 * What the field's peers read as text but is none (bytes that are not UTF-8, halves of a surrogate
 * pair) becomes U+FFFD, as it does there. No memory is allocated here.
 *
 * Threads    any: no state.
 */
#ifndef WIRE_TEXT_H
#define WIRE_TEXT_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/err.h"
#include "base/slice.h"
#include "base/utf8.h"

/* True for UTF-8 without U+0000. */
bool text_is_whole(struct slice text);

/* A JSON string as it stands between its quotes. */
struct json_text {
    struct slice raw;
    bool is_escaped;  /* has backslashes */
    bool is_damaged;  /* has bytes that are not UTF-8 */
    bool has_control; /* has bytes below 0x20 that are not escaped */
};

/* Top bits mark the bytes of a word that are no plain text; all else is 0. The subtractions borrow
 * from the next byte only behind a marked one, so the lowest mark is always right. */
static inline uint64_t json_text_marks(uint64_t word, uint8_t quote)
{
    const uint64_t ones = 0x0101010101010101u;
    const uint64_t tops = 0x8080808080808080u;
    return ((word - ones * 0x20) | ((word ^ ones * quote) - ones) | ((word ^ ones * '\\') - ones) |
            word) &
           tops;
}

/* The 1 to 7 bytes at `at` as the lowest of a word, zeros above. */
static inline uint64_t json_text_rest(const uint8_t *at, size_t count)
{
    if (count < 4)
        return at[0] | (uint64_t)at[count / 2] << count / 2 * 8 |
               (uint64_t)at[count - 1] << (count - 1) * 8;
    uint32_t first, last; /* they overlap */
    memcpy(&first, at, sizeof first);
    memcpy(&last, at + count - sizeof last, sizeof last);
    return first | (uint64_t)last << (count - sizeof last) * 8;
}

/* The first byte from `at` on that is no plain text: the quote, a backslash, below 0x20 or above
 * 0x7F; `end` when there is none. A word at a time, and in line: headers are made of short runs. */
static inline const uint8_t *json_text_plain_end(const uint8_t *at, const uint8_t *end,
                                                 uint8_t quote)
{
#ifdef __SSE2__
    for (; end - at >= 16; at += 16) {
        __m128i word = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i is_quote = _mm_cmpeq_epi8(word, _mm_set1_epi8((char)quote));
        __m128i is_escape = _mm_cmpeq_epi8(word, _mm_set1_epi8('\\'));
        __m128i is_outside = _mm_cmplt_epi8(word, _mm_set1_epi8(0x20)); /* above 0x7F: negative */
        int marks = _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(is_quote, is_escape), is_outside));
        if (marks != 0)
            return at + __builtin_ctz((unsigned)marks);
    }
#endif
    for (; end - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        uint64_t marks = json_text_marks(word, quote);
        if (marks != 0) /* little-endian: the lowest is the first */
            return at + ((unsigned)__builtin_ctzll(marks) >> 3);
    }
    if (at == end)
        return end;
    uint64_t marks = json_text_marks(json_text_rest(at, (size_t)(end - at)), quote);
    return at +
           ((unsigned)__builtin_ctzll(marks) >> 3); /* the zero at `end` has one at the latest */
}

/* Reads from behind the opening `quote` to behind the closing one. ERR_CORRUPT: no closing quote,
 * or an escape that is none; *at is then undefined. */
MUST_CHECK int json_text_scan(const uint8_t **at, const uint8_t *end, uint8_t quote,
                              struct json_text *text);

/* Room that json_text_unescape() may need. */
size_t json_text_bound(const struct json_text *text);
/* The text that is meant, as UTF-8; returns its length. */
size_t json_text_unescape(const struct json_text *text, uint8_t *out);

enum json_escape_style { JSON_ESCAPE_MINIMAL, JSON_ESCAPE_NON_ASCII };
/* Length of what json_text_escape() writes. */
size_t json_text_escaped_bytes(struct slice text, enum json_escape_style style);
/* Writes the text as it stands between quotes; returns the end. */
uint8_t *json_text_escape(struct slice text, enum json_escape_style style, uint8_t *out);

#endif
