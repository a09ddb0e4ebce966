/* conf.h - settings: one table of rows, from which the parser of .conf files, run-time updates, the
 * printed form, `--help` and the documents all come.
 *
 * A role declares a struct of values and one row per key:
 *
 *     static const struct conf_row rows[] = {
 *         CONF_INT(struct broker_conf, listen_port, "listenPort", 10911, 1, 65535, CONF_AT_START,
 *                  "port for clients"),
 *         ...
 *     };
 *
 * Files are the reference's Java properties: key=value or key:value, # and ! comments, \ escapes
 * and continued lines. An unknown key warns and names the nearest known one; a key that is known
 * and has no effect says why, and is refused where going without it would be dangerous; a bad
 * value is refused with file, line, key and what is allowed.
 *
 * Ownership  string values are heap copies owned by the values struct; conf_fini() frees them.
 * Threads    one at a time per values struct.
 */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include "base/bytes.h"

/* Why a key of the reference has no effect, where roles say the same. */
#define CONF_NOT_YET "it is not supported yet"
#define CONF_OF_THE_JVM "it is about the reference's own process"

enum conf_type {
    CONF_BOOL_T,
    CONF_INT_T,
    CONF_I64_T,
    CONF_STRING_T,
    CONF_NUMBERS_T, /* a string: "name=number;name=number", each within the limits */
};

enum conf_when {
    CONF_AT_START,     /* fixed once running */
    CONF_AT_RUN_TIME,  /* may be changed by an update request */
    CONF_KNOWN_ONLY,   /* a key of the reference that is accepted, reported and has no effect */
    CONF_DEFAULT_ONLY, /* a key of the reference whose default alone is accepted: who sets another
                          value relies on what is not there */
};

struct conf_row {
    const char *key;
    enum conf_type type;
    enum conf_when when;
    size_t at; /* offset of the value in the values struct */
    int64_t least, most;
    const char *fallback; /* default, as text */
    const char *text;     /* one line for people, with the unit; of a key without value: why */
};

#define CONF_BOOL(s, member, key, fallback, when, text)                                            \
    {                                                                                              \
        key, CONF_BOOL_T, when, offsetof(s, member), 0, 1, fallback ? "true" : "false", text       \
    }
#define CONF_INT(s, member, key, fallback, least, most, when, text)                                \
    {                                                                                              \
        key, CONF_INT_T, when, offsetof(s, member), least, most, #fallback, text                   \
    }
#define CONF_I64(s, member, key, fallback, least, most, when, text)                                \
    {                                                                                              \
        key, CONF_I64_T, when, offsetof(s, member), least, most, #fallback, text                   \
    }
#define CONF_STRING(s, member, key, fallback, when, text)                                          \
    {                                                                                              \
        key, CONF_STRING_T, when, offsetof(s, member), 0, 4096, fallback, text                     \
    }
#define CONF_NUMBERS(s, member, key, least, most, when, text)                                      \
    {                                                                                              \
        key, CONF_NUMBERS_T, when, offsetof(s, member), least, most, "", text                      \
    }
#define CONF_KNOWN(key, fallback, why)                                                             \
    {                                                                                              \
        key, CONF_STRING_T, CONF_KNOWN_ONLY, 0, 0, 0, fallback, why                                \
    }

#define CONF_REFUSED(key, fallback, why)                                                           \
    {                                                                                              \
        key, CONF_STRING_T, CONF_DEFAULT_ONLY, 0, 0, 0, fallback, why                              \
    }

struct conf_table {
    const struct conf_row *rows;
    size_t count;
};

/* Sets every value to its default. */
void conf_init(const struct conf_table *table, void *values);
void conf_fini(const struct conf_table *table, void *values);
/* Makes `copy` (a struct of `bytes`, without values before) hold the same values; strings are its
 * own. */
void conf_copy(const struct conf_table *table, void *copy, const void *values, size_t bytes);

/* Reads a properties file over the values. Each problem is one line in `complaints`: warnings (file
 * goes on) and errors. Returns 0, ERR_NOT_FOUND or ERR_IO, or ERR_INVALID when at least one line
 * was refused (the values are then partly set and must not be used). */
MUST_CHECK int conf_read_file(const struct conf_table *table, void *values, const char *path,
                              struct buf *complaints);

/* Sets one key as at start. ERR_NOT_FOUND: unknown key; ERR_INVALID: bad value, or one that is
 * refused. The reason is appended to `complaints`. */
MUST_CHECK int conf_set(const struct conf_table *table, void *values, struct slice key,
                        struct slice value, struct buf *complaints);

/* A run-time update: properties text, all or nothing. ERR_INVALID names every refused key (unknown,
 * bad value, fixed at start) in `complaints`, and nothing was changed. */
MUST_CHECK int conf_update(const struct conf_table *table, void *values, struct slice properties,
                           struct buf *complaints);

/* In a text value that is a path: a leading "~/" becomes the home directory, where one is known. */
void conf_expand_home(char **path);

/* All supported values as sorted "key=value" lines. */
void conf_print(const struct conf_table *table, const void *values, struct buf *out);

/* What a value of CONF_NUMBERS says of `name`; `otherwise`: nothing. */
int64_t conf_number_of(const char *numbers, struct slice name, int64_t otherwise);

#endif
