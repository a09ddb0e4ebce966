#include "bench/run_options.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/target.h"

static const struct run_settings defaults = {
    .connections = 1,
    .outstanding = 1,
    .size = 1024,
    .header = "json",
    .topic = "BenchmarkTest",
    .queues = 8,
    .seconds = 5,
    .rounds = 3,
    .pending = 1000000,
    .burst = 100000,
    .invisible_ms = 2000,
    .timeout_ms = 3000,
    .pause_ms = 200,
    .readers = 4,
    .read_topic = "BenchmarkTest",
    .factor_percent = 300,
    .disk = "",
    .name = "",
    .json = "",
    .html = "",
};

static bool complain(const struct run *run, const char *what, const char *value)
{
    fprintf(stderr, "ramjet bench %s: %s%s%s\n", run->scenario->name, what,
            value[0] == '\0' ? "" : ": ", value);
    return false;
}

static bool take_broker(void *ctx, const char *value)
{
    struct run *run = ctx;
    if (run->broker_count == RUN_BROKERS_MAX - RUN_FLOORS_MAX)
        return complain(run, "too many brokers", value);
    struct run_broker *broker = &run->brokers[run->broker_count];
    broker->address_text = target_named_value(value, broker->name, sizeof broker->name);
    if (broker->name[0] == '\0')
        snprintf(broker->name, sizeof broker->name, "%s", broker->address_text);
    const char *address = broker->address_text;
    broker->is_tls = strncmp(address, "tls:", 4) == 0;
    if (target_address(address + (broker->is_tls ? 4 : 0), &broker->address) != 0)
        return complain(run, "--broker is not [NAME=][tls:]HOST:PORT of an IPv4 host", value);
    if (broker->is_tls && run->scenario != &scenario_send)
        return complain(run, "tls: is for sends only", value);
    run->broker_count++;
    return true;
}

static bool take_pid(void *ctx, const char *value)
{
    struct run *run = ctx;
    char name[REPORT_NAME_BYTES];
    int64_t pid;
    const char *number = target_named_value(value, name, sizeof name);
    if (slice_to_i64(slice_str(number), &pid) && pid > 0 && pid <= INT32_MAX)
        for (int i = 0; i < run->broker_count; i++)
            if (name[0] == '\0' || strcmp(name, run->brokers[i].name) == 0) {
                run->brokers[i].pid = (pid_t)pid;
                return true;
            }
    return complain(run, "--pid is not [NAME=]PID of a --broker named before", value);
}

static int read_line(struct run *run, const char *command, const char *about, int argc, char **argv)
{
    struct run_settings *s = &run->settings;
    const struct option_row rows[] = {
        OPTION_CALL("broker", "[NAME=]ADDR",
                    "HOST:PORT of a broker, tls:HOST:PORT; several are measured in turn",
                    take_broker, run),
        OPTION_CALL("pid", "[NAME=]PID", "the broker's process: adds CPU per message and memory",
                    take_pid, run),
        OPTION_INT("connections", "N", "connections", &s->connections, 1, LOAD_CONNECTIONS_MAX),
        OPTION_INT("outstanding", "N", "messages under way per connection; with --rate the most",
                   &s->outstanding, 1, LOAD_OUTSTANDING_MAX),
        OPTION_NUMBER("rate", "N", "open loop: messages due per second; 0: closed loop", &s->rate,
                      0, 100000000),
        OPTION_INT("size", "N", "bytes of a message's body", &s->size, 1, 8388608),
        OPTION_TEXT("header", "KIND", "serialization of requests: json or binary", &s->header),
        OPTION_TEXT("topic", "TOPIC", "topic to send to", &s->topic),
        OPTION_INT("queues", "N", "queues of the topic to use in turn", &s->queues, 1,
                   SEND_QUEUES_MAX),
        OPTION_INT("topics", "N",
                   "use so many topics in turn, TOPIC_000000 and on, made first; 0: one",
                   &s->topics, 0, SEND_TOPICS_MAX),
        OPTION_INT("seconds", "N", "length of a round", &s->seconds, 1, 86400),
        OPTION_NUMBER("messages", "N", "end a round after so many; 0: by time", &s->messages, 0,
                      1000000000000),
        OPTION_INT("rounds", "N", "rounds per target, interleaved", &s->rounds, 1,
                   REPORT_ROUNDS_MAX),
        OPTION_NUMBER("warmup", "N", "messages to each broker before the first round", &s->warmup,
                      0, 1000000000),
        OPTION_NUMBER("pending", "N", "timer: messages that wait for their time all the while",
                      &s->pending, 0, 100000000),
        OPTION_NUMBER("burst", "N", "burst: messages due at one time", &s->burst, 1, 100000000),
        OPTION_INT("invisible-ms", "N", "pop: how long a popped message is invisible, ms",
                   &s->invisible_ms, 1000, 3600000),
        OPTION_INT("timeout-ms", "N", "a later answer counts as lost, ms", &s->timeout_ms, 1,
                   600000),
        OPTION_INT("pause-ms", "N", "rest between two rounds, ms", &s->pause_ms, 0, 60000),
        OPTION_INT("readers", "N", "read: consumer groups that catch up", &s->readers, 1, 64),
        OPTION_TEXT("read-topic", "TOPIC", "read: topic they read", &s->read_topic),
        OPTION_INT("factor", "N", "overload: percent of the peak offered", &s->factor_percent, 100,
                   1000),
        OPTION_FLAG("echo", "measure the echo floor, too", &s->echo),
        OPTION_FLAG("echo-keep", "and an echo that keeps what it gets in new pages of a file there",
                    &s->echo_keep),
        OPTION_FLAG("echo-sync", "and an echo that syncs to the disk of --disk before it answers",
                    &s->echo_sync),
        OPTION_TEXT("disk", "DIR", "directory whose disk is measured between rounds, too",
                    &s->disk),
        OPTION_TEXT("name", "TEXT", "title of the report", &s->name),
        OPTION_TEXT("json", "FILE", "file to write the report to as JSON", &s->json),
        OPTION_TEXT("html", "FILE", "file to write the report to as a page with plots", &s->html),
    };
    const struct options options = { command, about, rows, sizeof rows / sizeof rows[0],
                                     .shows_values = true };
    char **words;
    int word_count;
    return options_read(&options, argc, argv, &words, &word_count);
}

/* What the rows alone cannot tell. */
static bool fits_together(const struct run *run)
{
    const struct run_settings *s = &run->settings;
    if (strcmp(s->header, "json") != 0 && strcmp(s->header, "binary") != 0)
        return complain(run, "--header is json or binary", s->header);
    if ((s->echo_keep || s->echo_sync) && s->disk[0] == '\0')
        return complain(run, "--echo-keep and --echo-sync need --disk", "");
    if (run->scenario == &scenario_topics && s->topics == 0)
        return complain(run, "topics needs --topics", "");
    if (run->broker_count == 0 && !s->echo && !s->echo_keep && !s->echo_sync)
        return complain(run, "nothing to measure: give --broker or --echo", "");
    return true;
}

int run_options_read(struct run *run, int argc, char **argv)
{
    char command[32];
    snprintf(command, sizeof command, "bench %s", run->scenario->name);
    struct buf about = BUF_INIT;
    buf_printf(&about, "usage: ramjet %s [options]\n\n%s\n\n%c", command, run->scenario->help, 0);
    run->settings = defaults;
    int code = read_line(run, command, (const char *)about.data, argc, argv);
    if (code == OPTIONS_GO_ON && !fits_together(run))
        code = options_refuse(command);
    buf_fini(&about);
    return code;
}
