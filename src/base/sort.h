/* sort.h - arrays, put in ascending order. `first` may be NULL when there are none.
 *
 * Threads    any: no state.
 */
#ifndef BASE_SORT_H
#define BASE_SORT_H

#include "base/slice.h"

void sort_i64(int64_t *first, int count);
/* In the order of slice_order(). */
void sort_slices(struct slice *first, int count);

#endif
