#include "store/store_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "store/checkpoint.h"

enum { FIRST_MS = 1700000000 };

struct store_dir *store_dir_new(void)
{
    struct store_dir *dir = calloc(1, sizeof *dir);
    assert_non_null(dir);
    snprintf(dir->path, sizeof dir->path, "/tmp/ramjet-store-XXXXXX");
    assert_non_null(mkdtemp(dir->path));
    dir->now_ms = FIRST_MS * INT64_C(1000);
    store_options_init(&dir->options);
    dir->options.root_dir = dir->path;
    dir->options.commit_log_file_bytes = LOG_FILE_BYTES;
    dir->options.consume_queue_file_bytes = QUEUE_FILE_ENTRIES * ENTRY_BYTES;
    dir->options.index_slot_count = INDEX_SLOTS;
    dir->options.index_entry_count = INDEX_ENTRIES;
    /* The disk of the machine that runs the test is not what is tested. */
    dir->options.disk_max_used_percent = 100;
    dir->options.disk_clean_forcibly_percent = 100;
    dir->options.disk_warning_percent = 100;
    return dir;
}

void store_dir_open(struct store_dir *dir)
{
    assert_null(dir->store);
    assert_int_equal(store_open(&dir->options, &dir->store), 0);
}

int store_dir_set_up(void **state, struct store_dir *dir)
{
    store_dir_open(dir);
    *state = dir;
    return 0;
}

int store_dir_tear_down(void **state)
{
    fault_disarm_all();
    store_dir_remove(*state);
    return 0;
}

void store_dir_close(struct store_dir *dir)
{
    struct store *store = dir->store;
    assert_non_null(store);
    dir->store = NULL;
    assert_int_equal(store_close(store), 0);
}

/* ---- files ---------------------------------------------------------------------------------- */

static void join(char path[512], const char *dir, const char *name)
{
    int n = snprintf(path, 512, "%s/%s", dir, name);
    assert_true(n > 0 && n < 512);
}

static bool is_dir(const char *path)
{
    struct stat state;
    return lstat(path, &state) == 0 && S_ISDIR(state.st_mode);
}

/* Calls `each` for every name in the directory but . and .. */
static void each_name(const char *path, void (*each)(const char *path, const char *name, void *ctx),
                      void *ctx)
{
    DIR *opened = opendir(path);
    if (opened == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(opened)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            each(path, entry->d_name, ctx);
    closedir(opened);
}

static void remove_tree(const char *dir, const char *name, void *ctx)
{
    char path[512];
    join(path, dir, name);
    if (is_dir(path)) {
        each_name(path, remove_tree, ctx);
        assert_int_equal(rmdir(path), 0);
    } else {
        assert_int_equal(unlink(path), 0);
    }
}

static void copy_file(const char *from, const char *to)
{
    static uint8_t bytes[65536];
    int in = open(from, O_RDONLY);
    if (in < 0)
        return; /* it was removed meanwhile */
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(out >= 0);
    for (ssize_t n; (n = read(in, bytes, sizeof bytes)) > 0;)
        assert_int_equal(write(out, bytes, (size_t)n), n);
    close(in);
    close(out);
}

static void copy_tree(const char *dir, const char *name, void *ctx)
{
    char from[512];
    char to[512];
    join(from, dir, name);
    join(to, ctx, name);
    if (is_dir(from)) {
        assert_int_equal(mkdir(to, 0755), 0);
        each_name(from, copy_tree, to);
    } else {
        copy_file(from, to);
    }
}

struct store_dir *store_dir_copy(const struct store_dir *dir)
{
    struct store_dir *copy = store_dir_new();
    copy->now_ms = dir->now_ms;
    /* What is written last is copied first: nothing in the copy knows more than the log beside it.
     */
    char from[512];
    char to[512];
    join(from, dir->path, "checkpoint");
    join(to, copy->path, "checkpoint");
    copy_file(from, to);
    join(from, dir->path, "consumequeue");
    if (is_dir(from))
        copy_tree(dir->path, "consumequeue", copy->path);
    join(from, dir->path, "batchconsumequeue");
    if (is_dir(from))
        copy_tree(dir->path, "batchconsumequeue", copy->path);
    join(from, dir->path, "compaction");
    if (is_dir(from))
        copy_tree(dir->path, "compaction", copy->path);
    join(from, dir->path, "commitlog");
    copy_tree(dir->path, "commitlog", copy->path);
    join(from, dir->path, "index");
    if (is_dir(from))
        copy_tree(dir->path, "index", copy->path);
    join(from, dir->path, "abort");
    join(to, copy->path, "abort");
    copy_file(from, to);
    return copy;
}

void store_dir_remove(struct store_dir *dir)
{
    if (dir->store != NULL)
        (void)store_close(dir->store);
    each_name(dir->path, remove_tree, NULL);
    assert_int_equal(rmdir(dir->path), 0);
    free(dir);
}

void store_dir_file_path(const struct store_dir *dir, const char *name, char path[256])
{
    int n = snprintf(path, 256, "%s/%s", dir->path, name);
    assert_true(n > 0 && n < 256);
}

bool store_dir_has(const struct store_dir *dir, const char *name)
{
    char path[256];
    store_dir_file_path(dir, name, path);
    return access(path, F_OK) == 0;
}

static int open_named(const struct store_dir *dir, const char *name)
{
    char path[256];
    store_dir_file_path(dir, name, path);
    int fd = open(path, O_RDWR | O_CREAT, 0644);
    assert_true(fd >= 0);
    return fd;
}

void store_dir_write(const struct store_dir *dir, const char *name, int64_t at, const void *bytes,
                     size_t len)
{
    int fd = open_named(dir, name);
    assert_int_equal(pwrite(fd, bytes, len, at), len);
    close(fd);
}

void store_dir_read(const struct store_dir *dir, const char *name, int64_t at, void *into,
                    size_t len)
{
    int fd = open_named(dir, name);
    assert_int_equal(pread(fd, into, len, at), len);
    close(fd);
}

void store_dir_delete(const struct store_dir *dir, const char *name)
{
    remove_tree(dir->path, name, NULL);
}

void store_dir_flip(const struct store_dir *dir, const char *name, int64_t at, int bit)
{
    uint8_t byte;
    store_dir_read(dir, name, at, &byte, 1);
    byte ^= (uint8_t)(1u << bit);
    store_dir_write(dir, name, at, &byte, 1);
}

bool store_dir_tells_of_waits(const struct store_dir *dir, const char *name)
{
    char path[256];
    uint8_t byte;
    struct iovec run = { &byte, 1 };
    store_dir_file_path(dir, name, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    bool tells = preadv2(fd, &run, 1, 0, RWF_NOWAIT) >= 0 || errno != EOPNOTSUPP;
    close(fd);
    return tells;
}

void store_dir_age(const struct store_dir *dir, const char *name, int64_t hours)
{
    char path[256];
    struct timespec times[2];
    store_dir_file_path(dir, name, path);
    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= hours * 3600;
    times[1] = times[0];
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* ---- messages ------------------------------------------------------------------------------- */

struct record store_dir_record(const char *topic, int32_t queue_id, struct slice body,
                               const char *properties)
{
    struct host host = { .address = { 127, 0, 0, 1 }, .port = 10911 };
    return (struct record){ .queue_id = queue_id,
                            .flag = 7,
                            .born_timestamp = 1600000000000,
                            .born_host = host,
                            .store_host = host,
                            .body = body,
                            .topic = slice_str(topic),
                            .properties = slice_str(properties) };
}

static struct store_put_result put(struct store_dir *dir, const struct record *record)
{
    struct store_put_result result;
    assert_int_equal(store_put(dir->store, record, 1, dir->now_ms++, &result, NULL), 0);
    return result;
}

struct store_put_result store_dir_put(struct store_dir *dir, const char *topic, int32_t queue_id,
                                      const char *body, const char *properties)
{
    struct record record = store_dir_record(topic, queue_id, slice_str(body), properties);
    return put(dir, &record);
}

struct store_put_result store_dir_put_big(struct store_dir *dir, const char *topic,
                                          int32_t queue_id, int32_t seed, size_t bytes)
{
    uint8_t *body = malloc(bytes);
    assert_non_null(body);
    for (size_t i = 0; i < bytes; i++)
        body[i] = (uint8_t)((size_t)seed + i * 31);
    struct record record = store_dir_record(topic, queue_id, slice_of(body, bytes), "");
    struct store_put_result result = put(dir, &record);
    free(body);
    return result;
}

bool store_dir_get(struct store_dir *dir, const char *topic, int32_t queue_id, int64_t queue_offset,
                   struct buf *bytes, struct record *record)
{
    struct store_get_request request = { .topic = slice_str(topic),
                                         .queue_id = queue_id,
                                         .queue_offset = queue_offset,
                                         .max_count = 1,
                                         .max_bytes = 1 << 20,
                                         .may_block = true };
    struct store_get_result result;
    buf_clear(bytes);
    assert_int_equal(store_get(dir->store, &request, bytes, &result), 0);
    if (result.status != GET_FOUND)
        return false;
    assert_int_equal(result.count, 1);
    assert_int_equal(result.next_offset, queue_offset + 1);
    assert_int_equal(record_decode(buf_slice(bytes), RECORD_CHECK_BODY_CRC, record), 0);
    assert_int_equal(record->total_bytes, bytes->len);
    assert_int_equal(record->queue_offset, queue_offset);
    assert_int_equal(record->queue_id, queue_id);
    assert_true(slice_eq(record->topic, slice_str(topic)));
    return true;
}

void store_dir_expect(struct store_dir *dir, const char *topic, int32_t queue_id,
                      int64_t queue_offset, const char *body)
{
    struct buf bytes = BUF_INIT;
    struct record record;
    assert_true(store_dir_get(dir, topic, queue_id, queue_offset, &bytes, &record));
    assert_int_equal(record.body.len, strlen(body));
    assert_memory_equal(record.body.data, body, strlen(body));
    buf_fini(&bytes);
}

int64_t store_dir_log_end(struct store_dir *dir)
{
    struct store_state state;
    store_state(dir->store, &state);
    return state.max_phy_offset;
}

void store_dir_await(bool (*done)(void *ctx), void *ctx)
{
    int64_t give_up_ns = clock_monotonic_ns() + INT64_C(120000000000);
    while (!done(ctx)) {
        assert_true(clock_monotonic_ns() < give_up_ns);
        usleep(1000);
    }
}

static bool is_indexed(void *ctx)
{
    struct store_state state;
    store_state(((struct store_dir *)ctx)->store, &state);
    return state.indexed_phy_offset >= state.max_phy_offset;
}

void store_dir_await_index(struct store_dir *dir)
{
    store_dir_await(is_indexed, dir);
}

void store_dir_calm(struct store *store)
{
    for (int i = 0; i < 2; i++) {
        struct record record = store_dir_record("calm", 0, SLICE("x"), "");
        struct store_put_result result;
        assert_int_equal(store_put(store, &record, 1, 1, &result, NULL), 0);
        assert_int_equal(store_sync(store), 0);
    }
}

/* ---- numbered messages, and what checkpoints say ----------------------------------------------
 */

void store_dir_put_numbered(struct store_dir *dir, const char *topic, int32_t queue_id)
{
    char body[32];
    snprintf(body, sizeof body, "%s-%d-%lld", topic, queue_id,
             (long long)store_queue_max(dir->store, slice_str(topic), queue_id));
    store_dir_put(dir, topic, queue_id, body, "UNIQ_KEY\001u\002");
}

void store_dir_expect_numbered(struct store_dir *dir, const char *topic, int32_t queue_id,
                               int64_t count)
{
    assert_int_equal(store_queue_max(dir->store, slice_str(topic), queue_id), count);
    char body[32];
    for (int64_t i = 0; i < count; i++) {
        snprintf(body, sizeof body, "%s-%d-%lld", topic, queue_id, (long long)i);
        store_dir_expect(dir, topic, queue_id, i, body);
    }
}

struct store_dir *store_dir_copy_without_checkpoint(const struct store_dir *dir)
{
    fault_arm_value("disk.of_this_boot", 0);
    struct store_dir *copy = store_dir_copy(dir);
    if (store_dir_has(copy, "checkpoint"))
        store_dir_delete(copy, "checkpoint");
    return copy;
}

void store_dir_point_checkpoint_at(struct store_dir *dir, int64_t phy_offset)
{
    struct checkpoint checkpoint;
    char path[256];
    store_dir_file_path(dir, "checkpoint", path);
    assert_int_equal(checkpoint_read(path, &checkpoint), 0);
    assert_true(checkpoint.is_ours);
    checkpoint.dispatched = phy_offset;
    checkpoint.durable = phy_offset;
    assert_int_equal(checkpoint_write(path, &checkpoint, false), 0);
}

void store_dir_forget_checkpoint(struct store_dir *dir)
{
    struct checkpoint checkpoint;
    char path[256];
    store_dir_file_path(dir, "checkpoint", path);
    assert_int_equal(checkpoint_read(path, &checkpoint), 0);
    checkpoint.dispatched = checkpoint.durable = checkpoint.flushed = 0;
    assert_int_equal(checkpoint_replace(path, &checkpoint, false), 0);
}
