#include "base/thread.h"

#include <errno.h>
#include <stdio.h>

#include "base/log.h"

enum { NAME_BYTES = 16 }; /* what the kernel takes */

int thread_start(pthread_t *thread, const char *name, void *(*run)(void *arg), void *arg)
{
    char short_name[NAME_BYTES];
    int cause = pthread_create(thread, NULL, run, arg);
    if (cause != 0) {
        log_error("thread_start_failed name=%s errno=%s", name, err_errno_name(cause));
        return cause == EAGAIN ? ERR_NO_MEMORY : err_from_errno(cause);
    }
    snprintf(short_name, sizeof short_name, "%s", name);
    pthread_setname_np(*thread, short_name);
    return 0;
}
