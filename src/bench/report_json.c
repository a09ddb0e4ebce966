/* report_json.c - a report for machines; docs/performance.md names the members. */
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/report.h"
#include "wire/json.h"

static void json_latencies(struct json_out *j, const struct histogram *h)
{
    for (int i = 0; i < SUMMARY_PERCENTILES; i++)
        json_member_i64(j, report_percentiles[i].key,
                        histogram_percentile(h, report_percentiles[i].percent));
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

/* [[start ms, count, p50, p90, p99, p99.9, max], ...] of the slots, times in ns. */
static void json_series(struct json_out *j, const struct series *series)
{
    json_key(j, SLICE("series"));
    json_array_begin(j);
    for (int i = 0; i < series->slot_count; i++) {
        const struct series_slot *slot = &series->slots[i];
        const int64_t values[] = { i * series->slot_ns / 1000000,
                                   (int64_t)slot->count,
                                   slot->p50_ns,
                                   slot->p90_ns,
                                   slot->p99_ns,
                                   slot->p99_9_ns,
                                   slot->max_ns };
        json_array_begin(j);
        for (size_t v = 0; v < sizeof values / sizeof values[0]; v++)
            json_i64(j, values[v]);
        json_array_end(j);
    }
    json_array_end(j);
}

/* The sum of what was longer than a millisecond. */
static int64_t over_1ms_ns(const struct histogram *h)
{
    int64_t sum_ns = 0;
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        if (histogram_bucket_upper_ns(i) > 1000000)
            sum_ns += (int64_t)h->buckets[i] * histogram_bucket_upper_ns(i);
    return sum_ns;
}

static void json_round(struct json_out *j, const struct round *round)
{
    json_object_begin(j);
    json_ratio(j, "messages_per_s", load_rate(&round->load));
    json_latencies(j, &round->load.latency);
    json_ratio(j, "within_1ms",
               round->load.due == 0
                   ? 0
                   : (double)histogram_count_within(&round->load.latency, 1000000) /
                         (double)round->load.due);
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
    json_member_i64(j, "device_bytes", round->device_bytes);
    json_ratio(j, "bytes_per_s", load_bytes_rate(&round->load));
    json_member_i64(j, "refusal_p99_ns", histogram_percentile(&round->load.refusal, 99));
    json_member_i64(j, "stall_p99_ns", histogram_percentile(&round->stall, 99));
    json_member_i64(j, "stall_max_ns", round->stall.max_ns);
    json_member_i64(j, "stall_over_1ms",
                    (int64_t)(round->stall.count - histogram_count_within(&round->stall, 1000000)));
    json_member_i64(j, "stall_over_1ms_ns", over_1ms_ns(&round->stall));
    json_series(j, &round->load.series);
    json_object_end(j);
}

static void json_summary(struct json_out *j, const struct target *target)
{
    struct summary s = report_summary(target);
    json_key(j, SLICE("summary"));
    json_object_begin(j);
    json_ratio(j, "messages_per_s", s.rate_per_s);
    for (int i = 0; i < SUMMARY_PERCENTILES; i++)
        json_member_i64(j, report_percentiles[i].key, (int64_t)s.latency_ns[i]);
    json_ratio(j, "within_1ms", s.within_1ms);
    json_ratio(j, "within_10ms", s.within_10ms);
    json_ratio(j, "within_100ms", s.within_100ms);
    json_member_i64(j, "cpu_ns_per_message", (int64_t)s.cpu_ns_per_message);
    json_member_i64(j, "resident_kib", (int64_t)s.resident_kib);
    json_member_i64(j, "device_bytes", (int64_t)s.device_bytes);
    json_ratio(j, "bytes_per_s", s.bytes_per_s);
    json_member_i64(j, "refusal_p99_ns", (int64_t)s.refusal_p99_ns);
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

static void json_disk(struct json_out *j, const struct report *report)
{
    static const struct {
        const char *key;
        enum disk_figure which;
    } members[] = {
        { "fdatasync_p50_ns", DISK_FDATASYNC_P50 }, { "fdatasync_p99_ns", DISK_FDATASYNC_P99 },
        { "write_bytes_per_s", DISK_WRITE },        { "read_bytes_per_s", DISK_READ },
        { "memcpy_bytes_per_s", DISK_MEMCPY },      { "growing_bytes_per_s", DISK_GROWING },
    };
    if (report->disk_sample_count == 0)
        return;
    json_key(j, SLICE("disk"));
    json_object_begin(j);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        json_member_i64(j, members[i].key, (int64_t)report_disk_figure(report, members[i].which));
    json_object_end(j);
}

void report_json(const struct report *report, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_STANDARD);
    json_object_begin(&j);
    json_member_str(&j, "bench", slice_str(report->scenario));
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
    json_disk(&j, report);
    json_key(&j, SLICE("targets"));
    json_array_begin(&j);
    for (int t = 0; t < report->target_count; t++)
        if (report->targets[t].round_count > 0)
            json_target(&j, &report->targets[t]);
    json_array_end(&j);
    json_object_end(&j);
    buf_append_u8(out, '\n');
}
