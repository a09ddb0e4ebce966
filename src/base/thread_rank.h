/* thread_rank.h - who goes first where threads are more than cores.
 *
 * A loop that waits for a core is a reply that waits. Linux gives a core in turns of milliseconds,
 * and who is woken meanwhile waits for the end of the turn. Three things help without any right:
 *
 *   go first     a thread that asks for short turns gets its first at once, from whoever has a
 *                longer one, as long as it had less than its share (kernel 6.12 and newer)
 *   stand back   what is done ahead or later is many times the work of a pass in one piece, and may
 *                come a little later: it takes a smaller share
 *   give way     who works for long stops between two pieces, and lets those who are ready go first
 *
 * The first two are for good, and leave a thread alone that was given a real-time priority from
 * outside.
 *
 * Threads    any, each for itself.
 */
#ifndef BASE_THREAD_RANK_H
#define BASE_THREAD_RANK_H

/* Somebody waits for what this thread does. Threads it starts are not meant. */
void thread_go_first(void);

/* Nobody waits for it: while no core is free it gets about a third of what the others of the
 * process get. */
void thread_stand_back(void);

/* What it does comes in small pieces: beside thread_stand_back(), so that one that gives way loses
 * no more than such a turn of its share. */
void thread_take_short_turns(void);

/* Between two pieces: who is ready goes first now. Costs little when there is nobody. */
void thread_give_way(void);

#endif
