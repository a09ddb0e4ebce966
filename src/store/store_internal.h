/* store_internal.h - what the files behind the front door share.
 *
 * Threads    any: what changes while the store is open is atomic, or under the lock, or of the
 *            thread, that is named beside it. A function that says "the flusher's" is called there
 *            alone; those that start and stop threads, by whoever opens and closes the store.
 * Errors     0, or a negative code of base/err.h, logged where it arose.
 */
#ifndef STORE_STORE_INTERNAL_H
#define STORE_STORE_INTERNAL_H

#include "store/checkpoint.h"
#include "store/compaction.h"
#include "store/indexer.h"
#include "store/queues.h"
#include "store/read_ahead.h"
#include "store/store.h"

enum { RECORD_OVERHEAD_MAX = 65536 }; /* of a record beside its body */

struct scratch {        /* memory for what a put makes outside the append lock */
    struct buf entries; /* of its records, struct store_queue_entry each */
    struct buf keys;    /* of its records, for the indexer: struct index_key each, or none at all */
    struct buf bytes;
    struct scratch *next;
};

struct store {
    struct store_options options;
    char root_dir[DISK_PATH_MAX - 64];
    char log_dir[DISK_PATH_MAX - 64];
    int lock_fd;
    struct commit_log *log;
    struct read_ahead *read_ahead;
    struct queues *queues;
    struct indexer *indexer;       /* NULL when switched off */
    struct compaction *compaction; /* NULL when switched off */
    struct delay_levels delay_levels;
    int64_t memory_bytes; /* what this process may use */
    int64_t cold_bytes;   /* farther than this from the end of the log counts as on disk */

    atomic_bool wants_ticks;
    struct lock sync_lock;                  /* guards the sync of the log, and the checkpoint */
    struct lock append_lock;                /* guards the head of the log and the queues' ends */
    _Atomic(struct scratch *) last_scratch; /* given back last; taken without the lock */
    struct lock scratch_lock;
    struct scratch *scratches;

    struct lock gone_lock; /* guards `gone`, a leaf */
    struct map gone;       /* light queues that there were, see
                              store_take_past_lives(): the names alone */
    atomic_bool has_gone;

    _Atomic int refusal;         /* enum err: why puts are refused */
    _Atomic int64_t flushed;     /* phy_offset */
    _Atomic int64_t durable;     /* the checkpoint's, for who is not the flusher */
    _Atomic int64_t last_put_ms; /* store time of the newest record */

    /* flusher */
    struct lock flush_lock; /* guards what follows up to the thread */
    pthread_cond_t flush_wake;
    pthread_cond_t flush_done; /* a round has ended */
    bool flush_is_ending;
    bool flush_is_urgent;   /* somebody waits for the disk */
    bool durable_is_wanted; /* queues too: the cleaner waits for them */
    atomic_bool is_dirty;   /* something was put since the flusher looked */
    bool has_flusher;
    pthread_t flusher;
    struct checkpoint checkpoint; /* under sync_lock once the flusher runs */
    struct buf unsynced;          /* flusher's: queues written and not synced (flush_queues.c) */
    int64_t meanwhile_ns;         /* flusher's: when store_write_meanwhile() writes again */
    int64_t next_log_ns;          /* flusher's: when the log has its turn */
    int64_t last_log_end;         /* flusher's: the log's end at the turn before */
    bool flusher_may_rest;        /* flusher's: it runs, and nobody waits for the end of a round */
    /* After a crash the page cache may hold as clean what a failed sync left unwritten. What is not
     * known to be on the disk is written again before it is synced: the log up to doubtful_log
     * (under sync_lock), the queue entries of what lies below doubtful_queues (flusher's).
     * phy_offsets. */
    int64_t rewritten_log;
    int64_t doubtful_log;
    int64_t rewritten_queues;
    int64_t doubtful_queues;

    /* cleaner */
    bool must_count_queues;       /* their number was taken on trust; the cleaner's once it runs */
    atomic_bool queues_were_lost; /* and was wrong */
    struct lock clean_lock;
    pthread_cond_t clean_wake;
    bool clean_is_ending;
    bool clean_is_wanted;
    bool clean_queues_is_wanted;
    bool has_cleaner;
    pthread_t cleaner;
    _Atomic int64_t earliest_ms; /* store time of the record at `earliest_of`, the oldest */
    _Atomic int64_t earliest_of;
    _Atomic int log_disk_percent;
    _Atomic int queue_disk_percent;

    /* scrubber */
    struct lock scrub_lock; /* guards scrub_is_ending */
    pthread_cond_t scrub_wake;
    bool scrub_is_ending;
    bool has_scrubber;
    pthread_t scrubber;

    _Atomic int64_t damaged_records;
    _Atomic int64_t last_damaged; /* phy_offset; is not logged twice in a row */
    bool died_in_this_boot; /* whoever had the directory last: its pages are still in the cache */
    struct buf left_out;    /* takeover.c: phy_offsets, int64_t each, of records to put again */
    int64_t recovered_records;
    int64_t start_ms;
};

void store_path(const struct store *store, const char *name, char path[DISK_PATH_MAX]);

/* put.c. What the record says to its consume queue: false when it takes no place in one. */
bool store_entry_of(const struct store *store, const struct record *record,
                    struct store_queue_entry *entry);
/* Refuses puts from now on for this reason, or takes them again (0). A failed sync is for good. */
void store_set_refusal(struct store *store, int err);
/* No put is under way any more. */
void store_free_scratches(struct store *store);

/* light_queues.c: a light queue went, or began as far as a start knows. Any thread. */
void store_note_past_life(struct store *store, struct slice name);
/* light_queues.c: its light queues, when the store has such. Their entries are as that of its own
 * queue but for the place. False: none. */
struct multi_dispatch;
bool store_light_queues_of(const struct store *store, const struct record *record,
                           struct multi_dispatch *list);
/* get.c: what the commit log has, also of a compacted topic. */
MUST_CHECK int store_get_plain(struct store *store, const struct store_get_request *request,
                               struct buf *body, struct store_get_result *result);
/* Store time of the oldest record, -1: there is none. Reads it when it is another than last time.
 */
int64_t store_earliest_ms(struct store *store);
/* The first record whose queue entry may be missing though later ones are there, or may stand for
 * another: a loss of power or the reference left it so. QUEUE_CERTAIN: there is none. */
int64_t store_doubtful_from(const struct store *store, bool was_clean);
/* doubts.c: the process was killed, and its page cache lacks some of what the checkpoint says is
 * there: from now on everything since the last sync of queues is in doubt. Opens queues. */
bool store_doubts_what_was_left(struct store *store, bool was_clean);
/* recover.c: finds the end of the log, rebuilds what is derived from it. */
MUST_CHECK int store_recover(struct store *store, bool was_clean);

/* takeover.c: what the reference had left out of its queue is put once more. Puts are taken. */
void store_put_left_out(struct store *store);

/* The next place from `from` on where a whole record stands; -1 when there is none before more
 * zeros than a record can hold. */
int64_t store_next_record(struct store *store, struct log_reader *reader, int64_t from);

/* scrub.c */
MUST_CHECK int store_scrubber_start(struct store *store);
void store_scrubber_stop(struct store *store);

/* flush.c */
MUST_CHECK int store_flusher_start(struct store *store);
void store_flusher_stop(struct store *store);
/* After the flusher has stopped: 0 when everything is on disk, checkpoint included. */
MUST_CHECK int store_flush_all(struct store *store);
/* The flusher's, between two queues: whoever waits for the log is served now, and the log has its
 * turn as often as it would otherwise. */
void store_flush_log_meanwhile(struct store *store);

/* The flusher's, in the midst of something long: the same, and what came meanwhile is written to
 * the queue files now and then, as it would be otherwise. */
void store_write_meanwhile(struct store *store);
/* The flusher's, between two pieces of something long: a rest as long as what it took of a core
 * asks for; whoever waits for the log is served. None while the store is closed. */
void store_rest_meanwhile(struct store *store, int64_t cpu_ns);

/* flush_queues.c, the flusher's: the queues that are dirty are written. */
MUST_CHECK int store_write_queues(struct store *store, struct buf *scratch);
/* Those written before are on the disk. ERR_WOULD_BLOCK: nothing failed, but it could not be
 * written down what is at stake, so that some were left. */
MUST_CHECK int store_sync_queues(struct store *store);
/* A stretch of the queue entries that may not be on the disk is written again. */
MUST_CHECK int store_rewrite_entries(struct store *store);

/* Asks for queues and log on the disk, up to now. */
void store_request_durable(struct store *store);
/* Something was put. */
void store_flusher_note(struct store *store);

/* retain.c */
MUST_CHECK int store_cleaner_start(struct store *store);
void store_cleaner_stop(struct store *store);

#endif
