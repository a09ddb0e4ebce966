#include "base/conf_edit.h"

#include <assert.h>

#include "base/arena.h"
#include "base/conf_parse.h"

struct change {
    struct slice key;
    struct slice value;
    bool is_written;
    struct change *next; /* in the order of the keys' first showing */
};

struct changes {
    struct arena arena;
    struct change *first;
    struct change **end;
};

static struct change *change_find(struct changes *changes, struct slice key)
{
    struct change *change = changes->first;
    while (change != NULL && !slice_eq(change->key, key))
        change = change->next;
    return change;
}

static int note_change(void *ctx, int line, struct slice key, struct slice value)
{
    (void)line;
    struct changes *changes = ctx;
    struct change *change = change_find(changes, key);
    if (change == NULL) {
        change = arena_zalloc(&changes->arena, sizeof *change);
        change->key = arena_copy(&changes->arena, key);
        *changes->end = change;
        changes->end = &change->next;
    }
    change->value = arena_copy(&changes->arena, value);
    return 0;
}

/* What properties read as something else is escaped: backslashes, line ends, a blank in front, and
 * in keys the separators. */
static void append_escaped(struct buf *out, struct slice text, bool is_key)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool is_special = c == '\\' || (c == ' ' && (i == 0 || is_key)) ||
                          (is_key && (c == '=' || c == ':' || c == '#' || c == '!'));
        if (c == '\n' || c == '\r' || c == '\t' || c == '\f') {
            buf_append_u8(out, '\\');
            c = c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\t' ? 't' : 'f';
        } else if (is_special) {
            buf_append_u8(out, '\\');
        }
        buf_append_u8(out, c);
    }
}

static void append_change(struct change *change, struct buf *out)
{
    append_escaped(out, change->key, true);
    buf_append_u8(out, '=');
    append_escaped(out, change->value, false);
    buf_append_u8(out, '\n');
    change->is_written = true;
}

static struct slice first_line(struct slice text)
{
    const uint8_t *newline = memchr(text.data, '\n', text.len);
    return slice_of(text.data, newline == NULL ? text.len : (size_t)(newline - text.data) + 1);
}

/* The line at the start of the text with all that continues it, ends of lines included. */
static struct slice whole_line(struct slice text)
{
    struct slice line = first_line(text);
    if (conf_line_is_comment(line))
        return line;
    for (size_t len = line.len; len < text.len; len += line.len) {
        struct slice shown = line; /* without its end */
        while (shown.len > 0 &&
               (shown.data[shown.len - 1] == '\n' || shown.data[shown.len - 1] == '\r'))
            shown.len--;
        if (!conf_line_is_continued(shown))
            return slice_of(text.data, len);
        line = first_line(slice_from(text, len));
    }
    return text;
}

struct finding {
    struct changes *changes;
    struct change *change; /* of the key on the line; NULL: none */
};

static int find_change(void *ctx, int line, struct slice key, struct slice value)
{
    (void)line, (void)value;
    struct finding *finding = ctx;
    finding->change = change_find(finding->changes, key);
    return 0;
}

void conf_edit(struct slice text, struct slice changes_text, struct buf *out)
{
    struct changes changes = { .first = NULL };
    arena_init(&changes.arena);
    changes.end = &changes.first;
    int err = conf_parse(changes_text, note_change, &changes);
    assert(err == 0); /* note_change() refuses nothing */
    while (text.len > 0) {
        struct slice line = whole_line(text);
        struct finding finding = { .changes = &changes };
        if (conf_parse(line, find_change, &finding) == 0 && finding.change != NULL)
            append_change(finding.change, out);
        else
            buf_append_slice(out, line);
        text = slice_from(text, line.len);
    }
    if (out->len > 0 && out->data[out->len - 1] != '\n')
        buf_append_u8(out, '\n');
    for (struct change *change = changes.first; change != NULL; change = change->next)
        if (!change->is_written)
            append_change(change, out);
    arena_fini(&changes.arena);
}
