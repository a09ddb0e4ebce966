/* run_options.h - the arguments of a scenario: its brokers and the settings that all scenarios
 * share. What is wrong is said on stderr.
 *
 * Threads    the main thread.
 */
#ifndef BENCH_RUN_OPTIONS_H
#define BENCH_RUN_OPTIONS_H

#include "bench/options.h"
#include "bench/run.h"

/* Fills run->settings and run->brokers; run->scenario is set. run_options_fini() must follow. */
enum options_outcome run_options_parse(struct run *run, int argc, char **argv);
void run_options_fini(struct run *run);

#endif
