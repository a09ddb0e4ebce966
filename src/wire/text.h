/* text.h - UTF-8 and the strings of JSON, shared by the header's scanner, the body reader and writer.
 *
 * What the field's peers read as text but is none (bytes that are not UTF-8, halves of a surrogate
 * pair) becomes U+FFFD, as it does there. No memory is allocated here.
 */
#ifndef WIRE_TEXT_H
#define WIRE_TEXT_H

#include "base/err.h"
#include "base/slice.h"

enum { TEXT_REPLACEMENT = 0xFFFD };

/* The code point at `at` (at < end); *bytes is its length, at least 1. What is not UTF-8: -1, one byte. */
int32_t utf8_decode(const uint8_t *at, const uint8_t *end, size_t *bytes);
/* Writes 1 to 4 bytes. */
size_t utf8_encode(int32_t code_point, uint8_t *out);

/* A JSON string as it stands between its quotes. */
struct json_text {
    struct slice raw;
    bool is_escaped;  /* has backslashes */
    bool is_damaged;  /* has bytes that are not UTF-8 */
    bool has_control; /* has bytes below 0x20 that are not escaped */
};

/* Reads from behind the opening `quote` to behind the closing one. ERR_CORRUPT: no closing quote, or an
 * escape that is none; *at is then undefined. */
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
