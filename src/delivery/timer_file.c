#include "delivery/timer_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dirs.h"
#include "base/fault.h"
#include "base/log.h"

static int failed(const char *call, const char *path, int cause)
{
    log_error("timer_file_failed call=%s path=%s errno=%s", call, path, err_errno_name(cause));
    return err_from_errno(cause);
}

/* Makes the directory of `path`; its name is synced with the first file in it. */
static int make_directory_of(const char *path)
{
    char copy[TIMER_PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    const char *dir = dirname(copy);
    int cause = dirs_make(dir);
    return cause == 0 ? 0 : failed("mkdir", dir, cause);
}

static int sync_directory(const char *dir)
{
    int err = fault_check("timer.sync_name");
    if (err != 0)
        return err;
    int cause = dirs_sync(dir);
    return cause == 0 ? 0 : failed("sync_directory", dir, cause);
}

int timer_file_sync_name(const char *path)
{
    char copy[TIMER_PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    char *dir = dirname(copy);
    int err = sync_directory(dir);
    return err != 0 ? err : sync_directory(dirname(dir)); /* the directory may be new as well */
}

static int set_length(int fd, const char *path, int64_t bytes)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return failed("fstat", path, errno);
    if (st.st_size == bytes)
        return 0;
    if (st.st_size != 0) {
        log_error("timer_file_length path=%s bytes=%lld expected=%lld", path, (long long)st.st_size,
                  (long long)bytes);
        return ERR_CORRUPT;
    }
    if (ftruncate(fd, bytes) != 0)
        return failed("ftruncate", path, errno);
    int err = timer_file_sync_name(path);
    if (err != 0)
        unlink(path); /* or the next to open it would take its name for durable */
    return err;
}

bool timer_file_is_new(const char *path)
{
    struct stat st;
    return stat(path, &st) != 0 || st.st_size == 0;
}

bool timer_file_has_length(const char *path, int64_t bytes)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_size == bytes;
}

int timer_file_open(const char *path, int64_t bytes, int *fd)
{
    assert(bytes > 0);
    int err = make_directory_of(path);
    if (err != 0)
        return err;
    int opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (opened < 0)
        return failed("open", path, errno);
    err = set_length(opened, path, bytes);
    if (err != 0) {
        close(opened);
        return err;
    }
    *fd = opened;
    return 0;
}

int timer_file_remove(const char *path)
{
    return unlink(path) == 0 || errno == ENOENT ? 0 : failed("unlink", path, errno);
}

int timer_file_read(int fd, const char *path, void *into, size_t len, int64_t at)
{
    assert(fd >= 0 && at >= 0);
    int err = fault_check("timer.read");
    if (err != 0)
        return err;
    char *to = into;
    while (len > 0) {
        ssize_t n = pread(fd, to, len, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed("pread", path, errno);
        if (n == 0)
            return ERR_CORRUPT;
        to += n;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

int timer_file_write(int fd, const char *path, const void *data, size_t len, int64_t at)
{
    assert(fd >= 0 && at >= 0);
    int err = fault_check("timer.write");
    if (err != 0)
        return err;
    const char *from = data;
    while (len > 0) {
        ssize_t n = pwrite(fd, from, len, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed("pwrite", path, errno);
        from += n;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

int timer_file_sync(int fd, const char *path)
{
    int err = fault_check("timer.sync");
    if (err != 0)
        return err;
    return fdatasync(fd) == 0 ? 0 : failed("fdatasync", path, errno);
}

int timer_file_rewrite(int fd, const char *path, int64_t from, int64_t upto)
{
    uint8_t bytes[64 * 1024];
    int err = 0;
    while (from < upto && err == 0) {
        size_t len = upto - from < (int64_t)sizeof bytes ? (size_t)(upto - from) : sizeof bytes;
        err = timer_file_read(fd, path, bytes, len, from);
        if (err == 0)
            err = timer_file_write(fd, path, bytes, len, from);
        from += (int64_t)len;
    }
    return err;
}

/* The length never changes: whoever dies in the midst leaves a file that opens. */
int timer_file_wipe(int fd, const char *path, int64_t from, int64_t bytes)
{
    static const uint8_t zeros[64 * 1024];
    assert(from >= 0 && from <= bytes);
    if (from == bytes ||
        fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, bytes - from) == 0)
        return 0;
    if (errno != EOPNOTSUPP)
        return failed("fallocate", path, errno);
    while (from < bytes) {
        size_t len = bytes - from < (int64_t)sizeof zeros ? (size_t)(bytes - from) : sizeof zeros;
        int err = timer_file_write(fd, path, zeros, len, from);
        if (err != 0)
            return err;
        from += (int64_t)len;
    }
    return 0;
}
