/* servers.c - the serving roles: `ramjet` (name server, broker and console), `ramjet namesrv`,
 * `ramjet broker`, `ramjet console`.
 *
 * Order: settings, then the process around (log, signals, workers), then a loop per server, the
 * name server before the broker that registers at it, and the console, which shows both, last. The
 * end goes backwards: the console ends what it asks; the broker unregisters, answers what it
 * accepted, flushes; then the name server; then loops, workers, log.
 */
#include <errno.h>
#include <limits.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/conf_parse.h"
#include "base/log.h"
#include "base/options.h"
#include "broker/broker.h"
#include "console/console.h"
#include "main/cli.h"
#include "main/process.h"
#include "main/roles.h"
#include "namesrv/namesrv.h"

/* The console has no login yet: for this machine only, unless it is told otherwise. */
#define CONSOLE_HOST "127.0.0.1"

enum { EXIT_USAGE = 2, NAMESRV_DRAIN_MS = 2000, REGISTRATION_MS = 2000 };

struct servers {
    struct process process;
    struct loop_thread *namesrv_thread; /* NULL: this process has none */
    struct loop_thread *broker_thread;
    struct loop_thread *console_thread;
    struct namesrv *namesrv;
    struct broker *broker;
    struct namesrv_conf namesrv_conf;
    struct broker_conf broker_conf;
    struct console *console; /* NULL: none was asked for, or it cannot listen */
    struct console_options console_options;
    bool has_console; /* it was asked for */
    bool console_may_fail;
    sem_t broker_stopped;
    int broker_end_err; /* what its end met, once it is posted */
};

/* ---- settings -------------------------------------------------------------------------------- */

/* A value of NULL: it was not given, and stays. */
static void set(const struct conf_table *table, void *values, const char *key, const char *value)
{
    struct buf complaints = BUF_INIT;
    if (value != NULL &&
        conf_set(table, values, slice_str(key), slice_str(value), &complaints) != 0) {
        fprintf(stderr, "ramjet: %.*s", SLICE_FMT(buf_slice(&complaints)));
        exit(EXIT_USAGE);
    }
    buf_fini(&complaints);
}

/* A port below 0: it was not given. */
static void set_port(const struct conf_table *table, void *values, int port)
{
    char text[16];
    snprintf(text, sizeof text, "%d", port);
    set(table, values, "listenPort", port < 0 ? NULL : text);
}

/* Every complaint is printed; the process ends when one of them is an error. `path_key` is the
 * setting that says where the settings came from: changes made meanwhile are written there. */
static void read_conf(const struct conf_table *table, void *values, const char *path,
                      const char *path_key)
{
    struct buf complaints = BUF_INIT;
    char absolute[PATH_MAX];
    if (path == NULL)
        return;
    int err = conf_read_file(table, values, path, &complaints);
    if (complaints.len > 0)
        fprintf(stderr, "%.*s", SLICE_FMT(buf_slice(&complaints)));
    if (err != 0)
        exit(EXIT_USAGE);
    buf_fini(&complaints);
    set(table, values, path_key, realpath(path, absolute));
}

static int print_conf(const struct conf_table *table, const void *values)
{
    struct buf text = BUF_INIT;
    conf_print(table, values, &text);
    fwrite(text.data, 1, text.len, stdout);
    buf_fini(&text);
    return 0;
}

/* ---- starting -------------------------------------------------------------------------------- */

static int start_namesrv(void *ctx)
{
    struct servers *servers = ctx;
    const struct namesrv_options options = { &servers->namesrv_conf, servers->process.workers };
    return namesrv_start(loop_thread_loop(servers->namesrv_thread), &options, &servers->namesrv);
}

static int start_broker(void *ctx)
{
    struct servers *servers = ctx;
    return broker_start(loop_thread_loop(servers->broker_thread), servers->process.workers,
                        &servers->broker_conf, &servers->broker);
}

static int run_namesrv(struct servers *servers)
{
    int err = loop_thread_start("namesrv", &servers->namesrv_thread);
    return err != 0 ? err : loop_thread_call(servers->namesrv_thread, start_namesrv, servers);
}

static int run_broker(struct servers *servers)
{
    sem_init(&servers->broker_stopped, 0, 0);
    int err = loop_thread_start("broker", &servers->broker_thread);
    return err != 0 ? err : loop_thread_call(servers->broker_thread, start_broker, servers);
}

static int start_console(void *ctx)
{
    struct servers *servers = ctx;
    servers->console_options.workers = servers->process.workers;
    return console_start(loop_thread_loop(servers->console_thread), &servers->console_options,
                         &servers->console);
}

static int run_console(struct servers *servers)
{
    int err = loop_thread_start("console", &servers->console_thread);
    if (err != 0)
        return err;
    err = loop_thread_call(servers->console_thread, start_console, servers);
    if (err != 0) {
        loop_thread_stop(servers->console_thread);
        servers->console_thread = NULL;
    }
    return err;
}

/* ---- ending ---------------------------------------------------------------------------------- */

static void on_broker_stopped(void *ctx, int err)
{
    struct servers *servers = ctx;
    servers->broker_end_err = err;
    sem_post(&servers->broker_stopped);
}

static int begin_broker_stop(void *ctx)
{
    struct servers *servers = ctx;
    broker_stop(servers->broker, on_broker_stopped, servers);
    return 0;
}

static int free_broker(void *ctx)
{
    struct servers *servers = ctx;
    broker_free(servers->broker);
    return 0;
}

static int begin_namesrv_stop(void *ctx)
{
    struct servers *servers = ctx;
    namesrv_stop_accepting(servers->namesrv);
    return 0;
}

static int ask_namesrv_drained(void *ctx)
{
    const struct servers *servers = ctx;
    return namesrv_is_drained(servers->namesrv) ? 1 : 0;
}

static int ask_namesrv_work_out(void *ctx)
{
    const struct servers *servers = ctx;
    return namesrv_has_work_out(servers->namesrv) ? 1 : 0;
}

static int free_namesrv(void *ctx)
{
    struct servers *servers = ctx;
    namesrv_free(servers->namesrv);
    return 0;
}

static int end_console(void *ctx)
{
    struct servers *servers = ctx;
    console_stop(servers->console);
    return 0;
}

static void stop_console(struct servers *servers)
{
    if (servers->console != NULL)
        loop_thread_call(servers->console_thread, end_console, servers);
}

static void stop_broker(struct servers *servers)
{
    if (servers->broker != NULL) {
        loop_thread_call(servers->broker_thread, begin_broker_stop, servers);
        while (sem_wait(&servers->broker_stopped) != 0)
            ;
        loop_thread_call(servers->broker_thread, free_broker, servers);
    }
}

/* Clients that do not read their answers are waited for so long; files, until they are written. */
static bool namesrv_may_end(struct servers *servers, int waited_ms)
{
    if (waited_ms < NAMESRV_DRAIN_MS)
        return loop_thread_call(servers->namesrv_thread, ask_namesrv_drained, servers) == 1;
    return loop_thread_call(servers->namesrv_thread, ask_namesrv_work_out, servers) == 0;
}

static void stop_namesrv(struct servers *servers)
{
    if (servers->namesrv != NULL) {
        const struct timespec step = { .tv_nsec = 1000000 };
        loop_thread_call(servers->namesrv_thread, begin_namesrv_stop, servers);
        for (int ms = 0; !namesrv_may_end(servers, ms); ms++)
            nanosleep(&step, NULL);
        loop_thread_call(servers->namesrv_thread, free_namesrv, servers);
    }
}

static void stop_loops(struct servers *servers)
{
    if (servers->console_thread != NULL)
        loop_thread_stop(servers->console_thread);
    if (servers->broker_thread != NULL)
        loop_thread_stop(servers->broker_thread);
    if (servers->namesrv_thread != NULL)
        loop_thread_stop(servers->namesrv_thread);
}

/* Starts, serves until a signal, ends. Returns the exit code. */
static int serve(struct servers *servers, int (*start)(struct servers *servers))
{
    if (process_init(&servers->process) != 0)
        return 1;
    int err = start(servers);
    fflush(stdout);
    if (err == 0)
        process_wait_for_end();
    stop_console(servers);
    stop_broker(servers);
    stop_namesrv(servers);
    process_end_workers(&servers->process);
    stop_loops(servers);
    process_fini(&servers->process);
    return err == 0 && servers->broker_end_err == 0 ? 0 : 1;
}

static void init(struct servers *servers)
{
    memset(servers, 0, sizeof *servers);
    namesrv_conf_init(&servers->namesrv_conf);
    conf_init(&broker_conf_table, &servers->broker_conf);
    servers->console_options = (struct console_options){ .host = CONSOLE_HOST,
                                                         .port = CONSOLE_PORT,
                                                         .failure_level = LOG_ERROR };
}

static void fini(struct servers *servers)
{
    namesrv_conf_fini(&servers->namesrv_conf);
    conf_fini(&broker_conf_table, &servers->broker_conf);
}

/* ---- the name server ------------------------------------------------------------------------- */

static int start_namesrv_alone(struct servers *servers)
{
    int err = run_namesrv(servers);
    if (err == 0)
        printf("name server listens on %s:%d\n", servers->namesrv_conf.bind_address,
               namesrv_port(servers->namesrv));
    return err;
}

int role_namesrv(int argc, char **argv)
{
    const char *conf_path = NULL;
    bool prints = false;
    const struct option_row rows[] = {
        OPTION_TEXT("c", "FILE", "settings: the reference's namesrv.conf", &conf_path),
        OPTION_FLAG("p", "print the settings and their values, and end", &prints),
    };
    const struct options options = { "namesrv", "usage: ramjet namesrv [-c FILE]\n", rows,
                                     sizeof rows / sizeof rows[0], .most_words = 0 };
    int code = options_read(&options, argc, argv, NULL, NULL);
    if (code != OPTIONS_GO_ON)
        return code;
    struct servers servers;
    init(&servers);
    read_conf(&namesrv_conf_table, &servers.namesrv_conf, conf_path, "configStorePath");
    code = prints ? print_conf(&namesrv_conf_table, &servers.namesrv_conf)
                  : serve(&servers, start_namesrv_alone);
    fini(&servers);
    return code;
}

/* ---- the broker ------------------------------------------------------------------------------ */

static int start_broker_alone(struct servers *servers)
{
    int err = run_broker(servers);
    if (err == 0)
        printf("broker listens on %s:%d, data in %s\n", servers->broker_conf.bind_address,
               broker_port(servers->broker), servers->broker_conf.store_path_root_dir);
    return err;
}

int role_broker(int argc, char **argv)
{
    const char *conf_path = NULL;
    const char *namesrv = NULL;
    bool prints = false;
    const struct option_row rows[] = {
        OPTION_TEXT("c", "FILE", "settings: the reference's broker.conf", &conf_path),
        OPTION_TEXT("n", "ADDRESS",
                    "name servers, instead of namesrvAddr or the variable NAMESRV_ADDR", &namesrv),
        OPTION_FLAG("p", "print the settings and their values, and end", &prints),
    };
    const struct options options = { "broker",
                                     "usage: ramjet broker [-c FILE] [-n HOST:PORT;HOST:PORT]\n",
                                     rows, sizeof rows / sizeof rows[0], .most_words = 0 };
    int code = options_read(&options, argc, argv, NULL, NULL);
    if (code != OPTIONS_GO_ON)
        return code;
    struct servers servers;
    init(&servers);
    set(&broker_conf_table, &servers.broker_conf, "namesrvAddr", getenv("NAMESRV_ADDR"));
    read_conf(&broker_conf_table, &servers.broker_conf, conf_path, "brokerConfigPath");
    set(&broker_conf_table, &servers.broker_conf, "namesrvAddr", namesrv);
    code = prints ? print_conf(&broker_conf_table, &servers.broker_conf)
                  : serve(&servers, start_broker_alone);
    fini(&servers);
    return code;
}

/* ---- the console ----------------------------------------------------------------------------- */

/* Where a browser finds it. */
static void print_console_url(const struct servers *servers)
{
    const char *host = servers->console_options.host;
    if (strcmp(host, "0.0.0.0") == 0)
        host = "127.0.0.1";
    bool is_v6 = strchr(host, ':') != NULL;
    printf("http://%s%s%s:%d/\n", is_v6 ? "[" : "", host, is_v6 ? "]" : "",
           console_port(servers->console));
}

static int start_console_alone(struct servers *servers)
{
    int err = run_console(servers);
    if (err == 0) {
        printf("console: ");
        print_console_url(servers);
    }
    return err;
}

int role_console(int argc, char **argv)
{
    struct servers servers;
    struct tls_conf tls;
    struct cli_target target = { 0 };
    init(&servers);
    struct console_options *given = &servers.console_options;
    const struct option_row rows[] = {
        OPTION_TEXT("n", "ADDRESS", "name servers (default: $NAMESRV_ADDR or " CLI_NAMESRV ")",
                    &target.namesrv),
        OPTION_INT("port", "N", "port to listen on (8082)", &given->port, 0, UINT16_MAX),
        OPTION_TEXT("bind", "HOST",
                    "numeric address to listen on (127.0.0.1: it has no login, and serves this "
                    "machine only)",
                    &given->host),
        OPTION_TEXT("advertise", "HOST",
                    "name that browsers may call it by, beside numeric addresses and localhost",
                    &given->name),
        OPTION_FLAG("tls", "speak TLS to name servers and brokers", &target.tls),
        OPTION_TEXT("tls-config", "FILE", "the same, with the tls.client.* keys of this file",
                    &target.tls_config),
    };
    const struct options options = { "console", "usage: ramjet console [-n HOST:PORT;HOST:PORT]\n",
                                     rows, sizeof rows / sizeof rows[0], .most_words = 0 };
    int code = options_read(&options, argc, argv, NULL, NULL);
    if (code == OPTIONS_GO_ON) {
        given->name_servers = cli_namesrv(&target);
        cli_tls_conf(&target, &tls);
        given->tls = &tls;
        code = serve(&servers, start_console_alone);
        tls_conf_fini(&tls);
    }
    fini(&servers);
    return code;
}

/* ---- all ----------------------------------------------------------------------------------- */

struct all_options {
    const char *data;
    const char *bind;
    const char *advertise;
    const char *conf_path;
    int namesrv_port;
    int broker_port;
    int console_port;
    const char *console_bind;
    bool has_no_console;
};

static void set_data_dir(struct servers *servers, const char *data)
{
    char absolute[PATH_MAX];
    char path[PATH_MAX + 64];
    if (mkdir(data, 0755) != 0 && errno != EEXIST) {
        fprintf(stderr, "ramjet: cannot make the data directory %s: %s\n", data, strerror(errno));
        exit(1);
    }
    if (realpath(data, absolute) == NULL) {
        fprintf(stderr, "ramjet: cannot use the data directory %s: %s\n", data, strerror(errno));
        exit(1);
    }
    snprintf(path, sizeof path, "%s/store", absolute);
    set(&broker_conf_table, &servers->broker_conf, "storePathRootDir", path);
    snprintf(path, sizeof path, "%s/namesrv/kvConfig.json", absolute);
    set(&namesrv_conf_table, &servers->namesrv_conf, "kvConfigPath", path);
    snprintf(path, sizeof path, "%s/namesrv/namesrv.properties", absolute);
    set(&namesrv_conf_table, &servers->namesrv_conf, "configStorePath", path);
}

/* Who says where it is to listen wants it there; else a second broker on one machine goes without.
 */
static void apply_to_console(struct servers *servers, const struct all_options *options)
{
    struct console_options *console = &servers->console_options;
    servers->has_console = !options->has_no_console;
    servers->console_may_fail = options->console_port < 0 && options->console_bind == NULL;
    if (options->console_port >= 0)
        console->port = options->console_port;
    if (options->console_bind != NULL)
        console->host = options->console_bind;
    console->name = options->advertise;
    console->tls = &servers->broker_conf.tls;
    console->failure_level = servers->console_may_fail ? LOG_WARN : LOG_ERROR;
}

static void apply(struct servers *servers, const struct all_options *options)
{
    struct namesrv_conf *namesrv_conf = &servers->namesrv_conf;
    struct broker_conf *broker_conf = &servers->broker_conf;
    read_conf(&broker_conf_table, broker_conf, options->conf_path, "brokerConfigPath");
    set_data_dir(servers, options->data);
    set(&namesrv_conf_table, namesrv_conf, "bindAddress", options->bind);
    set(&broker_conf_table, broker_conf, "bindAddress", options->bind);
    set(&broker_conf_table, broker_conf, "brokerIP1", options->advertise);
    set_port(&namesrv_conf_table, namesrv_conf, options->namesrv_port);
    set_port(&broker_conf_table, broker_conf, options->broker_port);
    apply_to_console(servers, options);
}

static void say_console(const struct servers *servers)
{
    printf("  console      ");
    if (servers->console != NULL)
        print_console_url(servers);
    else
        printf("none: cannot listen on %s:%d\n", servers->console_options.host,
               servers->console_options.port);
}

/* What to try is as whoever started this can paste it. */
static void say_hello(const struct servers *servers)
{
    const char *namesrv = servers->broker_conf.namesrv_addr;
    bool is_found = strcmp(namesrv, CLI_NAMESRV) == 0;
    printf("ramjet " RAMJET_VERSION "\n"
           "  name server  %s:%d\n"
           "  broker       %s:%d\n"
           "  data         %s\n",
           servers->namesrv_conf.bind_address, namesrv_port(servers->namesrv),
           servers->broker_conf.bind_address, broker_port(servers->broker),
           servers->broker_conf.store_path_root_dir);
    if (servers->has_console)
        say_console(servers);
    printf("try: %s send hello \"first message\"%s%s\n", program_invocation_name,
           is_found ? "" : " --namesrv ", is_found ? "" : namesrv);
}

static int ask_has_broker(void *ctx)
{
    const struct servers *servers = ctx;
    return namesrv_has_broker(servers->namesrv) ? 1 : 0;
}

/* Before that no client finds the broker. It takes milliseconds; who has switched it off is not
 * waited for. */
static void wait_for_registration(struct servers *servers)
{
    const struct timespec step = { .tv_nsec = 1000000 };
    for (int ms = 0; ms < REGISTRATION_MS; ms++) {
        if (loop_thread_call(servers->namesrv_thread, ask_has_broker, servers) == 1)
            return;
        nanosleep(&step, NULL);
    }
}

static int share_setting(void *ctx, int line, struct slice key, struct slice value)
{
    (void)line;
    struct servers *servers = ctx;
    struct buf complaints = BUF_INIT; /* none: the broker's table allowed it by the same row */
    int err = 0;
    if (slice_starts_with(key, SLICE("tls.")))
        err = conf_set(&namesrv_conf_table, &servers->namesrv_conf, key, value, &complaints);
    buf_fini(&complaints);
    return err;
}

/* In one process TLS is one thing: what the broker's file says of it goes for the name server too.
 */
static int share_tls(struct servers *servers)
{
    struct buf text = BUF_INIT;
    conf_print(&broker_conf_table, &servers->broker_conf, &text);
    int err = conf_parse(buf_slice(&text), share_setting, servers);
    buf_fini(&text);
    return err;
}

static int start_all(struct servers *servers)
{
    int err = share_tls(servers);
    if (err == 0)
        err = run_namesrv(servers);
    if (err != 0)
        return err;
    char address[128];
    bool is_any = strcmp(servers->namesrv_conf.bind_address, "0.0.0.0") == 0;
    snprintf(address, sizeof address, "%s:%d",
             is_any ? "127.0.0.1" : servers->namesrv_conf.bind_address,
             namesrv_port(servers->namesrv));
    set(&broker_conf_table, &servers->broker_conf, "namesrvAddr", address);
    err = run_broker(servers);
    if (err != 0)
        return err;
    wait_for_registration(servers);
    servers->console_options.name_servers = servers->broker_conf.namesrv_addr;
    if (servers->has_console)
        err = run_console(servers);
    if (err != 0 && !servers->console_may_fail)
        return err;
    say_hello(servers);
    return 0;
}

int role_all(int argc, char **argv)
{
    struct all_options given = {
        .data = "ramjet-data", .namesrv_port = -1, .broker_port = -1, .console_port = -1
    };
    const struct option_row rows[] = {
        OPTION_TEXT("data", "DIR", "where everything is kept (ramjet-data)", &given.data),
        OPTION_TEXT("bind", "HOST", "numeric address to listen on (0.0.0.0)", &given.bind),
        OPTION_TEXT("advertise", "HOST",
                    "address clients are told (the first that is not loopback)", &given.advertise),
        OPTION_INT("namesrv-port", "N", "port of the name server (9876)", &given.namesrv_port, 0,
                   UINT16_MAX),
        OPTION_INT("broker-port", "N", "port of the broker (10911)", &given.broker_port, 0,
                   UINT16_MAX),
        OPTION_INT("console-port", "N", "port of the console (8082)", &given.console_port, 0,
                   UINT16_MAX),
        OPTION_TEXT("console-bind", "HOST",
                    "numeric address for the console to listen on (127.0.0.1: it has no login, and "
                    "serves this machine only)",
                    &given.console_bind),
        OPTION_FLAG("no-console", "do not start the console", &given.has_no_console),
        OPTION_TEXT("c", "FILE", "broker settings: the reference's broker.conf", &given.conf_path),
    };
    const struct options options = { "", "usage: ramjet [--data DIR] [--bind HOST] ...\n", rows,
                                     sizeof rows / sizeof rows[0], .most_words = 0 };
    int code = options_read(&options, argc, argv, NULL, NULL);
    if (code != OPTIONS_GO_ON)
        return code;
    struct servers servers;
    init(&servers);
    apply(&servers, &given);
    code = serve(&servers, start_all);
    fini(&servers);
    return code;
}
