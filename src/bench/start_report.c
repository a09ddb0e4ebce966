#include "bench/start_report.h"

#include "base/clock.h"
#include "bench/report.h"
#include "wire/json.h"

void start_report_print(const struct start_report *report, FILE *out)
{
    fprintf(out, "%s%s%s\n\n%-4s %12s %9s %9s %8s %11s %7s %9s %5s\n", report->name,
            report->name[0] == '\0' ? "" : ": ", report->command, "run", "first send", "RSS MiB",
            "anon MiB", "threads", "switches/s", "cpu %", "stop", "exit");
    for (int i = 0; i < report->run_count; i++) {
        const struct start_run *run = &report->runs[i];
        char first_send[16], stop[16];
        report_duration((double)run->first_send_ns, first_send);
        report_duration((double)run->stop_ns, stop);
        fprintf(out, "%-4d %12s %9.1f %9.1f %8lld %11.1f %7.2f %9s %5d\n", i + 1, first_send,
                (double)run->resident_kib / 1024, (double)run->resident_anon_kib / 1024,
                (long long)run->threads, run->switches_per_s, run->cpu_percent, stop,
                run->exit_code);
    }
}

static void json_run(struct json_out *j, const struct start_run *run)
{
    json_object_begin(j);
    json_member_i64(j, "first_send_ns", run->first_send_ns);
    json_member_i64(j, "stop_ns", run->stop_ns);
    json_member_i64(j, "exit_code", run->exit_code);
    json_member_i64(j, "resident_kib", run->resident_kib);
    json_member_i64(j, "resident_anon_kib", run->resident_anon_kib);
    json_member_i64(j, "threads", run->threads);
    json_key(j, SLICE("switches_per_s"));
    json_double(j, run->switches_per_s);
    json_key(j, SLICE("cpu_percent"));
    json_double(j, run->cpu_percent);
    json_object_end(j);
}

void start_report_json(const struct start_report *report, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_STANDARD);
    json_object_begin(&j);
    json_member_str(&j, "bench", SLICE("start"));
    json_member_str(&j, "version", SLICE(RAMJET_VERSION));
    json_member_str(&j, "name", slice_str(report->name));
    json_member_str(&j, "command", slice_str(report->command));
    json_member_i64(&j, "ended_ms", clock_wall_ms());
    json_key(&j, SLICE("runs"));
    json_array_begin(&j);
    for (int i = 0; i < report->run_count; i++)
        json_run(&j, &report->runs[i]);
    json_array_end(&j);
    json_object_end(&j);
    buf_append_u8(out, '\n');
}
