/* header_internal.h - what the two forms of a header share with header.c and fields.c.
 *
 * Threads    any: no state.
 */
#ifndef WIRE_HEADER_INTERNAL_H
#define WIRE_HEADER_INTERNAL_H

#include <string.h>

#include "wire/header.h"

/* Ext fields under construction. */
struct ext_list {
    struct ext_field fields[HEADER_EXT_MAX];
    int count;
};

static inline int ext_add(struct ext_list *list, struct slice key, struct slice value)
{
    if (list->count == HEADER_EXT_MAX)
        return ERR_TOO_BIG;
    list->fields[list->count++] = (struct ext_field){ key, value };
    return 0;
}

static inline void ext_finish(const struct ext_list *list, struct arena *arena,
                              struct header *header)
{
    header->ext_count = list->count;
    header->ext = NULL;
    if (list->count == 0)
        return;
    size_t bytes = (size_t)list->count * sizeof(list->fields[0]);
    struct ext_field *ext = arena_alloc(arena, bytes);
    memcpy(ext, list->fields, bytes);
    header->ext = ext;
}

/* LANGUAGE_OTHER when it is none. */
enum language language_of(struct slice name);

/* As header_decode(), into a header that has its defaults; on failure it is in pieces. */
MUST_CHECK int header_json_decode(struct slice bytes, struct arena *arena, struct header *header);
MUST_CHECK int header_binary_decode(struct slice bytes, struct arena *arena, struct header *header);

/* How many bytes _put() writes at most. _put() gives their end. */
size_t header_json_bound(const struct header *header);
size_t header_binary_bound(const struct header *header);
uint8_t *header_json_put(uint8_t *out, const struct header *header);
uint8_t *header_binary_put(uint8_t *out, const struct header *header);

/* fields.c: a member of a struct, as fields_encode() has it; VALUE_NONE: it is left out. */
enum value_kind { VALUE_NONE, VALUE_TEXT, VALUE_NUMBER };
struct field;
enum value_kind field_value(const struct field *row, const void *from, struct slice *text,
                            int64_t *number);

/* The number as text; returns its end. */
enum { NUMBER_TEXT_MAX = 20 };
uint8_t *number_put(uint8_t *out, int64_t number);

#endif
