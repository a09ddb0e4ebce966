/* log_reader.h - the log read from one place on, by recovery, the indexer, and whoever checks it.
 *
 * Reads go through a window of the reader's own memory and not through the mapping: a page that
 * cannot be read is an error here, and a signal there.
 *
 * Ownership  what a call gives borrows the window until the next call.
 * Threads    one per reader.
 * Errors     0, or a negative code of base/err.h.
 */
#ifndef STORE_LOG_READER_H
#define STORE_LOG_READER_H

#include "store/commit_log.h"
#include "wire/record.h"

struct log_reader {
    struct commit_log *log;
    struct buf window;
    int64_t at;          /* phy_offset of its first byte */
    int64_t asked_ahead; /* up to this phy_offset the disk was asked for */
    bool jumps;
};

void log_reader_init(struct log_reader *reader, struct commit_log *log);
/* For records that lie anywhere: reads little more than each of them. */
void log_reader_init_jumping(struct log_reader *reader, struct commit_log *log);
void log_reader_fini(struct log_reader *reader);

/* Up to `len` bytes from phy_offset on, fewer only where the file or the log ends. ERR_NOT_FOUND:
 * none are there. ERR_IO. */
MUST_CHECK int log_reader_bytes(struct log_reader *reader, int64_t phy_offset, size_t len,
                                struct slice *bytes);

/* The record at phy_offset, as record_decode() gives it: ERR_NOT_FOUND for an end mark, ERR_CORRUPT
 * for anything that is no record with this place (also when it would reach behind its file).
 * ERR_INCOMPLETE: the log has nothing there. ERR_IO. */
MUST_CHECK int log_reader_record(struct log_reader *reader, int64_t phy_offset,
                                 enum record_check check, struct record *record);

/* The first whole record, all of it checked, from phy_offset on. -1: none is there, or more than
 * `zeros_most` zeros come first. */
int64_t log_reader_find_record(struct log_reader *reader, int64_t phy_offset, int64_t zeros_most);

#endif
