/* header_json.c - a header as JSON.
 *
 * The header is what every message pays for, so its JSON form has a scanner of its own: one pass
 * over the bytes, no tree, values left where they lie. Only text with escapes is copied (properties
 * nearly always: their separators travel as \u0001 and \u0002).
 *
 * It takes standard JSON and, as the reference does, a little more: control characters inside
 * strings, bytes that are not UTF-8 and broken surrogates (read as U+FFFD), numbers, booleans and
 * quoted numbers where the other is expected. Anything else is no header and ends the connection.
 */
#include "wire/header_internal.h"

#include "wire/fields.h"
#include "wire/text.h"

enum { HEADER_DEPTH_MAX = 64 };

/* ---- scanner --------------------------------------------------------------------------------- */

struct scan {
    const uint8_t *at;
    const uint8_t *end;
    struct arena *arena;
};

enum scalar_kind { SCALAR_STRING, SCALAR_NUMBER, SCALAR_BOOL, SCALAR_NULL, SCALAR_NESTED };

/* A value that was stepped over: its text, for strings what they mean. */
struct scalar {
    enum scalar_kind kind;
    struct slice text;
};

static inline void skip_space(struct scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t'))
        s->at++;
}

/* Steps over `c` and the space before it. */
static inline bool take(struct scan *s, uint8_t c)
{
    if (s->at == s->end || *s->at != c)
        skip_space(s);
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

/* A string with escapes, or with bytes that are not UTF-8. Of its own, so that the others need no
 * frame on the stack. */
static __attribute__((noinline)) int scan_escaped(struct scan *s, struct slice *value)
{
    struct json_text text;
    int err = json_text_scan(&s->at, s->end, '"', &text);
    if (err != 0)
        return err;
    *value = text.raw;
    if (text.is_escaped || text.is_damaged) {
        uint8_t *to = arena_alloc(s->arena, json_text_bound(&text));
        *value = slice_of(to, json_text_unescape(&text, to));
    }
    return 0;
}

static inline int scan_string(struct scan *s, struct slice *value)
{
    const uint8_t *start = ++s->at;
    const uint8_t *stop = json_text_plain_end(start, s->end, '"');
    if (stop == s->end || *stop != '"')
        return scan_escaped(s, value);
    *value = slice_of(start, (size_t)(stop - start));
    s->at = stop + 1;
    return 0;
}

static bool skip_digits(struct scan *s)
{
    const uint8_t *start = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
        s->at++;
    return s->at > start;
}

static int scan_number(struct scan *s, struct slice *text)
{
    const uint8_t *start = s->at;
    if (*s->at == '-')
        s->at++;
    bool zero_first = s->at < s->end && *s->at == '0';
    const uint8_t *digits = s->at;
    if (!skip_digits(s) || (zero_first && s->at - digits > 1))
        return ERR_CORRUPT;
    if (s->at < s->end && *s->at == '.') {
        s->at++;
        if (!skip_digits(s))
            return ERR_CORRUPT;
    }
    if (s->at < s->end && (*s->at == 'e' || *s->at == 'E')) {
        s->at++;
        if (s->at < s->end && (*s->at == '+' || *s->at == '-'))
            s->at++;
        if (!skip_digits(s))
            return ERR_CORRUPT;
    }
    *text = slice_of(start, (size_t)(s->at - start));
    return 0;
}

static int scan_word(struct scan *s, struct slice word, struct slice *text)
{
    if (!slice_starts_with(slice_of(s->at, (size_t)(s->end - s->at)), word))
        return ERR_CORRUPT;
    *text = slice_of(s->at, word.len);
    s->at += word.len;
    return 0;
}

static int skip_nested(struct scan *s, int depth);

/* Any value. What is nested is checked and skipped; its text is then its JSON. */
static int scan_value(struct scan *s, int depth, struct scalar *value)
{
    skip_space(s);
    if (s->at == s->end)
        return ERR_CORRUPT;
    const uint8_t *start = s->at;
    int err;
    switch (*start) {
    case '"':
        value->kind = SCALAR_STRING;
        return scan_string(s, &value->text);
    case 't':
        value->kind = SCALAR_BOOL;
        return scan_word(s, SLICE("true"), &value->text);
    case 'f':
        value->kind = SCALAR_BOOL;
        return scan_word(s, SLICE("false"), &value->text);
    case 'n':
        value->kind = SCALAR_NULL;
        return scan_word(s, SLICE("null"), &value->text);
    case '{':
    case '[':
        value->kind = SCALAR_NESTED;
        err = skip_nested(s, depth + 1);
        value->text = slice_of(start, (size_t)(s->at - start));
        return err;
    default:
        value->kind = SCALAR_NUMBER;
        return scan_number(s, &value->text);
    }
}

/* An opening quote, the key, a colon. */
static int scan_key(struct scan *s, struct slice *key)
{
    skip_space(s);
    if (s->at == s->end || *s->at != '"')
        return ERR_CORRUPT;
    int err = scan_string(s, key);
    if (err != 0)
        return err;
    return take(s, ':') ? 0 : ERR_CORRUPT;
}

static int skip_nested(struct scan *s, int depth)
{
    if (depth > HEADER_DEPTH_MAX)
        return ERR_CORRUPT;
    bool is_object = *s->at == '{';
    uint8_t close = is_object ? '}' : ']';
    s->at++;
    if (take(s, close))
        return 0;
    do {
        struct slice key;
        struct scalar value;
        int err = is_object ? scan_key(s, &key) : 0;
        if (err == 0)
            err = scan_value(s, depth, &value);
        if (err != 0)
            return err;
    } while (take(s, ','));
    return take(s, close) ? 0 : ERR_CORRUPT;
}

/* ---- members --------------------------------------------------------------------------------- */

/* Numbers and quoted numbers; null leaves *number as it is. */
static int number_from(const struct scalar *value, int32_t *number)
{
    if (value->kind == SCALAR_NULL)
        return 0;
    if (value->kind != SCALAR_NUMBER && value->kind != SCALAR_STRING)
        return ERR_CORRUPT;
    return slice_to_i32(value->text, number) ? 0 : ERR_CORRUPT;
}

static int language_from(const struct scalar *value, enum language *language)
{
    int32_t ordinal = LANGUAGE_OTHER;
    switch (value->kind) {
    case SCALAR_STRING:
        *language = language_of(value->text);
        return 0;
    case SCALAR_NUMBER:
        if (!slice_to_i32(value->text, &ordinal) || ordinal < 0 || ordinal >= LANGUAGE_COUNT)
            ordinal = LANGUAGE_OTHER;
        *language = (enum language)ordinal;
        return 0;
    case SCALAR_NULL:
        return 0;
    case SCALAR_BOOL:
    case SCALAR_NESTED:
        return ERR_CORRUPT;
    }
    return ERR_CORRUPT;
}

/* A key and its value when both are plain text with no space between, as nearly all are. False:
 * something else stands there, and s->at has not moved. */
static inline bool scan_plain_pair(struct scan *s, struct slice *key, struct slice *value)
{
    enum { LEAST_BYTES = 6 }; /* "":"" */
    const uint8_t *start = s->at;
    if (s->end - start < LEAST_BYTES || *start != '"')
        return false;
    const uint8_t *key_end = json_text_plain_end(start + 1, s->end, '"');
    if (s->end - key_end < 4 || key_end[0] != '"' || key_end[1] != ':' || key_end[2] != '"')
        return false;
    const uint8_t *value_end = json_text_plain_end(key_end + 3, s->end, '"');
    if (value_end == s->end || *value_end != '"')
        return false;
    *key = slice_of(start + 1, (size_t)(key_end - start - 1));
    *value = slice_of(key_end + 3, (size_t)(value_end - key_end - 3));
    s->at = value_end + 1;
    return true;
}

/* Values are text in every header we hold: a nested one, which nobody sends, is its own JSON and
 * not repaired. */
static int scan_pair(struct scan *s, struct ext_list *ext)
{
    struct slice key;
    struct scalar value;
    if (scan_plain_pair(s, &key, &value.text))
        return ext_add(ext, key, value.text);
    int err = scan_key(s, &key);
    if (err == 0)
        err = scan_value(s, 1, &value);
    if (err == 0 && value.kind == SCALAR_NESTED && !text_is_whole(value.text))
        err = ERR_CORRUPT;
    if (err == 0 && value.kind != SCALAR_NULL)
        err = ext_add(ext, key, value.text);
    return err;
}

static int scan_ext(struct scan *s, struct ext_list *ext)
{
    s->at++;
    if (take(s, '}'))
        return 0;
    do {
        int err = scan_pair(s, ext);
        if (err != 0)
            return err;
    } while (take(s, ','));
    return take(s, '}') ? 0 : ERR_CORRUPT;
}

static int scan_member(struct scan *s, struct slice key, struct header *header,
                       struct ext_list *ext)
{
    skip_space(s);
    if (slice_eq(key, SLICE("extFields")) && s->at < s->end && *s->at == '{') {
        header->has_ext = true;
        return scan_ext(s, ext);
    }
    struct scalar value;
    int err = scan_value(s, 0, &value);
    if (err != 0)
        return err;
    if (slice_eq(key, SLICE("code")))
        return number_from(&value, &header->code);
    if (slice_eq(key, SLICE("version")))
        return number_from(&value, &header->version);
    if (slice_eq(key, SLICE("opaque")))
        return number_from(&value, &header->opaque);
    if (slice_eq(key, SLICE("flag")))
        return number_from(&value, &header->flag);
    if (slice_eq(key, SLICE("language")))
        return language_from(&value, &header->language);
    if (slice_eq(key, SLICE("remark")) && value.kind != SCALAR_NULL) {
        if (value.kind == SCALAR_NESTED && !text_is_whole(value.text))
            return ERR_CORRUPT;
        header->remark = value.text;
    }
    if (slice_eq(key, SLICE("extFields")) && value.kind != SCALAR_NULL)
        return ERR_CORRUPT;
    return 0;
}

int header_json_decode(struct slice bytes, struct arena *arena, struct header *header)
{
    struct scan s = { bytes.data, bytes.data + bytes.len, arena };
    struct ext_list ext;
    ext.count = 0;
    if (!take(&s, '{'))
        return ERR_CORRUPT;
    if (!take(&s, '}')) {
        do {
            struct slice key;
            int err = scan_key(&s, &key);
            if (err == 0)
                err = scan_member(&s, key, header, &ext);
            if (err != 0)
                return err;
        } while (take(&s, ','));
        if (!take(&s, '}'))
            return ERR_CORRUPT;
    }
    skip_space(&s);
    if (s.at != s.end)
        return ERR_CORRUPT;
    ext_finish(&ext, arena, header);
    return 0;
}

/* ---- encoding -------------------------------------------------------------------------------- */

static inline uint8_t *put_text(uint8_t *out, struct slice text)
{
    memcpy(out, text.data, text.len);
    return out + text.len;
}

static inline uint8_t *put_string(uint8_t *out, struct slice text)
{
    const uint8_t *end = text.data + text.len;
    *out++ = '"';
    if (text.len > 0 && json_text_plain_end(text.data, end, '"') == end)
        out = put_text(out, text);
    else
        out = json_text_escape(text, JSON_ESCAPE_MINIMAL, out);
    *out++ = '"';
    return out;
}

static size_t string_bytes(struct slice text)
{
    return json_text_escaped_bytes(text, JSON_ESCAPE_MINIMAL) + 2;
}

/* All keys, punctuation, numbers and names of a JSON header take less than this. */
enum { JSON_FIXED_MAX = 256 };

/* A byte becomes six at most. Up to so many the text need not be looked through for its bound. */
enum { ESCAPED_BYTES_MAX = 6, QUICK_BOUND_MAX = 2048 };

static size_t quick_bound(const struct header *header)
{
    size_t chars = header->remark.len;
    for (int i = 0; i < header->ext_count; i++)
        chars += header->ext[i].key.len + header->ext[i].value.len + 1;
    return JSON_FIXED_MAX + chars * ESCAPED_BYTES_MAX;
}

/* Of the values: `bytes_of` says how many a text takes. */
static size_t values_bound(const struct header *header, size_t (*bytes_of)(struct slice text))
{
    enum { PUNCTUATION_AND_NUMBER_MAX = 6 + NUMBER_TEXT_MAX };
    size_t bytes = 0;
    for (int i = 0; header->fields != NULL && i < header->fields->count; i++) {
        const struct field *row = &header->fields->rows[i];
        struct slice text = { NULL, 0 };
        if (row->type == FIELD_STRING)
            memcpy(&text, (const uint8_t *)header->values + row->at, sizeof text);
        bytes += row->name.len + bytes_of(text) + PUNCTUATION_AND_NUMBER_MAX;
    }
    return bytes;
}

static size_t most_bytes(struct slice text)
{
    return text.len * ESCAPED_BYTES_MAX;
}

size_t header_json_bound(const struct header *header)
{
    size_t bytes = quick_bound(header) + values_bound(header, most_bytes);
    if (bytes <= QUICK_BOUND_MAX)
        return bytes;
    bytes = JSON_FIXED_MAX + string_bytes(header->remark) + values_bound(header, string_bytes);
    for (int i = 0; i < header->ext_count; i++)
        bytes += string_bytes(header->ext[i].key) + string_bytes(header->ext[i].value) + 2;
    return bytes;
}

static uint8_t *put_json_values(uint8_t *out, const struct fields *fields, const void *values)
{
    for (int i = 0; i < fields->count; i++) {
        const struct field *row = &fields->rows[i];
        struct slice text;
        int64_t number;
        enum value_kind kind = field_value(row, values, &text, &number);
        if (kind == VALUE_NONE)
            continue;
        *out++ = '"'; /* names in tables are plain text */
        out = put_text(out, row->name);
        out = put_text(out, SLICE("\":"));
        if (kind == VALUE_TEXT) {
            out = put_string(out, text);
        } else {
            *out++ = '"';
            out = number_put(out, number);
            *out++ = '"';
        }
        *out++ = ',';
    }
    return out;
}

static uint8_t *put_json_ext(uint8_t *out, const struct header *header)
{
    uint8_t *start = out = put_text(out, SLICE(",\"extFields\":{"));
    for (int i = 0; i < header->ext_count; i++) {
        out = put_string(out, header->ext[i].key);
        *out++ = ':';
        out = put_string(out, header->ext[i].value);
        *out++ = ',';
    }
    if (header->fields != NULL)
        out = put_json_values(out, header->fields, header->values);
    if (out > start)
        out--; /* the last comma */
    *out++ = '}';
    return out;
}

uint8_t *header_json_put(uint8_t *out, const struct header *header)
{
    out = number_put(put_text(out, SLICE("{\"code\":")), header->code);
    if (header->ext_count > 0 || header->has_ext || header->fields != NULL)
        out = put_json_ext(out, header);
    out = number_put(put_text(out, SLICE(",\"flag\":")), header->flag);
    out = put_text(out, SLICE(",\"language\":\""));
    out = put_text(out, language_name(header->language));
    out = number_put(put_text(out, SLICE("\",\"opaque\":")), header->opaque);
    if (header->remark.data != NULL)
        out = put_string(put_text(out, SLICE(",\"remark\":")), header->remark);
    out = put_text(out, SLICE(",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":"));
    out = number_put(out, header->version);
    *out++ = '}';
    return out;
}
