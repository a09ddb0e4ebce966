/* ramjet.c - the program's first word decides what it is. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "bench/bench.h"
#include "main/cmd.h"
#include "main/roles.h"

struct role {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage;
    const char *text;
};

static const struct role roles[] = {
    { "namesrv", role_namesrv, "[-c FILE]", "a name server" },
    { "broker", role_broker, "[-c FILE] [-n HOST:PORT;...]", "a broker" },
    { "console", role_console, "[-n HOST:PORT;...]", "a web console for a cluster" },
    { "slow", cmd_slow, "[--broker HOST:PORT]", "where a broker's requests spent their time" },
    { "send", cmd_send, "TOPIC [BODY|-]", "send messages" },
    { "receive", cmd_receive, "TOPIC", "receive messages as a member of a consumer group" },
    { "topics", cmd_topics, "", "list topics" },
    { "store", cmd_store, "check|dump|repair DIR", "look at a store that no broker has open" },
    { "bench", bench_main, "WHAT", "measure a broker" },
};
enum { ROLE_COUNT = sizeof(roles) / sizeof(roles[0]) };

static int print_help(FILE *out)
{
    fprintf(out,
            "ramjet " RAMJET_VERSION ", a native RocketMQ server\n\n"
            "usage:\n"
            "  ramjet [--data DIR]           name server, broker and console in one process\n");
    for (int i = 0; i < ROLE_COUNT; i++) {
        char left[64];
        snprintf(left, sizeof left, "%s %s", roles[i].name, roles[i].usage);
        fprintf(out, "  ramjet %-38s %s\n", left, roles[i].text);
    }
    fprintf(out, "\nramjet -h and ramjet ROLE --help tell more. Files of settings (-c) are the "
                 "reference's.\n");
    return out == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
    memory_begin();
    if (argc < 2 ||
        (argv[1][0] == '-' && strcmp(argv[1], "--help") != 0 && strcmp(argv[1], "--version") != 0))
        return role_all(argc, argv);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return print_help(stdout);
    if (strcmp(argv[1], "--version") == 0) {
        puts("ramjet " RAMJET_VERSION);
        return 0;
    }
    for (int i = 0; i < ROLE_COUNT; i++)
        if (strcmp(argv[1], roles[i].name) == 0)
            return roles[i].run(argc - 1, argv + 1);
    fprintf(stderr, "ramjet: no role \"%s\"\n", argv[1]);
    return print_help(stderr);
}
