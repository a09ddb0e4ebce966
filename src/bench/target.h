/* target.h - how the command line names what is measured: NAME=HOST:PORT.
 *
 * Threads    the main thread.
 */
#ifndef BENCH_TARGET_H
#define BENCH_TARGET_H

#include <stddef.h>

#include "base/err.h"

struct sockaddr_in;

/* Splits "NAME=VALUE" into name (cut to name_cap - 1 bytes) and value; without a '=' the name is
 * empty and all of it is the value. */
const char *target_named_value(const char *text, char *name, size_t name_cap);

/* Resolves "HOST:PORT". ERR_INVALID: not of that form; ERR_NOT_FOUND: no such IPv4 host. */
MUST_CHECK int target_address(const char *text, struct sockaddr_in *address);

#endif
