/* roles.h - what `ramjet ROLE ...` can be. Each takes the arguments behind its name (argv[0] is the
 * role) and returns the exit code.
 *
 * Threads    the main thread.
 */
#ifndef MAIN_ROLES_H
#define MAIN_ROLES_H

/* Name server, broker and console in one process, on one data directory. */
int role_all(int argc, char **argv);
int role_namesrv(int argc, char **argv);
int role_broker(int argc, char **argv);
int role_console(int argc, char **argv);

#endif
