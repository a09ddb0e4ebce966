#include "bench/report.h"

#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "wire/json.h"

static const struct {
    const char *label;
    const char *key;
    double percent;
} percentiles[SUMMARY_PERCENTILES] = {
    [SUMMARY_P50] = { "p50", "p50_ns", 50 },
    [SUMMARY_P90] = { "p90", "p90_ns", 90 },
    [SUMMARY_P99] = { "p99", "p99_ns", 99 },
    [SUMMARY_P999] = { "p99.9", "p99_9_ns", 99.9 },
    [SUMMARY_P9999] = { "p99.99", "p99_99_ns", 99.99 },
    [SUMMARY_MAX] = { "max", "max_ns", 100 },
};

#define MS_NS INT64_C(1000000)

struct round *report_add_round(struct target *target)
{
    if (target->round_count == REPORT_ROUNDS_MAX)
        return NULL;
    struct round *round = calloc(1, sizeof *round);
    if (round != NULL)
        target->rounds[target->round_count++] = round;
    return round;
}

void report_fini(struct report *report)
{
    for (int t = 0; t < report->target_count; t++)
        for (int r = 0; r < report->targets[t].round_count; r++)
            free(report->targets[t].rounds[r]);
    report->target_count = 0;
}

/* ---- summing up ---------------------------------------------------------------------------------
 */

static double round_rate(const struct round *round, int unused)
{
    (void)unused;
    return load_rate(&round->load);
}

static double round_latency(const struct round *round, int which)
{
    return (double)histogram_percentile(&round->load.latency, percentiles[which].percent);
}

static double round_cpu_per_message(const struct round *round, int unused)
{
    (void)unused;
    uint64_t answered = round->load.accepted + round->load.refused;
    return round->cpu_ns < 0 || answered == 0 ? -1 : (double)round->cpu_ns / (double)answered;
}

static double round_resident(const struct round *round, int unused)
{
    (void)unused;
    return (double)round->resident_kib;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The middle one of a figure's values, one per round; of an even number, the mean of the middle
 * two. */
static double median(const struct target *target, double (*figure)(const struct round *, int),
                     int which)
{
    double values[REPORT_ROUNDS_MAX];
    int count = target->round_count;
    if (count == 0)
        return 0;
    for (int i = 0; i < count; i++)
        values[i] = figure(target->rounds[i], which);
    qsort(values, (size_t)count, sizeof values[0], by_value);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static double fraction(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (double)part / (double)whole;
}

struct summary report_summary(const struct target *target)
{
    struct summary s = {
        .rate_per_s = median(target, round_rate, 0),
        .cpu_ns_per_message = median(target, round_cpu_per_message, 0),
        .resident_kib = median(target, round_resident, 0),
    };
    uint64_t within_1ms = 0, within_10ms = 0, within_100ms = 0;
    for (int i = 0; i < SUMMARY_MAX; i++)
        s.latency_ns[i] = median(target, round_latency, i);
    for (int r = 0; r < target->round_count; r++) {
        const struct load_result *load = &target->rounds[r]->load;
        if ((double)load->latency.max_ns > s.latency_ns[SUMMARY_MAX])
            s.latency_ns[SUMMARY_MAX] = (double)load->latency.max_ns;
        s.due += load->due;
        s.accepted += load->accepted;
        s.refused += load->refused;
        s.lost += load->lost;
        within_1ms += histogram_count_within(&load->latency, MS_NS);
        within_10ms += histogram_count_within(&load->latency, 10 * MS_NS);
        within_100ms += histogram_count_within(&load->latency, 100 * MS_NS);
    }
    s.within_1ms = fraction(within_1ms, s.due);
    s.within_10ms = fraction(within_10ms, s.due);
    s.within_100ms = fraction(within_100ms, s.due);
    return s;
}

/* What the stall probe saw in all rounds of all targets together. The caller frees it. */
static struct histogram *all_stalls(const struct report *report)
{
    struct histogram *all = calloc(1, sizeof *all);
    for (int t = 0; all != NULL && t < report->target_count; t++)
        for (int r = 0; r < report->targets[t].round_count; r++)
            histogram_merge(all, &report->targets[t].rounds[r]->stall);
    return all;
}

/* ---- for people ---------------------------------------------------------------------------------
 */

void report_duration(double elapsed_ns, char out[16])
{
    static const struct {
        double ns;
        const char *name;
    } units[] = { { 1e9, "s" }, { 1e6, "ms" }, { 1e3, "us" }, { 1, "ns" } };
    int u = 0;
    while (u < 3 && elapsed_ns < units[u].ns)
        u++;
    double value = elapsed_ns / units[u].ns;
    snprintf(out, 16, "%.*f%s",
             u == 3 || value >= 100 ? 0
             : value >= 10          ? 1
                                    : 2,
             value, units[u].name);
}

static void print_duration(FILE *out, double elapsed_ns)
{
    char text[16] = "-";
    if (elapsed_ns >= 0)
        report_duration(elapsed_ns, text);
    fprintf(out, " %9s", text);
}

static void print_latencies(const struct target *target, FILE *out)
{
    struct summary s = report_summary(target);
    fprintf(out, "%-20s %10.0f", target->name, s.rate_per_s);
    for (int i = 0; i < SUMMARY_PERCENTILES; i++)
        print_duration(out, s.latency_ns[i]);
    print_duration(out, s.cpu_ns_per_message);
    fprintf(out, "\n");
}

static void print_ratio(FILE *out, double a, double b)
{
    if (a < 0 || b <= 0)
        fprintf(out, " %9s", "-");
    else
        fprintf(out, " %8.2fx", a / b);
}

static void print_ratios(const struct target *a, const struct target *b, FILE *out)
{
    struct summary of = report_summary(a), to = report_summary(b);
    char title[2 * REPORT_NAME_BYTES + 8];
    snprintf(title, sizeof title, "%s / %s", a->name, b->name);
    fprintf(out, "%-20s ", title);
    print_ratio(out, of.rate_per_s, to.rate_per_s);
    for (int i = 0; i < SUMMARY_PERCENTILES; i++)
        print_ratio(out, of.latency_ns[i], to.latency_ns[i]);
    print_ratio(out, of.cpu_ns_per_message, to.cpu_ns_per_message);
    fprintf(out, "\n");
}

static void print_fates(const struct target *target, FILE *out)
{
    struct summary s = report_summary(target);
    fprintf(out, "%-20s %10.4f %9.4f %9.4f %12llu %9llu %9llu", target->name, 100 * s.within_1ms,
            100 * s.within_10ms, 100 * s.within_100ms, (unsigned long long)s.accepted,
            (unsigned long long)s.refused, (unsigned long long)s.lost);
    if (s.resident_kib >= 0)
        fprintf(out, " %9.1f", s.resident_kib / 1024);
    else
        fprintf(out, " %9s", "-");
    for (int r = 0; r < target->round_count; r++)
        for (int i = 0; i < LOAD_CODES_MAX; i++)
            if (target->rounds[r]->load.refusals[i].count > 0)
                fprintf(out, "  code %d: %llu", target->rounds[r]->load.refusals[i].code,
                        (unsigned long long)target->rounds[r]->load.refusals[i].count);
    fprintf(out, "\n");
}

static void print_head(const struct report *report, FILE *out)
{
    int rounds = report->target_count > 0 ? report->targets[0].round_count : 0;
    fprintf(out, "%s%s%d x %d, body %lld B (frame %lld B), %s headers, ", report->name,
            report->name[0] == '\0' ? "" : ": ", report->connections, report->outstanding,
            (long long)report->body_bytes, (long long)report->frame_bytes, report->header);
    if (report->rate_per_s > 0)
        fprintf(out, "open loop at %lld/s, ", (long long)report->rate_per_s);
    else
        fprintf(out, "closed loop, ");
    if (report->messages > 0)
        fprintf(out, "%d rounds of %lld messages, medians\n\n", rounds,
                (long long)report->messages);
    else
        fprintf(out, "%d rounds of %lld s, medians\n\n", rounds, (long long)report->seconds);
}

void report_print(const struct report *report, FILE *out)
{
    print_head(report, out);
    fprintf(out, "%-20s %10s", "", "msg/s");
    for (int i = 0; i < SUMMARY_PERCENTILES; i++)
        fprintf(out, " %9s", percentiles[i].label);
    fprintf(out, " %9s\n", "cpu/msg");
    for (int t = 0; t < report->target_count; t++)
        print_latencies(&report->targets[t], out);
    for (int b = 0; b < report->target_count; b++)
        for (int a = b + 1; a < report->target_count; a++)
            print_ratios(&report->targets[a], &report->targets[b], out);
    fprintf(out, "\n%-20s %10s %9s %9s %12s %9s %9s %9s\n", "", "% <= 1 ms", "<= 10 ms",
            "<= 100 ms", "accepted", "refused", "lost", "RSS MiB");
    for (int t = 0; t < report->target_count; t++)
        print_fates(&report->targets[t], out);
    struct histogram *stalls = all_stalls(report);
    if (stalls != NULL) {
        char p50[16], p99[16], max[16];
        report_duration((double)histogram_percentile(stalls, 50), p50);
        report_duration((double)histogram_percentile(stalls, 99), p99);
        report_duration((double)stalls->max_ns, max);
        fprintf(out, "\nstall probe: a thread was woken late by p50 %s, p99 %s, max %s\n", p50, p99,
                max);
    }
    free(stalls);
}

/* ---- for machines -------------------------------------------------------------------------------
 */

static void json_latencies(struct json_out *j, const struct histogram *h)
{
    for (int i = 0; i < SUMMARY_PERCENTILES; i++)
        json_member_i64(j, percentiles[i].key, histogram_percentile(h, percentiles[i].percent));
}

static void json_ratio(struct json_out *j, const char *key, double value)
{
    json_key(j, slice_str(key));
    json_double(j, value);
}

/* [[greatest ns of the bucket, count], ...] of the buckets that hold something. */
static void json_histogram(struct json_out *j, const struct histogram *h)
{
    json_key(j, SLICE("histogram"));
    json_array_begin(j);
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (h->buckets[i] == 0)
            continue;
        json_array_begin(j);
        json_i64(j, histogram_bucket_upper_ns(i));
        json_i64(j, (int64_t)h->buckets[i]);
        json_array_end(j);
    }
    json_array_end(j);
}

static void json_round(struct json_out *j, const struct round *round)
{
    json_object_begin(j);
    json_ratio(j, "messages_per_s", load_rate(&round->load));
    json_latencies(j, &round->load.latency);
    json_member_i64(j, "due", (int64_t)round->load.due);
    json_member_i64(j, "accepted", (int64_t)round->load.accepted);
    json_member_i64(j, "refused", (int64_t)round->load.refused);
    json_member_i64(j, "lost", (int64_t)round->load.lost);
    json_key(j, SLICE("refusals"));
    json_array_begin(j);
    for (int i = 0; i < LOAD_CODES_MAX && round->load.refusals[i].count > 0; i++) {
        json_object_begin(j);
        json_member_i64(j, "code", round->load.refusals[i].code);
        json_member_i64(j, "count", (int64_t)round->load.refusals[i].count);
        json_object_end(j);
    }
    json_array_end(j);
    json_member_i64(j, "cpu_ns", round->cpu_ns);
    json_member_i64(j, "resident_kib", round->resident_kib);
    json_member_i64(j, "stall_p99_ns", histogram_percentile(&round->stall, 99));
    json_member_i64(j, "stall_max_ns", round->stall.max_ns);
    json_object_end(j);
}

static void json_summary(struct json_out *j, const struct target *target)
{
    struct summary s = report_summary(target);
    json_key(j, SLICE("summary"));
    json_object_begin(j);
    json_ratio(j, "messages_per_s", s.rate_per_s);
    for (int i = 0; i < SUMMARY_PERCENTILES; i++)
        json_member_i64(j, percentiles[i].key, (int64_t)s.latency_ns[i]);
    json_ratio(j, "within_1ms", s.within_1ms);
    json_ratio(j, "within_10ms", s.within_10ms);
    json_ratio(j, "within_100ms", s.within_100ms);
    json_member_i64(j, "cpu_ns_per_message", (int64_t)s.cpu_ns_per_message);
    json_member_i64(j, "resident_kib", (int64_t)s.resident_kib);
    json_member_i64(j, "due", (int64_t)s.due);
    json_member_i64(j, "accepted", (int64_t)s.accepted);
    json_member_i64(j, "refused", (int64_t)s.refused);
    json_member_i64(j, "lost", (int64_t)s.lost);
    json_object_end(j);
}

static void json_target(struct json_out *j, const struct target *target)
{
    json_object_begin(j);
    json_member_str(j, "name", slice_str(target->name));
    json_member_str(j, "address", slice_str(target->address));
    json_member_bool(j, "floor", target->is_floor);
    json_summary(j, target);
    struct histogram *all = calloc(1, sizeof *all);
    for (int r = 0; all != NULL && r < target->round_count; r++)
        histogram_merge(all, &target->rounds[r]->load.latency);
    if (all != NULL)
        json_histogram(j, all);
    free(all);
    json_key(j, SLICE("rounds"));
    json_array_begin(j);
    for (int r = 0; r < target->round_count; r++)
        json_round(j, target->rounds[r]);
    json_array_end(j);
    json_object_end(j);
}

static void json_machine(struct json_out *j)
{
    struct utsname names;
    json_key(j, SLICE("machine"));
    json_object_begin(j);
    if (uname(&names) == 0) {
        json_member_str(j, "kernel", slice_str(names.release));
        json_member_str(j, "architecture", slice_str(names.machine));
    }
    json_member_i64(j, "cores", sysconf(_SC_NPROCESSORS_ONLN));
    json_member_i64(j, "memory_mib", sysconf(_SC_PHYS_PAGES) / 1024 * sysconf(_SC_PAGESIZE) / 1024);
    json_object_end(j);
}

void report_json(const struct report *report, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_STANDARD);
    json_object_begin(&j);
    json_member_str(&j, "bench", SLICE("send"));
    json_member_str(&j, "version", SLICE(RAMJET_VERSION));
    json_member_str(&j, "name", slice_str(report->name));
    json_member_i64(&j, "ended_ms", clock_wall_ms());
    json_machine(&j);
    json_key(&j, SLICE("load"));
    json_object_begin(&j);
    json_member_str(&j, "topic", slice_str(report->topic));
    json_member_str(&j, "header", slice_str(report->header));
    json_member_i64(&j, "body_bytes", report->body_bytes);
    json_member_i64(&j, "frame_bytes", report->frame_bytes);
    json_member_i64(&j, "connections", report->connections);
    json_member_i64(&j, "outstanding", report->outstanding);
    json_member_i64(&j, "rate_per_s", report->rate_per_s);
    json_member_i64(&j, "seconds", report->seconds);
    json_member_i64(&j, "messages", report->messages);
    json_object_end(&j);
    json_key(&j, SLICE("targets"));
    json_array_begin(&j);
    for (int t = 0; t < report->target_count; t++)
        json_target(&j, &report->targets[t]);
    json_array_end(&j);
    json_object_end(&j);
    buf_append_u8(out, '\n');
}
