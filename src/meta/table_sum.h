/* table_sum.h - checksums of a table's file, kept beside it: path.sum.
 *
 * The reference's form of a table has no room for one. So the file beside says what the last two
 * versions were when they were written: checksum, length, and when the file was last modified. A
 * file that was modified then, and is another now, has rotted. One that was modified at another
 * time was written by somebody else - the reference, an editor - and nothing is said about it. A
 * damaged or missing path.sum says nothing either.
 *
 *     crc32 bytes modified_ns      newest
 *     crc32 bytes modified_ns      the one before, now .bak
 *     check crc32                  of the lines above
 *
 * Threads    any, one writer per path.
 */
#ifndef META_TABLE_SUM_H
#define META_TABLE_SUM_H

#include "base/slice.h"

enum { TABLE_SUMS_KEPT = 2 };

struct table_sum {
    uint32_t crc;
    int64_t bytes;
    int64_t modified_ns;
};

struct table_sums {
    struct table_sum versions[TABLE_SUMS_KEPT]; /* newest first */
    int count;
};

/* *sums is empty when nothing is known. */
void table_sums_read(const char *path, struct table_sums *sums);
/* `text` is the file's newest version, which is on the disk. A failure is logged: nothing is known
 * of the version then. */
void table_sums_note(const char *path, struct slice text, int64_t modified_ns);
/* True when the file, as it was modified then, held something else. */
bool table_sums_deny(const struct table_sums *sums, struct slice text, int64_t modified_ns);

#endif
