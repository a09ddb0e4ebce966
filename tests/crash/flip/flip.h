/* flip.h - what one flipped bit, one cut file or one missing file does to a store directory.
 *
 *   image (a directory, held in memory) ── written anew for each case ── one damage ── opened by
 * the real store and tables ── all of it read ── compared with what the undamaged copy holds
 *
 * Each case runs in a child process, so that one that dies is a finding like any other. The
 * verdicts are in verdict.c. A case is made from the seed and its number alone, and replays
 * exactly.
 *
 * Threads: the parent has one; a child those of the store.
 */
#ifndef TESTS_CRASH_FLIP_FLIP_H
#define TESTS_CRASH_FLIP_FLIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/bytes.h"
#include "store/store.h"

enum { PATH_BYTES = 512, KINDS_MAX = 64 };

/* ---- chance ---------------------------------------------------------------------------------- */

void dice_seed(uint64_t seed);
/* 0 .. bound-1 */
int64_t dice_below(int64_t bound);

/* ---- the image (image.c) --------------------------------------------------------------------- */

struct image_file {
    char path[PATH_BYTES]; /* below the root */
    char kind[PATH_BYTES]; /* what is said of it in the report; image.c has the table */
    int64_t bytes;
    struct timespec modified;
    uint8_t *pages;    /* those that are not zero, one behind the other */
    int64_t *page_ats; /* where each of them lies */
    int page_count;
};

struct image {
    struct image_file *files;
    int count;
    char kinds[KINDS_MAX][PATH_BYTES];
    int kind_count;
};

/* Reads a directory. Ends the program when it cannot. */
void image_read(struct image *image, const char *root);
/* Says why and ends the program. */
void image_fail(const char *what, const char *path) __attribute__((noreturn));

enum damage_kind { DAMAGE_FLIP, DAMAGE_CUT, DAMAGE_REMOVE };
struct damage {
    enum damage_kind kind;
    const struct image_file *file;
    int64_t from; /* bytes of the file that are damaged: from .. upto-1 */
    int64_t upto;
    int bit;
};
/* Chooses a file of the kind with this index and a place in it. False: nothing to damage there. */
bool damage_choose(struct damage *damage, const struct image *image, int kind_index,
                   enum damage_kind kind);
/* "flip bit 3 of byte 120 of config/topics.json" */
void damage_text(const struct damage *damage, char *out, size_t cap);

/* ---- what a directory holds (picture.c) ------------------------------------------------------ */

struct message_seen {
    int64_t queue_offset; /* its place in the queue it was read from */
    int64_t phy_offset;
    int32_t log_bytes;
    int32_t tags_hash;
    uint32_t crc;      /* of what is served, but for its place in the log */
    uint32_t body_crc; /* of its body */
    bool is_guarded;   /* by a checksum of the whole record */
    bool is_compacted; /* served from a copy, or from the log */
    bool has_sums;     /* the copies have, and the record in them is guarded by one */
    char topic[128];
    char key[256];
};

struct queue_seen {
    char topic[128];
    int32_t queue_id;
    int64_t min;
    int64_t max;
    int first; /* of its messages */
    int count;
};

enum { TABLES = 10, QUEUES_MAX = 256, MESSAGES_MAX = 4096 };
extern const char *const table_names[TABLES];

struct picture {
    struct queue_seen queues[QUEUES_MAX];
    int queue_count;
    struct message_seen messages[MESSAGES_MAX];
    int message_count;
};

/* How the directory was made; 0: the defaults. */
struct geometry {
    int64_t log_file_bytes;
    int64_t queue_file_bytes;
    int64_t batch_file_bytes;
    int64_t timer_file_bytes;
    int64_t index_slots;
    int64_t index_entries;
    int64_t compaction_log_bytes;
    int64_t compaction_queue_bytes;
};
extern struct geometry geometry;

/* What the broker would know of its topics: which have light queues, which are compacted. */
void picture_note_topics(const struct image *image);
MUST_CHECK int picture_open(const char *root, bool scrubs, struct store **store);
/* The queues of a store; `like` NULL: those there are, else the same. */
void picture_take(struct picture *picture, struct store *store, const char *root,
                  const struct picture *like);
/* How many of the records that a key finds are this message; -1: one of them is none of the
 * original's. */
int picture_query(const struct picture *original, struct store *store,
                  const struct message_seen *message);
/* The table's content as text; `path` need not be the usual one. An error of the table. */
MUST_CHECK int picture_table(int table, const char *path, struct buf *text);

/* ---- timers (timers.c) ----------------------------------------------------------------------- */

struct timed {
    uint32_t body_crc;
    char topic[128];
    char key[256];
};

enum { TIMED_MAX = 1024 };
struct timed_set {
    struct timed list[TIMED_MAX];
    int count;
};
/* What the timers deliver when all of it is due; nothing is put. An error of their opening. */
MUST_CHECK int timers_take(struct store *store, const char *root, struct timed_set *set);

/* ---- the log lines of this process (log_lines.c) --------------------------------------------- */

void log_lines_clear(void);
/* A line that has all of these; NULL: there is none. `c` may be NULL. */
const char *log_lines_find(const char *a, const char *b, const char *c);
int64_t log_line_number(const char *line, const char *name);
/* Waits until there is one. False: not within a minute. */
bool log_lines_await(const char *a);
/* On a violation: the lines, for who looks into it. */
void log_lines_print(void);

/* ---- verdicts (verdict.c) -------------------------------------------------------------------- */

enum outcome { OUTCOME_SAME, OUTCOME_SKIPPED, OUTCOME_MENDED, OUTCOME_REFUSED, OUTCOMES };

struct original {
    struct picture picture;
    int64_t log_min;
    int64_t log_max;
    struct buf tables[TABLES];  /* what the files say */
    struct buf backups[TABLES]; /* what their .bak say; data NULL: there is none */
    struct timed_set timers;
};
void original_take(struct original *original, const char *root);
/* What it has in the memory of a case is moved to this process's. */
void original_keep(struct original *original);
/* Opens the damaged directory and looks at everything. Ends the process with violation(). */
enum outcome verdict(const struct original *original, const struct damage *damage,
                     const char *root);

/* Says what is wrong and ends the child. */
void violation(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* Ends the child of a case that the world is too small for. */
void case_too_large(void) __attribute__((noreturn));

#endif
