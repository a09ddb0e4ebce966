/* header.c - the header of a frame in either of its two forms: header_json.c, header_binary.c. */
#include "wire/header_internal.h"

#include <assert.h>

#include "wire/codes.h"

/* Its length has 24 bits, and with its frame it must be taken by the other side. */
enum { HEADER_BYTES_MAX = FRAME_MAX_BYTES - 64 };

static const struct slice language_names[] = {
    [LANGUAGE_JAVA] = SLICE("JAVA"),     [LANGUAGE_CPP] = SLICE("CPP"),
    [LANGUAGE_DOTNET] = SLICE("DOTNET"), [LANGUAGE_PYTHON] = SLICE("PYTHON"),
    [LANGUAGE_DELPHI] = SLICE("DELPHI"), [LANGUAGE_ERLANG] = SLICE("ERLANG"),
    [LANGUAGE_RUBY] = SLICE("RUBY"),     [LANGUAGE_OTHER] = SLICE("OTHER"),
    [LANGUAGE_HTTP] = SLICE("HTTP"),     [LANGUAGE_GO] = SLICE("GO"),
    [LANGUAGE_PHP] = SLICE("PHP"),       [LANGUAGE_OMS] = SLICE("OMS"),
    [LANGUAGE_RUST] = SLICE("RUST"),     [LANGUAGE_NODE_JS] = SLICE("NODE_JS"),
};
static_assert(sizeof(language_names) / sizeof(language_names[0]) == LANGUAGE_COUNT,
              "every language has a name");

struct slice language_name(enum language language)
{
    return language_names[language];
}

enum language language_of(struct slice name)
{
    for (int i = 0; i < LANGUAGE_COUNT; i++)
        if (slice_eq(name, language_names[i]))
            return (enum language)i;
    return LANGUAGE_OTHER;
}

int header_decode(enum serialize_type type, struct slice bytes, struct arena *arena,
                  struct header *header)
{
    struct header decoded = { .language = LANGUAGE_JAVA };
    int err = type == SERIALIZE_JSON ? header_json_decode(bytes, arena, &decoded)
                                     : header_binary_decode(bytes, arena, &decoded);
    if (err == 0)
        *header = decoded;
    return err;
}

/* Most keys differ in length or in their first byte. */
static bool key_is(struct slice key, struct slice name)
{
    return key.len == name.len && (key.len == 0 || (key.data[0] == name.data[0] &&
                                                    memcmp(key.data, name.data, key.len) == 0));
}

struct slice header_ext(const struct header *header, struct slice key)
{
    /* From the end: when a key stands twice the later one counts. */
    for (int i = header->ext_count - 1; i >= 0; i--)
        if (key_is(header->ext[i].key, key))
            return header->ext[i].value;
    return (struct slice){ NULL, 0 };
}

/* ---- encoding ------------------------------------------------------------------------------- */

static size_t encoded_bound(enum serialize_type type, const struct header *header)
{
    return type == SERIALIZE_JSON ? header_json_bound(header) : header_binary_bound(header);
}

/* What stands for a header that no frame can carry. */
static struct header without_content(const struct header *header)
{
    struct header cut = *header;
    if ((header->flag & HEADER_RESPONSE) != 0)
        cut.code = RESP_SYSTEM_ERROR;
    cut.remark = SLICE("the header does not fit into a frame");
    cut.ext = NULL;
    cut.ext_count = 0;
    cut.fields = NULL;
    return cut;
}

const struct header *header_fit(enum serialize_type type, const struct header *header,
                                struct header *cut, size_t *bound)
{
    size_t bytes = encoded_bound(type, header);
    if (bytes > HEADER_BYTES_MAX) {
        *cut = without_content(header);
        header = cut;
        bytes = encoded_bound(type, header);
    }
    *bound = FRAME_PREFIX_BYTES + bytes;
    return header;
}

size_t header_put(enum serialize_type type, const struct header *fit, size_t body_bytes,
                  uint8_t *frame)
{
    uint8_t *start = frame + FRAME_PREFIX_BYTES;
    uint8_t *end =
        type == SERIALIZE_JSON ? header_json_put(start, fit) : header_binary_put(start, fit);
    size_t bytes = (size_t)(end - start);
    frame_put_prefix(frame, type, bytes, body_bytes);
    return FRAME_PREFIX_BYTES + bytes;
}

struct slice header_encode(enum serialize_type type, const struct header *header, size_t body_bytes,
                           struct arena *arena)
{
    struct header cut;
    size_t bound;
    header = header_fit(type, header, &cut, &bound);
    uint8_t *frame = arena_alloc(arena, bound);
    size_t bytes = header_put(type, header, body_bytes, frame);
    assert(bytes <= bound);
    return slice_of(frame, bytes);
}
