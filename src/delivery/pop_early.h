/* pop_early.h - acks that may come before their checkpoint: of pops of an earlier process, which
 * the timer brings from the log when they are due. The ack is in the log too, and due at the same
 * time, so without this it might come a moment too late. And after a crash the timer may bring a
 * checkpoint once more whose acks stand in the log before it.
 *
 * Ownership  keys are copied. Threads: one (the broker's loop).
 * Bounds     POP_EARLY_MAX checkpoints; an ack beyond is not noted, and is left to the log.
 */
#ifndef DELIVERY_POP_EARLY_H
#define DELIVERY_POP_EARLY_H

#include "delivery/bounds.h"
#include "delivery/pop.h"

struct pop_early {
    struct map by_key;
    struct due_heap due; /* when each is forgotten */
};

void pop_early_init(struct pop_early *early);
void pop_early_fini(struct pop_early *early);

/* `due_ms`: when the checkpoint has come, or never will. */
void pop_early_note(struct pop_early *early, const struct pop_key *key, int64_t queue_offset,
                    int64_t due_ms);
/* The messages acknowledged of this checkpoint. They stay noted: it may come more than once. */
int pop_early_get(const struct pop_early *early, const struct pop_key *key,
                  int64_t queue_offsets[POP_CHECKPOINT_MESSAGES_MAX]);
/* Forgets what was waited for in vain. */
void pop_early_forget(struct pop_early *early, int64_t now_ms);

#endif
