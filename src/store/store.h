/* store.h - the front door of the message store: puts messages into one log, and finds them by
 * queue, place, time and key.
 *
 *   store.h           opened, told what the broker knows, watched, closed
 *   store_put.h       messages in, and when they are safe
 *   store_get.h       messages out
 *   store_offline.h   checked and repaired while nobody has it open
 *
 * All other headers of the folder are its own.
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
 *            indexer, read_ahead, cleaner, and where asked for compactor and scrubber.
 * Errors     0, or a negative code of base/err.h; nothing was stored then.
 * Crashes    a put that returned survives the death of the process. It survives the loss of power
 *            once store_flushed_to() has passed its end. After a failed sync the store refuses puts
 *            for as long as it is open (store_refuses_puts), and goes on serving reads.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "store/store_get.h"
#include "store/store_offline.h"
#include "store/store_put.h"
#include "wire/delay_levels.h"

/* ---- opening --------------------------------------------------------------------------------- */

/* A message became readable in its queue. */
struct store_arrival {
    struct slice topic;
    int32_t queue_id;
    bool is_light;        /* also told of the message's own queue: it is the same one */
    int64_t queue_offset; /* of the message that arrived; the queue's max is this + 1 */
    int32_t bytes;        /* of its record */
    int64_t tags_code;
    int64_t store_timestamp;
    struct slice properties;
    struct store_place *place; /* of store_put_at(); NULL: it was another put */
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
    int32_t max_message_bytes;        /* maxMessageSize: of bodies that come in */
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
 * it. ERR_UNSUPPORTED: a store type we do not read (RocksDB). ERR_INVALID: message_delay_level is
 * no list of levels. */
MUST_CHECK int store_open(const struct store_options *options, struct store **store);

/* Flushes everything, writes the checkpoint, removes the abort mark. No other call may be running.
 * ERR_IO: something could not be flushed; the abort mark then stays, so the next start recovers. */
int store_close(struct store *store);

/* What message_delay_level says; the store's. */
const struct delay_levels *store_delay_levels(const struct store *store);

/* ---- what the broker knows ------------------------------------------------------------------- */

/* The topic has batch queues (queue.type=BatchCQ): to be said before its first message. */
void store_set_batch_topic(struct store *store, struct slice topic);

/* Of each key of the topic the newest message stays (cleanup.policy=COMPACTION): to be said before
 * its first message. Does nothing when compaction is switched off. */
void store_set_compaction_topic(struct store *store, struct slice topic);

/* Forgets a topic's queues and removes their files (in slices, on the cleaner). */
void store_delete_topic(struct store *store, struct slice topic);
/* Calls `each` for every topic that has queues on disk. May block. */
void store_each_topic(struct store *store, void (*each)(void *ctx, struct slice topic), void *ctx);
/* The topic has queues, on disk or in memory. */
bool store_has_queues(struct store *store, struct slice topic);

/* Leaves the index alone for a while: it catches up later, and a query still waits for what was put
 * before it. Any thread. */
void store_pause_index(struct store *store, bool paused);

/* Are readers of old data to find in memory what they will ask for next? They are at first. Off:
 * the disk is asked for what is read, and nothing else. Any thread. */
void store_set_read_ahead(struct store *store, bool on);

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

/* How full the fuller disk of log and queues was when the cleaner looked last, in percent. */
int store_disk_percent(const struct store *store);

/* Asks the cleaner for a round now, as if the hour of deleteWhen had come. */
void store_clean_now(struct store *store);
/* Asks the cleaner to look through all queues, also those never opened, for files that lead below
 * the log's start. */
void store_clean_queues_now(struct store *store);

#endif
