/* bench.h - `ramjet bench`: measures any RocketMQ broker by its address, beside the machine's own
 * floor. How to read its figures: docs/performance.md.
 *
 * Threads    called once, from the main thread; ends the threads it starts.
 * Errors     the process's exit code: 0 measured, 1 a measurement failed (said on stderr), 2 the
 *            arguments were wrong.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

/* argv[0] is "bench", argv[1] what to measure: "send" or "start". */
int bench_main(int argc, char **argv);

#endif
