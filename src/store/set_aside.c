/* set_aside.c - what a recovery cuts off the end of the log, kept below set-aside/.
 *
 * After a loss of power the first bytes that are no record end the log. They may be a record that
 * was acknowledged and has rotted since, in the moments before the checkpoint said that it was
 * there: nothing tells it from a torn one. So whatever lies behind the end is copied away before it
 * is zeroed, one file for each of the log's, and `commit_log_end_set_aside` names the place.
 */
#include <stdio.h>

#include "base/log.h"
#include "store/recovery.h"

enum { STEP_BYTES = 1 << 20 };

/* Where the last byte of [from, end) ends that is not zero; `from` when there is none. */
static int find_remains_end(struct log_reader *reader, int64_t from, int64_t end, int64_t *found)
{
    *found = from;
    for (int64_t at = from; at < end;) {
        struct slice bytes;
        int err = log_reader_bytes(reader, at, STEP_BYTES, &bytes);
        if (err != 0)
            return err;
        assert(bytes.len > 0);
        size_t used = bytes.len;
        while (used > 0 && bytes.data[used - 1] == 0)
            used--;
        if (used > 0)
            *found = at + (int64_t)used;
        at += (int64_t)bytes.len;
    }
    assert(*found >= from);
    return 0;
}

/* An earlier one stays: it may hold what this one lacks. */
static void choose_name(const struct store *store, int64_t from, int64_t end,
                        char path[DISK_PATH_MAX])
{
    int n = 0;
    do {
        snprintf(path, DISK_PATH_MAX, "%.3600s/set-aside/commitlog-%020lld-%lld.%d",
                 store->root_dir, (long long)from, (long long)(end - from), n++);
    } while (disk_exists(path));
}

static int copy_bytes(struct log_reader *reader, int64_t from, int64_t end, int fd,
                      const char *path)
{
    int err = 0;
    for (int64_t at = from; at < end && err == 0;) {
        struct slice bytes;
        size_t len = end - at < STEP_BYTES ? (size_t)(end - at) : STEP_BYTES;
        err = log_reader_bytes(reader, at, len, &bytes);
        if (err == 0)
            err = disk_write(fd, path, bytes.data, bytes.len, at - from);
        if (err == 0)
            at += (int64_t)bytes.len;
    }
    return err != 0 ? err : disk_sync(fd, path);
}

static int copy_aside(const struct store *store, struct log_reader *reader, int64_t from,
                      int64_t end)
{
    char dir[DISK_PATH_MAX];
    char path[DISK_PATH_MAX];
    int fd;
    assert(from < end);
    snprintf(dir, sizeof dir, "%.3600s/set-aside", store->root_dir);
    int err = disk_make_dirs(dir);
    if (err != 0)
        return err;
    choose_name(store, from, end, path);
    err = disk_open(path, end - from, &fd);
    if (err != 0)
        return err;
    err = copy_bytes(reader, from, end, fd, path);
    disk_close(fd);
    if (err == 0)
        err = disk_sync_dirs(dir, 1);
    if (err != 0) /* a full disk needs its bytes */
        return disk_remove(path) == 0 ? err : ERR_IO;
    log_warn("commit_log_end_set_aside phy_offset=%lld bytes=%lld path=%s: what lay behind the end "
             "of the log; torn by the loss of power, or damaged",
             (long long)from, (long long)(end - from), path);
    return 0;
}

int recovery_set_end_aside(struct recovery *recovery)
{
    struct commit_log *log = recovery->store->log;
    int64_t file_bytes = commit_log_file_bytes(log);
    int64_t end = commit_log_files_end(log);
    int err = 0;
    for (int64_t from = recovery->at; from < end && err == 0;) {
        int64_t file_end = (from / file_bytes + 1) * file_bytes;
        int64_t remains_end;
        err = find_remains_end(&recovery->reader, from, file_end, &remains_end);
        if (err == 0 && remains_end > from)
            err = copy_aside(recovery->store, &recovery->reader, from, remains_end);
        from = file_end;
    }
    return err;
}
