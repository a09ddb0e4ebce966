/* disk.c - bytes of a file, and the machine below. Why each call is here and not where it is used:
 * retried, counted as failed in one way, and open to faults from tests. The log's own bytes are
 * stored through its mapping, not through here. Names: disk_names.c; mappings: disk_mapped.c.
 */
#include "store/disk_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"

int disk_failed(const char *call, const char *path, int cause)
{
    log_error("disk_call_failed call=%s path=%s errno=%s", call, path, err_errno_name(cause));
    return err_from_errno(cause);
}

static int failed_at(const char *call, const char *path, int64_t at, int cause)
{
    log_error("disk_call_failed call=%s path=%s at=%lld errno=%s", call, path, (long long)at,
              err_errno_name(cause));
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
        return errno == ENOENT ? ERR_NOT_FOUND : disk_failed("open", path, errno);
    struct stat state;
    int cause = create_bytes == 0 || fstat(opened, &state) == 0 ? 0 : errno;
    if (cause == 0 && create_bytes > 0 && state.st_size == 0 &&
        ftruncate(opened, create_bytes) != 0) {
        cause = errno;
        unlink(path); /* an empty file is nobody's; the next try makes it anew */
    }
    if (cause != 0) {
        close(opened);
        return disk_failed("ftruncate", path, cause);
    }
    *fd = opened;
    return 0;
}

void disk_close(int fd)
{
    if (fd >= 0)
        close(fd);
}

bool disk_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

int64_t disk_modified_ms(int fd)
{
    struct stat state;
    return fstat(fd, &state) == 0 ? (int64_t)state.st_mtim.tv_sec * 1000 : -1;
}

int disk_extend(const char *path, int64_t bytes)
{
    int fd;
    int err = disk_open(path, 0, &fd);
    if (err != 0)
        return err;
    if (ftruncate(fd, bytes) != 0)
        err = disk_failed("ftruncate", path, errno);
    close(fd);
    return err;
}

int disk_lock(int fd)
{
    assert(fd >= 0);
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1 };
    return fcntl(fd, F_OFD_SETLK, &lock) == 0 ? 0 : ERR_LOCKED;
}

int disk_size(const char *path, int64_t *bytes)
{
    struct stat state;
    if (stat(path, &state) != 0)
        return errno == ENOENT ? ERR_NOT_FOUND : disk_failed("stat", path, errno);
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
            return failed_at("pwrite", path, at, errno);
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
            return failed_at("pread", path, at, errno);
        if (n == 0)
            return ERR_CORRUPT;
        assert((size_t)n <= len);
        to += n;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

int64_t disk_next_data(int fd, int64_t at)
{
    assert(fd >= 0);
    assert(at >= 0);
    off_t found = lseek(fd, at, SEEK_DATA);
    if (found < 0)
        return errno == ENXIO ? -1 : at;
    return found > at ? found : at;
}

int disk_sync(int fd, const char *path)
{
    assert(fd >= 0);
    int err = fault_check("disk.sync");
    if (err != 0) {
        log_error("disk_call_failed call=fdatasync path=%s fault=%s", path, err_name(err));
        return err;
    }
    return fdatasync(fd) == 0 ? 0 : disk_failed("fdatasync", path, errno);
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
    return msync(base, (size_t)len, MS_SYNC) == 0 ? 0 : disk_failed("msync", path, errno);
}

int disk_start_write_back(int fd, const char *path, int64_t from, int64_t len)
{
    assert(from >= 0);
    assert(len > 0);
    int err = fault_check("disk.start_write_back");
    if (err != 0) {
        log_error("disk_call_failed call=sync_file_range path=%s fault=%s", path, err_name(err));
        return err;
    }
    if (sync_file_range(fd, from, len, SYNC_FILE_RANGE_WRITE) == 0)
        return 0;
    bool is_unknown = errno == ENOSYS || errno == EPERM || errno == EINVAL || errno == ESPIPE;
    return is_unknown ? 0 : disk_failed("sync_file_range", path, errno);
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
        return errno == EOPNOTSUPP ? 0 : disk_failed("fallocate", path, errno);
    }
}

bool disk_fill(int fd, const char *path, int64_t from, int64_t len)
{
    static const uint8_t zeros[64 << 10];
    assert(fd >= 0);
    assert(from >= 0);
    if (fault_check("disk.fill") != 0)
        return false;
    for (int64_t end = from + len; from < end;) {
        size_t n = end - from < (int64_t)sizeof zeros ? (size_t)(end - from) : sizeof zeros;
        ssize_t written = pwrite(fd, zeros, n, from);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            failed_at("pwrite_ahead", path, from, errno);
            return false;
        }
        from += written;
    }
    return true;
}

int disk_zero(int fd, const char *path, int64_t from, int64_t len)
{
    assert(from >= 0);
    if (len <= 0)
        return 0;
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, len) == 0)
        return 0;
    if (errno != EOPNOTSUPP)
        return disk_failed("fallocate_punch_hole", path, errno);
    static const uint8_t zeros[65536];
    for (int err; len > 0; from += (int64_t)sizeof zeros, len -= (int64_t)sizeof zeros) {
        size_t n = len < (int64_t)sizeof zeros ? (size_t)len : sizeof zeros;
        if ((err = disk_write(fd, path, zeros, n, from)) != 0)
            return err;
    }
    return 0;
}

/* ---- the machine ---------------------------------------------------------------------------- */

int disk_used_percent(const char *path)
{
    struct statvfs disk;
    if (statvfs(path, &disk) != 0)
        return 0;
    uint64_t used = disk.f_blocks - disk.f_bfree;
    uint64_t all = used + disk.f_bavail;
    return all == 0 ? 0 : (int)((used * 100 + all - 1) / all);
}

void disk_boot_id(uint8_t id[BOOT_ID_BYTES])
{
    memset(id, 0, BOOT_ID_BYTES);
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (read(fd, id, BOOT_ID_BYTES) != BOOT_ID_BYTES)
        memset(id, 0, BOOT_ID_BYTES);
    close(fd);
    id[0] = (uint8_t)fault_value("disk.boot_id", id[0]);
}

bool disk_is_of_this_boot(const char *path)
{
    struct stat state;
    struct timespec now;
    struct timespec since_boot;
    if (stat(path, &state) != 0 || clock_gettime(CLOCK_REALTIME, &now) != 0 ||
        clock_gettime(CLOCK_BOOTTIME, &since_boot) != 0)
        return false;
    time_t boot = now.tv_sec - since_boot.tv_sec;
    return fault_value("disk.of_this_boot", state.st_mtim.tv_sec > boot) != 0;
}
