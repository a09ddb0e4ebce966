/* fake_broker.h - a server of one connection for the load generator's tests: it answers each
 * request as a script says and moves the test's clock, so that every latency is known beforehand.
 *
 * The clock stands still unless the script moves it (fake_now_ns), or runs with the real one and
 * jumps ahead when the script says so (fake_real_now_ns).
 */
#ifndef TESTS_BENCH_FAKE_BROKER_H
#define TESTS_BENCH_FAKE_BROKER_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>

struct fake_answer {
    int64_t takes_ns; /* the clock moves by this before the answer goes out */
    int32_t code;
    enum { FAKE_ANSWER, FAKE_TWICE, FAKE_SILENCE, FAKE_HANG_UP, FAKE_GARBAGE } what;
};

struct fake_broker {
    int listen_fd;
    struct sockaddr_in address;
    pthread_t thread;
    /* what to do with the request that came `index`-th, from 0 */
    struct fake_answer (*script)(int index);
    int requests; /* how many came, once stopped */
};

void fake_broker_start(struct fake_broker *b, struct fake_answer (*script)(int index));
/* Waits until the generator has hung up. */
void fake_broker_join(struct fake_broker *b);

/* Sets the clock that stands still, and the jumps of the other, to 0. */
void fake_clock_reset(void);
int64_t fake_now_ns(void);
int64_t fake_real_now_ns(void);

#endif
