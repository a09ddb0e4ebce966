/* servers.c - the serving roles: `ramjet` (name server and broker), `ramjet namesrv`, `ramjet
 * broker`.
 *
 * Order: settings, then the process around (log, signals, workers), then a loop per server, the
 * name server before the broker that registers at it. The end goes backwards: the broker
 * unregisters, answers what it accepted, flushes; then the name server; then loops, workers, log.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/log.h"
#include "broker/broker.h"
#include "main/process.h"
#include "main/roles.h"
#include "namesrv/namesrv.h"

enum { EXIT_USAGE = 2, NAMESRV_DRAIN_MS = 2000 };

struct servers {
    struct process process;
    struct loop_thread *namesrv_thread; /* NULL: this process has none */
    struct loop_thread *broker_thread;
    struct namesrv *namesrv;
    struct broker *broker;
    struct namesrv_conf namesrv_conf;
    struct broker_conf broker_conf;
    sem_t broker_stopped;
};

/* ---- settings -------------------------------------------------------------------------------- */

static void set(const struct conf_table *table, void *values, const char *key, const char *value)
{
    struct buf complaints = BUF_INIT;
    int err = conf_set(table, values, slice_str(key), slice_str(value), &complaints);
    if (err != 0) {
        fprintf(stderr, "ramjet: %.*s", SLICE_FMT(buf_slice(&complaints)));
        exit(EXIT_USAGE);
    }
    buf_fini(&complaints);
}

static void set_number(const struct conf_table *table, void *values, const char *key, int value)
{
    char text[16];
    snprintf(text, sizeof text, "%d", value);
    set(table, values, key, text);
}

/* Every complaint is printed; the process ends when one of them is an error. */
static void read_conf(const struct conf_table *table, void *values, const char *path)
{
    struct buf complaints = BUF_INIT;
    int err = conf_read_file(table, values, path, &complaints);
    if (complaints.len > 0)
        fprintf(stderr, "%.*s", SLICE_FMT(buf_slice(&complaints)));
    if (err != 0)
        exit(EXIT_USAGE);
    buf_fini(&complaints);
}

/* The same for a broker, which writes changes of its settings there. */
static void read_broker_conf(struct broker_conf *conf, const char *path)
{
    char absolute[PATH_MAX];
    read_conf(&broker_conf_table, conf, path);
    if (realpath(path, absolute) != NULL)
        set(&broker_conf_table, conf, "brokerConfigPath", absolute);
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

/* ---- ending ---------------------------------------------------------------------------------- */

static void on_broker_stopped(void *ctx)
{
    struct servers *servers = ctx;
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
    if (servers->broker_thread != NULL)
        loop_thread_stop(servers->broker_thread);
    if (servers->namesrv_thread != NULL)
        loop_thread_stop(servers->namesrv_thread);
}

/* Serves until a signal, unless starting failed. Returns the exit code. */
static int serve(struct servers *servers, int err)
{
    if (err == 0)
        process_wait_for_end();
    stop_broker(servers);
    stop_namesrv(servers);
    process_end_workers(&servers->process);
    stop_loops(servers);
    process_fini(&servers->process);
    return err == 0 ? 0 : 1;
}

static void init(struct servers *servers)
{
    memset(servers, 0, sizeof *servers);
    namesrv_conf_init(&servers->namesrv_conf);
    conf_init(&broker_conf_table, &servers->broker_conf);
}

static void fini(struct servers *servers)
{
    namesrv_conf_fini(&servers->namesrv_conf);
    conf_fini(&broker_conf_table, &servers->broker_conf);
}

/* ---- roles ----------------------------------------------------------------------------------- */

static int usage(FILE *out, const char *text)
{
    fputs(text, out);
    return out == stdout ? 0 : EXIT_USAGE;
}

static const char namesrv_usage[] = "usage: ramjet namesrv [-c FILE]\n"
                                    "  -c FILE   settings: the reference's namesrv.conf\n"
                                    "  -p        print the settings and their values, and end\n";

static void print_conf(const struct conf_table *table, const void *values)
{
    struct buf text = BUF_INIT;
    conf_print(table, values, &text);
    fwrite(text.data, 1, text.len, stdout);
    buf_fini(&text);
}

int role_namesrv(int argc, char **argv)
{
    static const struct option long_options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
    struct servers servers;
    bool prints = false;
    init(&servers);
    for (int c; (c = getopt_long(argc, argv, "c:ph", long_options, NULL)) != -1;) {
        if (c == 'c') {
            read_conf(&namesrv_conf_table, &servers.namesrv_conf, optarg);
            set(&namesrv_conf_table, &servers.namesrv_conf, "configStorePath", optarg);
        } else if (c == 'p') {
            prints = true;
        } else {
            return usage(c == 'h' ? stdout : stderr, namesrv_usage);
        }
    }
    if (optind < argc)
        return usage(stderr, namesrv_usage);
    int code = 0;
    if (prints) {
        print_conf(&namesrv_conf_table, &servers.namesrv_conf);
    } else {
        if (process_init(&servers.process) != 0)
            return 1;
        int err = run_namesrv(&servers);
        if (err == 0)
            printf("name server listens on %s:%d\n", servers.namesrv_conf.bind_address,
                   namesrv_port(servers.namesrv));
        fflush(stdout);
        code = serve(&servers, err);
    }
    fini(&servers);
    return code;
}

static const char broker_usage[] =
    "usage: ramjet broker [-c FILE] [-n HOST:PORT;HOST:PORT]\n"
    "  -c FILE   settings: the reference's broker.conf\n"
    "  -n ADDR   name servers, instead of namesrvAddr or the variable NAMESRV_ADDR\n"
    "  -p        print the settings and their values, and end\n";

int role_broker(int argc, char **argv)
{
    static const struct option long_options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
    struct servers servers;
    const char *namesrv_addr = NULL;
    bool prints = false;
    init(&servers);
    const char *from_environment = getenv("NAMESRV_ADDR");
    if (from_environment != NULL)
        set(&broker_conf_table, &servers.broker_conf, "namesrvAddr", from_environment);
    for (int c; (c = getopt_long(argc, argv, "c:n:ph", long_options, NULL)) != -1;) {
        if (c == 'c')
            read_broker_conf(&servers.broker_conf, optarg);
        else if (c == 'n')
            namesrv_addr = optarg;
        else if (c == 'p')
            prints = true;
        else
            return usage(c == 'h' ? stdout : stderr, broker_usage);
    }
    if (optind < argc)
        return usage(stderr, broker_usage);
    if (namesrv_addr != NULL)
        set(&broker_conf_table, &servers.broker_conf, "namesrvAddr", namesrv_addr);
    int code = 0;
    if (prints) {
        print_conf(&broker_conf_table, &servers.broker_conf);
    } else {
        if (process_init(&servers.process) != 0)
            return 1;
        int err = run_broker(&servers);
        if (err == 0)
            printf("broker listens on %s:%d, data in %s\n", servers.broker_conf.bind_address,
                   broker_port(servers.broker), servers.broker_conf.store_path_root_dir);
        fflush(stdout);
        code = serve(&servers, err);
    }
    fini(&servers);
    return code;
}

static const char all_usage[] =
    "usage: ramjet [--data DIR] [--bind HOST] [--namesrv-port N] [--broker-port N]\n"
    "  --data DIR         where everything is kept (default ./ramjet-data)\n"
    "  --bind HOST        numeric address to listen on (default 0.0.0.0)\n"
    "  --advertise HOST   address clients are told (default: the first that is not loopback)\n"
    "  --namesrv-port N   default 9876\n"
    "  --broker-port N    default 10911\n"
    "  -c FILE            broker settings: the reference's broker.conf\n";

struct all_options {
    const char *data;
    const char *bind;
    const char *advertise;
    int namesrv_port;
    int broker_port;
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

static void apply(struct servers *servers, const struct all_options *options)
{
    set_data_dir(servers, options->data);
    if (options->bind != NULL) {
        set(&namesrv_conf_table, &servers->namesrv_conf, "bindAddress", options->bind);
        set(&broker_conf_table, &servers->broker_conf, "bindAddress", options->bind);
    }
    if (options->advertise != NULL)
        set(&broker_conf_table, &servers->broker_conf, "brokerIP1", options->advertise);
    if (options->namesrv_port >= 0)
        set_number(&namesrv_conf_table, &servers->namesrv_conf, "listenPort",
                   options->namesrv_port);
    if (options->broker_port >= 0)
        set_number(&broker_conf_table, &servers->broker_conf, "listenPort", options->broker_port);
}

static void say_hello(const struct servers *servers)
{
    int port = namesrv_port(servers->namesrv);
    printf("ramjet " RAMJET_VERSION "\n"
           "  name server  %s:%d\n"
           "  broker       %s:%d\n"
           "  data         %s\n"
           "try: ramjet send hello \"first message\"%s\n",
           servers->namesrv_conf.bind_address, port, servers->broker_conf.bind_address,
           broker_port(servers->broker), servers->broker_conf.store_path_root_dir,
           port == 9876 ? "" : "   (with --namesrv HOST:PORT)");
    fflush(stdout);
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

static int run_all(struct servers *servers)
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
    if (err == 0)
        say_hello(servers);
    return err;
}

int role_all(int argc, char **argv)
{
    enum { OPT_NAMESRV_PORT = 256, OPT_BROKER_PORT };
    static const struct option long_options[] = {
        { "data", required_argument, NULL, 'd' },
        { "bind", required_argument, NULL, 'b' },
        { "advertise", required_argument, NULL, 'a' },
        { "namesrv-port", required_argument, NULL, OPT_NAMESRV_PORT },
        { "broker-port", required_argument, NULL, OPT_BROKER_PORT },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    struct servers servers;
    struct all_options options = { .data = "ramjet-data", .namesrv_port = -1, .broker_port = -1 };
    init(&servers);
    for (int c; (c = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1;) {
        int32_t port = 0;
        bool is_port = c == OPT_NAMESRV_PORT || c == OPT_BROKER_PORT;
        if (is_port && (!slice_to_i32(slice_str(optarg), &port) || port < 0 || port > 65535))
            return usage(stderr, all_usage);
        switch (c) {
        case 'd':
            options.data = optarg;
            break;
        case 'b':
            options.bind = optarg;
            break;
        case 'a':
            options.advertise = optarg;
            break;
        case OPT_NAMESRV_PORT:
            options.namesrv_port = port;
            break;
        case OPT_BROKER_PORT:
            options.broker_port = port;
            break;
        case 'c':
            read_broker_conf(&servers.broker_conf, optarg);
            break;
        default:
            return usage(c == 'h' ? stdout : stderr, all_usage);
        }
    }
    if (optind < argc)
        return usage(stderr, all_usage);
    apply(&servers, &options);
    if (process_init(&servers.process) != 0)
        return 1;
    int code = serve(&servers, run_all(&servers));
    fini(&servers);
    return code;
}
