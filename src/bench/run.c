/* run.c - what all scenarios share: arguments, targets, rounds in turn, reports.
 *
 *   round 1: [disk] echo, broker a, broker b     round 2: [disk] echo, broker a, broker b     ...
 */
#include "bench/run.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "bench/commands.h"
#include "bench/device.h"
#include "bench/page.h"
#include "bench/process.h"
#include "bench/run_options.h"
#include "bench/stall.h"
#include "wire/codes.h"

int run_complain(const struct run *run, const struct run_broker *broker, const char *what, int err)
{
    fprintf(stderr, "ramjet bench %s: %s: %s: %s\n", run->scenario->name, broker->name, what,
            err_name(err));
    return err;
}

/* Under way per connection in an open loop that the scenario chose. */
enum { OPEN_LOOP_OUTSTANDING = 256 };

/* ---- targets -------------------------------------------------------------------------------- */

/* First, so that brokers are compared with it and not it with them. */
static int add_floor(struct run *run, enum floor_kind kind, const char *name)
{
    memmove(&run->brokers[1], &run->brokers[0], (size_t)run->broker_count * sizeof run->brokers[0]);
    run->broker_count++;
    run->brokers[0] = (struct run_broker){ .address_text = "here", .is_floor = true };
    snprintf(run->brokers[0].name, sizeof run->brokers[0].name, "%s", name);
    int err = floor_start(kind, run->settings.disk, &run->brokers[0].floor);
    if (err != 0)
        return run_complain(run, &run->brokers[0], "not started", err);
    run->brokers[0].address = floor_address(run->brokers[0].floor);
    return 0;
}

static struct target *target_of(struct run *run, int broker, int variant)
{
    return &run->report.targets[broker * run->scenario->variant_count + variant];
}

/* Is there one figure for it, whatever the scenario measures? */
static bool is_one_floor(const struct run *run, const struct run_broker *broker)
{
    return broker->is_floor && !run->scenario->measures_floor;
}

static void name_targets(struct run *run)
{
    run->report.target_count = run->broker_count * run->scenario->variant_count;
    for (int b = 0; b < run->broker_count; b++)
        for (int v = 0; v < run->scenario->variant_count; v++) {
            struct target *target = target_of(run, b, v);
            const struct run_broker *broker = &run->brokers[b];
            bool is_one = is_one_floor(run, broker);
            const char *variant = is_one ? "" : run->scenario->variants[v];
            char name[sizeof target->name];
            snprintf(name, sizeof name, "%.*s%s", (int)(sizeof name - 1 - strlen(variant)),
                     broker->name, variant);
            memcpy(target->name, name, sizeof name);
            target->address = broker->address_text;
            target->is_floor = broker->is_floor;
            target->variant = is_one ? -1 : v;
        }
}

/* ---- for scenarios -------------------------------------------------------------------------- */

static int64_t rate(const struct run *run)
{
    return run->settings.rate > 0 ? run->settings.rate : run->scenario->rate_per_s;
}

/* A rate that the scenario chose finds room for itself. */
static int outstanding(const struct run *run)
{
    bool is_chosen_here = run->settings.rate == 0 && rate(run) > 0;
    return is_chosen_here || run->scenario->is_single ? OPEN_LOOP_OUTSTANDING
                                                      : run->settings.outstanding;
}

struct load_plan run_plan(const struct run *run, const struct run_broker *broker)
{
    const struct run_settings *s = &run->settings;
    return (struct load_plan){
        .address = broker->address,
        .is_tls = broker->is_tls,
        .frame = &run->frame,
        .accept_code = broker->is_floor ? REQ_SEND_MESSAGE_V2 : RESP_SUCCESS,
        .connections = run->scenario->is_single ? 1 : s->connections,
        .outstanding = outstanding(run),
        .rate_per_s = rate(run),
        .duration_ns = (int64_t)s->seconds * 1000000000,
        .message_count = s->messages,
        .timeout_ns = (int64_t)s->timeout_ms * 1000000,
        .now_ns = clock_monotonic_ns,
    };
}

struct send_frame_options run_frame_options(const struct run *run)
{
    const struct run_settings *s = &run->settings;
    return (struct send_frame_options){
        .type = strcmp(s->header, "binary") == 0 ? SERIALIZE_BINARY : SERIALIZE_JSON,
        .topic = s->topic,
        .queue_count = run->scenario->is_single ? 1 : s->queues,
        .topic_count = s->topics,
        .body_bytes = (size_t)s->size,
    };
}

/* Processor time of the broker's process up to now and its memory; -1: not known. */
static void read_usage(const struct run_broker *broker, int64_t *cpu_ns, int64_t *resident_kib)
{
    struct process_usage usage;
    *cpu_ns = *resident_kib = -1;
    if (broker->is_floor) {
        *cpu_ns = floor_cpu_ns(broker->floor);
    } else if (broker->pid > 0 && process_usage(broker->pid, &usage) == 0) {
        *cpu_ns = usage.cpu_ns;
        *resident_kib = usage.resident_kib;
    }
}

static int64_t device_bytes(const struct run *run)
{
    return run->disk == NULL ? -1 : device_written_bytes(run->settings.disk);
}

int run_load(struct run *run, const struct run_broker *broker, const struct load_plan *plan,
             struct round *round)
{
    struct stall_probe probe;
    int64_t cpu_before_ns, device_before = device_bytes(run);
    read_usage(broker, &cpu_before_ns, &round->resident_kib);
    int err = stall_probe_start(&probe, &round->stall);
    if (err != 0)
        return run_complain(run, broker, "stall probe", err);
    err = load_run(plan, &round->load);
    stall_probe_stop(&probe);
    read_usage(broker, &round->cpu_ns, &round->resident_kib);
    if (cpu_before_ns >= 0 && round->cpu_ns >= 0)
        round->cpu_ns -= cpu_before_ns;
    round->device_bytes = device_before < 0 ? -1 : device_bytes(run) - device_before;
    return err == 0 ? 0 : run_complain(run, broker, round->load.why, err);
}

/* ---- rounds --------------------------------------------------------------------------------- */

/* As many messages as asked for, in closed loop, whatever the measured load is. */
static int warm_up(struct run *run, const struct run_broker *broker)
{
    struct load_plan plan = run_plan(run, broker);
    struct load_result *result = malloc(sizeof *result);
    if (result == NULL)
        return ERR_NO_MEMORY;
    plan.rate_per_s = 0;
    plan.connections = 8;
    plan.outstanding = 64;
    plan.message_count = run->settings.warmup;
    plan.duration_ns = INT64_C(3600) * 1000000000;
    int err = load_run(&plan, result);
    if (err != 0)
        run_complain(run, broker, result->why, err);
    free(result);
    return err;
}

static int prepare(struct run *run)
{
    int err = 0;
    for (int b = 0; b < run->broker_count && err == 0; b++) {
        if (run->brokers[b].is_floor)
            continue;
        if (run->scenario->prepare != NULL)
            err = run->scenario->prepare(run, &run->brokers[b]);
        if (err == 0 && run->settings.warmup > 0)
            err = warm_up(run, &run->brokers[b]);
    }
    return err;
}

static int measure_round(struct run *run, int index)
{
    const struct run_broker *broker = &run->brokers[index];
    struct round *rounds[RUN_VARIANTS_MAX];
    int variant_count = is_one_floor(run, broker) ? 1 : run->scenario->variant_count;
    for (int v = 0; v < variant_count; v++) {
        rounds[v] = report_add_round(target_of(run, index, v));
        if (rounds[v] == NULL)
            return run_complain(run, broker, "a round's figures", ERR_NO_MEMORY);
        rounds[v]->cpu_ns = rounds[v]->resident_kib = rounds[v]->device_bytes = -1;
    }
    if (!is_one_floor(run, broker))
        return run->scenario->measure(run, broker, rounds);
    struct load_plan plan = run_plan(run, broker);
    return run_load(run, broker, &plan, rounds[0]);
}

static int measure_disk(struct run *run)
{
    struct disk_sample *sample = report_add_disk_sample(&run->report);
    int err = sample == NULL ? ERR_NO_MEMORY : disk_floor_sample(run->disk, sample);
    if (err != 0)
        fprintf(stderr, "ramjet bench %s: disk at %s: %s\n", run->scenario->name,
                run->settings.disk, err_name(err));
    return err;
}

static int measure(struct run *run)
{
    const struct run_settings *s = &run->settings;
    const struct timespec pause = { s->pause_ms / 1000, s->pause_ms % 1000 * 1000000L };
    int err = prepare(run);
    for (int round = 0; round < s->rounds && err == 0; round++) {
        if (run->disk != NULL)
            err = measure_disk(run);
        for (int b = 0; b < run->broker_count && err == 0; b++) {
            nanosleep(&pause, NULL);
            err = measure_round(run, b);
        }
    }
    return err;
}

/* ---- the report ----------------------------------------------------------------------------- */

static void describe_load(struct run *run)
{
    const struct run_settings *s = &run->settings;
    struct report *report = &run->report;
    report->scenario = run->scenario->name;
    report->name = s->name;
    report->topic = s->topic;
    report->header = s->header;
    report->body_bytes = s->size;
    report->frame_bytes = (int64_t)run->frame.bytes;
    report->connections = run->scenario->is_single ? 1 : s->connections;
    report->outstanding = outstanding(run);
    report->rate_per_s = rate(run);
    report->seconds = s->seconds;
    report->messages = s->messages;
}

static int write_reports(const struct run *run)
{
    struct buf json = BUF_INIT, page = BUF_INIT;
    int err = 0;
    report_print(&run->report, stdout);
    report_json(&run->report, &json);
    if (run->settings.json[0] != '\0')
        err = write_report(run->settings.json, &json);
    if (run->settings.html[0] != '\0') {
        page_of_report(buf_slice(&json), &page);
        int page_err = write_report(run->settings.html, &page);
        err = err != 0 ? err : page_err;
    }
    buf_fini(&json);
    buf_fini(&page);
    return err;
}

static int open_floors(struct run *run)
{
    int err = run->settings.echo_sync ? add_floor(run, FLOOR_SYNC, "echo-sync") : 0;
    if (err == 0 && run->settings.echo_keep)
        err = add_floor(run, FLOOR_KEEP, "echo-keep");
    if (err == 0 && run->settings.echo)
        err = add_floor(run, FLOOR_ECHO, "echo");
    if (err == 0 && run->settings.disk[0] != '\0') {
        err = disk_floor_open(run->settings.disk, &run->disk);
        if (err != 0)
            fprintf(stderr, "ramjet bench %s: --disk %s: %s\n", run->scenario->name,
                    run->settings.disk, err_name(err));
    }
    return err;
}

static int run_all(struct run *run)
{
    const struct send_frame_options frame = run_frame_options(run);
    int err = send_frame_init(&run->frame, &frame);
    if (err != 0)
        fprintf(stderr, "ramjet bench %s: no such message: %s\n", run->scenario->name,
                err_name(err));
    if (err == 0)
        err = open_floors(run);
    if (err == 0) {
        name_targets(run);
        err = measure(run);
    }
    if (err == 0) {
        describe_load(run);
        err = write_reports(run);
    }
    for (int b = 0; b < run->broker_count; b++)
        if (run->brokers[b].floor != NULL)
            floor_stop(run->brokers[b].floor);
    if (run->disk != NULL)
        disk_floor_close(run->disk);
    send_frame_fini(&run->frame);
    return err;
}

int run_scenario(const struct scenario *scenario, int argc, char **argv)
{
    struct run *run = calloc(1, sizeof *run);
    if (run == NULL)
        return 1;
    run->scenario = scenario;
    int code = run_options_read(run, argc, argv);
    if (code == OPTIONS_GO_ON)
        code = run_all(run) != 0;
    report_fini(&run->report);
    free(run);
    return code;
}
