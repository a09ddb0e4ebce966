/* java_hash.h - the string hash the protocol and the store are built on: h = 31*h + c over the
 * UTF-16 code units, in wrapping 32 bits.
 *
 * Threads    any: no state.
 */
#ifndef BASE_JAVA_HASH_H
#define BASE_JAVA_HASH_H

#include "base/slice.h"

/* `text` is UTF-8; bytes that are not count as U+FFFD each. */
int32_t java_hash(struct slice text);

/* Of a text that `text` ends, when what stands before it has the hash `before`. */
int32_t java_hash_on(int32_t before, struct slice text);

#endif
