/* run_options.h - the arguments of a scenario: its brokers and the settings that all scenarios
 * share. What is wrong is said on stderr.
 *
 * Threads    the main thread.
 */
#ifndef BENCH_RUN_OPTIONS_H
#define BENCH_RUN_OPTIONS_H

#include "base/options.h"
#include "bench/run.h"

/* Fills run->settings and run->brokers; run->scenario is set. OPTIONS_GO_ON, or the exit code. */
int run_options_read(struct run *run, int argc, char **argv);

#endif
