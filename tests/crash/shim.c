/* shim.c - preloaded into a server: kills it at its N-th call that changes a file, or fails it.
 *
 *   SHIM_DIR      only calls on files below this directory count
 *   SHIM_KILL_AT  SIGKILL in front of this call, counted from 1; 0: never
 *   SHIM_COUNT    a file that is given the number of calls when the process ends
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static const char *dir;
static long kill_at;
static atomic_long calls;

__attribute__((constructor)) static void begin(void)
{
    const char *at = getenv("SHIM_KILL_AT");
    dir = getenv("SHIM_DIR");
    kill_at = at == NULL ? 0 : strtol(at, NULL, 10);
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("SHIM_COUNT");
    FILE *out = path == NULL ? NULL : fopen(path, "w");
    if (out == NULL)
        return;
    fprintf(out, "%ld\n", atomic_load(&calls));
    fclose(out);
}

static void count(void)
{
    if (atomic_fetch_add(&calls, 1) + 1 == kill_at)
        kill(getpid(), SIGKILL);
}

static void count_path(const char *path)
{
    if (dir != NULL && strncmp(path, dir, strlen(dir)) == 0)
        count();
}

static void count_fd(int fd)
{
    char link[32];
    char path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (len <= 0)
        return;
    path[len] = 0;
    count_path(path);
}

/* What stands behind ours, found once. */
#define NEXT(type, name)                                                                           \
    static type *next;                                                                             \
    if (next == NULL)                                                                              \
    *(void **)&next = dlsym(RTLD_NEXT, name)

typedef int open_call(const char *, int, ...);
int open(const char *path, int flags, ...)
{
    NEXT(open_call, "open");
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    if ((flags & O_CREAT) != 0)
        count_path(path);
    return next(path, flags, mode);
}

typedef ssize_t pwrite_call(int, const void *, size_t, off_t);
ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    NEXT(pwrite_call, "pwrite");
    count_fd(fd);
    return next(fd, data, len, at);
}

typedef ssize_t write_call(int, const void *, size_t);
ssize_t write(int fd, const void *data, size_t len)
{
    NEXT(write_call, "write");
    count_fd(fd);
    return next(fd, data, len);
}

typedef int fd_call(int);
int fdatasync(int fd)
{
    NEXT(fd_call, "fdatasync");
    count_fd(fd);
    return next(fd);
}

int fsync(int fd)
{
    NEXT(fd_call, "fsync");
    count_fd(fd);
    return next(fd);
}

typedef int msync_call(void *, size_t, int);
int msync(void *base, size_t len, int flags)
{
    NEXT(msync_call, "msync");
    count();
    return next(base, len, flags);
}

typedef int fallocate_call(int, int, off_t, off_t);
int fallocate(int fd, int mode, off_t from, off_t len)
{
    NEXT(fallocate_call, "fallocate");
    count_fd(fd);
    return next(fd, mode, from, len);
}

typedef int ftruncate_call(int, off_t);
int ftruncate(int fd, off_t len)
{
    NEXT(ftruncate_call, "ftruncate");
    count_fd(fd);
    return next(fd, len);
}

typedef int rename_call(const char *, const char *);
int rename(const char *from, const char *to)
{
    NEXT(rename_call, "rename");
    count_path(from);
    return next(from, to);
}

typedef int renameat2_call(int, const char *, int, const char *, unsigned);
int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    NEXT(renameat2_call, "renameat2");
    count_path(from);
    return next(from_fd, from, to_fd, to, flags);
}

typedef int path_call(const char *);
int unlink(const char *path)
{
    NEXT(path_call, "unlink");
    count_path(path);
    return next(path);
}

typedef int mkdir_call(const char *, mode_t);
int mkdir(const char *path, mode_t mode)
{
    NEXT(mkdir_call, "mkdir");
    count_path(path);
    return next(path, mode);
}
