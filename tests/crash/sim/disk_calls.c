/* disk_calls.c - the calls of the C library that the store makes of a disk, on the simulated one.
 *
 * Each that the kernel could be slow in is an event of the machine, and may fail by disk_faults.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

#include "disk_internal.h"

int __wrap_open(const char *path, int flags, ...);
int __wrap_close(int fd);
int __wrap_fstat(int fd, struct stat *state);
int __wrap_stat(const char *path, struct stat *state);
int __wrap_access(const char *path, int mode);
int __wrap_ftruncate(int fd, off_t bytes);
int __wrap_fallocate(int fd, int mode, off_t from, off_t len);
ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t at);
ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __wrap_preadv2(int fd, const struct iovec *runs, int count, off_t at, int flags);
ssize_t __wrap_pread(int fd, void *into, size_t len, off_t at);
ssize_t __wrap_read(int fd, void *into, size_t len);
off_t __wrap_lseek(int fd, off_t at, int whence);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_sync_file_range(int fd, off_t from, off_t len, unsigned flags);
int __wrap_msync(void *base, size_t len, int flags);
void *__wrap_mmap(void *hint, size_t len, int protection, int flags, int fd, off_t at);
int __wrap_munmap(void *base, size_t len);
int __wrap_madvise(void *base, size_t len, int advice);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_rmdir(const char *path);
int __wrap_unlink(const char *path);
int __wrap_rename(const char *from, const char *to);
int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
DIR *__wrap_opendir(const char *path);
struct dirent *__wrap_readdir(DIR *dir);
int __wrap_closedir(DIR *dir);
int __wrap_statvfs(const char *path, struct statvfs *disk);
int __wrap_fcntl(int fd, int command, ...);

static void call_begins(void)
{
    machine_event();
    disk_write_back();
    if (chance_one_in(disk_faults.slow))
        machine_sleep_ms(1 + chance_below(300));
}

static int64_t position[FDS_MAX]; /* for read() and write() */

static int fail(int cause)
{
    disk_was_full = disk_was_full || cause == ENOSPC;
    errno = cause;
    return -1;
}

static int new_fd(struct inode *inode)
{
    for (int fd = 3; fd < FDS_MAX; fd++) {
        if (disk_fds[fd] != NULL)
            continue;
        disk_fds[fd] = inode;
        position[fd] = 0;
        inode->fds++;
        return fd;
    }
    violation("descriptors are used up: some are not closed");
}

int __wrap_open(const char *path, int flags, ...)
{
    call_begins();
    char last[120];
    struct inode *inode = inode_of_path(path);
    if (inode == NULL && errno == ENOENT && (flags & O_CREAT) != 0) {
        struct inode *dir = directory_of_path(path, last);
        if (dir == NULL)
            return -1;
        if (chance_one_in(disk_faults.full))
            return fail(ENOSPC);
        inode = inode_make(false);
        inode->is_of_queue = strstr(path, "consumequeue/") != NULL;
        inode->is_of_log = strstr(path, "/commitlog/") != NULL;
        inode->is_of_timer =
            strstr(path, "/timerlog/") != NULL || strstr(path, "/timerwheel") != NULL;
        directory_change(dir, OP_ADD, last, NULL, inode);
    }
    if (inode == NULL)
        return -1;
    if ((flags & O_TRUNC) != 0 && !inode->is_dir)
        inode_shrink(inode, 0);
    return new_fd(inode);
}

static struct inode *of_fd(int fd)
{
    if (fd < 3 || fd >= FDS_MAX || disk_fds[fd] == NULL)
        violation("descriptor %d is not open", fd);
    return disk_fds[fd];
}

int __wrap_close(int fd)
{
    of_fd(fd)->fds--;
    disk_fds[fd] = NULL;
    return 0;
}

static void fill_stat(const struct inode *inode, struct stat *state)
{
    memset(state, 0, sizeof *state);
    state->st_size = inode->size;
    state->st_nlink = 1;
    state->st_mode = inode->is_dir ? S_IFDIR : S_IFREG;
    state->st_mtim.tv_sec = inode->modified_ns / 1000000000;
    state->st_mtim.tv_nsec = inode->modified_ns % 1000000000;
}

int __wrap_fstat(int fd, struct stat *state)
{
    fill_stat(of_fd(fd), state);
    return 0;
}

int __wrap_stat(const char *path, struct stat *state)
{
    call_begins();
    struct inode *inode = inode_of_path(path);
    if (inode == NULL)
        return -1;
    fill_stat(inode, state);
    return 0;
}

int __wrap_access(const char *path, int mode)
{
    (void)mode;
    machine_event();
    return inode_of_path(path) == NULL ? -1 : 0;
}

int __wrap_ftruncate(int fd, off_t bytes)
{
    call_begins();
    struct inode *inode = of_fd(fd);
    if (bytes > FILE_MAX)
        violation("a file of %lld bytes is too long for the simulated disk", (long long)bytes);
    if (bytes > inode->size && chance_one_in(disk_faults.full))
        return fail(ENOSPC);
    inode_shrink(inode, bytes);
    inode_set_size(inode, bytes);
    return 0;
}

int __wrap_fallocate(int fd, int mode, off_t from, off_t len)
{
    call_begins();
    struct inode *inode = of_fd(fd);
    off_t upto = from + len < inode->size ? from + len : inode->size;
    if ((mode & 2) != 0) { /* FALLOC_FL_PUNCH_HOLE */
        if (upto <= from)
            return 0;
        memset(inode->cache + from, 0, (size_t)(upto - from));
        for (off_t page = (from + PAGE - 1) / PAGE; page < upto / PAGE; page++) {
            inode->has_blocks[page] = false;
            inode->was_written[page] = true;
        }
        if (from % PAGE != 0)
            inode->was_written[from / PAGE] = true;
        return 0;
    }
    if (chance_one_in(disk_faults.full))
        return fail(ENOSPC);
    for (off_t page = from / PAGE; page * PAGE < upto; page++)
        inode->has_blocks[page] = true;
    return 0;
}

static ssize_t write_at(struct inode *inode, const void *data, size_t len, int64_t at)
{
    if (chance_one_in(disk_faults.write_error))
        return fail(EIO);
    if (chance_one_in(disk_faults.full))
        return fail(ENOSPC);
    if (len > 1 && chance_one_in(disk_faults.short_write))
        len = 1 + chance_below((uint32_t)len - 1);
    if (at + (int64_t)len > FILE_MAX)
        violation("a write behind the longest file");
    for (int64_t page = at / PAGE; page * PAGE < at + (int64_t)len; page++) {
        inode->has_blocks[page] = true;
        inode->was_written[page] = true;
    }
    inode_set_size(inode, at + (int64_t)len > inode->size ? at + (int64_t)len : inode->size);
    inode->modified_ns = machine_now_ns();
    machine_copy_by_call(inode->cache + at, data, len); /* the process may die in its middle */
    return (ssize_t)len;
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t at)
{
    call_begins();
    return write_at(of_fd(fd), data, len, at);
}

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    call_begins();
    ssize_t n = write_at(of_fd(fd), data, len, position[fd]);
    position[fd] += n > 0 ? n : 0;
    return n;
}

static ssize_t read_at(const struct inode *inode, void *into, size_t len, int64_t at)
{
    if (chance_one_in(disk_faults.read_error))
        return fail(EIO);
    if (at >= inode->size)
        return 0;
    if (at + (int64_t)len > inode->size)
        len = (size_t)(inode->size - at);
    if (len > 1 && chance_one_in(disk_faults.short_write))
        len = 1 + chance_below((uint32_t)len - 1);
    memcpy(into, inode->cache + at, len);
    return (ssize_t)len;
}

ssize_t __wrap_preadv2(int fd, const struct iovec *runs, int count, off_t at, int flags)
{
    (void)count;
    call_begins();
    if (flags != 0 && chance_one_in(8))
        return fail(EAGAIN);
    return read_at(of_fd(fd), runs[0].iov_base, runs[0].iov_len, at);
}

ssize_t __wrap_pread(int fd, void *into, size_t len, off_t at)
{
    call_begins();
    return read_at(of_fd(fd), into, len, at);
}

ssize_t __wrap_read(int fd, void *into, size_t len)
{
    call_begins();
    ssize_t n = read_at(of_fd(fd), into, len, position[fd]);
    position[fd] += n > 0 ? n : 0;
    return n;
}

static bool page_is_zero(const struct inode *inode, off_t page)
{
    static const uint8_t zeros[PAGE];
    return memcmp(inode->cache + page * PAGE, zeros, PAGE) == 0;
}

/* SEEK_DATA; some file systems do not know it. */
off_t __wrap_lseek(int fd, off_t at, int whence)
{
    (void)whence;
    call_begins();
    const struct inode *inode = of_fd(fd);
    if (chance_one_in(8))
        return fail(EINVAL);
    for (off_t page = at / PAGE; page * PAGE < inode->size; page++)
        if (inode->has_blocks[page] || !page_is_zero(inode, page))
            return page * PAGE > at ? page * PAGE : at;
    return fail(ENXIO);
}

int __wrap_fsync(int fd)
{
    call_begins();
    struct inode *inode = of_fd(fd);
    if (!inode->is_dir)
        return inode_sync(inode, 0, inode_page_count(inode));
    if (chance_one_in(disk_faults.sync_error)) {
        disk_had_sync_error = true;
        return fail(EIO);
    }
    directory_commit(inode, inode->dir->op_count);
    return 0;
}

int __wrap_fdatasync(int fd)
{
    return __wrap_fsync(fd);
}

int __wrap_sync_file_range(int fd, off_t from, off_t len, unsigned flags)
{
    (void)fd;
    (void)from;
    (void)len;
    (void)flags;
    return 0;
}

int __wrap_msync(void *base, size_t len, int flags)
{
    (void)flags;
    call_begins();
    struct inode *inode = inode_of_address(base);
    int from = (int)(((uint8_t *)base - inode->cache) / PAGE);
    int upto = (int)(((uint8_t *)base - inode->cache + (int64_t)len + PAGE - 1) / PAGE);
    return inode_sync(inode, from, upto < inode_page_count(inode) ? upto : inode_page_count(inode));
}

void *__wrap_mmap(void *hint, size_t len, int protection, int flags, int fd, off_t at)
{
    (void)hint, (void)protection, (void)flags, (void)at;
    if (fd < 0) /* memory that goes with the process */
        return malloc(len);
    call_begins();
    struct inode *inode = of_fd(fd);
    inode->maps++;
    return inode->cache;
}

int __wrap_munmap(void *base, size_t len)
{
    (void)len;
    if (sim_disk_is_mapped(base))
        inode_of_address(base)->maps--;
    return 0;
}

int __wrap_madvise(void *base, size_t len, int advice)
{
    (void)base;
    (void)len;
    (void)advice;
    return 0;
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    (void)mode;
    char last[120];
    call_begins();
    struct inode *dir = directory_of_path(path, last);
    if (dir == NULL)
        return -1;
    if (last[0] == 0 || names_find(&dir->dir->now, last) >= 0)
        return fail(EEXIST);
    if (chance_one_in(disk_faults.full))
        return fail(ENOSPC);
    directory_change(dir, OP_ADD, last, NULL, inode_make(true));
    return 0;
}

int __wrap_rmdir(const char *path)
{
    char last[120];
    call_begins();
    struct inode *dir = directory_of_path(path, last);
    int at = dir == NULL ? -1 : names_find(&dir->dir->now, last);
    if (at < 0)
        return fail(ENOENT);
    if (dir->dir->now.list[at].inode->dir->now.count > 0)
        return fail(ENOTEMPTY);
    directory_change(dir, OP_DELETE, last, NULL, NULL);
    return 0;
}

int __wrap_unlink(const char *path)
{
    char last[120];
    call_begins();
    struct inode *dir = directory_of_path(path, last);
    if (dir == NULL || names_find(&dir->dir->now, last) < 0)
        return fail(ENOENT);
    directory_change(dir, OP_DELETE, last, NULL, NULL);
    if (chance_one_in(16))
        inodes_collect();
    return 0;
}

int __wrap_rename(const char *from, const char *to)
{
    char from_last[120];
    char to_last[120];
    call_begins();
    struct inode *from_dir = directory_of_path(from, from_last);
    struct inode *to_dir = from_dir == NULL ? NULL : directory_of_path(to, to_last);
    int at = to_dir == NULL ? -1 : names_find(&from_dir->dir->now, from_last);
    if (at < 0)
        return fail(ENOENT);
    struct inode *inode = from_dir->dir->now.list[at].inode;
    if (from_dir == to_dir) {
        directory_change(from_dir, OP_RENAME, from_last, to_last, inode);
        return 0;
    }
    /* Between two directories it is one step of the journal: both or neither; here, at once. */
    directory_change(to_dir, OP_ADD, to_last, NULL, inode);
    directory_change(from_dir, OP_DELETE, from_last, NULL, NULL);
    directory_commit(to_dir, to_dir->dir->op_count);
    directory_commit(from_dir, from_dir->dir->op_count);
    return 0;
}

/* Within a directory; one step of the journal. */
int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    char from_last[120];
    char to_last[120];
    call_begins();
    struct inode *dir = directory_of_path(from, from_last);
    if (dir == NULL || directory_of_path(to, to_last) != dir || from_fd != AT_FDCWD ||
        to_fd != AT_FDCWD || flags != RENAME_EXCHANGE)
        violation("a call of renameat2 that the simulated disk does not know");
    int at = names_find(&dir->dir->now, from_last);
    if (at < 0 || names_find(&dir->dir->now, to_last) < 0)
        return fail(ENOENT);
    directory_change(dir, OP_EXCHANGE, from_last, to_last, dir->dir->now.list[at].inode);
    return 0;
}

struct listing {
    int count;
    int next;
    struct dirent entry;
    struct name names[NAMES_MAX];
};

DIR *__wrap_opendir(const char *path)
{
    call_begins();
    struct inode *inode = inode_of_path(path);
    if (inode == NULL)
        return NULL;
    if (!inode->is_dir) {
        errno = ENOTDIR;
        return NULL;
    }
    struct listing *listing = malloc(sizeof *listing);
    listing->count = inode->dir->now.count;
    listing->next = 0;
    memcpy(listing->names, inode->dir->now.list, sizeof listing->names);
    return (DIR *)listing;
}

struct dirent *__wrap_readdir(DIR *dir)
{
    struct listing *listing = (struct listing *)dir;
    if (listing->next == listing->count)
        return NULL;
    const struct name *name = &listing->names[listing->next++];
    snprintf(listing->entry.d_name, sizeof listing->entry.d_name, "%s", name->text);
    listing->entry.d_type = name->inode->is_dir ? DT_DIR : DT_REG;
    return &listing->entry;
}

int __wrap_closedir(DIR *dir)
{
    free(dir);
    return 0;
}

int __wrap_statvfs(const char *path, struct statvfs *disk)
{
    (void)path;
    machine_event();
    memset(disk, 0, sizeof *disk);
    disk->f_blocks = 100;
    disk->f_bfree = (fsblkcnt_t)(100 - disk_fill_percent);
    disk->f_bavail = disk->f_bfree;
    return 0;
}

int __wrap_fcntl(int fd, int command, ...)
{
    return command == F_DUPFD_CLOEXEC ? new_fd(of_fd(fd)) : 0;
}
