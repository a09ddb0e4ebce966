#include "wire/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>

#include "wire/text.h"

struct json_out json_out_to(struct buf *out, enum json_style style)
{
    return (struct json_out){ .out = out, .style = style };
}

static void put_line(struct json_out *j)
{
    if (!j->pretty)
        return;
    buf_append_u8(j->out, '\n');
    for (int i = 0; i < j->depth; i++)
        buf_append_u8(j->out, '\t');
}

/* What stands before a key or an element of an array. */
static void put_separator(struct json_out *j)
{
    if (j->need_comma)
        buf_append_u8(j->out, ',');
    j->need_comma = true;
}

/* Before any value. */
static void begin_value(struct json_out *j)
{
    if (j->after_key) {
        j->after_key = false;
        j->need_comma = true;
        return;
    }
    put_separator(j);
    if (j->depth > 0)
        put_line(j);
}

static void end_key(struct json_out *j)
{
    buf_append_u8(j->out, ':');
    j->after_key = true;
}

static void put_text(struct json_out *j, struct slice text)
{
    enum json_escape_style style =
        j->style == JSON_STANDARD ? JSON_ESCAPE_NON_ASCII : JSON_ESCAPE_MINIMAL;
    size_t bytes = json_text_escaped_bytes(text, style);
    buf_append_u8(j->out, '"');
    json_text_escape(text, style, buf_reserve(j->out, bytes));
    j->out->len += bytes;
    buf_append_u8(j->out, '"');
}

static void begin_container(struct json_out *j, char open)
{
    begin_value(j);
    buf_append_u8(j->out, (uint8_t)open);
    j->depth++;
    j->need_comma = false;
}

static void end_container(struct json_out *j, char close)
{
    assert(j->depth > 0 && !j->after_key);
    j->depth--;
    if (j->need_comma)
        put_line(j);
    buf_append_u8(j->out, (uint8_t)close);
    j->need_comma = true;
}

void json_object_begin(struct json_out *j)
{
    begin_container(j, '{');
}

void json_object_end(struct json_out *j)
{
    end_container(j, '}');
}

void json_array_begin(struct json_out *j)
{
    begin_container(j, '[');
}

void json_array_end(struct json_out *j)
{
    end_container(j, ']');
}

void json_key(struct json_out *j, struct slice key)
{
    put_separator(j);
    put_line(j);
    put_text(j, key);
    end_key(j);
}

void json_key_i64(struct json_out *j, int64_t key)
{
    put_separator(j); /* and no line: the reference's tables keep integer maps on one */
    if (j->style == JSON_STANDARD)
        buf_printf(j->out, "\"%" PRId64 "\"", key);
    else
        buf_printf(j->out, "%" PRId64, key);
    end_key(j);
}

void json_key_object_begin(struct json_out *j)
{
    put_separator(j);
    put_line(j);
    j->after_key = true; /* the object follows without comma or line */
}

void json_key_object_end(struct json_out *j)
{
    end_key(j);
}

void json_str(struct json_out *j, struct slice value)
{
    begin_value(j);
    put_text(j, value);
}

void json_i64(struct json_out *j, int64_t value)
{
    begin_value(j);
    buf_printf(j->out, "%" PRId64, value);
}

void json_double(struct json_out *j, double value)
{
    begin_value(j);
    assert(isfinite(value));
    bool is_whole = value == floor(value) && fabs(value) < 1e15;
    if (is_whole)
        buf_printf(j->out, "%.1f", value);
    else
        buf_printf(j->out, "%.17g", value);
}

void json_bool(struct json_out *j, bool value)
{
    begin_value(j);
    buf_append_slice(j->out, value ? SLICE("true") : SLICE("false"));
}

/* Copies the string that begins at `at`; returns the end behind its closing quote. */
static size_t copy_string(struct json_out *j, struct slice text, size_t at)
{
    size_t end = at + 1;
    while (end < text.len && text.data[end] != '"')
        end += text.data[end] == '\\' ? 2 : 1;
    end = end < text.len ? end + 1 : text.len;
    buf_append(j->out, text.data + at, end - at);
    return end;
}

/* Compact JSON with the lines and tabs of the place it comes to. */
static void put_spread(struct json_out *j, struct slice text)
{
    for (size_t at = 0; at < text.len;) {
        uint8_t c = text.data[at];
        bool is_end = c == '}' || c == ']';
        bool is_begin = c == '{' || c == '[';
        bool is_empty = is_end && at > 0 && (text.data[at - 1] == '{' || text.data[at - 1] == '[');
        if (c == '"') {
            at = copy_string(j, text, at);
            continue;
        }
        j->depth += is_begin ? 1 : is_end ? -1 : 0;
        if (is_end && !is_empty)
            put_line(j);
        buf_append_u8(j->out, c);
        at++;
        bool is_ended_at_once = at < text.len && (text.data[at] == '}' || text.data[at] == ']');
        if (c == ',' || (is_begin && !is_ended_at_once))
            put_line(j);
    }
}

void json_raw(struct json_out *j, struct slice text)
{
    begin_value(j);
    if (j->pretty)
        put_spread(j, text);
    else
        buf_append_slice(j->out, text);
}

void json_member_str(struct json_out *j, const char *key, struct slice value)
{
    if (value.data == NULL)
        return;
    json_key(j, slice_str(key));
    json_str(j, value);
}

void json_member_i64(struct json_out *j, const char *key, int64_t value)
{
    json_key(j, slice_str(key));
    json_i64(j, value);
}

void json_member_bool(struct json_out *j, const char *key, bool value)
{
    json_key(j, slice_str(key));
    json_bool(j, value);
}
