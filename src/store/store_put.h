/* store_put.h - messages in, and when they are safe.
 *
 *     store_put ── in the page cache: survives the death of the process ── store_flushed_to passes
 *                  it: survives the loss of power
 *
 * Units, Threads, Errors: as store.h.
 */
#ifndef STORE_STORE_PUT_H
#define STORE_STORE_PUT_H

#include "base/err.h"
#include "base/map.h"
#include "wire/record.h"

struct store;

struct store_put_result {
    int64_t phy_offset;     /* of the first message */
    int64_t end_phy_offset; /* behind the last one: what to wait for when syncing */
    int64_t queue_offset;   /* of the first message */
    int64_t store_timestamp;
    /* When (base/ticks.h) the append lock was asked for, held, and let go with the bytes in the
     * log; the first two are one when it was free. All 0 unless store_want_ticks(). */
    uint64_t asked_ticks, locked_ticks, appended_ticks;
};

/* Appends `count` messages of one topic and queue, in order, into one file, with consecutive queue
 * offsets; all or none. Of each record these are used: queue_id, flag, sys_flag, born_*,
 * store_host, reconsume_times, prepared_transaction_offset, body, topic, properties; the store
 * stamps the rest. phy_offsets (may be NULL) gets one entry per message. Half messages and
 * rollbacks (transaction type in sys_flag) take no queue offset. An inner batch (of sys_flag; one
 * record) takes as many as its property INNER_NUM says, and gets INNER_BASE. ERR_TOO_BIG: longer
 * than a file, or a topic or properties than a record holds; how long a body may be is up to who
 * takes it from a client, for what is moved on was taken already, whatever the limit was then.
 * ERR_DISK_FULL: the disk is over its warning ratio or full. ERR_IO: a sync failed earlier.
 * ERR_CLOSED: closing. */
MUST_CHECK int store_put(struct store *store, const struct record *records, int count,
                         int64_t now_ms, struct store_put_result *result, int64_t *phy_offsets);

/* The same, with what the last put to this topic found: zeroed before the first one, kept by the
 * caller, valid as long as the store is open. on_arrival is told of it. */
struct store_place {
    struct queue_topic *topic;
    const uint8_t *queues; /* the first ones; NULL: not known */
};
MUST_CHECK int store_put_at(struct store *store, struct store_place *place,
                            const struct record *records, int count, int64_t now_ms,
                            struct store_put_result *result, int64_t *phy_offsets);

/* A put to this place is about to come: the processor fetches meanwhile what that will look at,
 * which is in no cache where there are many topics. */
void store_put_is_near(const struct store_place *place, int32_t queue_id);

/* Why puts are refused now: 0 (they are not), ERR_DISK_FULL, ERR_IO, ERR_CLOSED, ERR_CORRUPT (files
 * of queues were lost while the store was closed). */
int store_refuses_puts(const struct store *store);

/* Should the puts from here on say when they did what? Off at first: it costs two readings of the
 * processor's counter each. Any thread. */
void store_want_ticks(struct store *store, bool wanted);

/* ---- when it is safe ------------------------------------------------------------------------- */

/* The log has what lies from min to before max: cheap, any thread. Both grow only. */
int64_t store_min_phy_offset(const struct store *store);
int64_t store_max_phy_offset(const struct store *store);
/* Everything below this phy_offset survives the loss of power. Grows only. */
int64_t store_flushed_to(const struct store *store);
/* Asks the flusher to get there soon (group commit: one sync in flight, the rest rides on the
 * next). */
void store_request_flush(struct store *store, int64_t phy_offset);
/* The same on this thread, now; may block. on_flushed is not called: whoever called looks. False:
 * the flusher is at it, and has been asked to go on to the end. */
bool store_flush_here(struct store *store);
/* Returns when everything that was put before is on the disk: for what is written elsewhere and
 * rests on it. May block. ERR_IO: a sync failed. */
MUST_CHECK int store_sync(struct store *store);

/* ---- light queues ---------------------------------------------------------------------------- */

/* True when these light queues (the text of INNER_MULTI_DISPATCH, or one name) are there already,
 * or may come to be without being more than light_queues_most. For who may still say no: a put
 * makes what it needs. */
bool store_has_room_for_light_queues(struct store *store, struct slice names);

/* The light queues that went since this was asked last become keys of `names`: one of the name that
 * there is by now began at 0, and what was known of the earlier one is not of it. Whoever asks at
 * the first arrival of a light queue knows before anything is known of it. The first time also
 * those whose first message the start found in the log. False, and cheap: none. Any thread. */
bool store_take_past_lives(struct store *store, struct map *names);

#endif
