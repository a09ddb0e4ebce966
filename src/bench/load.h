/* load.h - sends messages to one server over some connections and measures each answer.
 *
 * Closed loop: every connection keeps `outstanding` messages under way; the next one goes when an
 * answer came. Open loop (`rate_per_s` > 0): message i is due at start + i / rate, whatever the
 * server does; its latency counts from then, also when it had to wait here because the server was
 * slow, so that a stall is seen by all whom it would have met (no coordinated omission).
 *
 * Units      nanoseconds of the monotonic clock, bytes.
 * Ownership  plan and frame are borrowed; the result is the caller's, a plain value.
 * Threads    load_run() works on the caller's thread, which must not be shared meanwhile, and goes
 *            first from then on (thread_rank.h).
 * Errors     0, or a negative code: nothing could be measured; `why` of the result says the rest.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <netinet/in.h>

#include "base/histogram.h"
#include "bench/send_frame.h"
#include "bench/series.h"

enum { LOAD_CONNECTIONS_MAX = 1024, LOAD_OUTSTANDING_MAX = 4096 };

struct load_plan {
    struct sockaddr_in address;
    bool is_tls;
    const struct send_frame *frame;
    int32_t accept_code; /* the answer's code when a message was accepted */
    int connections;     /* 1 .. LOAD_CONNECTIONS_MAX */
    int outstanding;     /* per connection, 1 .. LOAD_OUTSTANDING_MAX; in open loop a bound */
    int64_t rate_per_s;  /* all connections together; 0: closed loop */
    int64_t duration_ns;
    int64_t message_count; /* ends sooner, when so many were sent; 0: no bound */
    int64_t timeout_ns;    /* an answer that is later is lost */
    bool counts_from_send; /* open loop: latency counts from the write, not from when it was due:
                            * for loads that nobody could keep up with, the generator included.
                            * Nothing is put while the socket takes no more, nor behind the end */
    int unsent_bytes;      /* so much may wait in this side's kernel (TCP_NOTSENT_LOWAT); 0: more */
    /* when message i was started; for who sees it arrive elsewhere. One connection. NULL: none */
    _Atomic int64_t *start_log;
    int64_t start_log_count;
    int64_t (*now_ns)(void);          /* clock_monotonic_ns, but in tests */
    void (*on_wait)(int64_t wait_ns); /* tests are told for how long it will wait at most; NULL */
};

enum { LOAD_CODES_MAX = 8 };

struct load_result {
    struct histogram latency; /* of accepted messages */
    struct histogram refusal; /* of refused ones */
    struct series series;     /* of accepted ones, over time */
    uint64_t due;             /* messages that should have been sent */
    uint64_t accepted;
    uint64_t accepted_in_time; /* before the end of the duration: what the throughput counts */
    uint64_t refused;          /* answered with another code */
    uint64_t lost;             /* not answered in time, or not even sent by the end */
    uint64_t bytes_in_time;    /* bodies of those accepted in time */
    int64_t elapsed_ns;        /* start to the end of sending */
    struct load_refusal {
        int32_t code;
        uint64_t count;
    } refusals[LOAD_CODES_MAX]; /* by code, as long as there is room */
    char why[128];              /* of an error */
};

MUST_CHECK int load_run(const struct load_plan *plan, struct load_result *result);

/* Messages accepted per second of the duration, and bytes of their bodies. */
double load_rate(const struct load_result *result);
double load_bytes_rate(const struct load_result *result);

#endif
