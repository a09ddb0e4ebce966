/* body_data_version.h - the version of a table: {"counter":7,"stateVersion":0,"timestamp":1754}.
 *
 * In all body_*.h: `_decode` takes a whole body, `_from_json` a parsed member; what they yield
 * borrows from the arena only, never from the input. `_encode` appends a whole body to a buf,
 * `_to_json` a value to a writer. ERR_CORRUPT: not JSON, or not of the shape that is needed;
 * unknown members are ignored, absent ones take their defaults. No function here keeps state; any
 * thread.
 */
#ifndef WIRE_BODY_DATA_VERSION_H
#define WIRE_BODY_DATA_VERSION_H

#include "base/arena.h"
#include "wire/json.h"

struct data_version {
    int64_t state_version;
    int64_t timestamp; /* ms */
    int64_t counter;
};

bool data_version_eq(const struct data_version *a, const struct data_version *b);
/* One more change: timestamp now, counter + 1. */
void data_version_next(struct data_version *v, int64_t now_ms);

/* Not an object (also NULL): zeros. */
struct data_version data_version_from_json(const json_t *json);
void data_version_to_json(const struct data_version *v, struct json_out *j);
MUST_CHECK int data_version_decode(struct slice body, struct data_version *v);
void data_version_encode(const struct data_version *v, struct buf *out);

#endif
