/* options.h - command lines of the form "--key value", by a table of settings (base/conf.h), from
 * which parser and help come. A boolean takes no value.
 *
 * Ownership  string values belong to the values struct: conf_fini() frees them, whatever the
 *            outcome.
 * Threads    one at a time.
 */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include "base/conf.h"

enum options_outcome {
    OPTIONS_RUN,
    OPTIONS_HELP,  /* help was asked for and printed on stdout */
    OPTIONS_WRONG, /* what is wrong was printed on stderr */
};

/* A key that may be given several times. */
struct repeated_option {
    const char *key;
    const char *value_name;
    const char *text;
    int (*take)(void *ctx, const char *value); /* 0, or ERR_INVALID with the reason printed */
};

struct options {
    const char *usage; /* "bench send", for help and complaints */
    const char *text;  /* what it does, a line or more */
    const struct conf_table *table;
    void *values; /* set to their defaults first */
    const struct repeated_option *repeated;
    int repeated_count;
    void *ctx; /* of take */
};

/* argv[0] is passed over. */
enum options_outcome options_parse(const struct options *options, int argc, char **argv);

/* Splits "NAME=VALUE" into name (cut to name_cap - 1 bytes) and value; without a '=' the name is
 * empty and all of it is the value. */
const char *option_named_value(const char *text, char *name, size_t name_cap);

/* Resolves "HOST:PORT". ERR_INVALID: not of that form; ERR_NOT_FOUND: no such IPv4 host. */
struct sockaddr_in;
MUST_CHECK int option_address(const char *text, struct sockaddr_in *address);

#endif
