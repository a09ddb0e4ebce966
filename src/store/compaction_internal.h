/* compaction_internal.h - what the two files behind compaction_queue.h share. */
#ifndef STORE_COMPACTION_INTERNAL_H
#define STORE_COMPACTION_INTERNAL_H

#include "store/compaction_queue.h"
#include "wire/record.h"

#define COMPACTING "compacting"

/* Under the lock, all of them. */

void compaction_file_paths(const struct compaction_queue *queue, int64_t base,
                           char log_path[DISK_PATH_MAX], char queue_path[DISK_PATH_MAX]);
/* Closes the last pair; it is opened again when needed. */
void compaction_queue_close_files(struct compaction_queue *queue);
/* `count` entries of a pair from `place` on. */
MUST_CHECK int compaction_file_entries(const struct compaction_queue *queue, int queue_fd,
                                       int64_t place, int count, struct store_queue_entry *entries);
/* No record follows in the pair: marks its end as the reference does. */
MUST_CHECK int compaction_queue_end_file(struct compaction_queue *queue);
/* Takes the bounds from the files. */
void compaction_queue_note_bounds(struct compaction_queue *queue);

/* compaction_swap.c: finishes a swap that was begun, or forgets a compaction that did not get that
 * far. Before the files are listed. */
MUST_CHECK int compaction_swap_finish(struct compaction_queue *queue);

#endif
