/* table_file.c - a table's file and its previous version, replaced so that a crash at any step
 * leaves both of them whole.
 *
 *     write path.tmp, sync it      path: old    path.bak: older    path.tmp: new, perhaps torn
 *     path.tmp <-> path            path: new    path.bak: older    path.tmp: old
 *     path.tmp  -> path.bak        path: new    path.bak: old
 *     sync the directory, and the one above
 *     path.sum: the checksums of both (table_sum.h)
 *
 * A file system that cannot exchange two names (NFS) is given two renames, and path is away between
 * them: path -> path.bak, path.tmp -> path. Hard links would close that gap too, but the reference
 * writes its .bak in place, and would write into the table.
 *
 * Who was killed before that sync leaves what a loss of power may take back: a reader syncs the
 * names of what it read.
 *
 * Only a whole version may ever become .bak: what a reader refused is moved aside to path.damaged,
 * or the next write would put it in the place of the version that saved the day.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dirs.h"
#include "base/fault.h"
#include "base/log.h"
#include "meta/meta.h"
#include "meta/table_sum.h"

/* The largest file that is read: far above any table, far below what would hurt. */
enum { TABLE_FILE_BYTES_MAX = 1 << 30 };

/* `path` with a suffix. ERR_TOO_BIG: longer than a path may be. */
static int path_with(const char *path, const char *suffix, char out[PATH_MAX])
{
    int len = snprintf(out, PATH_MAX, "%s%s", path, suffix);
    return len < 0 || len >= PATH_MAX ? ERR_TOO_BIG : 0;
}

static int failed(const char *step, const char *path, int cause)
{
    log_error("table_file_failed step=%s path=%s errno=%s", step, path, err_errno_name(cause));
    return err_from_errno(cause);
}

/* ---- writing ----------------------------------------------------------------------------- */

static int write_all(int fd, const char *path, struct slice text)
{
    int err = fault_check("table.write");
    if (err != 0)
        return err;
    while (text.len > 0) {
        ssize_t n = write(fd, text.data, text.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed("write", path, errno);
        text = slice_from(text, (size_t)n);
    }
    return 0;
}

static int sync_file(int fd, const char *path)
{
    int err = fault_check("table.sync");
    if (err == 0 && fsync(fd) != 0)
        err = failed("fsync", path, errno);
    return err;
}

static int open_fresh(const char *path, int *fd)
{
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
    *fd = open(path, flags, 0644);
    if (*fd < 0 && errno == ENOENT) {
        char above[PATH_MAX];
        int err = path_with(path, "", above);
        if (err != 0)
            return err;
        int cause = dirs_make(dirname(above));
        if (cause != 0)
            return failed("mkdir", above, cause);
        *fd = open(path, flags, 0644);
    }
    return *fd < 0 ? failed("open", path, errno) : 0;
}

static int64_t modified_ns_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) != 0 ? 0 : (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

static int write_synced(const char *path, struct slice text, int64_t *modified_ns)
{
    int fd;
    int err = open_fresh(path, &fd);
    if (err != 0)
        return err;
    err = write_all(fd, path, text);
    if (err == 0)
        err = sync_file(fd, path);
    *modified_ns = modified_ns_of(fd);
    if (close(fd) != 0 && err == 0)
        err = failed("close", path, errno);
    return err;
}

static int sync_directory(const char *directory)
{
    int err = fault_check("table.sync_directory");
    int cause = err != 0 ? 0 : dirs_sync(directory);
    return cause != 0 ? failed("sync_directory", directory, cause) : err;
}

/* The names in it, and its own: the directory may have been made with its first table. */
static int sync_directory_of(const char *path)
{
    char copy[PATH_MAX];
    int err = path_with(path, "", copy);
    if (err != 0)
        return err;
    char *directory = dirname(copy);
    err = sync_directory(directory);
    return err != 0 ? err : sync_directory(dirname(directory));
}

static int rename_at(const char *point, const char *from, const char *to)
{
    int err = fault_check(point);
    if (err == 0 && rename(from, to) != 0 && errno != ENOENT)
        err = failed("rename", from, errno);
    return err;
}

/* ERR_NOT_FOUND: there is nothing to exchange `fresh` with. ERR_UNSUPPORTED: nothing was done. */
static int exchange(const char *fresh, const char *path)
{
    int err = fault_check("table.exchange");
    if (err != 0)
        return err;
    if (renameat2(AT_FDCWD, fresh, AT_FDCWD, path, RENAME_EXCHANGE) == 0)
        return 0;
    if (errno == ENOENT)
        return ERR_NOT_FOUND;
    if (errno == EINVAL || errno == ENOSYS)
        return ERR_UNSUPPORTED;
    return failed("exchange", path, errno);
}

/* `fresh` becomes `path`, which becomes `backup`. */
static int replace(const char *fresh, const char *path, const char *backup)
{
    int err = exchange(fresh, path);
    if (err == 0)
        return rename_at("table.rename_to_bak", fresh, backup);
    if (err == ERR_UNSUPPORTED)
        err = rename_at("table.rename_to_bak", path, backup);
    if (err == 0 || err == ERR_NOT_FOUND)
        err = rename_at("table.rename", fresh, path);
    return err;
}

int table_file_write(const char *path, struct slice text)
{
    char fresh[PATH_MAX];
    char backup[PATH_MAX];
    int err = path_with(path, ".tmp", fresh);
    if (err == 0)
        err = path_with(path, ".bak", backup);
    if (err != 0)
        return err;
    int64_t modified_ns;
    err = write_synced(fresh, text, &modified_ns);
    if (err != 0) {
        unlink(fresh); /* a full disk needs its bytes */
        return err;
    }
    err = replace(fresh, path, backup);
    if (err == 0)
        err = sync_directory_of(path);
    if (err == 0) /* last: it must not tell of a file that a loss of power took */
        table_sums_note(path, text, modified_ns);
    return err;
}

/* ---- reading ----------------------------------------------------------------------------- */

static int read_all(int fd, const char *path, size_t bytes, struct buf *text)
{
    uint8_t *to = buf_reserve(text, bytes + 1);
    while (text->len < bytes) {
        ssize_t n = read(fd, to + text->len, bytes - text->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed("read", path, errno);
        if (n == 0)
            break;
        text->len += (size_t)n;
        assert(text->len <= bytes);
    }
    return 0;
}

/* ERR_NOT_FOUND: no such file, or an empty one, which is what some crashes leave. */
static int read_text(const char *path, struct buf *text, int64_t *modified_ns)
{
    *modified_ns = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : failed("open", path, errno);
    struct stat st;
    int err = 0;
    if (fstat(fd, &st) != 0)
        err = failed("fstat", path, errno);
    else if (st.st_size > TABLE_FILE_BYTES_MAX)
        err = failed("fstat", path, EFBIG);
    else
        err = read_all(fd, path, (size_t)st.st_size, text);
    *modified_ns = modified_ns_of(fd);
    close(fd);
    return err == 0 && text->len == 0 ? ERR_NOT_FOUND : err;
}

static int read_accepted(const char *path, const struct table_sums *sums,
                         bool (*accepts)(void *ctx, struct slice text), void *ctx)
{
    struct buf text = BUF_INIT;
    int64_t modified_ns;
    int err = read_text(path, &text, &modified_ns);
    if (err == 0 && table_sums_deny(sums, buf_slice(&text), modified_ns)) {
        log_error("table_file_rotted path=%s bytes=%zu: it is not what was written; without its "
                  ".sum it would be taken as it is",
                  path, text.len);
        err = ERR_CORRUPT;
    } else if (err == 0 && !accepts(ctx, buf_slice(&text))) {
        log_error("table_file_refused path=%s bytes=%zu", path, text.len);
        err = ERR_CORRUPT;
    }
    buf_fini(&text);
    return err;
}

/* Either version. */
static int read_a_version(const char *path, bool (*accepts)(void *ctx, struct slice text),
                          void *ctx)
{
    char backup[PATH_MAX];
    char damaged[PATH_MAX];
    struct table_sums sums;
    int err = path_with(path, ".bak", backup);
    if (err == 0)
        err = path_with(path, ".damaged", damaged);
    if (err != 0)
        return err;
    table_sums_read(path, &sums);
    int first = read_accepted(path, &sums, accepts, ctx);
    if (first != ERR_CORRUPT && first != ERR_NOT_FOUND)
        return first;
    err = read_accepted(backup, &sums, accepts, ctx);
    if (err == 0) {
        log_warn("table_file_read_from_backup path=%s", backup);
        return rename_at("table.rename_damaged", path, damaged);
    }
    if (err == ERR_NOT_FOUND && first == ERR_NOT_FOUND && sums.count > 0) {
        log_error("table_file_lost path=%s: it was there once; remove its .sum too if that is "
                  "meant, then it begins empty",
                  path);
        return ERR_CORRUPT;
    }
    return err == ERR_NOT_FOUND ? first : err;
}

/* Whoever wrote it may have been killed before its name was on the disk: answers rest on what is
 * read from here on, and a loss of power must not take it back. */
int table_file_read(const char *path, bool (*accepts)(void *ctx, struct slice text), void *ctx)
{
    int err = read_a_version(path, accepts, ctx);
    return err != 0 ? err : sync_directory_of(path);
}
