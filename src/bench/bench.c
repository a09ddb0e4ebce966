#include "bench/bench.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "bench/commands.h"
#include "bench/page.h"
#include "bench/run.h"

static const struct scenario *const scenarios[] = {
    &scenario_send,  &scenario_deliver, &scenario_read, &scenario_overload,
    &scenario_timer, &scenario_burst,   &scenario_pop,  &scenario_topics,
};
enum { SCENARIO_COUNT = sizeof scenarios / sizeof scenarios[0] };

/* What does not fit a scenario's pattern of rounds over brokers that run already. */
static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *text;
} commands[] = {
    { "start", bench_start, "time from exec to the first accepted send; cost of an idle broker" },
    { "page", bench_page, "reports in JSON as one page with plots" },
};
enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static int print_help(FILE *out)
{
    fprintf(out, "usage: ramjet bench WHAT [options]     (--help behind WHAT lists them)\n\n");
    for (int i = 0; i < SCENARIO_COUNT; i++)
        fprintf(out, "  %-9s %s\n", scenarios[i]->name, scenarios[i]->text);
    for (int i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].text);
    return out == stdout ? 0 : 2;
}

int bench_main(int argc, char **argv)
{
    if (argc < 2)
        return print_help(stderr);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return print_help(stdout);
    /* the default slack of 50 us would be charged to whoever is measured; the threads inherit it */
    (void)prctl(PR_SET_TIMERSLACK, 1UL);
    for (int i = 0; i < SCENARIO_COUNT; i++)
        if (strcmp(argv[1], scenarios[i]->name) == 0)
            return run_scenario(scenarios[i], argc - 1, argv + 1);
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "ramjet bench: cannot measure \"%s\"\n", argv[1]);
    return print_help(stderr);
}

int write_report(const char *path, const struct buf *text)
{
    FILE *file = fopen(path, "we");
    if (file == NULL || fwrite(text->data, 1, text->len, file) != text->len) {
        int cause = errno;
        fprintf(stderr, "ramjet bench: cannot write %s: %s\n", path, strerror(cause));
        if (file != NULL)
            fclose(file);
        return err_from_errno(cause);
    }
    return fclose(file) == 0 ? 0 : err_from_errno(errno);
}

/* Reads a whole file, or stdin for "-". */
static int read_file(const char *path, struct buf *text)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    size_t got = 1;
    while (file != NULL && got > 0) {
        enum { PIECE_BYTES = 1 << 16 };
        got = fread(buf_reserve(text, PIECE_BYTES), 1, PIECE_BYTES, file);
        text->len += got;
    }
    bool failed = file == NULL || ferror(file) != 0;
    if (failed)
        fprintf(stderr, "ramjet bench page: cannot read %s: %s\n", path, strerror(errno));
    if (file != NULL && file != stdin)
        fclose(file);
    return failed ? ERR_IO : 0;
}

int bench_page(int argc, char **argv)
{
    if (argc != 3 || argv[1][0] == '-') {
        fprintf(argc == 2 && strcmp(argv[1], "--help") == 0 ? stdout : stderr,
                "usage: ramjet bench page REPORT.json PAGE.html\n");
        return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    struct buf json = BUF_INIT, page = BUF_INIT;
    int err = read_file(argv[1], &json);
    if (err == 0) {
        page_of_report(buf_slice(&json), &page);
        err = write_report(argv[2], &page);
    }
    buf_fini(&json);
    buf_fini(&page);
    return err != 0;
}
