/* memory_limit.h - how much memory this process may use: the machine's, or less where a control
 * group says so (version 2, memory.max; version 1, memory.limit_in_bytes; of the group or one above
 * it).
 *
 * Units      bytes.
 * Threads    any. It reads files: ask once, at start.
 */
#ifndef BASE_MEMORY_LIMIT_H
#define BASE_MEMORY_LIMIT_H

#include <stdint.h>

int64_t memory_limit_bytes(void);

/* The least limit that the files below `root` ("/sys/fs/cgroup") set for a process whose
 * /proc/self/cgroup reads `groups`; INT64_MAX: none. */
int64_t memory_limit_of_groups(const char *root, const char *groups);

#endif
