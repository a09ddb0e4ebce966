/* thread_end.h - something to do when the calling thread ends: give back memory that it kept for
 * itself in _Thread_local variables.
 *
 * Not run for the main thread, whose end is the process's.
 *
 * Threads    any, each for itself.
 */
#ifndef BASE_THREAD_END_H
#define BASE_THREAD_END_H

enum { THREAD_END_MAX = 8 }; /* per thread */

/* Each call adds one; they run on the thread itself, the last one first. */
void thread_at_end(void (*run)(void));

#endif
