/* store_dir.h - a store in a directory of its own, with files small enough to fill in a test.
 *
 * Every call that fails fails the test. Threads: one, but for puts and gets.
 */
#ifndef TESTS_UNIT_STORE_STORE_DIR_H
#define TESTS_UNIT_STORE_STORE_DIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "store/store.h"

enum { LOG_FILE_BYTES = 65536, QUEUE_FILE_ENTRIES = 100, ENTRY_BYTES = 20 };
enum { INDEX_SLOTS = 64, INDEX_ENTRIES = 512 };

struct store_dir {
    char path[64];
    struct store_options options;
    struct store *store; /* NULL while closed */
    int64_t now_ms;      /* store time of the next put; grows by one each */
};

struct store_dir *store_dir_new(void);
/* Closes the store if it is open; removes everything. */
void store_dir_remove(struct store_dir *dir);

void store_dir_open(struct store_dir *dir);
/* What a test begins and ends with: opens `dir`, which becomes its state, and returns 0; disarms
 * fault points and removes it. */
int store_dir_set_up(void **state, struct store_dir *dir);
int store_dir_tear_down(void **state);
void store_dir_close(struct store_dir *dir);

/* What a killed process would leave: a copy of the files as the page cache has them now. Not open.
 */
struct store_dir *store_dir_copy(const struct store_dir *dir);

/* A message with this body (and properties) at the end of the topic's queue. */
struct store_put_result store_dir_put(struct store_dir *dir, const char *topic, int32_t queue_id,
                                      const char *body, const char *properties);
/* The same of `bytes` bytes, made from `seed`. */
struct store_put_result store_dir_put_big(struct store_dir *dir, const char *topic,
                                          int32_t queue_id, int32_t seed, size_t bytes);
/* A record to be put; `body` is borrowed. */
struct record store_dir_record(const char *topic, int32_t queue_id, struct slice body,
                               const char *properties);

/* Reads one message; false when there is none at this place. The caller's buffer is cleared first.
 */
bool store_dir_get(struct store_dir *dir, const char *topic, int32_t queue_id, int64_t queue_offset,
                   struct buf *bytes, struct record *record);
/* Fails the test unless the message there has this body. */
void store_dir_expect(struct store_dir *dir, const char *topic, int32_t queue_id,
                      int64_t queue_offset, const char *body);

/* The next message of a queue that holds nothing else: "topic-queue-number", with a unique key. */
void store_dir_put_numbered(struct store_dir *dir, const char *topic, int32_t queue_id);
/* Fails the test unless the queue holds so many of them, and nothing else. */
void store_dir_expect_numbered(struct store_dir *dir, const char *topic, int32_t queue_id,
                               int64_t count);

/* Files by name below the directory, e.g. "commitlog/00000000000000000000". */
void store_dir_file_path(const struct store_dir *dir, const char *name, char path[256]);
bool store_dir_has(const struct store_dir *dir, const char *name);
void store_dir_write(const struct store_dir *dir, const char *name, int64_t at, const void *bytes,
                     size_t len);
void store_dir_read(const struct store_dir *dir, const char *name, int64_t at, void *into,
                    size_t len);
void store_dir_delete(const struct store_dir *dir, const char *name);
/* Turns one bit (0: the lowest) of the byte at `at`. */
void store_dir_flip(const struct store_dir *dir, const char *name, int64_t at, int bit);
/* Does the file system say whether a read of the file would wait? One that does not, as tmpfs, has
 * who may not wait ask again as one who may. */
bool store_dir_tells_of_waits(const struct store_dir *dir, const char *name);
/* The file was written so many hours ago. */
void store_dir_age(const struct store_dir *dir, const char *name, int64_t hours);

/* What a machine that lost power leaves: no checkpoint says that the last bytes are good. */
struct store_dir *store_dir_copy_without_checkpoint(const struct store_dir *dir);
/* Our block of the checkpoint names this position, and is in order otherwise. */
void store_dir_point_checkpoint_at(struct store_dir *dir, int64_t phy_offset);
/* Nothing was on the disk when the last checkpoint was written. */
void store_dir_forget_checkpoint(struct store_dir *dir);

int64_t store_dir_log_end(struct store_dir *dir);

/* Looks each millisecond whether `done` says so; fails the test after two minutes: a busy disk may
 * take one. */
void store_dir_await(bool (*done)(void *ctx), void *ctx);

/* Returns when everything is indexed: a query waits for that, but for a second at most. */
void store_dir_await_index(struct store_dir *dir);

/* Returns when the flusher's first round is over, which comes with the opening: what is put from
 * now on stays in memory, and whoever cannot wait reads it, if the intervals of flushing are longer
 * than the test (ANY_TEST_MS). Puts two messages to a topic of its own, "calm"; the second is
 * synced in another round than the first, and no round beside the first one does more than that. */
enum { ANY_TEST_MS = 3600000 };
void store_dir_calm(struct store *store);

#endif
