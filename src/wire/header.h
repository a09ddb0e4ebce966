/* header.h - the header of a frame in both serializations, JSON and binary.
 *
 * Slices of a decoded header point into the input or, where text had to be unescaped, into the
 * arena. Ext field values are text in both forms; a JSON number or boolean is taken as its text.
 *
 * Threads    any: no state.
 */
#ifndef WIRE_HEADER_H
#define WIRE_HEADER_H

#include "base/arena.h"
#include "wire/frame.h"

enum header_flag { HEADER_RESPONSE = 1, HEADER_ONEWAY = 2 };

enum language {
    LANGUAGE_JAVA,
    LANGUAGE_CPP,
    LANGUAGE_DOTNET,
    LANGUAGE_PYTHON,
    LANGUAGE_DELPHI,
    LANGUAGE_ERLANG,
    LANGUAGE_RUBY,
    LANGUAGE_OTHER,
    LANGUAGE_HTTP,
    LANGUAGE_GO,
    LANGUAGE_PHP,
    LANGUAGE_OMS,
    LANGUAGE_RUST,
    LANGUAGE_NODE_JS,
    LANGUAGE_COUNT
};

/* The release of the reference whose behaviour we announce: 5.3.3. */
enum { WIRE_VERSION = 479 };
/* More ext fields than this in one header are refused. */
enum { HEADER_EXT_MAX = 256 };

struct ext_field {
    struct slice key;
    struct slice value;
};

struct fields;

struct header {
    int32_t code;
    int32_t version;
    int32_t opaque;
    int32_t flag;           /* enum header_flag bits */
    enum language language; /* unknown names and numbers: LANGUAGE_OTHER */
    struct slice remark;    /* data NULL: absent */
    const struct ext_field *ext;
    int ext_count;
    bool has_ext; /* encode "extFields":{} even when ext_count is 0 */
    /* Encoding: the members of a struct as more ext fields, by its table (fields.h); NULL: none. */
    const struct fields *fields;
    const void *values;
};

/* The language's name as it stands in JSON headers. Static text. */
struct slice language_name(enum language language);

/* ERR_CORRUPT: not a header of that type. ERR_TOO_BIG: more than HEADER_EXT_MAX ext fields. */
MUST_CHECK int header_decode(enum serialize_type type, struct slice bytes, struct arena *arena,
                             struct header *header);

/* The frame's prefix and header, in the arena, for a body of `body_bytes`. Null remarks are left
 * out; JSON keys are sorted, values of ext fields are strings, as old clients need.
 * A header longer than a frame (only text from outside can make one) loses its ext fields; a
 * response then says SYSTEM_ERROR. */
struct slice header_encode(enum serialize_type type, const struct header *header, size_t body_bytes,
                           struct arena *arena);
/* The same in two steps, for who has the memory: the header, or in *cut what stands for one that no
 * frame can carry, and how many bytes it takes at most; then into so many. Returns how many it
 * took. */
const struct header *header_fit(enum serialize_type type, const struct header *header,
                                struct header *cut, size_t *bound);
size_t header_put(enum serialize_type type, const struct header *fit, size_t body_bytes,
                  uint8_t *frame);

/* The value of an ext field; data NULL when absent. */
struct slice header_ext(const struct header *header, struct slice key);

#endif
