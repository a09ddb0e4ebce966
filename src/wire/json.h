/* json.h - JSON bodies and tables: read leniently by jansson, written by us in the dialect that old
 * clients of the protocol need.
 *
 * The dialect (FastJSON 1.x): compact, null members left out, integer map keys bare ({0:"a"}), and
 * maps whose keys are objects ({{"queueId":0}:{...}}). Reading accepts all of that: bare integer
 * keys and object keys become string keys (the object key's own JSON text), single-quoted text and
 * trailing commas are taken too. Depth is bounded by JSON_DEPTH_MAX.
 *
 * Threads    any, one for each document, writer and arena.
 */
#ifndef WIRE_JSON_H
#define WIRE_JSON_H

#include <jansson.h>

#include "base/arena.h"
#include "base/bytes.h"

enum { JSON_DEPTH_MAX = 64 };
/* Values and keys in one text: what bounds the memory a body can ask for. A text longer than any
 * frame is a table of ours, and may have one per JSON_BYTES_PER_VALUE bytes. */
enum { JSON_VALUES_MAX = 2000000, JSON_BYTES_PER_VALUE = 2 };

/* Parses a whole text. NULL: not JSON, too deep, too many values, or out of memory. The caller
 * releases with json_decref(). */
json_t *json_read(struct slice text);
/* NULL too when there are more values and keys than `values_most`, which is seen before anything is
 * made of them: for bodies that clients send to a loop, and that are small by their nature. */
json_t *json_read_most(struct slice text, int64_t values_most);

/* Members by type, lenient: numbers may be quoted, booleans too. Absent or of another type:
 * fallback. The slice borrows from the object. */
struct slice json_get_str(const json_t *object, const char *key);
int64_t json_get_i64(const json_t *object, const char *key, int64_t fallback);
bool json_get_bool(const json_t *object, const char *key, bool fallback);
/* Also outside the range of an int32_t: fallback. */
int32_t json_get_i32(const json_t *object, const char *key, int32_t fallback);
json_t *json_get(const json_t *object, const char *key); /* borrowed, NULL when absent */

/* The text of a JSON string in the arena; data NULL when `json` is NULL or no string. */
struct slice json_text_in(const json_t *json, struct arena *arena);
/* A member's text in the arena. */
struct slice json_copy_str(const json_t *object, const char *key, struct arena *arena);
/* The strings of an array in the arena, other elements skipped; not an array: none. */
struct slice *json_copy_strings(const json_t *array, struct arena *arena, int *count);
/* A value as compact JSON text in the arena. */
struct slice json_dump_in(const json_t *json, struct arena *arena);
/* Room for the elements of an array or an object; *json NULL or something else: none. */
void *json_alloc_elements(const json_t *json, size_t element_bytes, struct arena *arena);

/* Writer. Commas are its business; keys are written in the order of the calls. */
enum json_style {
    JSON_DIALECT,  /* integer keys bare, text as it is */
    JSON_STANDARD, /* integer keys quoted, non-ASCII as \uXXXX */
};
struct json_out {
    struct buf *out;
    enum json_style style;
    bool pretty; /* tabs and newlines, as tables on disk have */
    int depth;
    bool need_comma;
    bool after_key; /* what comes is the value of the key just written */
};
struct json_out json_out_to(struct buf *out, enum json_style style);

void json_object_begin(struct json_out *j);
void json_object_end(struct json_out *j);
void json_array_begin(struct json_out *j);
void json_array_end(struct json_out *j);
void json_key(struct json_out *j, struct slice key);
void json_key_i64(struct json_out *j, int64_t key);
/* An object as a key: call json_object_begin .. end between these two. */
void json_key_object_begin(struct json_out *j);
void json_key_object_end(struct json_out *j);
void json_str(struct json_out *j, struct slice value);
void json_i64(struct json_out *j, int64_t value);
void json_double(struct json_out *j, double value);
void json_bool(struct json_out *j, bool value);
/* A whole value that is compact JSON already, taken as it stands but for lines and tabs. */
void json_raw(struct json_out *j, struct slice text);

/* key and value; members with a NULL string are left out. */
void json_member_str(struct json_out *j, const char *key, struct slice value);
void json_member_i64(struct json_out *j, const char *key, int64_t value);
void json_member_bool(struct json_out *j, const char *key, bool value);

#endif
