/* store.h - the message store: puts messages into one log, and finds them by queue, place, time and
 * key.
 *
 * On disk it is the reference's store directory, byte for byte (docs/format/): either opens what
 * the other left. Inside: one commit log that holds every message, and what is derived from it and
 * can be rebuilt from it: consume queues (which message is the n-th of a queue) and index files
 * (which messages carry a key).
 *
 *     put ──> commit log ──> consume queue ──> on_arrival (same call)
 *                  └─────────> flusher: disk, checkpoint, on_flushed
 *                  └─────────> indexer: index files, behind
 *
 * Units      phy_offset: bytes from the start of the log, across all files. queue_offset: messages
 *            from the start of a queue. Times: wall clock, ms. Lengths: bytes.
 * Ownership  the store copies what is put. What a get finds is copied into the caller's buffer.
 * Threads    any thread may call; puts take the append lock, inside which positions are assigned
 *            and bytes copied, nothing else. on_arrival runs on the putting thread after the lock
 *            is released; on_flushed on the flusher's thread. The store owns: flusher, allocator,
 *            indexer, cleaner.
 * Errors     0, or a negative code of base/err.h; nothing was stored then.
 * Crashes    a put that returned survives the death of the process. It survives the loss of power
 *            once store_flushed_to() has passed its end. After a failed sync the store refuses puts
 *            for as long as it is open (store_refuses_puts), and goes on serving reads.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/map.h"
#include "wire/record.h"

struct store;

struct store_arrival {
    struct slice topic;
    int32_t queue_id;
    bool is_light;        /* also told of the message's own queue: it is the same one */
    int64_t queue_offset; /* of the message that arrived; the queue's max is this + 1 */
    int32_t bytes;        /* of its record */
    int64_t tags_code;
    int64_t store_timestamp;
    struct slice properties;
};

struct store_options {
    const char *root_dir;             /* storePathRootDir */
    const char *commit_log_dir;       /* storePathCommitLog; NULL: root_dir/commitlog */
    int64_t commit_log_file_bytes;    /* mappedFileSizeCommitLog */
    int64_t consume_queue_file_bytes; /* mappedFileSizeConsumeQueue, rounded up to 20 */
    int64_t batch_queue_file_bytes;   /* mapperFileSizeBatchConsumeQueue, rounded up to 46 */
    int32_t index_slot_count;         /* maxHashSlotNum */
    int32_t index_entry_count;        /* maxIndexNum */
    bool index_enable;                /* messageIndexEnable */
    bool sync_flush;                  /* flushDiskType = SYNC_FLUSH */
    int64_t flush_interval_ms;        /* flushIntervalCommitLog */
    int64_t queue_flush_interval_ms;  /* flushIntervalConsumeQueue */
    int64_t clean_interval_ms;        /* cleanResourceInterval */
    int64_t file_reserved_ms;         /* fileReservedTime */
    const char *delete_when;          /* deleteWhen: hours of local time, "04;16" */
    int disk_max_used_percent;        /* diskMaxUsedSpaceRatio */
    int disk_clean_forcibly_percent;  /* diskSpaceCleanForciblyRatio */
    int disk_warning_percent;         /* diskSpaceWarningLevelRatio */
    bool clean_forcibly_enable;       /* cleanFileForciblyEnable */
    int32_t max_message_bytes;        /* maxMessageSize: limit of a body */
    bool append_record_crc;           /* enabledAppendPropCRC: guards all of a record */
    bool verify_reads;                /* verifyRecordsOnRead: checksums before delivery */
    int64_t scrub_bytes_per_second;   /* scrubBytesPerSecond: the log is read for rot; 0: never */
    int64_t scrub_first_ms;           /* after opening; 0: a minute */
    int64_t takeover_scan_bytes;      /* takeoverScanBytes: of the log, once, after the reference */
    const char *message_delay_level;  /* messageDelayLevel: due times of the delay topic's queues */

    bool compaction_enable;              /* enableCompaction */
    int64_t compaction_log_file_bytes;   /* compactionMappedFileSize, see compaction_queue.h */
    int64_t compaction_queue_file_bytes; /* compactionCqMappedFileSize */
    int64_t compaction_interval_ms;      /* compactionScheduleInternal */
    int64_t compaction_keys_bytes;       /* maxOffsetMapSize: memory for keys while compacting */

    int64_t queue_files_counted_most; /* more files of queues are counted behind the start */

    /* Messages go to the light queues their properties name, too (wire/multi_dispatch.h), and light
     * queues go when the log has nothing of theirs any more: enableLmq and enableMultiDispatch. */
    bool light_queues_enable;
    int32_t light_queues_most; /* maxLmqConsumeQueueNum, see store_has_room_for_light_queues() */

    /* Topics with batch queues, by *cursor from 0 on; false at the end. During store_open() only:
     * what comes later is told by store_set_batch_topic(). May be NULL. */
    bool (*next_batch_topic)(void *ctx, size_t *cursor, struct slice *topic);
    /* The same for topics that are compacted (cleanup.policy=COMPACTION). */
    bool (*next_compaction_topic)(void *ctx, size_t *cursor, struct slice *topic);
    /* A message became readable in its queue. Called on the putting thread. May be NULL. */
    void (*on_arrival)(void *ctx, const struct store_arrival *arrival);
    /* store_flushed_to() grew, or a sync failed. Called on the flusher's thread. May be NULL. */
    void (*on_flushed)(void *ctx);
    void *ctx;
};

/* Defaults of the reference for everything but root_dir and the callbacks. */
void store_options_init(struct store_options *options);

/* Opens the directory (made when absent) and recovers it; returns when puts and gets can be served.
 * Start-up costs what was written since the last checkpoint, not the size of the store.
 * ERR_LOCKED: another process has it. ERR_CORRUPT: a file is not what its place says; the log names
 * it. ERR_UNSUPPORTED: a store type we do not read (RocksDB). */
MUST_CHECK int store_open(const struct store_options *options, struct store **store);

/* Flushes everything, writes the checkpoint, removes the abort mark. No other call may be running.
 * ERR_IO: something could not be flushed; the abort mark then stays, so the next start recovers. */
int store_close(struct store *store);

/* ---- put ------------------------------------------------------------------------------------ */

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
 * than max_message_bytes allows (body) or than a file. ERR_DISK_FULL: the disk is over its warning
 * ratio or full. ERR_IO: a sync failed earlier. ERR_CLOSED: closing. */
MUST_CHECK int store_put(struct store *store, const struct record *records, int count,
                         int64_t now_ms, struct store_put_result *result, int64_t *phy_offsets);

/* True when these light queues (the text of INNER_MULTI_DISPATCH, or one name) are there already,
 * or may come to be without being more than light_queues_most. For who may still say no: a put
 * makes what it needs. */
bool store_has_room_for_light_queues(struct store *store, struct slice names);

/* The light queues that went since this was asked last become keys of `names`: one of the name that
 * there is by now began at 0, and what was known of the earlier one is not of it. Whoever asks at
 * the first arrival of a light queue knows before anything is known of it. The first time also
 * those whose first message the start found in the log. False, and cheap: none. Any thread. */
bool store_take_past_lives(struct store *store, struct map *names);
/* The topic has queues, on disk or in memory. */
bool store_has_queues(struct store *store, struct slice topic);

/* Should the puts from here on say when they did what? Off at first: it costs two readings of the
 * processor's counter each. Any thread. */
void store_want_ticks(struct store *store, bool wanted);

/* Leaves the index alone for a while: it catches up later, and a query still waits for what was put
 * before it. Any thread. */
void store_pause_index(struct store *store, bool paused);

/* Are readers of old data to find in memory what they will ask for next? They are at first. Off:
 * the disk is asked for what is read, and nothing else. Any thread. */
void store_set_read_ahead(struct store *store, bool on);

/* The topic has batch queues (queue.type=BatchCQ): to be said before its first message. */
void store_set_batch_topic(struct store *store, struct slice topic);

/* Of each key of the topic the newest message stays (cleanup.policy=COMPACTION): to be said before
 * its first message. Does nothing when compaction is switched off. */
void store_set_compaction_topic(struct store *store, struct slice topic);

/* Why puts are refused now: 0 (they are not), ERR_DISK_FULL, ERR_IO, ERR_CLOSED, ERR_CORRUPT (files
 * of queues were lost while the store was closed). */
int store_refuses_puts(const struct store *store);

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

/* ---- get ------------------------------------------------------------------------------------ */

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
    int32_t
        apart_max_count; /* instead, when each record must be fetched from the disk for itself */
    int64_t apart_max_bytes;                    /* 0: no less than otherwise, both */
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
    int32_t count;      /* messages */
    bool suggest_slave; /* far behind the end of the log */
};

/* Appends the records found to `body`, without the checksum that the log may hold behind their
 * properties. One that is damaged is passed over, counted and logged, never appended.
 * ERR_WOULD_BLOCK: nothing was done; call again on a worker with may_block. ERR_IO. */
MUST_CHECK int store_get(struct store *store, const struct store_get_request *request,
                         struct buf *body, struct store_get_result *result);

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

/* One consume queue entry; ERR_NOT_FOUND outside [min, max). */
struct store_queue_entry {
    int64_t phy_offset;
    int32_t bytes;
    int64_t tags_code;
    int64_t queue_offset; /* of the first message in the record */
    int32_t count;        /* messages in the record: 1 but for inner batches */
    int64_t store_ms;     /* 0: not known here */
    int64_t place;        /* of an entry that was read: the how manieth of its queue */
};
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
/* Is the record at queue_offset near enough to the end of the log to be in memory? ERR_IO,
 * ERR_CORRUPT: the queue cannot be read. */
MUST_CHECK int store_queue_in_memory(struct store *store, struct slice topic, int32_t queue_id,
                                     int64_t queue_offset, bool *is_in_memory);

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

/* Looks `key` up in the index, newest file first, and appends at most max_count records (collisions
 * of the hash included; the client compares). Returns the number found, or an error. May block. */
MUST_CHECK int store_query(struct store *store, struct slice topic, struct slice key,
                           int32_t max_count, int64_t begin_ms, int64_t end_ms, struct buf *records,
                           int64_t *index_last_update_ms, int64_t *index_last_phy_offset);

/* Forgets a topic's queues and removes their files (in slices, on the cleaner). */
void store_delete_topic(struct store *store, struct slice topic);
/* Calls `each` for every topic that has queues on disk. May block. */
void store_each_topic(struct store *store, void (*each)(void *ctx, struct slice topic), void *ctx);

/* ---- state ---------------------------------------------------------------------------------- */

struct store_state {
    int64_t min_phy_offset;
    int64_t max_phy_offset;
    int64_t flushed_phy_offset;
    int64_t indexed_phy_offset;
    int64_t earliest_message_ms; /* store time of the oldest record, -1 when empty */
    int64_t newest_message_ms;   /* of the last one; 0: none is known */
    int commit_log_disk_percent;
    int consume_queue_disk_percent;
    int64_t light_queues;
    int64_t damaged_records;   /* met by reads and skipped, and by the scrubber, since the start */
    int64_t recovered_records; /* scanned at start-up */
    int64_t start_ms;          /* how long opening took */
};
/* All figures of the store, for tools and logs. May read one record from the disk when it is asked
 * for the first time. */
void store_state(struct store *store, struct store_state *state);

/* Asks the cleaner for a round now, as if the hour of deleteWhen had come. */
void store_clean_now(struct store *store);
/* Asks the cleaner to look through all queues, also those never opened, for files that lead below
 * the log's start. */
void store_clean_queues_now(struct store *store);

/* ---- a store that nobody has open ---------------------------------------------------------------
 * Works on directories of the reference too. Errors besides the usual: ERR_LOCKED: a broker has it;
 * ERR_NOT_FOUND: there is no log; ERR_CORRUPT: how long its files should be cannot be told.
 */

struct store_offline_options {
    const char *root_dir;
    const char *commit_log_dir;                    /* NULL: root_dir/commitlog */
    int64_t commit_log_file_bytes;                 /* 0: the length that most files have */
    void (*say)(void *ctx, const char *line);      /* one finding or record */
    void (*progress)(void *ctx, int64_t, int64_t); /* bytes done, of all; may be NULL */
    /* Is there such a topic? One that is none was deleted: its queues are not missing. NULL: all.
     */
    bool (*knows_topic)(void *ctx, struct slice topic);
    void *ctx;
};

struct store_check_result {
    int files;
    int64_t file_bytes;
    int64_t min_phy_offset;
    int64_t end_phy_offset;
    int64_t flushed_phy_offset; /* the checkpoint's, -1: unknown */
    int64_t records;
    int64_t queue_entries;  /* that lead into the log */
    int64_t problems;       /* of the log; `repair` sets them aside */
    int64_t queue_problems; /* derived: a start that builds the queues again mends them */
    int64_t damaged_bytes;
};
/* Reads everything and changes nothing; each finding is said. */
MUST_CHECK int store_check(const struct store_offline_options *options,
                           struct store_check_result *result);

/* Says what stands in the log from `from` on, at most `count` records. */
MUST_CHECK int store_dump(const struct store_offline_options *options, int64_t from, int64_t count);

struct store_repair_result {
    int64_t mended;
    int64_t bytes_set_aside;
};
/* Moves every damaged stretch of the log to root_dir/set-aside and fills its place, sets the
 * checkpoint aside so that the next start builds the queues again. Deletes nothing. */
MUST_CHECK int store_repair(const struct store_offline_options *options,
                            struct store_repair_result *result);

#endif
