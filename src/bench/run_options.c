#include "bench/run_options.h"

#include <stdlib.h>

#define SETTING_INT(member, key, fallback, least, most, text)                                      \
    CONF_INT(struct run_settings, member, key, fallback, least, most, CONF_AT_START, text)
#define SETTING_I64(member, key, fallback, least, most, text)                                      \
    CONF_I64(struct run_settings, member, key, fallback, least, most, CONF_AT_START, text)
#define SETTING_STRING(member, key, fallback, text)                                                \
    CONF_STRING(struct run_settings, member, key, fallback, CONF_AT_START, text)

static const struct conf_row setting_rows[] = {
    SETTING_INT(connections, "connections", 1, 1, LOAD_CONNECTIONS_MAX, "connections"),
    SETTING_INT(outstanding, "outstanding", 1, 1, LOAD_OUTSTANDING_MAX,
                "messages under way per connection; with --rate the most"),
    SETTING_I64(rate, "rate", 0, 0, 100000000,
                "open loop: messages due per second; 0: closed loop"),
    SETTING_INT(size, "size", 1024, 1, 8388608, "bytes of a message's body"),
    SETTING_STRING(header, "header", "json", "serialization of requests: json or binary"),
    SETTING_STRING(topic, "topic", "BenchmarkTest", "topic to send to"),
    SETTING_INT(queues, "queues", 8, 1, SEND_QUEUES_MAX, "queues of the topic to use in turn"),
    SETTING_INT(topics, "topics", 0, 0, SEND_TOPICS_MAX,
                "use so many topics in turn, TOPIC_000000 and on, made first; 0: one"),
    SETTING_INT(seconds, "seconds", 5, 1, 86400, "length of a round"),
    SETTING_I64(messages, "messages", 0, 0, 1000000000000, "end a round after so many; 0: by time"),
    SETTING_INT(rounds, "rounds", 3, 1, REPORT_ROUNDS_MAX, "rounds per target, interleaved"),
    SETTING_I64(warmup, "warmup", 0, 0, 1000000000,
                "messages to each broker before the first round"),
    SETTING_I64(pending, "pending", 1000000, 0, 100000000,
                "timer: messages that wait for their time all the while"),
    SETTING_I64(burst, "burst", 100000, 1, 100000000, "burst: messages due at one time"),
    SETTING_INT(invisible_ms, "invisible-ms", 2000, 1000, 3600000,
                "pop: how long a popped message is invisible, ms"),
    SETTING_INT(timeout_ms, "timeout-ms", 3000, 1, 600000, "a later answer counts as lost, ms"),
    SETTING_INT(pause_ms, "pause-ms", 200, 0, 60000, "rest between two rounds, ms"),
    SETTING_INT(readers, "readers", 4, 1, 64, "read: consumer groups that catch up"),
    SETTING_STRING(read_topic, "read-topic", "BenchmarkTest", "read: topic they read"),
    SETTING_INT(factor_percent, "factor", 300, 100, 1000, "overload: percent of the peak offered"),
    CONF_BOOL(struct run_settings, echo, "echo", false, CONF_AT_START,
              "measure the echo floor, too"),
    CONF_BOOL(struct run_settings, echo_sync, "echo-sync", false, CONF_AT_START,
              "and an echo that syncs to the disk of --disk before it answers"),
    SETTING_STRING(disk, "disk", "", "directory whose disk is measured between rounds, too"),
    SETTING_STRING(name, "name", "", "title of the report"),
    SETTING_STRING(json, "json", "", "file to write the report to as JSON"),
    SETTING_STRING(html, "html", "", "file to write the report to as a page with plots"),
};
static const struct conf_table settings_table = { setting_rows,
                                                  sizeof setting_rows / sizeof setting_rows[0] };

static int complain(const struct run *run, const char *what, const char *value)
{
    fprintf(stderr, "ramjet bench %s: %s%s%s\n", run->scenario->name, what,
            value[0] == '\0' ? "" : ": ", value);
    return ERR_INVALID;
}

static int take_broker(void *ctx, const char *value)
{
    struct run *run = ctx;
    if (run->broker_count == RUN_BROKERS_MAX - 2) /* two places are the floors' */
        return complain(run, "too many brokers", value);
    struct run_broker *broker = &run->brokers[run->broker_count];
    broker->address_text = option_named_value(value, broker->name, sizeof broker->name);
    if (broker->name[0] == '\0')
        snprintf(broker->name, sizeof broker->name, "%s", broker->address_text);
    const char *address = broker->address_text;
    broker->is_tls = strncmp(address, "tls:", 4) == 0;
    if (option_address(address + (broker->is_tls ? 4 : 0), &broker->address) != 0)
        return complain(run, "--broker is not [NAME=][tls:]HOST:PORT of an IPv4 host", value);
    if (broker->is_tls && run->scenario != &scenario_send)
        return complain(run, "tls: is for sends only", value);
    run->broker_count++;
    return 0;
}

static int take_pid(void *ctx, const char *value)
{
    struct run *run = ctx;
    char name[REPORT_NAME_BYTES];
    int64_t pid;
    const char *number = option_named_value(value, name, sizeof name);
    if (slice_to_i64(slice_str(number), &pid) && pid > 0 && pid <= INT32_MAX)
        for (int i = 0; i < run->broker_count; i++)
            if (name[0] == '\0' || strcmp(name, run->brokers[i].name) == 0) {
                run->brokers[i].pid = (pid_t)pid;
                return 0;
            }
    return complain(run, "--pid is not [NAME=]PID of a --broker named before", value);
}

static const struct repeated_option repeated[] = {
    { "broker", "[NAME=]ADDR", "HOST:PORT of a broker, tls:HOST:PORT; several are measured in turn",
      take_broker },
    { "pid", "[NAME=]PID", "the broker's process: adds CPU per message and memory", take_pid },
};

enum options_outcome run_options_parse(struct run *run, int argc, char **argv)
{
    char usage[32];
    snprintf(usage, sizeof usage, "bench %s", run->scenario->name);
    const struct options options = {
        .usage = usage,
        .text = run->scenario->help,
        .table = &settings_table,
        .values = &run->settings,
        .repeated = repeated,
        .repeated_count = sizeof repeated / sizeof repeated[0],
        .ctx = run,
    };
    enum options_outcome outcome = options_parse(&options, argc, argv);
    if (outcome != OPTIONS_RUN)
        return outcome;
    const struct run_settings *s = &run->settings;
    if (strcmp(s->header, "json") != 0 && strcmp(s->header, "binary") != 0) {
        complain(run, "--header is json or binary", s->header);
        return OPTIONS_WRONG;
    }
    if (s->echo_sync && s->disk[0] == '\0') {
        complain(run, "--echo-sync needs --disk", "");
        return OPTIONS_WRONG;
    }
    if (run->broker_count == 0 && !s->echo && !s->echo_sync) {
        complain(run, "nothing to measure: give --broker or --echo", "");
        return OPTIONS_WRONG;
    }
    return OPTIONS_RUN;
}

void run_options_fini(struct run *run)
{
    conf_fini(&settings_table, &run->settings);
}
