/* thread_rank.h - who goes first where threads are more than cores.
 *
 * A loop that waits for a core is a reply that waits. What is done ahead or later can stand back:
 * it is many times the work of a pass in one piece, and may come a little later.
 */
#ifndef BASE_THREAD_RANK_H
#define BASE_THREAD_RANK_H

/* The calling thread stands back behind the others of the process, for good: while no core is free
 * it gets about a third of what they get. */
void thread_stand_back(void);

#endif
