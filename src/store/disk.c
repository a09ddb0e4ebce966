/* disk.c - why each call is here and not where it is used: retried, counted as failed in one way,
 * and open to faults from tests. The log's own bytes go through its mapping, not through here.
 */
#include "store/disk.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"

static int failed(const char *call, const char *path, int cause)
{
    log_error("disk_call_failed call=%s path=%s errno=%d", call, path, cause);
    return err_from_errno(cause);
}

int disk_open(const char *path, int64_t create_bytes, int *fd)
{
    assert(path != NULL);
    assert(create_bytes >= 0);
    int err = fault_check("disk.open");
    if (err != 0)
        return err;
    int opened = open(path, O_RDWR | O_CLOEXEC | (create_bytes > 0 ? O_CREAT : 0), 0644);
    if (opened < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : failed("open", path, errno);
    struct stat state;
    if (fstat(opened, &state) != 0 ||
        (create_bytes > 0 && state.st_size == 0 && ftruncate(opened, create_bytes) != 0)) {
        int cause = errno;
        close(opened);
        return failed("ftruncate", path, cause);
    }
    *fd = opened;
    return 0;
}

int disk_size(const char *path, int64_t *bytes)
{
    struct stat state;
    if (stat(path, &state) != 0)
        return errno == ENOENT ? ERR_NOT_FOUND : failed("stat", path, errno);
    *bytes = state.st_size;
    return 0;
}

int disk_write(int fd, const char *path, const void *data, size_t len, int64_t at)
{
    assert(fd >= 0);
    assert(at >= 0);
    int err = fault_check("disk.write");
    if (err != 0)
        return err;
    const uint8_t *from = data;
    while (len > 0) {
        ssize_t n = pwrite(fd, from, len, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed("pwrite", path, errno);
        assert((size_t)n <= len);
        from += n;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

int disk_read(int fd, const char *path, void *into, size_t len, int64_t at, bool may_block)
{
    assert(fd >= 0);
    assert(at >= 0);
    int err = fault_check("disk.read");
    if (err != 0)
        return err;
    uint8_t *to = into;
    while (len > 0) {
        struct iovec run = { to, len };
        ssize_t n = preadv2(fd, &run, 1, at, may_block ? 0 : RWF_NOWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        /* EOPNOTSUPP: this file system cannot tell whether it would wait. */
        if (n < 0 && !may_block && (errno == EAGAIN || errno == EOPNOTSUPP))
            return ERR_WOULD_BLOCK;
        if (n < 0)
            return failed("pread", path, errno);
        if (n == 0)
            return ERR_CORRUPT;
        assert((size_t)n <= len);
        to += n;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

int disk_sync(int fd, const char *path)
{
    assert(fd >= 0);
    int err = fault_check("disk.sync");
    if (err != 0) {
        log_error("disk_call_failed call=fdatasync path=%s fault=%s", path, err_name(err));
        return err;
    }
    return fdatasync(fd) == 0 ? 0 : failed("fdatasync", path, errno);
}

int disk_sync_range(uint8_t *base, int64_t len, const char *path)
{
    assert((uintptr_t)base % 4096 == 0);
    assert(len > 0);
    int err = fault_check("disk.sync_range");
    if (err != 0) {
        log_error("disk_call_failed call=msync path=%s fault=%s", path, err_name(err));
        return err;
    }
    return msync(base, (size_t)len, MS_SYNC) == 0 ? 0 : failed("msync", path, errno);
}

void disk_start_write_back(int fd, int64_t from, int64_t len)
{
    sync_file_range(fd, from, len, SYNC_FILE_RANGE_WRITE);
}

int disk_allocate(int fd, const char *path, int64_t from, int64_t len)
{
    assert(from >= 0);
    assert(len > 0);
    int err = fault_check("disk.allocate");
    if (err != 0)
        return err;
    for (;;) {
        if (fallocate(fd, FALLOC_FL_KEEP_SIZE, from, len) == 0)
            return 0;
        if (errno == EINTR)
            continue;
        return errno == EOPNOTSUPP ? 0 : failed("fallocate", path, errno);
    }
}

int disk_zero(int fd, const char *path, int64_t from, int64_t len)
{
    assert(from >= 0);
    if (len <= 0)
        return 0;
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, len) == 0)
        return 0;
    if (errno != EOPNOTSUPP)
        return failed("fallocate_punch_hole", path, errno);
    static const uint8_t zeros[65536];
    for (int err; len > 0; from += (int64_t)sizeof zeros, len -= (int64_t)sizeof zeros) {
        size_t n = len < (int64_t)sizeof zeros ? (size_t)len : sizeof zeros;
        if ((err = disk_write(fd, path, zeros, n, from)) != 0)
            return err;
    }
    return 0;
}

int disk_make_dirs(const char *path)
{
    char partial[DISK_PATH_MAX];
    snprintf(partial, sizeof partial, "%s", path);
    for (char *p = partial + 1;; p++) {
        char c = *p;
        if (c != '/' && c != 0)
            continue;
        *p = 0;
        if (mkdir(partial, 0755) != 0 && errno != EEXIST)
            return failed("mkdir", partial, errno);
        if (c == 0)
            return 0;
        *p = c;
    }
}

void disk_sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fsync(fd) != 0)
        failed("fsync_dir", path, errno);
    close(fd);
}

void disk_remove_in_slices(const char *path)
{
    enum { SLICE_BYTES = 64 << 20 };
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (unlink(path) != 0 && errno != ENOENT)
        failed("unlink", path, errno);
    if (fd < 0)
        return;
    /* The name goes first: a crash in between never leaves a file of a wrong length under it. */
    struct stat state;
    if (fstat(fd, &state) == 0 && state.st_nlink == 0) {
        for (int64_t left = state.st_size - SLICE_BYTES; left > 0; left -= SLICE_BYTES)
            if (ftruncate(fd, left) != 0)
                break;
    }
    close(fd);
}

static bool parse_number(const char *name, int64_t *number)
{
    size_t len = strlen(name);
    return len > 0 && len <= 20 && name[0] != '-' && slice_to_i64(slice_str(name), number);
}

static int compare_numbers(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

int disk_list_numbers(const char *dir, int64_t **numbers, int *count)
{
    *numbers = NULL;
    *count = 0;
    DIR *opened = opendir(dir);
    if (opened == NULL)
        return errno == ENOENT ? 0 : failed("opendir", dir, errno);
    int cap = 0;
    for (const struct dirent *entry; (entry = readdir(opened)) != NULL;) {
        int64_t number;
        if (!parse_number(entry->d_name, &number))
            continue;
        if (*count == cap) {
            cap = cap == 0 ? 16 : cap * 2;
            int64_t *grown = realloc(*numbers, (size_t)cap * sizeof **numbers);
            if (grown == NULL)
                abort();
            *numbers = grown;
        }
        (*numbers)[(*count)++] = number;
    }
    closedir(opened);
    if (*count > 0)
        qsort(*numbers, (size_t)*count, sizeof **numbers, compare_numbers);
    return 0;
}

void disk_numbered_path(char path[DISK_PATH_MAX], const char *dir, int64_t number)
{
    assert(number >= 0);
    int len = snprintf(path, DISK_PATH_MAX, "%s/%020lld", dir, (long long)number);
    assert(len < DISK_PATH_MAX); /* another file would be meant */
}
