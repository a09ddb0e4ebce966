/* disk.c - why each call is here and not where it is used: retried, counted as failed in one way,
 * and open to faults from tests. The log's own bytes are stored through its mapping, not through
 * here.
 */
#include "store/disk.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/memory.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static int failed(const char *call, const char *path, int cause)
{
    log_error("disk_call_failed call=%s path=%s errno=%d", call, path, cause);
    return err_from_errno(cause);
}

static int failed_at(const char *call, const char *path, int64_t at, int cause)
{
    log_error("disk_call_failed call=%s path=%s at=%lld errno=%d", call, path, (long long)at,
              cause);
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
    int cause = create_bytes == 0 || fstat(opened, &state) == 0 ? 0 : errno;
    if (cause == 0 && create_bytes > 0 && state.st_size == 0 &&
        ftruncate(opened, create_bytes) != 0) {
        cause = errno;
        unlink(path); /* an empty file is nobody's; the next try makes it anew */
    }
    if (cause != 0) {
        close(opened);
        return failed("ftruncate", path, cause);
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
        err = failed("ftruncate", path, errno);
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
        return failed("fallocate_punch_hole", path, errno);
    static const uint8_t zeros[65536];
    for (int err; len > 0; from += (int64_t)sizeof zeros, len -= (int64_t)sizeof zeros) {
        size_t n = len < (int64_t)sizeof zeros ? (size_t)len : sizeof zeros;
        if ((err = disk_write(fd, path, zeros, n, from)) != 0)
            return err;
    }
    return 0;
}

/* ---- names ------------------------------------------------------------------------------- */

static int sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == EACCES) /* what we may not read, we did not make */
        return 0;
    if (fd < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : failed("open_dir", path, errno);
    int err = fsync(fd) == 0 ? 0 : failed("fsync_dir", path, errno);
    close(fd);
    return err;
}

/* The directory that `path` stands in. */
static void parent_of(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        strncpy(path, ".", 2);
    else
        slash[slash == path] = 0;
}

int disk_sync_dirs(const char *path, int above)
{
    char dir[DISK_PATH_MAX];
    int err = fault_check("disk.sync_dirs");
    snprintf(dir, sizeof dir, "%s", path);
    for (; err == 0 && above >= 0; above--) {
        err = sync_dir(dir);
        parent_of(dir);
    }
    return err;
}

int disk_sync_name(const char *path)
{
    char dir[DISK_PATH_MAX];
    snprintf(dir, sizeof dir, "%s", path);
    parent_of(dir);
    return disk_sync_dirs(dir, 0);
}

/* Mostly the last one is all that is missing. */
int disk_make_dirs(const char *path)
{
    char partial[DISK_PATH_MAX];
    int err = fault_check("disk.make_dirs");
    if (err == 0 && (mkdir(path, 0755) == 0 || errno == EEXIST))
        return 0;
    snprintf(partial, sizeof partial, "%s", path);
    for (char *p = partial + 1; err == 0; p++) {
        char c = *p;
        if (c != '/' && c != 0)
            continue;
        *p = 0;
        if (mkdir(partial, 0755) != 0 && errno != EEXIST)
            err = failed("mkdir", partial, errno);
        if (c == 0)
            break;
        *p = c;
    }
    return err;
}

int disk_remove(const char *path)
{
    int err = fault_check("disk.remove");
    if (err != 0)
        return err;
    return unlink(path) == 0 || errno == ENOENT ? 0 : failed("unlink", path, errno);
}

void disk_free_in_slices(int fd)
{
    enum { SLICE_BYTES = 64 << 20 };
    struct stat state;
    if (fstat(fd, &state) != 0 || state.st_nlink != 0)
        return;
    for (int64_t left = state.st_size - SLICE_BYTES; left > 0; left -= SLICE_BYTES)
        if (ftruncate(fd, left) != 0)
            break;
}

void disk_remove_in_slices(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (unlink(path) != 0 && errno != ENOENT)
        failed("unlink", path, errno);
    if (fd < 0)
        return;
    /* The name goes first: a crash in between never leaves a file of a wrong length under it. */
    disk_free_in_slices(fd);
    close(fd);
}

int disk_rename(const char *from, const char *to)
{
    int err = fault_check("disk.rename");
    if (err != 0)
        return err;
    if (rename(from, to) == 0)
        return 0;
    return errno == ENOENT ? ERR_NOT_FOUND : failed("rename", from, errno);
}

int disk_replace(const char *path, struct slice bytes)
{
    char temporary[DISK_PATH_MAX];
    int fd;
    if (snprintf(temporary, sizeof temporary, "%s.tmp", path) >= (int)sizeof temporary)
        return ERR_TOO_BIG;
    int err = disk_remove(temporary); /* it may be longer */
    if (err == 0)
        err = disk_open(temporary, (int64_t)bytes.len, &fd);
    if (err == 0) {
        err = disk_write(fd, temporary, bytes.data, bytes.len, 0);
        if (err == 0)
            err = disk_sync(fd, temporary);
        disk_close(fd);
    }
    if (err == 0)
        err = disk_rename(temporary, path);
    return err != 0 ? err : disk_sync_name(path);
}

void disk_each_name(const char *dir, void (*each)(void *ctx, const char *name, bool is_dir),
                    void *ctx)
{
    DIR *opened = opendir(dir);
    if (opened == NULL) {
        if (errno != ENOENT)
            failed("opendir", dir, errno);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(opened)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            each(ctx, entry->d_name, entry->d_type == DT_DIR);
    closedir(opened);
}

static void remove_below(void *ctx, const char *name, bool is_dir)
{
    char below[DISK_PATH_MAX];
    if (snprintf(below, sizeof below, "%s/%s", (const char *)ctx, name) >= (int)sizeof below)
        return;
    if (is_dir)
        disk_remove_tree(below);
    else
        disk_remove_in_slices(below);
}

void disk_remove_tree(const char *path)
{
    char dir[DISK_PATH_MAX];
    snprintf(dir, sizeof dir, "%s", path);
    disk_each_name(dir, remove_below, dir);
    if (rmdir(dir) != 0 && errno != ENOENT)
        failed("rmdir", dir, errno);
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
        MEMORY_GROW(*numbers, *count, cap, 16);
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

/* ---- mappings ------------------------------------------------------------------------------- */

int disk_map(int fd, const char *path, int64_t bytes, uint8_t **base)
{
    assert(fd >= 0);
    assert(bytes > 0);
    int err = fault_check("disk.map");
    if (err != 0)
        return err;
    void *mapped = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED)
        return failed("mmap", path, errno);
    *base = mapped;
    return 0;
}

void disk_unmap(uint8_t *base, int64_t bytes)
{
    munmap(base, (size_t)bytes);
}

bool disk_populate(uint8_t *base, int64_t len)
{
    return madvise(base, (size_t)len, MADV_POPULATE_WRITE) == 0;
}

void disk_let_go(uint8_t *base, int64_t len)
{
    madvise(base, (size_t)len, MADV_DONTNEED);
}

void disk_expect_random(uint8_t *base, int64_t len)
{
    madvise(base, (size_t)len, MADV_RANDOM);
}

void disk_expect_jumps(int fd)
{
    posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
}

void disk_will_read(int fd, int64_t at, int64_t len)
{
    enum { STEP_BYTES = 128 << 10 }; /* of a longer range the kernel may take only the begin */
    assert(fd >= 0);
    assert(at >= 0);
    for (int64_t end = at + len; at < end; at += STEP_BYTES)
        posix_fadvise(fd, at, end - at < STEP_BYTES ? end - at : STEP_BYTES, POSIX_FADV_WILLNEED);
}

/* Where a thread goes on when a page it touches cannot be read; NULL outside disk_guarded(). */
static _Thread_local sigjmp_buf *guard;

static void page_unreadable(int signal, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    if (guard != NULL)
        siglongjmp(*guard, 1);
    /* Not ours: dies of it, as without us. */
    struct sigaction plain = { .sa_handler = SIG_DFL };
    sigaction(signal, &plain, NULL);
}

static void install_guard(void)
{
    struct sigaction action = { .sa_sigaction = page_unreadable,
                                .sa_flags = SA_SIGINFO | SA_NODEFER };
    sigaction(SIGBUS, &action, NULL);
}

int disk_guarded(int (*run)(void *ctx), void *ctx, const char *path)
{
    static pthread_once_t installed = PTHREAD_ONCE_INIT;
    sigjmp_buf here;
    assert(guard == NULL); /* guards do not nest */
    pthread_once(&installed, install_guard);
    if (sigsetjmp(here, 0) != 0) {
        guard = NULL;
        return failed("read_mapping", path, EIO);
    }
    guard = &here;
    int result = run(ctx);
    guard = NULL;
    return result;
}

struct mapped_copy {
    void *into;
    const uint8_t *from;
    size_t len;
};

static int run_copy(void *ctx)
{
    const struct mapped_copy *copy = ctx;
    memcpy(copy->into, copy->from, copy->len);
    return 0;
}

int disk_copy_mapped(void *into, const uint8_t *from, size_t len, const char *path)
{
    struct mapped_copy copy = { into, from, len };
    return disk_guarded(run_copy, &copy, path);
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
