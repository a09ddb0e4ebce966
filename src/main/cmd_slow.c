/* cmd_slow.c - ramjet slow: where a broker's requests spent their time, and the slowest of them. */
#include <stdio.h>
#include <time.h>

#include "main/cli.h"
#include "main/cmd.h"

#define DEFAULT_BROKER "127.0.0.1:10911" /* where `ramjet` alone puts its broker */

static const char about[] =
    "usage: ramjet slow [--broker HOST:PORT] [--tls]\n"
    "\n"
    "Prints a Ramjet broker's histogram of each stage of its requests, and the slowest recent\n"
    "requests with what the kernel did meanwhile. Stages and counters: docs/operating.md.\n"
    "\n";

struct slow_listing {
    struct cli cli;
    const char *broker;
    struct arena arena;
};

static double us(int64_t ns)
{
    return (double)ns / 1000;
}

static void print_stages(const struct slow_requests *body)
{
    printf("%-8s %14s %10s %10s %10s %10s   us\n", "stage", "requests", "p50", "p99", "p99.9",
           "max");
    for (int i = 0; i < body->stage_count; i++) {
        const struct stage_summary *s = &body->stages[i];
        printf("%-8.*s %14lld %10.1f %10.1f %10.1f %10.1f\n", SLICE_FMT(s->name),
               (long long)s->count, us(s->p50_ns), us(s->p99_ns), us(s->p99_9_ns), us(s->max_ns));
    }
}

static void print_numbers(const struct named_number *numbers, int count)
{
    for (int i = 0; i < count; i++)
        if (numbers[i].value != 0)
            printf(" %.*s=%lld", SLICE_FMT(numbers[i].name), (long long)numbers[i].value);
}

static void print_slow(const struct slow_requests *body)
{
    if (body->slow_count == 0) {
        printf("\nno request took %lld us or more\n", (long long)body->threshold_us);
        return;
    }
    printf("\nat or above %lld us, the latest first; stages in us\n",
           (long long)body->threshold_us);
    for (int i = 0; i < body->slow_count; i++) {
        const struct slow_request_entry *e = &body->slow[i];
        time_t at = (time_t)(e->at_ms / 1000);
        struct tm when;
        char text[32] = "";
        if (localtime_r(&at, &when) != NULL)
            strftime(text, sizeof text, "%H:%M:%S", &when);
        printf("%s.%03d %8lld us  %s (%d) from %.*s, %d in the pass:", text, (int)(e->at_ms % 1000),
               (long long)e->total_us, request_code_name(e->code), e->code, SLICE_FMT(e->peer),
               e->requests);
        print_numbers(e->stages, e->stage_count);
        if (e->kernel_count > 0)
            printf("; kernel:");
        print_numbers(e->kernel, e->kernel_count);
        printf("\n");
    }
}

static void got_slow(void *ctx, const struct call_result *result)
{
    struct slow_listing *l = ctx;
    struct slow_requests body;
    char why[256] = "the answer is not understood";
    if (call_failure(result, why, sizeof why) ||
        answer_slow_requests(result, &l->arena, &body) != 0) {
        cli_fail(&l->cli, "broker %s: %s", l->broker, why);
        return;
    }
    print_stages(&body);
    print_slow(&body);
    cli_end(&l->cli);
}

int cmd_slow(int argc, char **argv)
{
    struct slow_listing listing = { .broker = DEFAULT_BROKER };
    struct cli_target target = { 0 };
    const struct option_row rows[] = {
        OPTION_TEXT("broker", "HOST:PORT", "the broker (" DEFAULT_BROKER ")", &listing.broker),
        CLI_TARGET_ROWS(&target),
    };
    const struct options options = { "slow", about, rows, sizeof rows / sizeof rows[0],
                                     .most_words = 0 };
    int code = options_read(&options, argc, argv, NULL, NULL);
    if (code != OPTIONS_GO_ON)
        return code;
    if (cli_open(&listing.cli, "slow", &target, NULL, NULL) != 0)
        return 1;
    arena_init(&listing.arena);
    call_slow_requests(listing.cli.client, listing.broker, got_slow, &listing);
    cli_run(&listing.cli);
    cli_close(&listing.cli, NULL, NULL);
    arena_fini(&listing.arena);
    return listing.cli.has_failed ? 1 : 0;
}
