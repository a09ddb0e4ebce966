#include "bench/report.h"

#include <stdlib.h>

#include "base/clock.h"

const struct report_percentile report_percentiles[SUMMARY_PERCENTILES] = {
    [SUMMARY_P50] = { "p50", "p50_ns", 50 },
    [SUMMARY_P90] = { "p90", "p90_ns", 90 },
    [SUMMARY_P99] = { "p99", "p99_ns", 99 },
    [SUMMARY_P999] = { "p99.9", "p99_9_ns", 99.9 },
    [SUMMARY_P9999] = { "p99.99", "p99_99_ns", 99.99 },
    [SUMMARY_MAX] = { "max", "max_ns", 100 },
};

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
    for (int i = 0; i < report->disk_sample_count; i++)
        free(report->disk_samples[i]);
    report->disk_sample_count = 0;
}

struct disk_sample *report_add_disk_sample(struct report *report)
{
    if (report->disk_sample_count == REPORT_ROUNDS_MAX)
        return NULL;
    struct disk_sample *sample = calloc(1, sizeof *sample);
    if (sample != NULL)
        report->disk_samples[report->disk_sample_count++] = sample;
    return sample;
}

/* ---- summing up ----------------------------------------------------------------------------- */

static double round_rate(const struct round *round, int unused)
{
    (void)unused;
    return load_rate(&round->load);
}

static double round_latency(const struct round *round, int which)
{
    return (double)histogram_percentile(&round->load.latency, report_percentiles[which].percent);
}

static double round_cpu_per_message(const struct round *round, int unused)
{
    (void)unused;
    uint64_t answered = round->load.accepted + round->load.refused;
    return round->cpu_ns < 0 || answered == 0 ? -1 : (double)round->cpu_ns / (double)answered;
}

static double round_bytes_rate(const struct round *round, int unused)
{
    (void)unused;
    return load_bytes_rate(&round->load);
}

static double round_refusal_p99(const struct round *round, int unused)
{
    (void)unused;
    const struct histogram *h = &round->load.refusal;
    return h->count == 0 ? -1 : (double)histogram_percentile(h, 99);
}

static double round_device_bytes(const struct round *round, int unused)
{
    (void)unused;
    return (double)round->device_bytes;
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

/* The middle one; of an even number, the mean of the middle two. */
static double middle_of(double *values, int count)
{
    if (count == 0)
        return 0;
    qsort(values, (size_t)count, sizeof values[0], by_value);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

/* The median of a figure over the rounds. */
static double median(const struct target *target, double (*figure)(const struct round *, int),
                     int which)
{
    double values[REPORT_ROUNDS_MAX];
    for (int i = 0; i < target->round_count; i++)
        values[i] = figure(target->rounds[i], which);
    return middle_of(values, target->round_count);
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
        .bytes_per_s = median(target, round_bytes_rate, 0),
        .refusal_p99_ns = median(target, round_refusal_p99, 0),
        .device_bytes = median(target, round_device_bytes, 0),
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
        within_1ms += histogram_count_within(&load->latency, NS_PER_MS);
        within_10ms += histogram_count_within(&load->latency, 10 * NS_PER_MS);
        within_100ms += histogram_count_within(&load->latency, 100 * NS_PER_MS);
    }
    s.within_1ms = fraction(within_1ms, s.due);
    s.within_10ms = fraction(within_10ms, s.due);
    s.within_100ms = fraction(within_100ms, s.due);
    return s;
}

struct histogram *report_stalls(const struct report *report)
{
    struct histogram *all = calloc(1, sizeof *all);
    for (int t = 0; all != NULL && t < report->target_count; t++)
        for (int r = 0; r < report->targets[t].round_count; r++)
            histogram_merge(all, &report->targets[t].rounds[r]->stall);
    return all;
}

static double sample_figure(const struct disk_sample *sample, int which)
{
    switch (which) {
    case DISK_FDATASYNC_P50:
        return (double)histogram_percentile(&sample->fdatasync, 50);
    case DISK_FDATASYNC_P99:
        return (double)histogram_percentile(&sample->fdatasync, 99);
    case DISK_WRITE:
        return sample->write_bytes_per_s;
    case DISK_GROWING:
        return sample->growing_bytes_per_s;
    case DISK_READ:
        return sample->read_bytes_per_s;
    default:
        return sample->memcpy_bytes_per_s;
    }
}

double report_disk_figure(const struct report *report, enum disk_figure which)
{
    double values[REPORT_ROUNDS_MAX];
    for (int i = 0; i < report->disk_sample_count; i++)
        values[i] = sample_figure(report->disk_samples[i], (int)which);
    return middle_of(values, report->disk_sample_count);
}
