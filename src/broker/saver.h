/* saver.h - writes the broker's tables to their files: a while after a change, by a worker, changes
 * in between coalesced.
 *
 *     change ── delay of the table ── text made on the loop, a step in each pass
 *            ── worker writes the file ── loop: saved
 *
 * Threads    the broker's loop.
 * Errors     a file that cannot be written is tried again SAVE_RETRY_MS later, for ever; whoever
 *            waits for it is told after the first try.
 */
#ifndef BROKER_SAVER_H
#define BROKER_SAVER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum saved_table {
    TABLE_TOPICS,
    TABLE_GROUPS,
    TABLE_OFFSETS,
    TABLE_FILTERS,
    TABLE_POP_ORDER,
    TABLE_REQUEST_MODES,
    TABLE_TXN_COUNTS,
    TABLE_COUNT
};
enum { SAVE_RETRY_MS = 5000 };

struct broker;
struct saver;

/* Where the table is kept, and read from at start. */
void saver_table_path(const struct broker *broker, enum saved_table table, char *path,
                      size_t path_bytes);

MUST_CHECK int saver_new(struct broker *broker, struct saver **saver);
/* The table changed: it will be saved. Cheap, may be called per change. */
void saver_changed(struct saver *saver, enum saved_table table);

/* The same without the table's delay: the file should not be read as it is. */
void saver_soon(struct saver *saver, enum saved_table table);

/* Calls done(ctx, err) on the loop once the table as it is now is on disk (soon, without the
 * table's delay); never before this returns. */
struct save_waiter {
    void (*done)(struct save_waiter *waiter, int err);
    struct save_waiter *next;
};
void saver_wait(struct saver *saver, enum saved_table table, struct save_waiter *waiter);

/* The table as it is now is on the disk. */
bool saver_has_saved(const struct saver *saver, enum saved_table table);

/* Writes the table here and now, at start: nobody is served yet. */
void saver_save_here(struct saver *saver, enum saved_table table);

/* Nothing is being written. */
bool saver_is_idle(const struct saver *saver);
/* Writes what is unsaved, here and now; when idle. */
void saver_finish(struct saver *saver);
void saver_free(struct saver *saver);

#endif
