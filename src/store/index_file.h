/* index_file.h - one hash table from keys to places in the log (docs/format/index.md).
 *
 *   | header 40 | slots 4 x slot_count | entries 20 x entry_count |
 *   slot: number of the newest entry of its chain; entry: hash, phy_offset, seconds, previous entry
 *
 * Threads    one at a time.
 * Errors     0, or a negative code of base/err.h.
 */
#ifndef STORE_INDEX_FILE_H
#define STORE_INDEX_FILE_H

#include "store/disk.h"

enum { INDEX_HEADER_BYTES = 40, INDEX_SLOT_BYTES = 4, INDEX_ENTRY_BYTES = 20 };

/* A key of a record, as it is added. */
struct index_key {
    int64_t phy_offset;
    int64_t store_ms;
    int32_t hash;         /* index_key_hash() */
    int32_t record_bytes; /* told to who walks the log only (index_feed.h) */
};

struct index_file {
    char path[DISK_PATH_MAX];
    uint8_t *base;
    int fd;
    int64_t bytes;
    int32_t slot_count;
    int32_t entry_count;
    int64_t allocated; /* bytes from the start that have blocks */
    /* The header as the mapping has it, so that looking at it never waits nor fails. */
    int64_t begin_ms;
    int64_t end_ms;
    int64_t begin_phy_offset;
    int64_t end_phy_offset;
    int32_t next_entry; /* kept within the file, whatever the header says */
    /* After a crash keys of the record behind the end may be there already: looked for until one
     * record beyond it was added. */
    bool checks_doubles;
    int64_t opened_end;
};

/* ERR_CORRUPT: a file that is there has another length. */
MUST_CHECK int index_file_open(const char *path, int32_t slot_count, int32_t entry_count,
                               bool create, struct index_file **file);
void index_file_close(struct index_file *file);

bool index_file_is_full(const struct index_file *file);
/* How many keys more it takes. */
int32_t index_file_room(const struct index_file *file);
/* Adds keys, in the order of the log, and moves the end with each. ERR_DISK_FULL: no room on the
 * disk; nothing was added. ERR_IO: a page could not be read; some may be there, an entry without
 * its slot leading to it, too. The same keys are to be added again then, none is there twice. */
MUST_CHECK int index_file_add(struct index_file *file, const struct index_key *keys, int count);
/* A key of this record was added last. ERR_DISK_FULL, ERR_IO. */
MUST_CHECK int index_file_set_end(struct index_file *file, int64_t phy_offset, int64_t store_ms);

int64_t index_file_begin_ms(const struct index_file *file);
int64_t index_file_end_ms(const struct index_file *file);
/* Of the first record, and of the last, that a key of was added. */
int64_t index_file_begin_phy_offset(const struct index_file *file);
int64_t index_file_end_phy_offset(const struct index_file *file);

/* Appends up to `most` places whose key hash is `hash` and whose time lies within; newest first.
 * Returns how many, or ERR_IO. */
int index_file_query(const struct index_file *file, int32_t hash, int64_t begin_ms, int64_t end_ms,
                     int most, int64_t *phy_offsets);
MUST_CHECK int index_file_sync(struct index_file *file);

/* Lets the mapping's pages go from this process; the page cache keeps them. */
void index_file_rest(struct index_file *file);

/* The hash of "topic#key": never negative. */
int32_t index_key_hash(struct slice topic, struct slice key);

#endif
