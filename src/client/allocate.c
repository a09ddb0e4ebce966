/* allocate.c - which queues of a topic are whose, computed by each member for itself: all members
 * must come to the same result from the same sorted lists. */
#include "client/client.h"

#include <assert.h>

void allocate_average(int total, int members, int index, int *first, int *count)
{
    assert(members > 0 && index >= 0 && index < members && total >= 0);
    int share = total / members;
    int extra = total % members; /* the first so many members get one more */
    *count = share + (index < extra ? 1 : 0);
    *first = index * share + (index < extra ? index : extra);
}
