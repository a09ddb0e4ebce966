/* fault_socket.h - lets a test of a running process arm its fault points (base/fault.h).
 *
 * Off unless the environment variable RAMJET_FAULTS names a path: then a thread listens there on a
 * Unix socket, takes a line per connection and answers "ok" or "no":
 *
 *     fail POINT SKIP TIMES ERROR     ERROR by its name, e.g. disk_full
 *     pause POINT SKIP TIMES MS
 *     value POINT NUMBER
 *     clear
 *
 * A line in RAMJET_FAULT_FIRST is obeyed at once, for what a connection would come too late for.
 *
 * Threads    the main thread, before there are others.
 */
#ifndef MAIN_FAULT_SOCKET_H
#define MAIN_FAULT_SOCKET_H

/* Before anything that a fault may concern. The thread ends with the process. */
void fault_socket_start(void);

#endif
