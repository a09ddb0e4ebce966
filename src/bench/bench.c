#include "bench/bench.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "bench/commands.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *text;
} commands[] = {
    { "send", bench_send, "latency and throughput of sends, beside an echo and other brokers" },
    { "start", bench_start, "time from exec to the first accepted send; cost of an idle broker" },
};
enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static int print_help(FILE *out)
{
    fprintf(out, "usage: ramjet bench WHAT [options]     (--help behind WHAT lists them)\n\n");
    for (int i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].text);
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
