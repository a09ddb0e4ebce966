/* pop_key.h - which pop of which queue: what a checkpoint is found by.
 *
 * Units      pop_time_ms: wall clock. start_offset: the queue offset where the pop began.
 * Ownership  the names are borrowed.
 * Threads    any: a value.
 */
#ifndef DELIVERY_POP_KEY_H
#define DELIVERY_POP_KEY_H

#include "base/slice.h"

struct pop_key {
    struct slice topic;
    struct slice group;
    int32_t queue_id;
    int64_t start_offset;
    int64_t pop_time_ms;
};

#endif
