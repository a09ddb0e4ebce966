/* json.h - JSON bodies and tables: read leniently by jansson, written by us in the dialect that old
 * clients of the protocol need.
 *
 * The dialect (FastJSON 1.x): compact, null members left out, integer map keys bare ({0:"a"}), and
 * maps whose keys are objects ({{"queueId":0}:{...}}). Reading accepts all of that: bare integer keys
 * and object keys become string keys (the object key's own JSON text), single-quoted text and trailing
 * commas are taken too. Depth is bounded by JSON_DEPTH_MAX.
 */
#ifndef WIRE_JSON_H
#define WIRE_JSON_H

#include <jansson.h>

#include "base/bytes.h"

enum { JSON_DEPTH_MAX = 64 };

/* Parses a whole text. NULL: not JSON, too deep, or out of memory; `why` (may be NULL, >= 160 bytes)
 * then says what and where. The caller releases with json_decref(). */
json_t *json_read(struct slice text, char why[160]);

/* Members by type, lenient: numbers may be quoted, booleans too. Absent or of another type: fallback.
 * The slice borrows from the object. */
struct slice json_get_str(const json_t *object, const char *key);
int64_t json_get_i64(const json_t *object, const char *key, int64_t fallback);
bool json_get_bool(const json_t *object, const char *key, bool fallback);
json_t *json_get(const json_t *object, const char *key); /* borrowed, NULL when absent */

/* Writer. Commas are its business; keys are written in the order of the calls. */
enum json_style {
    JSON_DIALECT,  /* integer keys bare */
    JSON_STANDARD, /* integer keys quoted, non-ASCII as \uXXXX */
};
struct json_out {
    struct buf *out;
    enum json_style style;
    int pretty;       /* 1: tabs and newlines, as tables on disk have */
    int depth;
    bool need_comma;
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
/* A whole value that is JSON already, taken as it stands. */
void json_raw(struct json_out *j, struct slice text);

/* key and value; members with a NULL string are left out. */
void json_member_str(struct json_out *j, const char *key, struct slice value);
void json_member_i64(struct json_out *j, const char *key, int64_t value);
void json_member_bool(struct json_out *j, const char *key, bool value);

#endif
