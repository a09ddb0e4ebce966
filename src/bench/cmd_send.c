/* cmd_send.c - `ramjet bench send`: rounds of the same load on the echo floor and on each broker in
 * turn, so that whatever else the machine does meets all of them alike. */
#include "bench/commands.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "bench/floor.h"
#include "bench/options.h"
#include "bench/process.h"
#include "bench/report.h"
#include "bench/stall.h"
#include "wire/codes.h"

struct send_settings {
    char *topic;
    int queues;
    int connections;
    int outstanding;
    int size;
    char *header;
    int64_t rate;
    int seconds;
    int64_t messages;
    int rounds;
    int64_t warmup;
    int timeout_ms;
    int pause_ms;
    bool echo;
    char *name;
    char *json;
};

#define SETTING_INT(member, key, fallback, least, most, text)                                      \
    CONF_INT(struct send_settings, member, key, fallback, least, most, CONF_AT_START, text)
#define SETTING_I64(member, key, fallback, least, most, text)                                      \
    CONF_I64(struct send_settings, member, key, fallback, least, most, CONF_AT_START, text)
#define SETTING_STRING(member, key, fallback, text)                                                \
    CONF_STRING(struct send_settings, member, key, fallback, CONF_AT_START, text)

static const struct conf_row setting_rows[] = {
    SETTING_INT(connections, "connections", 1, 1, LOAD_CONNECTIONS_MAX, "connections"),
    SETTING_INT(outstanding, "outstanding", 1, 1, LOAD_OUTSTANDING_MAX,
                "messages under way per connection; with --rate the most"),
    SETTING_I64(rate, "rate", 0, 0, 100000000,
                "open loop: messages due per second; 0: closed loop"),
    SETTING_INT(size, "size", 1024, 1, 8388608, "bytes of a message's body"),
    SETTING_STRING(header, "header", "json", "serialization of requests: json or binary"),
    SETTING_STRING(topic, "topic", "BenchmarkTest", "topic to send to"),
    SETTING_INT(queues, "queues", 8, 1, SEND_QUEUES_MAX, "queues of the topic to use in turn"),
    SETTING_INT(seconds, "seconds", 5, 1, 86400, "length of a round"),
    SETTING_I64(messages, "messages", 0, 0, 1000000000000, "end a round after so many; 0: by time"),
    SETTING_INT(rounds, "rounds", 3, 1, REPORT_ROUNDS_MAX, "rounds per target, interleaved"),
    SETTING_I64(warmup, "warmup", 0, 0, 1000000000,
                "messages to each broker before the first round"),
    SETTING_INT(timeout_ms, "timeout-ms", 3000, 1, 600000, "a later answer counts as lost, ms"),
    SETTING_INT(pause_ms, "pause-ms", 200, 0, 60000, "rest between two rounds, ms"),
    CONF_BOOL(struct send_settings, echo, "echo", false, CONF_AT_START,
              "measure the echo floor, too"),
    SETTING_STRING(name, "name", "", "title of the report"),
    SETTING_STRING(json, "json", "", "file to write the report to as JSON"),
};
static const struct conf_table settings_table = { setting_rows,
                                                  sizeof setting_rows / sizeof setting_rows[0] };

struct send_bench {
    struct send_settings settings;
    struct report report;
    struct sockaddr_in addresses[REPORT_TARGETS_MAX]; /* by target, as are the next two */
    pid_t pids[REPORT_TARGETS_MAX];                   /* 0: not known */
    struct send_frame frame;
    struct floor *floor; /* behind the target that is one */
};

/* ---- arguments ----------------------------------------------------------------------------------
 */

static int take_broker(void *ctx, const char *value)
{
    struct send_bench *bench = ctx;
    if (bench->report.target_count == REPORT_TARGETS_MAX - 1) {
        fprintf(stderr, "ramjet bench send: too many brokers\n");
        return ERR_INVALID;
    }
    int index = bench->report.target_count;
    struct target *target = &bench->report.targets[index];
    target->address = option_named_value(value, target->name, sizeof target->name);
    if (target->name[0] == '\0')
        snprintf(target->name, sizeof target->name, "%s", target->address);
    int err = option_address(target->address, &bench->addresses[index]);
    if (err != 0) {
        fprintf(stderr, "ramjet bench send: --broker %s: not [NAME=]HOST:PORT of an IPv4 host\n",
                value);
        return ERR_INVALID;
    }
    bench->report.target_count++;
    return 0;
}

static int take_pid(void *ctx, const char *value)
{
    struct send_bench *bench = ctx;
    char name[REPORT_NAME_BYTES];
    int64_t pid;
    const char *number = option_named_value(value, name, sizeof name);
    if (slice_to_i64(slice_str(number), &pid) && pid > 0 && pid <= INT32_MAX)
        for (int i = 0; i < bench->report.target_count; i++)
            if (name[0] == '\0' || strcmp(name, bench->report.targets[i].name) == 0) {
                bench->pids[i] = (pid_t)pid;
                return 0;
            }
    fprintf(stderr, "ramjet bench send: --pid %s: not [NAME=]PID of a --broker named before\n",
            value);
    return ERR_INVALID;
}

static const struct repeated_option repeated[] = {
    { "broker", "[NAME=]ADDR", "HOST:PORT of a broker; several are measured in turn", take_broker },
    { "pid", "[NAME=]PID", "the broker's process: adds CPU per message and memory", take_pid },
};

static enum options_outcome parse(struct send_bench *bench, int argc, char **argv)
{
    const struct options options = {
        .usage = "bench send",
        .text = "Sends messages and measures the answers. Several brokers and the echo floor are\n"
                "measured in turn; figures are medians over the rounds.",
        .table = &settings_table,
        .values = &bench->settings,
        .repeated = repeated,
        .repeated_count = sizeof repeated / sizeof repeated[0],
        .ctx = bench,
    };
    enum options_outcome outcome = options_parse(&options, argc, argv);
    if (outcome != OPTIONS_RUN)
        return outcome;
    const struct send_settings *s = &bench->settings;
    if (strcmp(s->header, "json") != 0 && strcmp(s->header, "binary") != 0) {
        fprintf(stderr, "ramjet bench send: --header is json or binary\n");
        return OPTIONS_WRONG;
    }
    if (bench->report.target_count == 0 && !s->echo) {
        fprintf(stderr, "ramjet bench send: nothing to measure: give --broker or --echo\n");
        return OPTIONS_WRONG;
    }
    return OPTIONS_RUN;
}

/* ---- measuring ----------------------------------------------------------------------------------
 */

static int add_floor(struct send_bench *bench)
{
    int index = bench->report.target_count++;
    /* first, so that brokers are compared with it and not it with them */
    memmove(&bench->report.targets[1], &bench->report.targets[0],
            (size_t)index * sizeof bench->report.targets[0]);
    memmove(&bench->addresses[1], &bench->addresses[0], (size_t)index * sizeof bench->addresses[0]);
    memmove(&bench->pids[1], &bench->pids[0], (size_t)index * sizeof bench->pids[0]);
    bench->report.targets[0] =
        (struct target){ .name = "echo", .address = "here", .is_floor = true };
    bench->pids[0] = 0;
    int err = floor_start(&bench->floor);
    if (err == 0)
        bench->addresses[0] = floor_address(bench->floor);
    return err;
}

static struct load_plan plan_for(const struct send_bench *bench, int index)
{
    const struct send_settings *s = &bench->settings;
    return (struct load_plan){
        .address = bench->addresses[index],
        .frame = &bench->frame,
        .accept_code = bench->report.targets[index].is_floor ? REQ_SEND_MESSAGE_V2 : RESP_SUCCESS,
        .connections = s->connections,
        .outstanding = s->outstanding,
        .rate_per_s = s->rate,
        .duration_ns = (int64_t)s->seconds * 1000000000,
        .message_count = s->messages,
        .timeout_ns = (int64_t)s->timeout_ms * 1000000,
        .now_ns = clock_monotonic_ns,
    };
}

/* Processor time of the target's server up to now and its memory; -1: not known. */
static void read_usage(const struct send_bench *bench, int index, int64_t *cpu_ns,
                       int64_t *resident_kib)
{
    struct process_usage usage;
    *cpu_ns = *resident_kib = -1;
    if (bench->report.targets[index].is_floor) {
        *cpu_ns = floor_cpu_ns(bench->floor);
    } else if (bench->pids[index] > 0 && process_usage(bench->pids[index], &usage) == 0) {
        *cpu_ns = usage.cpu_ns;
        *resident_kib = usage.resident_kib;
    }
}

static int measure_round(struct send_bench *bench, int index)
{
    struct round *round = report_add_round(&bench->report.targets[index]);
    if (round == NULL)
        return ERR_NO_MEMORY;
    struct load_plan plan = plan_for(bench, index);
    struct stall_probe probe;
    int64_t cpu_before_ns;
    read_usage(bench, index, &cpu_before_ns, &round->resident_kib);
    int err = stall_probe_start(&probe, &round->stall);
    if (err != 0)
        return err;
    err = load_run(&plan, &round->load);
    stall_probe_stop(&probe);
    read_usage(bench, index, &round->cpu_ns, &round->resident_kib);
    if (cpu_before_ns >= 0 && round->cpu_ns >= 0)
        round->cpu_ns -= cpu_before_ns;
    if (err != 0)
        fprintf(stderr, "ramjet bench send: %s: %s\n", bench->report.targets[index].name,
                round->load.why);
    return err;
}

/* As many messages as asked for, in closed loop, whatever the measured load is. */
static int warm_up(struct send_bench *bench, int index)
{
    struct load_plan plan = plan_for(bench, index);
    struct load_result *result = malloc(sizeof *result);
    if (result == NULL)
        return ERR_NO_MEMORY;
    plan.rate_per_s = 0;
    plan.connections = 8;
    plan.outstanding = 64;
    plan.message_count = bench->settings.warmup;
    plan.duration_ns = INT64_C(3600) * 1000000000;
    int err = load_run(&plan, result);
    if (err != 0)
        fprintf(stderr, "ramjet bench send: warming up %s: %s\n", bench->report.targets[index].name,
                result->why);
    free(result);
    return err;
}

static int measure(struct send_bench *bench)
{
    const struct send_settings *s = &bench->settings;
    const struct timespec pause = { s->pause_ms / 1000, s->pause_ms % 1000 * 1000000L };
    int err = 0;
    for (int i = 0; i < bench->report.target_count && err == 0; i++)
        if (s->warmup > 0 && !bench->report.targets[i].is_floor)
            err = warm_up(bench, i);
    for (int round = 0; round < s->rounds && err == 0; round++)
        for (int i = 0; i < bench->report.target_count && err == 0; i++) {
            nanosleep(&pause, NULL);
            err = measure_round(bench, i);
        }
    return err;
}

static void describe_load(struct send_bench *bench)
{
    const struct send_settings *s = &bench->settings;
    struct report *report = &bench->report;
    report->name = s->name;
    report->topic = s->topic;
    report->header = s->header;
    report->body_bytes = s->size;
    report->frame_bytes = (int64_t)bench->frame.bytes;
    report->connections = s->connections;
    report->outstanding = s->outstanding;
    report->rate_per_s = s->rate;
    report->seconds = s->seconds;
    report->messages = s->messages;
}

static int run(struct send_bench *bench)
{
    const struct send_settings *s = &bench->settings;
    const struct send_frame_options frame = {
        .type = strcmp(s->header, "binary") == 0 ? SERIALIZE_BINARY : SERIALIZE_JSON,
        .topic = s->topic,
        .queue_count = s->queues,
        .body_bytes = (size_t)s->size,
    };
    int err = send_frame_init(&bench->frame, &frame);
    if (err == 0 && s->echo)
        err = add_floor(bench);
    if (err == 0)
        err = measure(bench);
    if (err == 0) {
        describe_load(bench);
        report_print(&bench->report, stdout);
        if (s->json[0] != '\0') {
            struct buf json = BUF_INIT;
            report_json(&bench->report, &json);
            err = write_report(s->json, &json);
            buf_fini(&json);
        }
    }
    if (bench->floor != NULL)
        floor_stop(bench->floor);
    send_frame_fini(&bench->frame);
    return err;
}

int bench_send(int argc, char **argv)
{
    struct send_bench *bench = calloc(1, sizeof *bench);
    if (bench == NULL)
        return 1;
    enum options_outcome outcome = parse(bench, argc, argv);
    int code = outcome == OPTIONS_RUN ? run(bench) != 0 : outcome == OPTIONS_WRONG ? 2 : 0;
    report_fini(&bench->report);
    conf_fini(&settings_table, &bench->settings);
    free(bench);
    return code;
}
