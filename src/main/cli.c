/* cli.c - what a command needs to talk to a cluster. */
#include "main/cli.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "wire/names.h"

enum { CONNECT_TIMEOUT_MS = 3000, IDLE_MS = 120000 };
enum { RESOLVERS = 1, RESOLVE_QUEUE_MAX = 64 };

/* For the signal handler: the one run of the process. */
static struct loop *interrupted_loop;

static void interrupted(int signal)
{
    (void)signal;
    loop_stop(interrupted_loop);
}

static void watch_signals(struct loop *loop)
{
    interrupted_loop = loop;
    /* once: a second one ends a command that does not come to its end */
    struct sigaction action = { .sa_handler = interrupted, .sa_flags = (int)SA_RESETHAND };
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

const char *cli_namesrv(const struct cli_target *target)
{
    const char *namesrv = target->namesrv;
    if (namesrv == NULL)
        namesrv = getenv("NAMESRV_ADDR");
    return namesrv == NULL ? CLI_NAMESRV : namesrv;
}

void cli_tls_conf(const struct cli_target *target, struct tls_conf *conf)
{
    tls_conf_init(conf);
    conf->client_enable = target->tls || target->tls_config != NULL;
    if (target->tls_config != NULL) {
        free(conf->config_file);
        conf->config_file = memory_text(slice_str(target->tls_config));
    }
}

static int open_tls(struct cli *cli, const struct cli_target *target)
{
    struct tls_conf conf;
    cli_tls_conf(target, &conf);
    int err = tls_client_new(&conf, &cli->tls);
    tls_conf_fini(&conf);
    return err;
}

int cli_open(struct cli *cli, const char *command, const struct cli_target *target,
             void (*on_request)(void *ctx, struct request *req), void *ctx)
{
    *cli = (struct cli){ .command = command };
    log_set_level(LOG_ERROR); /* what goes wrong is told to the user in the command's own words */
    int err = loop_new(command, &cli->loop);
    if (err != 0)
        goto fail;
    err = workers_new("resolve", RESOLVERS, RESOLVE_QUEUE_MAX, &cli->workers);
    if (err != 0)
        goto fail_loop;
    err = open_tls(cli, target);
    if (err != 0)
        goto fail_workers;
    struct client_options options;
    client_options_init(&options);
    options.connect_timeout_ms = CONNECT_TIMEOUT_MS;
    options.idle_ms = IDLE_MS;
    options.workers = cli->workers;
    options.tls = cli->tls;
    options.on_request = on_request;
    options.ctx = ctx;
    err = client_new(cli->loop, &options, &cli->client);
    if (err != 0)
        goto fail_tls;
    err = routes_new(cli->loop, cli->client, cli_namesrv(target), &cli->routes);
    if (err != 0)
        goto fail_client;
    snprintf(cli->client_id, sizeof cli->client_id, "127.0.0.1@%d#%lld", (int)getpid(),
             (long long)clock_monotonic_ns());
    watch_signals(cli->loop);
    return 0;
fail_client:
    client_free(cli->client);
fail_tls:
    tls_client_free(cli->tls);
fail_workers:
    workers_free(cli->workers);
fail_loop:
    loop_free(cli->loop);
fail:
    fprintf(stderr, "ramjet %s: %s\n", command,
            err == ERR_INVALID ? "no name server is given" : err_name(err));
    return err;
}

void cli_close(struct cli *cli, void (*between)(void *ctx), void *ctx)
{
    cli->is_closing = true;
    client_free(cli->client);
    if (between != NULL)
        between(ctx);
    routes_free(cli->routes);
    tls_client_free(cli->tls);
    workers_free(cli->workers);
    loop_free(cli->loop);
}

void cli_run(struct cli *cli)
{
    loop_run(cli->loop);
}

void cli_end(struct cli *cli)
{
    loop_stop(cli->loop);
}

void cli_fail(struct cli *cli, const char *format, ...)
{
    va_list args;
    if (cli->is_closing || cli->has_failed)
        return; /* what follows from the end, or from the first failure */
    fflush(stdout);
    fprintf(stderr, "ramjet %s: ", cli->command);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    cli->has_failed = true;
    cli_end(cli);
}

void cli_fail_route(struct cli *cli, struct slice topic, bool no_such_topic, const char *why)
{
    if (no_such_topic)
        cli_fail(cli, "topic %.*s does not exist", SLICE_FMT(topic));
    else
        cli_fail(cli, "%s; `ramjet` starts one", why);
}

bool option_topic(const char *command, const char *topic)
{
    const char *fault = topic_name_fault(slice_str(topic));
    if (fault != NULL)
        fprintf(stderr, "ramjet %s: topic \"%s\": %s\n", command, topic, fault);
    return fault == NULL;
}
