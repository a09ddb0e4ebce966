#include "no_memory.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"

/* ---- an allocator that fails once -------------------------------------------------------------
 */

static atomic_int left = INT_MAX; /* allocations before the one that fails */

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define REAL(name) __interceptor_##name
#else
#define REAL(name) __libc_##name
#endif
/* The sanitizer of threads takes memory before it can watch anything. */
#define UNWATCHED __attribute__((no_sanitize("thread")))
void *REAL(malloc)(size_t bytes);
void *REAL(calloc)(size_t count, size_t bytes);
void *REAL(realloc)(void *block, size_t bytes);

UNWATCHED static bool fails(void)
{
    if (atomic_load(&left) == INT_MAX || atomic_fetch_sub(&left, 1) != 0)
        return false;
    errno = ENOMEM;
    return true;
}

UNWATCHED void *malloc(size_t bytes)
{
    return fails() ? NULL : REAL(malloc)(bytes);
}

UNWATCHED void *calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : REAL(calloc)(count, bytes);
}

UNWATCHED void *realloc(void *block, size_t bytes)
{
    return fails() ? NULL : REAL(realloc)(block, bytes);
}

UNWATCHED void *reallocarray(void *block, size_t count, size_t bytes)
{
    size_t all;
    if (__builtin_mul_overflow(count, bytes, &all)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(block, all);
}

/* ---- children -------------------------------------------------------------------------------- */

enum { CHILD_SECONDS = 300 }; /* then it hangs: SIGALRM */
enum { EXIT_DONE = 0, EXIT_NO_MEMORY = 10, EXIT_OTHER_ANSWER = 11, EXIT_NONE_FAILED = 12 };

static void run_child(work_fn *work, void *ctx, int before, int to)
{
    prctl(PR_SET_DUMPABLE, 0); /* no core of what is meant to abort */
    dup2(to, STDERR_FILENO);
    alarm(CHILD_SECONDS);
    atomic_store(&left, before);
    int err = work(ctx);
    bool none_failed = atomic_exchange(&left, INT_MAX) >= 0;
    if (err != 0 && (none_failed || err != ERR_NO_MEMORY))
        dprintf(to, "answered %s\n", err_name(err));
    _exit(none_failed && err == 0 ? EXIT_NONE_FAILED
          : err == 0              ? EXIT_DONE
          : err == ERR_NO_MEMORY  ? EXIT_NO_MEMORY
                                  : EXIT_OTHER_ANSWER);
}

/* All of it, so that the child can say it; the end is kept. */
static void read_all(int from, char *text, size_t room)
{
    ssize_t n;
    size_t len = 0;
    while ((n = read(from, text + len, room - 1 - len)) > 0) {
        len += (size_t)n;
        if (len == room - 1) {
            memmove(text, text + len / 2, len - len / 2);
            len -= len / 2;
        }
    }
    text[len] = '\0';
    close(from);
}

/* False: the work made no more than `before` allocations. */
static bool fail_one(work_fn *work, void *ctx, int before)
{
    int ends[2], status;
    char said[4096];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        run_child(work, ctx, before, ends[1]);
    close(ends[1]);
    read_all(ends[0], said, sizeof said);
    assert_int_equal(waitpid(child, &status, 0), child);
    bool is_told =
        WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && strstr(said, "out_of_memory") != NULL;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (!is_told && code != EXIT_DONE && code != EXIT_NO_MEMORY && code != EXIT_NONE_FAILED)
        fail_msg("allocation %d failed: status %#x, said: %s", before + 1, (unsigned)status, said);
    return code != EXIT_NONE_FAILED;
}

int no_memory_at_each(work_fn *work, void *ctx)
{
    int count = 0;
    while (fail_one(work, ctx, count))
        count++;
    return count;
}
