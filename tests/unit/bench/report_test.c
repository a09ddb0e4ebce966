#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "bench/report.h"
#include "wire/json.h"

#define US INT64_C(1000)
#define MS INT64_C(1000000)

static void add_round(struct target *target, int64_t latency_ns, uint64_t messages, int64_t cpu_ns)
{
    struct round *round = report_add_round(target);
    assert_non_null(round);
    for (uint64_t i = 0; i < messages; i++)
        histogram_record(&round->load.latency, latency_ns);
    round->load.accepted = round->load.accepted_in_time = messages;
    round->load.due = messages + 1;
    round->load.lost = 1;
    round->load.elapsed_ns = 1000 * MS;
    round->cpu_ns = cpu_ns;
    round->resident_kib = -1;
    round->load.bytes_in_time = 10 * messages;
    series_init(&round->load.series, 0, 1000 * MS);
    series_record(&round->load.series, 15 * MS, latency_ns);
    series_end(&round->load.series);
}

static struct report *make_report(void)
{
    struct report *report = calloc(1, sizeof *report);
    report->scenario = "send";
    report->name = "a \"title\"";
    report->topic = "t";
    report->header = "json";
    report->target_count = 1;
    snprintf(report->targets[0].name, sizeof report->targets[0].name, "one");
    report->targets[0].address = "127.0.0.1:1";
    add_round(&report->targets[0], 100 * US, 100, 100 * 3000);
    add_round(&report->targets[0], 50 * MS, 10, 10 * 9000);
    add_round(&report->targets[0], 200 * US, 90, 90 * 4000);
    for (int i = 1; i <= 3; i++)
        report_add_disk_sample(report)->write_bytes_per_s = 1000 * i;
    return report;
}

/* Goal: figures are medians over the rounds, so that one bad round does not decide; maximum, losses
 * and fractions are of all, so that it is not hidden. */
static void one_bad_round_neither_decides_nor_hides(void **state)
{
    (void)state;
    struct report *report = make_report();
    struct summary s = report_summary(&report->targets[0]);
    assert_true(s.rate_per_s == 90);
    assert_true(s.bytes_per_s == 900);
    assert_in_range((int64_t)s.latency_ns[SUMMARY_P99], 200 * US, 202 * US);
    assert_true(s.latency_ns[SUMMARY_MAX] == 50 * MS);
    assert_true(s.cpu_ns_per_message == 4000);
    assert_true(s.resident_kib < 0);
    assert_int_equal(s.accepted, 200);
    assert_int_equal(s.lost, 3);
    assert_true(s.within_1ms > 0.935 && s.within_1ms < 0.937); /* 190 of 203, the lost included */
    assert_true(s.within_100ms > 0.985 && s.within_100ms < 0.986);
    report_fini(report);
    free(report);
}

/* Goal: the JSON form is JSON and holds the same figures and every recorded latency. */
static void json_holds_the_figures(void **state)
{
    (void)state;
    struct report *report = make_report();
    struct buf text = BUF_INIT;
    report_json(report, &text);
    json_t *root = json_read(buf_slice(&text));
    assert_non_null(root);
    json_t *target = json_array_get(json_get(root, "targets"), 0);
    assert_int_equal(json_get_i64(json_get(target, "summary"), "lost", -1), 3);
    assert_int_equal(json_get_i64(json_get(target, "summary"), "max_ns", -1), 50 * MS);
    assert_int_equal(json_array_size(json_get(target, "rounds")), 3);
    int64_t count = 0;
    json_t *histogram = json_get(target, "histogram");
    for (size_t i = 0; i < json_array_size(histogram); i++)
        count += json_integer_value(json_array_get(json_array_get(histogram, i), 1));
    assert_int_equal(count, 200);
    json_t *series = json_get(json_array_get(json_get(target, "rounds"), 1), "series");
    assert_int_equal(json_array_size(series), 2); /* slots of 10 ms: an empty one before it */
    assert_int_equal(json_integer_value(json_array_get(json_array_get(series, 1), 6)), 50 * MS);
    assert_int_equal(json_get_i64(json_get(root, "disk"), "write_bytes_per_s", -1), 2000);
    json_decref(root);
    buf_fini(&text);
    report_fini(report);
    free(report);
}

static void durations_have_three_digits_and_a_unit(void **state)
{
    (void)state;
    static const struct {
        double ns;
        const char *text;
    } cases[] = { { 0, "0ns" },        { 999, "999ns" },    { 1234, "1.23us" },
                  { 52100, "52.1us" }, { 477000, "477us" }, { 2500000, "2.50ms" },
                  { 7.9e9, "7.90s" } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[16];
        report_duration(cases[i].ns, text);
        assert_string_equal(text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_bad_round_neither_decides_nor_hides),
        cmocka_unit_test(json_holds_the_figures),
        cmocka_unit_test(durations_have_three_digits_and_a_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
