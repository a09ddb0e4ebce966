/* disk_mapped.c - files in the memory of the process, and what the kernel is told about their
 * pages.
 */
#include "store/disk_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include "base/fault.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

int disk_map(int fd, const char *path, int64_t bytes, uint8_t **base)
{
    assert(fd >= 0);
    assert(bytes > 0);
    int err = fault_check("disk.map");
    if (err != 0)
        return err;
    void *mapped = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED)
        return disk_failed("mmap", path, errno);
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
        return disk_failed("read_mapping", path, EIO);
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
