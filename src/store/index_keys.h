/* index_keys.h - the keys under which a record is found: its unique key, and each word of KEYS.
 *
 * Ownership  keys are slices of the record.
 * Threads    any.
 * Bounds     1,024 keys a record; a longer list ends there.
 */
#ifndef STORE_INDEX_KEYS_H
#define STORE_INDEX_KEYS_H

#include "wire/record.h"

struct index_keys {
    struct slice uniq_key;
    struct slice words; /* blanks between them, and perhaps around */
    int left;
};

struct index_keys index_keys_of(const struct record *record);
/* The same where the two properties are known. */
struct index_keys index_keys_in(int32_t sys_flag, struct slice uniq_key, struct slice words);
/* False: there are no more. */
bool index_keys_next(struct index_keys *keys, struct slice *key);

#endif
