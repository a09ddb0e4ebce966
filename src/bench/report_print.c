/* report_print.c - a report for people: a table of figures, one of fates, and what the machine did.
 */
#include <stdlib.h>

#include "bench/report.h"

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
    fprintf(out, "%-24s %10.0f", target->name, s.rate_per_s);
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
    fprintf(out, "%-24s ", title);
    print_ratio(out, of.rate_per_s, to.rate_per_s);
    for (int i = 0; i < SUMMARY_PERCENTILES; i++)
        print_ratio(out, of.latency_ns[i], to.latency_ns[i]);
    print_ratio(out, of.cpu_ns_per_message, to.cpu_ns_per_message);
    fprintf(out, "\n");
}

static void print_fates(const struct target *target, FILE *out)
{
    struct summary s = report_summary(target);
    fprintf(out, "%-24s %10.4f %9.4f %9.4f %12llu %9llu %9llu", target->name, 100 * s.within_1ms,
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

static void print_disk(const struct report *report, FILE *out)
{
    if (report->disk_sample_count == 0)
        return;
    char p50[16], p99[16];
    report_duration(report_disk_figure(report, DISK_FDATASYNC_P50), p50);
    report_duration(report_disk_figure(report, DISK_FDATASYNC_P99), p99);
    fprintf(out,
            "\ndisk: fdatasync p50 %s, p99 %s; writes %.0f, of new pages %.0f, reads %.0f, "
            "memcpy %.0f MB/s\n",
            p50, p99, report_disk_figure(report, DISK_WRITE) / 1e6,
            report_disk_figure(report, DISK_GROWING) / 1e6,
            report_disk_figure(report, DISK_READ) / 1e6,
            report_disk_figure(report, DISK_MEMCPY) / 1e6);
}

/* With the floor, and with the same thing measured on another broker. */
static bool is_comparable(const struct target *a, const struct target *b)
{
    return a->round_count > 0 && b->round_count > 0 && (b->variant < 0 || a->variant == b->variant);
}

void report_print(const struct report *report, FILE *out)
{
    print_head(report, out);
    fprintf(out, "%-24s %10s", "", "msg/s");
    for (int i = 0; i < SUMMARY_PERCENTILES; i++)
        fprintf(out, " %9s", report_percentiles[i].label);
    fprintf(out, " %9s\n", "cpu/msg");
    for (int t = 0; t < report->target_count; t++)
        if (report->targets[t].round_count > 0)
            print_latencies(&report->targets[t], out);
    for (int b = 0; b < report->target_count; b++)
        for (int a = b + 1; a < report->target_count; a++)
            if (is_comparable(&report->targets[a], &report->targets[b]))
                print_ratios(&report->targets[a], &report->targets[b], out);
    fprintf(out, "\n%-24s %10s %9s %9s %12s %9s %9s %9s\n", "", "% <= 1 ms", "<= 10 ms",
            "<= 100 ms", "accepted", "refused", "lost", "RSS MiB");
    for (int t = 0; t < report->target_count; t++)
        if (report->targets[t].round_count > 0)
            print_fates(&report->targets[t], out);
    print_disk(report, out);
    struct histogram *stalls = report_stalls(report);
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
