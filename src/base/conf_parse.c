#include "base/conf_parse.h"

#include <ctype.h>

#include "base/utf8.h"

struct scanner {
    struct slice rest;
    int line;
    struct buf logical; /* one line, continuations joined, escapes still in it */
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\f' || c == '\r';
}

static struct slice trim_left(struct slice s)
{
    while (s.len > 0 && is_blank(s.data[0]))
        s = slice_from(s, 1);
    return s;
}

static struct slice trim_right(struct slice s)
{
    while (s.len > 0 && is_blank(s.data[s.len - 1]))
        s.len--;
    return s;
}

static struct slice take_line(struct scanner *scanner)
{
    struct slice line = slice_cut(&scanner->rest, '\n');
    scanner->line++;
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    return line;
}

bool conf_line_is_continued(struct slice line)
{
    size_t slashes = 0;
    while (slashes < line.len && line.data[line.len - 1 - slashes] == '\\')
        slashes++;
    return slashes % 2 == 1;
}

bool conf_line_is_comment(struct slice line)
{
    line = trim_left(line);
    return line.len > 0 && (line.data[0] == '#' || line.data[0] == '!');
}

/* The next line that is not blank or a comment, into scanner->logical. */
static bool next_logical_line(struct scanner *scanner, int *line_number)
{
    while (scanner->rest.len > 0) {
        struct slice line = trim_left(take_line(scanner));
        if (line.len == 0 || conf_line_is_comment(line))
            continue;
        *line_number = scanner->line;
        buf_clear(&scanner->logical);
        while (conf_line_is_continued(line) && scanner->rest.len > 0) {
            buf_append(&scanner->logical, line.data, line.len - 1);
            line = trim_left(take_line(scanner));
        }
        buf_append_slice(&scanner->logical, line);
        return true;
    }
    return false;
}

/* \uXXXX at s; false when four hex digits do not follow. */
static bool read_unicode(struct slice s, uint32_t *c)
{
    *c = 0;
    for (int i = 0; i < 4; i++) {
        if ((size_t)i >= s.len || !isxdigit(s.data[i]))
            return false;
        int digit = isdigit(s.data[i]) ? s.data[i] - '0' : tolower(s.data[i]) - 'a' + 10;
        *c = *c << 4 | (uint32_t)digit;
    }
    return true;
}

static void append_unescaped(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint32_t c;
        if (s.data[i] != '\\' || i + 1 == s.len) {
            buf_append_u8(out, s.data[i]);
            continue;
        }
        uint8_t next = s.data[++i];
        if (next == 'n' || next == 't' || next == 'r' || next == 'f') {
            buf_append_u8(out, (uint8_t)(next == 'n'   ? '\n'
                                         : next == 't' ? '\t'
                                         : next == 'r' ? '\r'
                                                       : '\f'));
        } else if (next == 'u' && read_unicode(slice_from(s, i + 1), &c)) {
            out->len += utf8_encode((int32_t)c, buf_reserve(out, UTF8_BYTES_MAX));
            i += 4;
        } else {
            buf_append_u8(out, next);
        }
    }
}

/* Where the key ends: at the first '=', ':' or blank that is not escaped. */
static size_t key_length(struct slice line)
{
    size_t i = 0;
    while (i < line.len && line.data[i] != '=' && line.data[i] != ':' && !is_blank(line.data[i]))
        i += line.data[i] == '\\' ? 2 : 1;
    return i < line.len ? i : line.len;
}

int conf_parse(struct slice properties,
               int (*each)(void *ctx, int line, struct slice key, struct slice value), void *ctx)
{
    struct scanner scanner = { properties, 0, BUF_INIT };
    struct buf key = BUF_INIT;
    struct buf value = BUF_INIT;
    int line_number = 0;
    int err = 0;
    while (err == 0 && next_logical_line(&scanner, &line_number)) {
        struct slice line = buf_slice(&scanner.logical);
        size_t key_len = key_length(line);
        struct slice rest = trim_left(slice_from(line, key_len));
        if (rest.len > 0 && (rest.data[0] == '=' || rest.data[0] == ':'))
            rest = trim_left(slice_from(rest, 1));
        buf_clear(&key);
        buf_clear(&value);
        append_unescaped(&key, slice_of(line.data, key_len));
        append_unescaped(&value, trim_right(rest));
        err = each(ctx, line_number, buf_slice(&key), buf_slice(&value));
    }
    buf_fini(&value);
    buf_fini(&key);
    buf_fini(&scanner.logical);
    return err;
}
