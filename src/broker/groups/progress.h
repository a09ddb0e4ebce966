/* progress.h - where consumer groups are: what they committed, what they pulled last, and resets
 * that a group has not taken notice of yet.
 *
 *     reset(12) ──> commits are swallowed, who asks for the offset gets 12 ──> the next pull of the
 *     queue is answered "offset moved, go to 12" ──> over
 *
 * Committed offsets outlive a restart (meta/offsets); a reset writes its target there too, so that
 * a restart loses nothing but the notice. The rest is memory only.
 *
 * Threads    the broker's loop.
 * Errors     progress_new(): ERR_NO_MEMORY.
 */
#ifndef BROKER_PROGRESS_H
#define BROKER_PROGRESS_H

#include "broker/internal.h"

struct progress;

MUST_CHECK int progress_new(struct broker *broker, struct progress **progress);
void progress_free(struct progress *progress);

/* The target of a reset that waits, else what was committed; -1: neither. */
int64_t progress_get(const struct progress *progress, struct slice topic, struct slice group,
                     int32_t queue_id);
/* False: swallowed, since the queue was reset, or is another light queue than it was, and the group
 * does not know it yet. */
bool progress_commit(struct progress *progress, struct slice topic, struct slice group,
                     int32_t queue_id, int64_t queue_offset);

/* The first offset the group did not pull; at least what it committed. */
int64_t progress_pulled_to(const struct progress *progress, struct slice topic, struct slice group,
                           int32_t queue_id);
void progress_note_pull(struct progress *progress, struct slice topic, struct slice group,
                        int32_t queue_id, int64_t next_offset);

void progress_reset(struct progress *progress, struct slice topic, struct slice group,
                    int32_t queue_id, int64_t queue_offset);
/* The target of a reset, of which the group takes notice with this; -1: none waits. */
int64_t progress_take_reset(struct progress *progress, struct slice topic, struct slice group,
                            int32_t queue_id);

/* Everything the group, or anyone, had there. */
void progress_forget_group(struct progress *progress, struct slice group);
void progress_forget_topic(struct progress *progress, struct slice topic);

#endif
