/* owned.h - laying what a config points to (names, attributes) into the one block that owns it all.
 *
 * First the sizes are added up, then the block is allocated, then everything is copied behind the
 * struct at its start:
 *
 *     | struct | pairs, pairs, ... | bytes of the texts ... |
 *
 * Threads    any, one for each block.
 */
#ifndef META_OWNED_H
#define META_OWNED_H

#include "wire/body_topic_config.h"

struct owned {
    struct pair *pairs; /* where the next pair goes */
    struct pair *pairs_end;
    uint8_t *bytes; /* where the next text goes */
};

size_t owned_pairs_bytes(const struct pair *pairs, int count);

/* The struct is `struct_bytes` long, a multiple of the alignment of struct pair. */
struct owned owned_behind(void *block, size_t struct_bytes, int pair_count);
struct slice owned_text(struct owned *owned, struct slice text);
const struct pair *owned_pairs(struct owned *owned, const struct pair *pairs, int count);
/* Everything that there was room for is in the block, which ends here. For assertions. */
bool owned_is_whole(const struct owned *owned, const void *end);

#endif
