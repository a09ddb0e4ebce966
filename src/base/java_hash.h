/* java_hash.h - the string hash the protocol and the store are built on: h = 31*h + c over the
 * UTF-16 code units, in wrapping 32 bits. */
#ifndef BASE_JAVA_HASH_H
#define BASE_JAVA_HASH_H

#include "base/slice.h"

/* `text` is UTF-8; bytes that are not count as U+FFFD each. */
int32_t java_hash(struct slice text);

/* Number of UTF-16 code units of a UTF-8 text. */
size_t java_length(struct slice text);

#endif
