#include "filter/java_number.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/utf8.h"

/* ---- integers ------------------------------------------------------------------------------ */

/* The zeros of the decimal digits of the Basic Multilingual Plane; the other nine follow each. */
static const uint16_t digit_zeros[] = {
    '0',    0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6,
    0x0c66, 0x0ce6, 0x0d66, 0x0de6, 0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0,
    0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620,
    0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
};

/* Cuts a digit off *rest; -1: there is none. */
static int next_digit(struct slice *rest)
{
    size_t bytes;
    int digit = -1;
    int32_t c = utf8_decode(rest->data, rest->data + rest->len, &bytes);
    for (size_t i = 0; i < sizeof digit_zeros / sizeof digit_zeros[0] && digit < 0; i++)
        if (c >= digit_zeros[i] && c < digit_zeros[i] + 10)
            digit = c - digit_zeros[i];
    *rest = slice_from(*rest, bytes);
    return digit;
}

static bool is_sign(uint8_t c)
{
    return c == '+' || c == '-';
}

bool java_to_i64(struct slice text, int64_t *value)
{
    bool is_negative = text.len > 0 && text.data[0] == '-';
    if (text.len > 0 && is_sign(text.data[0]))
        text = slice_from(text, 1);
    if (text.len == 0)
        return false;
    int64_t sum = 0; /* counted downwards: the range is longer on that side */
    while (text.len > 0) {
        int digit = next_digit(&text);
        if (digit < 0 || __builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_sub_overflow(sum, digit, &sum))
            return false;
    }
    if (!is_negative && sum == INT64_MIN)
        return false;
    *value = is_negative ? sum : -sum;
    return true;
}

bool java_to_i32(struct slice text, int32_t *value)
{
    int64_t wide;
    if (!java_to_i64(text, &wide) || wide < INT32_MIN || wide > INT32_MAX)
        return false;
    *value = (int32_t)wide;
    return true;
}

/* ---- floating point ------------------------------------------------------------------------ */

enum {
    DIGITS_KEPT = 800, /* a decimal of more has a double of its first ones and "more follows" */
    EXPONENT_MOST = 1000000, /* beyond any double, whatever the digits */
    DOUBLE_TEXT_MAX = DIGITS_KEPT + 32,
};

/* A number as it is handed to the C library: short, and known to be well-formed. */
struct digits {
    char text[DOUBLE_TEXT_MAX];
    size_t length;
    int64_t exponent; /* of the base's digit, by which the point moved */
    int kept;
    int seen;
    bool is_cut_not_zero;
};

static bool digit_of(uint8_t c, bool is_hex)
{
    return (c >= '0' && c <= '9') || (is_hex && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')));
}

/* Takes the digits around at most one point. */
static struct slice take_digits(struct digits *d, struct slice rest, bool is_hex)
{
    bool is_behind_point = false;
    for (; rest.len > 0; rest = slice_from(rest, 1)) {
        uint8_t c = rest.data[0];
        if (c == '.' && !is_behind_point) {
            is_behind_point = true;
            continue;
        }
        if (!digit_of(c, is_hex))
            break;
        d->seen++;
        if (d->kept > 0 || c != '0') {
            if (d->kept < DIGITS_KEPT) {
                d->text[d->length++] = (char)c;
                d->kept++;
            } else {
                d->is_cut_not_zero |= c != '0';
                d->exponent++;
            }
        }
        if (is_behind_point)
            d->exponent--;
    }
    return rest;
}

/* An exponent's sign and digits, at least one of these. False: there is none. */
static bool take_exponent(struct slice *rest, int64_t *exponent)
{
    struct slice at = *rest;
    bool is_negative = at.len > 0 && at.data[0] == '-';
    int64_t sum = 0;
    if (at.len > 0 && is_sign(at.data[0]))
        at = slice_from(at, 1);
    if (at.len == 0 || !digit_of(at.data[0], false))
        return false;
    for (; at.len > 0 && digit_of(at.data[0], false); at = slice_from(at, 1))
        if (sum < EXPONENT_MOST)
            sum = sum * 10 + (at.data[0] - '0');
    *exponent = is_negative ? -sum : sum;
    *rest = at;
    return true;
}

static void put_text(struct digits *d, const char *text)
{
    size_t len = strlen(text);
    assert(d->length + len < sizeof d->text);
    memcpy(d->text + d->length, text, len);
    d->length += len;
}

static void put_exponent(struct digits *d, char mark, int64_t exponent)
{
    char digits[24];
    int count = 0;
    char text[32];
    size_t len = 0;
    int64_t bound = exponent > EXPONENT_MOST    ? EXPONENT_MOST
                    : exponent < -EXPONENT_MOST ? -EXPONENT_MOST
                                                : exponent;
    int64_t left = bound < 0 ? -bound : bound;
    text[len++] = mark;
    text[len++] = bound < 0 ? '-' : '+';
    do
        digits[count++] = (char)('0' + left % 10);
    while ((left /= 10) > 0);
    while (count > 0)
        text[len++] = digits[--count];
    text[len] = '\0';
    put_text(d, text);
}

static struct slice skip_suffix(struct slice rest)
{
    bool has = rest.len > 0 && (rest.data[0] == 'f' || rest.data[0] == 'F' || rest.data[0] == 'd' ||
                                rest.data[0] == 'D');
    return has ? slice_from(rest, 1) : rest;
}

/* The digits are decimal or hexadecimal: in the latter the exponent counts bits and must be there.
 */
static bool read_number(struct slice rest, bool is_hex, double *value)
{
    struct digits d = { .length = 0 };
    int64_t exponent = 0;
    if (is_hex)
        put_text(&d, "0x");
    rest = take_digits(&d, rest, is_hex);
    if (d.seen == 0)
        return false;
    bool has_mark = rest.len > 0 && (rest.data[0] | 0x20) == (is_hex ? 'p' : 'e');
    if (has_mark) {
        rest = slice_from(rest, 1);
        if (!take_exponent(&rest, &exponent))
            return false;
    } else if (is_hex) {
        return false;
    }
    if (skip_suffix(rest).len > 0)
        return false;
    if (d.kept == 0)
        put_text(&d, "0");
    if (d.is_cut_not_zero) {
        put_text(&d, "1");
        d.exponent--;
    }
    put_exponent(&d, is_hex ? 'p' : 'e', exponent + d.exponent * (is_hex ? 4 : 1));
    d.text[d.length] = '\0';
    *value = strtod(d.text, NULL);
    return true;
}

bool java_to_double(struct slice text, double *value)
{
    text = slice_trim(text);
    bool is_negative = text.len > 0 && text.data[0] == '-';
    if (text.len > 0 && is_sign(text.data[0]))
        text = slice_from(text, 1);
    bool is_hex = text.len > 1 && text.data[0] == '0' && (text.data[1] | 0x20) == 'x';
    double magnitude;
    if (slice_eq(text, SLICE("NaN")))
        magnitude = NAN;
    else if (slice_eq(text, SLICE("Infinity")))
        magnitude = INFINITY;
    else if (!read_number(is_hex ? slice_from(text, 2) : text, is_hex, &magnitude))
        return false;
    *value = is_negative ? -magnitude : magnitude;
    return true;
}
