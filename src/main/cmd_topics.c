/* cmd_topics.c - ramjet topics: the topics that the name server knows. */
#include <stdio.h>
#include <string.h>

#include "base/sort.h"
#include "main/cmd.h"
#include "main/cli.h"
#include "wire/names.h"

static const char about[] = "usage: ramjet topics [--all] [--namesrv HOST:PORT;...] [--tls]\n"
                            "\n"
                            "Lists the topics of a cluster, one a line, sorted.\n"
                            "\n";

struct listing {
    struct cli cli;
    bool all;
    struct arena arena;
    struct cluster_info cluster;
};

/* Brokers register their own name and that of their cluster as topics, too. */
static bool is_name_of_cluster(const struct cluster_info *cluster, struct slice topic)
{
    for (int i = 0; i < cluster->broker_count; i++)
        if (slice_eq(cluster->brokers[i].broker_name, topic))
            return true;
    for (int i = 0; i < cluster->cluster_count; i++)
        if (slice_eq(cluster->clusters[i].cluster, topic))
            return true;
    return false;
}

static bool is_internal(const struct cluster_info *cluster, struct slice topic)
{
    for (int i = 0; i < cluster->cluster_count; i++)
        if (topic_is_system(topic, cluster->clusters[i].cluster))
            return true;
    return topic_is_retry(topic) || topic_is_dlq(topic) || is_name_of_cluster(cluster, topic);
}

static void got_topics(void *ctx, const struct call_result *result)
{
    struct listing *l = ctx;
    char why[256] = "the answer is not understood";
    struct topic_list list;
    if (call_failure(result, why, sizeof why) || answer_topic_list(result, &l->arena, &list) != 0) {
        cli_fail(&l->cli, "name server %s: %s", routes_name_server(l->cli.routes), why);
        return;
    }
    struct slice *topics = arena_alloc(&l->arena, ((size_t)list.count + 1) * sizeof *topics);
    int count = 0;
    for (int i = 0; i < list.count; i++)
        if (l->all || !is_internal(&l->cluster, list.topics[i]))
            topics[count++] = list.topics[i];
    sort_slices(topics, count);
    for (int i = 0; i < count; i++)
        printf("%.*s\n", SLICE_FMT(topics[i]));
    cli_end(&l->cli);
}

static void got_cluster(void *ctx, const struct call_result *result)
{
    struct listing *l = ctx;
    const char *namesrv = routes_name_server(l->cli.routes);
    char why[256] = "the answer is not understood";
    if (result->err != 0) {
        call_failure(result, why, sizeof why);
        cli_fail(&l->cli, "no name server at %s: %s; `ramjet` starts one", namesrv, why);
    } else if (call_failure(result, why, sizeof why) ||
               answer_cluster_info(result, &l->arena, &l->cluster) != 0) {
        cli_fail(&l->cli, "name server %s: %s", namesrv, why);
    } else {
        call_topic_list(l->cli.client, namesrv, got_topics, l);
    }
}

int cmd_topics(int argc, char **argv)
{
    struct listing listing = { 0 };
    struct cli_target target = { 0 };
    const struct option_row rows[] = {
        OPTION_FLAG("all", "also those that brokers make for themselves and their consumers",
                    &listing.all),
        CLI_TARGET_ROWS(&target),
    };
    const struct options options = { "topics", about, rows, sizeof rows / sizeof rows[0],
                                     .most_words = 0 };
    int code = options_read(&options, argc, argv, NULL, NULL);
    if (code != OPTIONS_GO_ON)
        return code;
    if (cli_open(&listing.cli, "topics", &target, NULL, NULL) != 0)
        return 1;
    arena_init(&listing.arena);
    call_cluster_info(listing.cli.client, routes_name_server(listing.cli.routes), got_cluster,
                      &listing);
    cli_run(&listing.cli);
    cli_close(&listing.cli, NULL, NULL);
    arena_fini(&listing.arena);
    return listing.cli.has_failed ? 1 : 0;
}
