/* session.c - what a command needs to talk to a cluster. */
#include "main/session.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "wire/names.h"

enum { CONNECT_TIMEOUT_MS = 3000, IDLE_MS = 120000 };
enum { RESOLVERS = 1, RESOLVE_QUEUE_MAX = 64 };

/* For the signal handler: the one session of the process. */
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

int session_open(struct session *session, const char *command, const char *namesrv,
                 void (*on_request)(void *ctx, struct request *req), void *ctx)
{
    *session = (struct session){ .command = command };
    log_set_level(LOG_ERROR); /* what goes wrong is told to the user in the command's own words */
    if (namesrv == NULL)
        namesrv = getenv("NAMESRV_ADDR");
    if (namesrv == NULL)
        namesrv = SESSION_NAMESRV;
    int err = loop_new(command, &session->loop);
    if (err != 0)
        goto fail;
    err = workers_new("resolve", RESOLVERS, RESOLVE_QUEUE_MAX, &session->workers);
    if (err != 0)
        goto fail_loop;
    struct client_options options;
    client_options_init(&options);
    options.connect_timeout_ms = CONNECT_TIMEOUT_MS;
    options.idle_ms = IDLE_MS;
    options.workers = session->workers;
    options.on_request = on_request;
    options.ctx = ctx;
    err = client_new(session->loop, &options, &session->client);
    if (err != 0)
        goto fail_workers;
    err = routes_new(session->loop, session->client, namesrv, &session->routes);
    if (err != 0)
        goto fail_client;
    snprintf(session->client_id, sizeof session->client_id, "127.0.0.1@%d#%lld", (int)getpid(),
             (long long)clock_monotonic_ns());
    watch_signals(session->loop);
    return 0;
fail_client:
    client_free(session->client);
fail_workers:
    workers_free(session->workers);
fail_loop:
    loop_free(session->loop);
fail:
    fprintf(stderr, "ramjet %s: %s\n", command,
            err == ERR_INVALID ? "no name server is given" : err_name(err));
    return err;
}

void session_close(struct session *session, void (*between)(void *ctx), void *ctx)
{
    session->is_closing = true;
    client_free(session->client);
    if (between != NULL)
        between(ctx);
    routes_free(session->routes);
    workers_free(session->workers);
    loop_free(session->loop);
}

void session_run(struct session *session)
{
    loop_run(session->loop);
}

void session_end(struct session *session)
{
    loop_stop(session->loop);
}

void session_fail(struct session *session, const char *format, ...)
{
    va_list args;
    if (session->is_closing || session->has_failed)
        return; /* what follows from the end, or from the first failure */
    fflush(stdout);
    fprintf(stderr, "ramjet %s: ", session->command);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    session->has_failed = true;
    session_end(session);
}

void session_fail_route(struct session *session, struct slice topic, bool no_such_topic,
                        const char *why)
{
    if (no_such_topic)
        session_fail(session, "topic %.*s does not exist", SLICE_FMT(topic));
    else
        session_fail(session, "%s; `ramjet` starts one", why);
}

bool option_number(const char *command, const char *option, const char *text, int64_t least,
                   int64_t most, int64_t *value)
{
    int64_t number;
    if (slice_to_i64(slice_str(text), &number) && number >= least && number <= most) {
        *value = number;
        return true;
    }
    fprintf(stderr, "ramjet %s: --%s takes a number from %lld to %lld, not \"%s\"\n", command,
            option, (long long)least, (long long)most, text);
    return false;
}

bool option_topic(const char *command, const char *topic)
{
    const char *fault = topic_name_fault(slice_str(topic));
    if (fault != NULL)
        fprintf(stderr, "ramjet %s: topic \"%s\": %s\n", command, topic, fault);
    return fault == NULL;
}
