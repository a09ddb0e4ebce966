/* bloom.h - the Bloom filter of consumers that filter by SQL: which bits stand for a group and
 * topic.
 *
 * The reference writes these bits into consumerFilter.json and takes the whole file for outdated
 * when their number is another than its settings give, so they must be the same. Pure functions.
 */
#ifndef FILTER_BLOOM_H
#define FILTER_BLOOM_H

#include "base/slice.h"

enum { BLOOM_HASHES_MAX = 7 }; /* at an error rate of 1 % */

struct bloom_shape {
    int hash_count;
    int bit_count; /* a multiple of 8 */
};

/* For so many consumers and wrong hits of so many percent, 1 to 99. */
struct bloom_shape bloom_shape_of(int error_percent, int consumer_count);

/* The bits of a text, hash_count of them. */
void bloom_bits(struct bloom_shape shape, struct slice text, int32_t bits[BLOOM_HASHES_MAX]);

#endif
