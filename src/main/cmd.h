/* cmd.h - the commands of the program that use a running cluster: send, receive, topics, slow.
 *
 * Each takes the arguments behind its name (argv[0] is the name) and returns the exit code: 0 done,
 * 1 it failed (the reason is on stderr), 2 wrong usage.
 *
 * Threads    the main thread.
 */
#ifndef MAIN_CMD_H
#define MAIN_CMD_H

int cmd_send(int argc, char **argv);
int cmd_receive(int argc, char **argv);
int cmd_topics(int argc, char **argv);
int cmd_slow(int argc, char **argv);

/* Works on a directory, not on a cluster. */
int cmd_store(int argc, char **argv);

#endif
