#include "wire/text.h"

bool text_is_whole(struct slice text)
{
    for (size_t bytes; text.len > 0; text = slice_from(text, bytes))
        if (utf8_decode(text.data, text.data + text.len, &bytes) <= 0)
            return false;
    return true;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* What a hex digit stands for, plus one; 0: it is none. */
static const uint8_t hex_values[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
    ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

/* The 16 bits behind "\u"; -1 when there are no four hex digits. */
static inline int32_t hex4(const uint8_t *at, const uint8_t *end)
{
    if (end - at < 4)
        return -1;
    int a = hex_values[at[0]], b = hex_values[at[1]], c = hex_values[at[2]], d = hex_values[at[3]];
    if (a == 0 || b == 0 || c == 0 || d == 0)
        return -1;
    return (a - 1) << 12 | (b - 1) << 8 | (c - 1) << 4 | (d - 1);
}

/* The character a one-letter escape stands for; 0: no such escape. */
static uint8_t escaped_char(uint8_t letter)
{
    switch (letter) {
    case '"':
    case '\'':
    case '\\':
    case '/':
        return letter;
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return 0;
    }
}

/* Length of the escape at `at` (a backslash); 0: it is none. `\'` is one only between such quotes.
 */
static inline size_t escape_bytes(const uint8_t *at, const uint8_t *end, uint8_t quote)
{
    if (end - at < 2)
        return 0;
    if (at[1] == 'u')
        return hex4(at + 2, end) < 0 ? 0 : 6;
    if (at[1] == '\'' && quote != '\'')
        return 0;
    return escaped_char(at[1]) == 0 ? 0 : 2;
}

int json_text_scan(const uint8_t **at, const uint8_t *end, uint8_t quote, struct json_text *text)
{
    const uint8_t *start = *at;
    const uint8_t *p = start;
    *text = (struct json_text){ .raw = { start, 0 } };
    for (;;) {
        p = json_text_plain_end(p, end, quote);
        if (p == end)
            return ERR_CORRUPT;
        if (*p == quote)
            break;
        size_t bytes = 1;
        if (*p == '\\') {
            text->is_escaped = true;
            bytes = escape_bytes(p, end, quote);
            if (bytes == 0)
                return ERR_CORRUPT;
        } else if (*p < 0x20) {
            text->has_control = true;
        } else if (utf8_decode(p, end, &bytes) < 0) {
            text->is_damaged = true;
        }
        p += bytes;
    }
    text->raw.len = (size_t)(p - start);
    *at = p + 1;
    return 0;
}

size_t json_text_bound(const struct json_text *text)
{
    /* Escapes only shrink; a byte that is not UTF-8 becomes the three of U+FFFD. */
    return text->is_damaged ? text->raw.len * 3 : text->raw.len;
}

/* Decodes the \uXXXX at *at, with its second half if it is a pair, and steps over it. */
static int32_t unescape_unicode(const uint8_t **at, const uint8_t *end)
{
    int32_t unit = hex4(*at + 2, end);
    *at += 6;
    if (unit < UTF16_HIGH_FIRST || unit >= UTF16_LOW_END)
        return unit;
    if (unit >= UTF16_LOW_FIRST || end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u')
        return UTF8_REPLACEMENT;
    int32_t low = hex4(*at + 2, end);
    if (low < UTF16_LOW_FIRST || low >= UTF16_LOW_END)
        return UTF8_REPLACEMENT;
    *at += 6;
    return UTF16_PAIRS_FROM + ((unit - UTF16_HIGH_FIRST) << 10) + (low - UTF16_LOW_FIRST);
}

size_t json_text_unescape(const struct json_text *text, uint8_t *out)
{
    const uint8_t *at = text->raw.data;
    const uint8_t *end = at + text->raw.len;
    uint8_t *to = out;
    while (at < end) {
        const uint8_t *plain_end = json_text_plain_end(at, end, '\\');
        memcpy(to, at, (size_t)(plain_end - at));
        to += plain_end - at;
        at = plain_end;
        if (at == end)
            break;
        if (*at == '\\' && at[1] == 'u') {
            int32_t code_point = unescape_unicode(&at, end);
            if (code_point < 0x80)
                *to++ = (uint8_t)code_point;
            else
                to += utf8_encode(code_point, to);
        } else if (*at == '\\') {
            *to++ = escaped_char(at[1]);
            at += 2;
        } else {
            size_t bytes = 1;
            int32_t code_point = utf8_decode(at, end, &bytes);
            to += utf8_encode(code_point < 0 ? UTF8_REPLACEMENT : code_point, to);
            at += bytes;
        }
    }
    return (size_t)(to - out);
}

/* ---- writing -------------------------------------------------------------------------------- */

/* The letter of a two-byte escape; 0: the byte has none. */
static uint8_t escape_letter(uint8_t c)
{
    switch (c) {
    case '"':
    case '\\':
        return c;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

static uint8_t *put_unicode_escape(uint32_t unit, uint8_t *out)
{
    static const char digits[] = "0123456789ABCDEF";
    *out++ = '\\';
    *out++ = 'u';
    for (int shift = 12; shift >= 0; shift -= 4)
        *out++ = (uint8_t)digits[unit >> shift & 0xF];
    return out;
}

static uint8_t *escape_ascii(uint8_t c, uint8_t *out)
{
    uint8_t letter = escape_letter(c);
    if (letter != 0) {
        *out++ = '\\';
        *out++ = letter;
        return out;
    }
    if (c < 0x20)
        return put_unicode_escape(c, out);
    *out++ = c;
    return out;
}

static uint8_t *escape_code_point(int32_t code_point, enum json_escape_style style, uint8_t *out)
{
    if (code_point < 0)
        code_point = UTF8_REPLACEMENT;
    if (style == JSON_ESCAPE_MINIMAL)
        return out + utf8_encode(code_point, out);
    if (code_point < UTF16_PAIRS_FROM)
        return put_unicode_escape((uint32_t)code_point, out);
    uint32_t above = (uint32_t)(code_point - UTF16_PAIRS_FROM);
    out = put_unicode_escape(UTF16_HIGH_FIRST + (above >> 10), out);
    return put_unicode_escape(UTF16_LOW_FIRST + (above & 0x3FF), out);
}

size_t json_text_escaped_bytes(struct slice text, enum json_escape_style style)
{
    enum { ESCAPE_BYTES_MAX = 12 };
    size_t total = 0;
    if (text.len == 0)
        return 0;
    const uint8_t *at = text.data;
    const uint8_t *end = at + text.len;
    while (at < end) {
        const uint8_t *plain_end = json_text_plain_end(at, end, '"');
        total += (size_t)(plain_end - at);
        at = plain_end;
        if (at == end)
            break;
        uint8_t scratch[ESCAPE_BYTES_MAX];
        size_t bytes = 1;
        int32_t code_point = utf8_decode(at, end, &bytes);
        uint8_t *scratch_end =
            *at < 0x80 ? escape_ascii(*at, scratch) : escape_code_point(code_point, style, scratch);
        total += (size_t)(scratch_end - scratch);
        at += bytes;
    }
    return total;
}

uint8_t *json_text_escape(struct slice text, enum json_escape_style style, uint8_t *out)
{
    if (text.len == 0)
        return out;
    const uint8_t *at = text.data;
    const uint8_t *end = at + text.len;
    while (at < end) {
        const uint8_t *plain_end = json_text_plain_end(at, end, '"');
        size_t plain = (size_t)(plain_end - at);
        if (plain > 0)
            memcpy(out, at, plain);
        out += plain;
        at = plain_end;
        if (at == end)
            break;
        size_t bytes = 1;
        int32_t code_point = utf8_decode(at, end, &bytes);
        out = *at < 0x80 ? escape_ascii(*at, out) : escape_code_point(code_point, style, out);
        at += bytes;
    }
    return out;
}
