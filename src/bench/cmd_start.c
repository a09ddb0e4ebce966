/* cmd_start.c - `ramjet bench start`: how long a broker takes from exec to its first accepted send,
 * and what it costs once it is idle.
 *
 * The command is run by a shell in a process group of its own; "exec" in front of it makes the
 * shell's process the broker's. From then on a send is tried every millisecond until it is
 * accepted: connections refused and answers that refuse it are what a client would meet, too.
 */
#include "bench/commands.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/options.h"
#include "bench/process.h"
#include "bench/sender.h"
#include "bench/start_report.h"
#include "bench/target.h"
#include "wire/codes.h"

#define S_NS INT64_C(1000000000)

#define COMMAND "bench start"

static const char about[] =
    "usage: ramjet bench start [options]\n"
    "\n"
    "Starts a broker, measures the time to its first accepted send, watches it idle,\n"
    "and stops it.\n"
    "\n";

struct start_settings {
    const char *command;
    const char *broker;
    const char *topic;
    int runs;
    int timeout_s;
    int settle_ms;
    int idle_s;
    bool kill;
    const char *name;
    const char *json;
};

struct start_bench {
    struct start_settings settings;
    struct sockaddr_in address;
    struct send_frame frame;
    struct start_report report;
};

static int say(const char *what, const char *why)
{
    fprintf(stderr, "ramjet bench start: %s%s%s\n", what, why[0] == '\0' ? "" : ": ", why);
    return ERR_INVALID;
}

static void sleep_ns(int64_t ns)
{
    const struct timespec pause = { .tv_sec = ns / S_NS, .tv_nsec = ns % S_NS };
    nanosleep(&pause, NULL);
}

/* ---- the process ---------------------------------------------------------------------------- */

/* Its output goes to our stderr, so that stdout stays a report. */
static int spawn(const char *command, pid_t *pid)
{
    pid_t child = fork();
    if (child < 0)
        return err_from_errno(errno);
    if (child == 0) {
        setpgid(0, 0);
        dup2(STDERR_FILENO, STDOUT_FILENO);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    setpgid(child, child); /* whoever comes first */
    *pid = child;
    return 0;
}

/* Looks without taking the exit status, which stop() does. */
static bool is_running(pid_t pid)
{
    siginfo_t info = { .si_pid = 0 };
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

/* Ends the process group and waits; one that does not go is killed in the end. */
static int stop(const struct start_bench *bench, pid_t pid, struct start_run *run)
{
    int64_t asked_ns = clock_monotonic_ns();
    int64_t deadline_ns = asked_ns + bench->settings.timeout_s * S_NS;
    int status = 0;
    kill(-pid, bench->settings.kill ? SIGKILL : SIGTERM);
    while (is_running(pid) && clock_monotonic_ns() < deadline_ns)
        sleep_ns(NS_PER_MS);
    bool in_time = !is_running(pid);
    if (!in_time)
        kill(-pid, SIGKILL);
    waitpid(pid, &status, 0);
    run->stop_ns = clock_monotonic_ns() - asked_ns;
    run->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return in_time ? 0 : say("the broker did not stop in time", bench->settings.command);
}

/* ---- the first send ------------------------------------------------------------------------- */

/* Waits up to `wait_ms` for an answer. 1: accepted; 0: not yet; ERR_EXISTS: refused; else the
 * connection is lost. */
static int await_answer(struct sender *s, int wait_ms)
{
    struct pollfd ready = { .fd = s->fd, .events = POLLIN };
    int64_t start_ns;
    int32_t code;
    int err = 0;
    if (poll(&ready, 1, wait_ms) <= 0)
        return 0;
    err = sender_receive(s);
    if (err == 0 && sender_next_answer(s, &start_ns, &code, &err))
        return code == RESP_SUCCESS ? 1 : ERR_EXISTS;
    return err;
}

/* One attempt over a new connection, until it is accepted, refused or lost or the process has
 * ended. */
static bool try_send(const struct start_bench *bench, pid_t pid, int64_t deadline_ns)
{
    struct sender s;
    int got = sender_open(&s, &bench->address, false, &bench->frame, 0, 1, S_NS);
    if (got != 0)
        return false;
    sender_put(&s, clock_monotonic_ns(), clock_wall_ms());
    got = sender_write(&s);
    while (got == 0 && clock_monotonic_ns() < deadline_ns && is_running(pid))
        got = await_answer(&s, 10);
    sender_close(&s);
    return got == 1;
}

static int await_first_send(const struct start_bench *bench, pid_t pid, int64_t deadline_ns)
{
    while (!try_send(bench, pid, deadline_ns)) {
        if (!is_running(pid))
            return say("the command ended before a send was accepted", bench->settings.command);
        if (clock_monotonic_ns() >= deadline_ns)
            return say("no send was accepted in time", bench->settings.broker);
        sleep_ns(NS_PER_MS);
    }
    return 0;
}

/* ---- a run ---------------------------------------------------------------------------------- */

/* What the process costs while nobody asks anything of it. */
static int watch_idle(const struct start_bench *bench, pid_t pid, struct start_run *run)
{
    struct process_usage before, after;
    sleep_ns(bench->settings.settle_ms * NS_PER_MS);
    int err = process_usage(pid, &before);
    if (err == 0) {
        sleep_ns(bench->settings.idle_s * S_NS);
        err = process_usage(pid, &after);
    }
    if (err != 0)
        return say("the broker ended while it was idle", bench->settings.command);
    double seconds = bench->settings.idle_s;
    run->resident_kib = after.resident_kib;
    run->resident_anon_kib = after.resident_anon_kib;
    run->threads = after.threads;
    run->switches_per_s = (double)(after.context_switches - before.context_switches) / seconds;
    run->cpu_percent = (double)(after.cpu_ns - before.cpu_ns) / (seconds * (double)S_NS) * 100;
    return 0;
}

static int start_once(const struct start_bench *bench, struct start_run *run)
{
    struct sender stranger;
    if (sender_open(&stranger, &bench->address, false, &bench->frame, 0, 1, S_NS) == 0) {
        sender_close(&stranger);
        return say("something listens there already", bench->settings.broker);
    }
    pid_t pid = 0;
    int64_t exec_ns = clock_monotonic_ns();
    int err = spawn(bench->settings.command, &pid);
    if (err != 0)
        return say("cannot start a process", err_name(err));
    err = await_first_send(bench, pid, exec_ns + bench->settings.timeout_s * S_NS);
    run->first_send_ns = clock_monotonic_ns() - exec_ns;
    if (err == 0)
        err = watch_idle(bench, pid, run);
    int stop_err = stop(bench, pid, run);
    return err != 0 ? err : stop_err;
}

static int run_all(struct start_bench *bench)
{
    const struct send_frame_options options = {
        .type = SERIALIZE_JSON,
        .topic = bench->settings.topic,
        .queue_count = 1,
        .body_bytes = 128,
    };
    struct start_report *report = &bench->report;
    int err = send_frame_init(&bench->frame, &options);
    while (err == 0 && report->run_count < bench->settings.runs) {
        err = start_once(bench, &report->runs[report->run_count]);
        report->run_count += err == 0;
    }
    send_frame_fini(&bench->frame);
    if (err != 0)
        return err;
    report->name = bench->settings.name;
    report->command = bench->settings.command;
    start_report_print(report, stdout);
    if (bench->settings.json[0] == '\0')
        return 0;
    struct buf json = BUF_INIT;
    start_report_json(report, &json);
    err = write_report(bench->settings.json, &json);
    buf_fini(&json);
    return err;
}

static int read_line(struct start_bench *bench, int argc, char **argv)
{
    struct start_settings *s = &bench->settings;
    const struct option_row rows[] = {
        OPTION_TEXT("command", "TEXT", "shell command that starts the broker and stays with it",
                    &s->command),
        OPTION_TEXT("broker", "HOST:PORT", "where it will listen", &s->broker),
        OPTION_TEXT("topic", "TOPIC", "topic of the first message", &s->topic),
        OPTION_INT("runs", "N", "times to start and stop it", &s->runs, 1, START_RUNS_MAX),
        OPTION_INT("timeout", "N", "seconds to wait for start and for stop", &s->timeout_s, 1,
                   3600),
        OPTION_INT("settle-ms", "N", "rest between first send and idle, ms", &s->settle_ms, 0,
                   600000),
        OPTION_INT("idle", "N", "seconds over which the idle process is watched", &s->idle_s, 1,
                   3600),
        OPTION_FLAG("kill", "end each run with SIGKILL instead of SIGTERM", &s->kill),
        OPTION_TEXT("name", "TEXT", "title of the report", &s->name),
        OPTION_TEXT("json", "FILE", "file to write the report to as JSON", &s->json),
    };
    const struct options options = { COMMAND, about, rows, sizeof rows / sizeof rows[0],
                                     .shows_values = true };
    char **words;
    int word_count;
    *s = (struct start_settings){ .command = "",
                                  .broker = "127.0.0.1:10911",
                                  .topic = "BenchmarkTest",
                                  .runs = 1,
                                  .timeout_s = 120,
                                  .settle_ms = 2000,
                                  .idle_s = 5,
                                  .name = "",
                                  .json = "" };
    int code = options_read(&options, argc, argv, &words, &word_count);
    if (code != OPTIONS_GO_ON)
        return code;
    if (s->command[0] == '\0') {
        say("--command is missing", "");
        return options_refuse(COMMAND);
    }
    if (target_address(s->broker, &bench->address) != 0) {
        say("--broker is not HOST:PORT of an IPv4 host", s->broker);
        return options_refuse(COMMAND);
    }
    return OPTIONS_GO_ON;
}

int bench_start(int argc, char **argv)
{
    struct start_bench *bench = calloc(1, sizeof *bench);
    if (bench == NULL)
        return 1;
    int code = read_line(bench, argc, argv);
    if (code == OPTIONS_GO_ON)
        code = run_all(bench) != 0;
    free(bench);
    return code;
}
