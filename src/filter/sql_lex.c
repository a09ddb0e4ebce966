#include "filter/sql_lex.h"

#include <strings.h>

static const struct {
    const char *text;
    enum sql_token_kind kind;
} reserved[] = {
    { "NOT", SQL_NOT },
    { "AND", SQL_AND },
    { "OR", SQL_OR },
    { "BETWEEN", SQL_BETWEEN },
    { "IN", SQL_IN },
    { "TRUE", SQL_TRUE_WORD },
    { "FALSE", SQL_FALSE_WORD },
    { "NULL", SQL_NULL_WORD },
    { "IS", SQL_IS },
    { "CONTAINS", SQL_CONTAINS },
    { "STARTSWITH", SQL_STARTSWITH },
    { "ENDSWITH", SQL_ENDSWITH },
};

/* The longer mark of two that begin alike stands first. */
static const struct {
    const char *text;
    enum sql_token_kind kind;
} marks[] = {
    { "=", SQL_EQUAL },   { "<>", SQL_NOT_EQUAL },  { ">=", SQL_GREATER_EQUAL },
    { ">", SQL_GREATER }, { "<=", SQL_LESS_EQUAL }, { "<", SQL_LESS },
    { "(", SQL_OPEN },    { ",", SQL_COMMA },       { ")", SQL_CLOSE },
    { "+", SQL_PLUS },    { "-", SQL_MINUS },
};

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static bool starts_name(uint8_t c)
{
    return (lower(c) >= 'a' && lower(c) <= 'z') || c == '_' || c == '$';
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* ---- between tokens ------------------------------------------------------------------------ */

static bool is_line_end(uint8_t c)
{
    return c == '\n' || c == '\r';
}

/* Bytes of the comment at the front, 0 when there is none that ends. Signs that begin no comment
 * cost no look for its end: an expression may be full of them. */
static size_t comment_bytes(struct slice s, size_t last_line_bytes)
{
    if (slice_starts_with(s, SLICE("--"))) {
        if (s.len <= last_line_bytes)
            return 0;
        size_t bytes = 2;
        while (!is_line_end(s.data[bytes]))
            bytes++;
        return bytes + 1;
    }
    if (!slice_starts_with(s, SLICE("/*")))
        return 0;
    const uint8_t *end = memmem(s.data + 2, s.len - 2, "*/", 2);
    return end == NULL ? 0 : (size_t)(end - s.data) + 2;
}

static struct slice skip_between(struct slice s, size_t last_line_bytes)
{
    size_t bytes;
    do {
        while (s.len > 0 && is_blank(s.data[0]))
            s = slice_from(s, 1);
        bytes = comment_bytes(s, last_line_bytes);
        s = slice_from(s, bytes);
    } while (bytes > 0);
    return s;
}

/* ---- tokens -------------------------------------------------------------------------------- */

static size_t digits_at(struct slice s, size_t at)
{
    size_t end = at;
    while (end < s.len && is_digit(s.data[end]))
        end++;
    return end - at;
}

/* Bytes of "E", a sign and digits, 0 when they are not all there. */
static size_t exponent_at(struct slice s, size_t at)
{
    size_t end = at;
    if (end >= s.len || lower(s.data[end]) != 'e')
        return 0;
    end++;
    if (end < s.len && (s.data[end] == '+' || s.data[end] == '-'))
        end++;
    size_t digits = digits_at(s, end);
    return digits == 0 ? 0 : end + digits - at;
}

static struct sql_token token_of(enum sql_token_kind kind, struct slice s, size_t bytes)
{
    return (struct sql_token){ .kind = kind, .text = slice_of(s.data, bytes) };
}

static struct sql_token bad_token(struct slice s, const char *why)
{
    return (struct sql_token){ .kind = SQL_BAD, .text = slice_of(s.data, 1), .why = why };
}

static struct sql_token number_token(struct slice s)
{
    size_t end = digits_at(s, 0);
    bool is_whole_only = true;
    size_t exponent = exponent_at(s, end);
    if (end < s.len && s.data[end] == '.' && (end > 0 || digits_at(s, 1) > 0)) {
        end += 1 + digits_at(s, end + 1);
        exponent = exponent_at(s, end);
        is_whole_only = false;
    }
    if (!is_whole_only || exponent > 0)
        return token_of(SQL_REAL_NUMBER, s, end + exponent);
    if (end == 0)
        return bad_token(s, "a point without digits");
    if (s.data[0] == '0')
        return token_of(SQL_WHOLE_NUMBER, s, 1);
    if (end < s.len && lower(s.data[end]) == 'l')
        end++;
    return token_of(SQL_WHOLE_NUMBER, s, end);
}

/* A string that does not end after a doubled quote ends with the first one of that. */
static struct sql_token string_token(struct slice s)
{
    size_t end = 0;
    for (size_t i = 1; i < s.len; i++) {
        if (s.data[i] != '\'')
            continue;
        end = i + 1;
        if (end == s.len || s.data[end] != '\'')
            break;
        i++;
    }
    return end == 0 ? bad_token(s, "a string without its closing quote")
                    : token_of(SQL_STRING, s, end);
}

static struct sql_token name_token(struct slice s)
{
    size_t end = 1;
    while (end < s.len && (starts_name(s.data[end]) || is_digit(s.data[end])))
        end++;
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (strlen(reserved[i].text) == end &&
            strncasecmp(reserved[i].text, (const char *)s.data, end) == 0)
            return token_of(reserved[i].kind, s, end);
    return token_of(SQL_NAME, s, end);
}

static struct sql_token mark_token(struct slice s)
{
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        if (slice_starts_with(s, slice_str(marks[i].text)))
            return token_of(marks[i].kind, s, strlen(marks[i].text));
    return bad_token(s, slice_starts_with(s, SLICE("/*")) ? "a comment without its end"
                                                          : "a character that begins nothing");
}

static struct sql_token token_at(struct slice s)
{
    if (s.len == 0)
        return (struct sql_token){ .kind = SQL_END, .text = s };
    if (is_digit(s.data[0]) || s.data[0] == '.')
        return number_token(s);
    if (s.data[0] == '\'')
        return string_token(s);
    if (starts_name(s.data[0]))
        return name_token(s);
    return mark_token(s);
}

struct sql_words sql_words_of(struct slice expression)
{
    size_t last = expression.len;
    while (last > 0 && !is_line_end(expression.data[last - 1]))
        last--;
    return (struct sql_words){ .rest = expression, .last_line_bytes = expression.len - last };
}

struct sql_token sql_next_token(struct sql_words *words)
{
    struct slice s = skip_between(words->rest, words->last_line_bytes);
    struct sql_token token = token_at(s);
    token.bytes_left = s.len;
    words->rest = slice_from(s, token.kind == SQL_BAD ? 0 : token.text.len);
    return token;
}
