/* The reader rewrites a body into standard JSON text and gives that to the library. What is
 * rewritten is what FastJSON 1.x writes or takes beyond the standard:
 *
 *     {0:"a"}                 ->  {"0":"a"}                  bare integer keys
 *     {{"queueId":0}:{...}}   ->  {"{\"queueId\":0}":{...}}  objects as keys
 *     {'a':'b',}              ->  {"a":"b"}                  single quotes, trailing commas
 *
 * and text that is none (see text.h). Everything else is passed on; the library judges the grammar
 * of literals and numbers, and refuses text with U+0000, which no key can carry. The rewriting also
 * bounds depth and number of values, which the library would pay for in memory.
 */
#include "base/memory.h"
#include "wire/json.h"

#include <assert.h>
#include <stdlib.h>

#include "wire/frame.h"
#include "wire/text.h"

struct rewrite {
    const uint8_t *at;
    const uint8_t *end;
    struct buf *out;
    int64_t values_left;
};

static uint8_t peek(struct rewrite *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
        r->at++;
    return r->at < r->end ? *r->at : 0;
}

static bool count_value(struct rewrite *r)
{
    return r->values_left-- > 0;
}

static void put_string(struct buf *out, struct slice text)
{
    size_t bytes = json_text_escaped_bytes(text, JSON_ESCAPE_MINIMAL);
    buf_append_u8(out, '"');
    json_text_escape(text, JSON_ESCAPE_MINIMAL, buf_reserve(out, bytes));
    out->len += bytes;
    buf_append_u8(out, '"');
}

static bool rewrite_string(struct rewrite *r, uint8_t quote)
{
    struct json_text text;
    r->at++;
    if (json_text_scan(&r->at, r->end, quote, &text) != 0)
        return false; /* without end, or with a bad escape */
    if (quote == '"' && !text.is_escaped && !text.is_damaged && !text.has_control) {
        buf_append(r->out, text.raw.data - 1, text.raw.len + 2);
        return true;
    }
    struct buf plain = BUF_INIT;
    uint8_t *to = buf_reserve(&plain, json_text_bound(&text) + 1);
    plain.len = json_text_unescape(&text, to);
    put_string(r->out, buf_slice(&plain));
    buf_fini(&plain);
    return true;
}

/* A number or a word: everything up to the next punctuation. */
static struct slice take_token(struct rewrite *r)
{
    const uint8_t *start = r->at;
    while (r->at<r->end && * r->at> ' ' && strchr(",:{}[]\"'", *r->at) == NULL)
        r->at++;
    return slice_of(start, (size_t)(r->at - start));
}

static bool rewrite_value(struct rewrite *r, int depth);

/* The object that stands as a key is rewritten aside; its text becomes the key. */
static bool rewrite_object_key(struct rewrite *r, int depth)
{
    struct buf text = BUF_INIT;
    struct buf *out = r->out;
    r->out = &text;
    bool ok = rewrite_value(r, depth);
    r->out = out;
    if (ok)
        put_string(out, buf_slice(&text));
    buf_fini(&text);
    return ok;
}

static bool rewrite_integer_key(struct rewrite *r)
{
    int64_t number;
    struct slice token = take_token(r);
    if (!slice_to_i64(token, &number))
        return false;
    buf_append_u8(r->out, '"');
    buf_append_slice(r->out, token);
    buf_append_u8(r->out, '"');
    return true;
}

static bool rewrite_key(struct rewrite *r, int depth)
{
    uint8_t c = peek(r);
    bool ok;
    if (c == '"' || c == '\'')
        ok = count_value(r) && rewrite_string(r, c);
    else if (c == '{')
        ok = rewrite_object_key(r, depth + 1);
    else
        ok = count_value(r) && rewrite_integer_key(r);
    if (!ok)
        return false;
    if (peek(r) != ':')
        return false;
    r->at++;
    buf_append_u8(r->out, ':');
    return true;
}

static bool rewrite_container(struct rewrite *r, int depth)
{
    bool is_object = *r->at++ == '{';
    uint8_t close = is_object ? '}' : ']';
    bool is_first = true;
    if (depth > JSON_DEPTH_MAX)
        return false;
    buf_append_u8(r->out, is_object ? '{' : '[');
    while (peek(r) != close) {
        if (!is_first)
            buf_append_u8(r->out, ',');
        is_first = false;
        if ((is_object && !rewrite_key(r, depth)) || !rewrite_value(r, depth + 1))
            return false;
        if (peek(r) == ',')
            r->at++;
        else if (peek(r) != close)
            return false;
    }
    r->at++;
    buf_append_u8(r->out, close);
    return true;
}

static bool rewrite_value(struct rewrite *r, int depth)
{
    uint8_t c = peek(r);
    if (!count_value(r))
        return false;
    if (c == '{' || c == '[')
        return rewrite_container(r, depth);
    if (c == '"' || c == '\'')
        return rewrite_string(r, c);
    struct slice token = take_token(r);
    if (token.len == 0)
        return false;
    buf_append_slice(r->out, token);
    return true;
}

/* The library would call text wrong, and a table damaged, that it has no memory for. */
__attribute__((constructor)) static void give_library_memory(void)
{
    json_set_alloc_funcs(memory_take, free);
}

json_t *json_read_most(struct slice text, int64_t values_most)
{
    struct buf standard = BUF_INIT;
    json_t *json = NULL;
    struct rewrite r = { .at = text.data,
                         .end = text.len == 0 ? text.data : text.data + text.len,
                         .out = &standard,
                         .values_left = values_most };
    if (rewrite_value(&r, 1)) {
        (void)peek(&r);
        if (r.at == r.end) /* nothing behind it */
            json = json_loadb((const char *)standard.data, standard.len, JSON_DECODE_ANY, NULL);
    }
    buf_fini(&standard);
    return json;
}

json_t *json_read(struct slice text)
{
    return json_read_most(text, text.len <= FRAME_MAX_BYTES
                                    ? JSON_VALUES_MAX
                                    : (int64_t)(text.len / JSON_BYTES_PER_VALUE));
}

/* ---- members -------------------------------------------------------------------------------- */

json_t *json_get(const json_t *object, const char *key)
{
    return json_object_get(object, key);
}

static struct slice text_of(const json_t *json)
{
    if (!json_is_string(json))
        return (struct slice){ NULL, 0 };
    return slice_of(json_string_value(json), json_string_length(json));
}

struct slice json_get_str(const json_t *object, const char *key)
{
    return text_of(json_get(object, key));
}

int64_t json_get_i64(const json_t *object, const char *key, int64_t fallback)
{
    const json_t *json = json_get(object, key);
    int64_t value = fallback;
    if (json_is_integer(json))
        return json_integer_value(json);
    if (json_is_string(json) && slice_to_i64(text_of(json), &value))
        return value;
    return fallback;
}

int32_t json_get_i32(const json_t *object, const char *key, int32_t fallback)
{
    int64_t value = json_get_i64(object, key, fallback);
    return value < INT32_MIN || value > INT32_MAX ? fallback : (int32_t)value;
}

bool json_get_bool(const json_t *object, const char *key, bool fallback)
{
    const json_t *json = json_get(object, key);
    if (json_is_boolean(json))
        return json_is_true(json);
    if (json_is_string(json))
        return slice_eq(text_of(json), SLICE("true"));
    return fallback;
}

struct slice json_text_in(const json_t *json, struct arena *arena)
{
    struct slice text = text_of(json);
    return text.data == NULL ? text : arena_copy(arena, text);
}

struct slice json_copy_str(const json_t *object, const char *key, struct arena *arena)
{
    return json_text_in(json_get(object, key), arena);
}

struct slice json_dump_in(const json_t *json, struct arena *arena)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    assert(text != NULL); /* what was parsed can be written */
    struct slice copy = arena_copy(arena, slice_str(text));
    free(text);
    return copy;
}

void *json_alloc_elements(const json_t *json, size_t element_bytes, struct arena *arena)
{
    size_t count = json_is_array(json) ? json_array_size(json) : json_object_size(json);
    return count == 0 ? NULL : arena_alloc(arena, count * element_bytes);
}

struct slice *json_copy_strings(const json_t *array, struct arena *arena, int *count)
{
    struct slice *texts = json_alloc_elements(array, sizeof *texts, arena);
    size_t i;
    json_t *element;
    *count = 0;
    json_array_foreach(array, i, element)
        if (json_is_string(element))
            texts[(*count)++] = json_text_in(element, arena);
    return texts;
}
