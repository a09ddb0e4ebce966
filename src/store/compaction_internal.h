/* compaction_internal.h - what the files behind compaction_queue.h share.
 *
 * Threads    any, under the lock of the compaction queue.
 * Errors     0, or a negative code of base/err.h, logged where it arose.
 */
#ifndef STORE_COMPACTION_INTERNAL_H
#define STORE_COMPACTION_INTERNAL_H

#include "store/compaction_queue.h"
#include "store/consume_queue.h"
#include "wire/record.h"

#define COMPACTING "compacting"

enum { COMPACTION_ENTRIES_PER_READ = 128 };

/* An entry as it lies in its file, and what guards it and its record: two sums of 16 bits in the
 * last four bytes, where the reference has zeros and looks at nothing. 0: the reference wrote it.
 */
struct compaction_entry {
    struct store_queue_entry at;
    uint16_t record_sum;
    bool is_damaged; /* its own sum is wrong: nothing of it is believed */
};

/* The sum of a record as it stands in the file; never 0. */
uint16_t compaction_record_sum(uint32_t crc);
/* True when the record is the one that the entry was written for, as far as that is known. */
bool compaction_entry_agrees(const struct compaction_entry *entry, struct slice record);
/* Fills in the sums: the last thing done to an entry. */
void compaction_entry_guard(uint8_t *entry, uint16_t record_sum);

/* Under the lock, all of them. */

/* ---- compaction_file.c ----------------------------------------------------------------------- */

void compaction_file_paths(const struct compaction_queue *queue, int64_t base,
                           char log_path[DISK_PATH_MAX], char queue_path[DISK_PATH_MAX]);
static inline struct compaction_file compaction_file_empty(int64_t base)
{
    return (struct compaction_file){ .base = base, .first_offset = -1, .last_offset = -1 };
}
/* Opens both files; the caller closes them. */
MUST_CHECK int compaction_file_open(const struct compaction_queue *queue, int64_t base, bool create,
                                    int *log_fd, int *queue_fd);
/* Looks at the pair: 1 and *file, or 0 when it was half a one, which is gone now. With `verify` the
 * last one ends before its first entry that leads to no whole record. */
MUST_CHECK int compaction_file_load(struct compaction_queue *queue, int64_t base, bool is_last,
                                    bool verify, struct compaction_file *file);
/* Drops its messages from queue_offset on. */
MUST_CHECK int compaction_file_cut(struct compaction_queue *queue, struct compaction_file *file,
                                   int64_t queue_offset);
/* `count` entries of a pair from `place` on, COMPACTION_ENTRIES_PER_READ at most. */
MUST_CHECK int compaction_file_entries(const struct compaction_queue *queue, int queue_fd,
                                       int64_t place, int count, struct compaction_entry *entries);
/* ---- compaction_queue.c ---------------------------------------------------------------------- */

/* No record follows in the pair: marks its end as the reference does. */
MUST_CHECK int compaction_queue_end_file(struct compaction_queue *queue);
/* Takes the bounds from the files. */
void compaction_queue_note_bounds(struct compaction_queue *queue);

/* ---- compaction_swap.c ----------------------------------------------------------------------- */

/* Finishes a swap that was begun, or forgets a compaction that did not get that
 * far. Before the files are listed. */
MUST_CHECK int compaction_swap_finish(struct compaction_queue *queue);

#endif
