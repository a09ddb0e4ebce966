/* store_get.h - messages out: those of a queue from an offset on, one at its place in the log,
 * those with a key; and what is known of a queue.
 *
 * A record that is damaged is never given out.
 *
 * Blocking   what may wait for the disk says so, or has a may_block. The first call that names a
 *            queue opens it: some reads of its files, once in a process.
 * Units, Ownership, Threads, Errors: as store.h.
 */
#ifndef STORE_STORE_GET_H
#define STORE_STORE_GET_H

#include "base/bytes.h"
#include "base/err.h"

struct store;

/* ---- messages of a queue --------------------------------------------------------------------- */

enum store_get_status {
    GET_FOUND,
    GET_NO_MATCHED_MESSAGE,     /* scanned, nothing passed the filter */
    GET_MESSAGE_WAS_REMOVING,   /* the log no longer has it */
    GET_NO_MATCHED_LOGIC_QUEUE, /* no such queue */
    GET_NO_MESSAGE_IN_QUEUE,
    GET_OFFSET_TOO_SMALL,
    GET_OFFSET_OVERFLOW_ONE, /* asked for the next one to come */
    GET_OFFSET_OVERFLOW_BADLY,
    GET_OFFSET_FOUND_NULL,
};
/* The reference's name of a status, as it stands in remarks, e.g. "FOUND". Static text. */
const char *store_get_status_name(enum store_get_status status);

/* Decides by the consume queue entry alone; true when the message may match. */
typedef bool store_tag_filter(void *ctx, int64_t tags_code);
/* Decides by what the record says of itself; true when the message matches. */
typedef bool store_properties_filter(void *ctx, struct slice properties);

struct store_get_request {
    struct slice topic;
    int32_t queue_id;
    int64_t queue_offset;
    int32_t max_count;
    int64_t max_bytes; /* at least one message is returned whatever its size */
    /* Instead, when each record must be fetched from the disk for itself. 0: no less, both. */
    int32_t apart_max_count;
    int64_t apart_max_bytes;
    store_tag_filter *filter;                   /* NULL: all */
    store_properties_filter *properties_filter; /* of those; NULL: all */
    void *filter_ctx;
    bool may_block;    /* false: ERR_WOULD_BLOCK when the disk would have to be waited for */
    bool must_be_near; /* ERR_WOULD_BLOCK also when it is not among the last that were put */
};

struct store_get_result {
    enum store_get_status status;
    int64_t next_offset;
    int64_t min_offset;
    int64_t max_offset;
    int32_t count; /* messages */
};

/* Appends the records found to `body`, without the checksum that the log may hold behind their
 * properties. One that is damaged is passed over, counted and logged, never appended.
 * ERR_WOULD_BLOCK: nothing was done; call again on a worker with may_block. ERR_IO. */
MUST_CHECK int store_get(struct store *store, const struct store_get_request *request,
                         struct buf *body, struct store_get_result *result);

/* ---- one record, by its place in the log ----------------------------------------------------- */

/* Appends the record at phy_offset. ERR_NOT_FOUND: no whole record starts there. May block. */
MUST_CHECK int store_get_at(struct store *store, int64_t phy_offset, struct buf *record);
/* The same for a walk through the log: *next_phy is where the record behind this one starts, in the
 * same file, also when this one is damaged; phy_offset itself when nothing here has a length. */
MUST_CHECK int store_get_walking(struct store *store, int64_t phy_offset, struct buf *record,
                                 int64_t *next_phy);

/* The same for a record whose length in the log is known (what comes out may be shorter).
 * ERR_WOULD_BLOCK: may_block is false, and the disk would have to be waited for. */
MUST_CHECK int store_get_record(struct store *store, int64_t phy_offset, int32_t bytes,
                                bool may_block, struct buf *record);

/* ---- a queue --------------------------------------------------------------------------------- */

/* One consume queue entry. */
struct store_queue_entry {
    int64_t phy_offset;
    int32_t bytes;
    int64_t tags_code;
    int64_t queue_offset; /* of the first message in the record */
    int32_t count;        /* messages in the record: 1 but for inner batches */
    int64_t store_ms;     /* 0: not known here */
    int64_t place;        /* of an entry that was read: the how manieth of its queue */
};
/* ERR_NOT_FOUND: queue_offset is outside [min, max). May block: an old entry is read from its
 * file. */
MUST_CHECK int store_queue_entry_at(struct store *store, struct slice topic, int32_t queue_id,
                                    int64_t queue_offset, struct store_queue_entry *entry);

/* The same, and the record it leads to, appended to `record`; ERR_NOT_FOUND and ERR_CORRUPT also
 * when the record is gone, or damaged: *entry is what the queue says then. May block. */
MUST_CHECK int store_get_queued(struct store *store, struct slice topic, int32_t queue_id,
                                int64_t queue_offset, struct store_queue_entry *entry,
                                struct buf *record);

/* Queue bounds: the first message there is, the next one to come. Both 0 for a queue that does not
 * exist; a batch queue without a message begins at -1. */
struct store_bounds {
    int64_t min;
    int64_t max;
};
/* ERR_IO, ERR_CORRUPT: its files cannot be read; the next call tries again. */
MUST_CHECK int store_queue_bounds(struct store *store, struct slice topic, int32_t queue_id,
                                  struct store_bounds *bounds);
/* The same without the bounds: one that was opened, or does not exist, has them from now on. */
MUST_CHECK int store_queue_open(struct store *store, struct slice topic, int32_t queue_id);
/* Of a queue that was opened before. One that cannot be read looks empty here. */
int64_t store_queue_min(struct store *store, struct slice topic, int32_t queue_id);
int64_t store_queue_max(struct store *store, struct slice topic, int32_t queue_id);
/* Is the queue's first record of all still there, near enough to the end of the log to be in
 * memory? May block, as store_queue_entry_at(). ERR_IO, ERR_CORRUPT: the queue cannot be read. */
MUST_CHECK int store_queue_begins_in_memory(struct store *store, struct slice topic,
                                            int32_t queue_id, bool *is_in_memory);

/* Store time of the message at queue_offset, -1 when there is none. May block. ERR_IO, ERR_CORRUPT:
 * the queue cannot be read. */
MUST_CHECK int store_queue_time(struct store *store, struct slice topic, int32_t queue_id,
                                int64_t queue_offset, int64_t *time_ms);

enum store_boundary { BOUNDARY_LOWER, BOUNDARY_UPPER };
/* Queue offset by time (docs/format/consume-queue.md); 0 for a queue that does not exist. May
 * block. ERR_IO, ERR_CORRUPT: the queue, or a record that decides, cannot be read. */
MUST_CHECK int store_queue_offset_by_time(struct store *store, struct slice topic, int32_t queue_id,
                                          int64_t timestamp_ms, enum store_boundary boundary,
                                          int64_t *queue_offset);

/* ---- by key ---------------------------------------------------------------------------------- */

/* Looks `key` up in the index, newest file first, and appends at most max_count records (collisions
 * of the hash included; the client compares). Returns the number found, or an error. May block. */
MUST_CHECK int store_query(struct store *store, struct slice topic, struct slice key,
                           int32_t max_count, int64_t begin_ms, int64_t end_ms, struct buf *records,
                           int64_t *index_last_update_ms, int64_t *index_last_phy_offset);

#endif
