/* fields.h - ext fields <-> structs, by tables: one row per field of a request or response.
 *
 *     static const struct field pull_request_rows[] = {
 *         FIELD(struct pull_request, topic, "topic", FIELD_STRING, FIELD_MANDATORY),
 *         ...
 *     };
 *     const struct fields pull_request_fields = FIELDS(pull_request_rows, struct pull_request);
 *
 * Ownership  decoded texts borrow from the header; encoded ones lie in the arena or borrow from the
 *            struct.
 * Threads    any: no state.
 * In req_*.h a struct and its rows for each request or response, under this contract.
 */
#ifndef WIRE_FIELDS_H
#define WIRE_FIELDS_H

#include "wire/header.h"

enum field_type {
    FIELD_STRING, /* struct slice; data NULL when absent */
    FIELD_I32,    /* int32_t */
    FIELD_I64,    /* int64_t */
    FIELD_BOOL,   /* bool; any text but "true" is false */
};

enum field_presence { FIELD_OPTIONAL, FIELD_MANDATORY };

struct field {
    struct slice name;  /* ended by a zero */
    const char *letter; /* short name of SEND_MESSAGE_V2, one letter from a to z; or NULL */
    enum field_type type;
    enum field_presence presence;
    size_t at;        /* offset of the member */
    int64_t fallback; /* value of an absent number or boolean */
};

#define FIELD_NAME(literal)                                                                        \
    {                                                                                              \
        (const uint8_t *)("" literal), sizeof(literal) - 1                                         \
    }
#define FIELD(s, member, name, type, presence)                                                     \
    {                                                                                              \
        FIELD_NAME(name), NULL, type, presence, offsetof(s, member), 0                             \
    }
#define FIELD_OR(s, member, name, type, fallback)                                                  \
    {                                                                                              \
        FIELD_NAME(name), NULL, type, FIELD_OPTIONAL, offsetof(s, member), fallback                \
    }
/* A row of the send family, with its short name. */
#define FIELD_LETTER(s, member, name, letter, type, presence, fallback)                            \
    {                                                                                              \
        FIELD_NAME(name), letter, type, presence, offsetof(s, member), fallback                    \
    }

struct fields {
    const struct field *rows;
    int count;
    size_t bytes; /* of the struct */
};
#define FIELDS(rows, s)                                                                            \
    {                                                                                              \
        rows, (int)(sizeof(rows) / sizeof((rows)[0])), sizeof(s)                                   \
    }

enum field_names { FIELD_LONG_NAMES, FIELD_LETTERS };

/* Fills the whole struct: absent optional fields get their fallback, a text that is no number
 * counts as absent. ERR_INVALID: a mandatory field is absent; *missing (may be NULL) names the
 * first one. */
MUST_CHECK int fields_decode(const struct fields *fields, enum field_names names,
                             const struct header *header, void *into, const char **missing);

/* The struct as ext fields in the arena. Left out: strings with data NULL, and optional numbers and
 * booleans that equal their fallback; mandatory ones are always written. */
const struct ext_field *fields_encode(const struct fields *fields, enum field_names names,
                                      const void *from, struct arena *arena, int *count);

#endif
