/* run.h - a run of `ramjet bench`: one scenario, on the echo floor and on each broker in turn,
 * round by round, so that whatever else the machine does meets all of them alike.
 *
 * A scenario measures one or more things per broker and round (its variants); each becomes a target
 * of the report, named for broker and variant. The table of scenarios is in bench.c.
 *
 * Threads    the caller's; a scenario ends the threads it starts before it returns.
 * Errors     0, or a negative code whose reason was said on stderr.
 */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include <assert.h>
#include <sys/types.h>

#include "bench/disk_floor.h"
#include "bench/floor.h"
#include "bench/report.h"

enum { RUN_BROKERS_MAX = 7, RUN_FLOORS_MAX = 3, RUN_VARIANTS_MAX = 6 };
static_assert((int)RUN_BROKERS_MAX * RUN_VARIANTS_MAX <= (int)REPORT_TARGETS_MAX, "all fit");

struct run_settings {
    const char *topic;
    int queues;
    int topics;
    int connections;
    int outstanding;
    int size;
    const char *header;
    int64_t rate;
    int seconds;
    int64_t messages;
    int rounds;
    int64_t warmup;
    int64_t pending;
    int64_t burst;
    int invisible_ms;
    int timeout_ms;
    int pause_ms;
    int readers;
    const char *read_topic;
    int factor_percent;
    bool echo;
    bool echo_keep;
    bool echo_sync;
    const char *disk;
    const char *name;
    const char *json;
    const char *html;
};

struct run_broker {
    char name[REPORT_NAME_BYTES];
    const char *address_text;
    struct sockaddr_in address;
    bool is_tls;
    pid_t pid; /* 0: not known */
    bool is_floor;
    struct floor *floor; /* its server */
};

struct run;

struct scenario {
    const char *name;
    const char *text;            /* a line for the list of scenarios */
    const char *help;            /* more lines */
    bool is_single;              /* one connection, one queue */
    int64_t rate_per_s;          /* when --rate says nothing; 0: closed loop */
    const char *const *variants; /* what stands behind the broker's name in the report */
    int variant_count;
    bool measures_floor; /* the floor is measured like a broker: each variant has its own */
    /* Before the first round of a broker, never of the floor. NULL: nothing to do. */
    int (*prepare)(struct run *run, const struct run_broker *broker);
    /* rounds[] has a fresh round per variant. The floor is measured by run_load() alone, unless
     * measures_floor. */
    int (*measure)(struct run *run, const struct run_broker *broker, struct round **rounds);
};

struct run {
    const struct scenario *scenario;
    struct run_settings settings;
    struct run_broker brokers[RUN_BROKERS_MAX];
    int broker_count;
    struct report report;
    struct send_frame frame;
    struct disk_floor *disk; /* NULL: none is measured */
};

/* Runs the scenario with these arguments (argv[0] is its name); the exit code of bench.h. */
int run_scenario(const struct scenario *scenario, int argc, char **argv);

/* ---- for scenarios -------------------------------------------------------------------------- */

/* The load that the settings describe, towards this broker. */
struct load_plan run_plan(const struct run *run, const struct run_broker *broker);
/* Runs the plan and notes beside it what the machine did and the broker cost. */
MUST_CHECK int run_load(struct run *run, const struct run_broker *broker,
                        const struct load_plan *plan, struct round *round);
/* The message that the settings describe. */
struct send_frame_options run_frame_options(const struct run *run);
/* Makes the --topics of the settings. */
MUST_CHECK int run_make_topics(struct run *run, const struct run_broker *broker);
/* Says on stderr what failed, and gives `err` back. */
int run_complain(const struct run *run, const struct run_broker *broker, const char *what, int err);

extern const struct scenario scenario_send, scenario_deliver, scenario_read, scenario_overload,
    scenario_timer, scenario_burst, scenario_pop, scenario_topics;

#endif
