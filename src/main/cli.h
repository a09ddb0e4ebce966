/* cli.h - what a command needs to talk to a cluster: a loop on the calling thread, a client and
 * routes; and how it tells its user what went wrong.
 *
 * Threads    the main thread, which runs the loop; names are resolved by `workers`.
 * Errors     0, or a negative code of base/err.h; the user was told why.
 */
#ifndef MAIN_CLI_H
#define MAIN_CLI_H

#include "client/client.h"
#include "base/options.h"

#define CLI_NAMESRV "127.0.0.1:9876" /* where `ramjet` alone puts its name server */

struct cli {
    const char *command; /* begins each complaint */
    struct loop *loop;
    struct workers *workers;
    struct tls_client *tls; /* NULL: plain */
    struct client *client;
    struct routes *routes;
    char client_id[96]; /* unique among the clients of a machine */
    bool has_failed;
    bool is_closing;
};

/* What the command line says about where to go. */
struct cli_target {
    const char *namesrv; /* NULL: $NAMESRV_ADDR, or CLI_NAMESRV */
    bool tls;
    const char *tls_config; /* file with tls.client.* keys, means TLS; NULL: the usual one */
};
/* Rows of a command's table of options. */
#define CLI_TARGET_ROWS(target)                                                                    \
    OPTION_TEXT("namesrv", "ADDRESS", "name servers (default: $NAMESRV_ADDR or " CLI_NAMESRV ")",  \
                &(target)->namesrv),                                                               \
        OPTION_FLAG("tls", "speak TLS", &(target)->tls),                                           \
        OPTION_TEXT("tls-config", "FILE", "the same, with the tls.client.* keys of this file",     \
                    &(target)->tls_config)

const char *cli_namesrv(const struct cli_target *target);
/* The settings of TLS for its client; the caller ends them with tls_conf_fini(). */
void cli_tls_conf(const struct cli_target *target, struct tls_conf *conf);

/* SIGINT and SIGTERM end cli_run(). On failure the reason was printed. on_request may be NULL. */
MUST_CHECK int cli_open(struct cli *cli, const char *command, const struct cli_target *target,
                        void (*on_request)(void *ctx, struct request *req), void *ctx);
/* Ends all calls first; what `between` frees may be their context. */
void cli_close(struct cli *cli, void (*between)(void *ctx), void *ctx);

/* Runs until cli_end(). */
void cli_run(struct cli *cli);
void cli_end(struct cli *cli);
/* Prints "ramjet COMMAND: ...", and ends: the exit code will be 1. */
void cli_fail(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* For a route that was not found: says what to do about it. */
void cli_fail_route(struct cli *cli, struct slice topic, bool no_such_topic, const char *why);

/* False, with a complaint, when the topic's name is not allowed. */
bool option_topic(const char *command, const char *topic);

#endif
