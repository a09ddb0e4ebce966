/* disk_internal.h - how the files behind disk.h tell that a call has failed.
 *
 * Threads    any: no state.
 */
#ifndef STORE_DISK_INTERNAL_H
#define STORE_DISK_INTERNAL_H

#include "store/disk.h"

/* Logs it, once; gives the code for `cause`, an errno. */
int disk_failed(const char *call, const char *path, int cause);

#endif
