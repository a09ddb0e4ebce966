/* thread.h - starts a thread.
 *
 * Ownership  whoever starts one joins it.
 * Threads    any.
 */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>

#include "base/err.h"

/* Runs `run(arg)` on a thread of this name, of which 15 bytes count. ERR_NO_MEMORY: there is no
 * room for one more; it is logged. */
MUST_CHECK int thread_start(pthread_t *thread, const char *name, void *(*run)(void *arg),
                            void *arg);

#endif
