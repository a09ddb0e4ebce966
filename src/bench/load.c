/* load.c - one thread, one epoll set, a sender per connection.
 *
 *   turn:  issue what is due (open loop) -> write -> wait -> for each ready connection:
 *          receive -> clock -> record its answers -> (closed loop) refill its window -> write
 *
 * An answer's time is read right behind the recv that brought it, a closed-loop message's right
 * before the write that takes it: what the generator does between is nobody's latency. In open loop
 * nothing is ever sent early, and what is sent late is charged from when it was due.
 *
 * A run ends when its duration is over and every message under way was answered or is lost.
 * Open-loop messages that were due but found no window until then count as lost, too; those of a
 * load that counts from the write, when they found none within the duration.
 */
#include "bench/load.h"

#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread_rank.h"
#include "bench/sender.h"

enum { EVENTS_MAX = 64 };
/* How often late answers are looked for. */
#define TICK_NS INT64_C(10000000)

struct load {
    const struct load_plan *plan;
    struct load_result *result;
    struct sender *senders; /* plan->connections of them, `opened` are open */
    int opened;
    int next_sender; /* whose turn it is in open loop */
    int epoll_fd;
    int64_t start_ns;
    int64_t end_ns;     /* of sending, as planned */
    int64_t give_up_ns; /* of sending what was due before end_ns and found no window */
    int64_t next_tick_ns;
    bool waits_for_room; /* open loop: the next message is due, and nobody has room for it */
    uint64_t issued;
    uint64_t total; /* messages of the whole run, UINT64_MAX: until the end of the duration */
};

static int fail(struct load *load, int err, const char *what)
{
    const uint8_t *ip = (const uint8_t *)&load->plan->address.sin_addr;
    snprintf(load->result->why, sizeof load->result->why, "%s %u.%u.%u.%u:%u: %s", what, ip[0],
             ip[1], ip[2], ip[3], ntohs(load->plan->address.sin_port), err_name(err));
    return err;
}

/* ---- counting ------------------------------------------------------------------------------- */

static void count_refusal(struct load_result *result, int64_t elapsed_ns, int32_t code)
{
    result->refused++;
    histogram_record(&result->refusal, elapsed_ns);
    for (int i = 0; i < LOAD_CODES_MAX; i++) {
        struct load_refusal *refusal = &result->refusals[i];
        if (refusal->count == 0)
            refusal->code = code;
        if (refusal->code == code) {
            refusal->count++;
            return;
        }
    }
}

static void count_answer(struct load *load, int64_t start_ns, int64_t arrived_ns, int32_t code)
{
    struct load_result *result = load->result;
    if (code != load->plan->accept_code) {
        count_refusal(result, arrived_ns - start_ns, code);
        return;
    }
    result->accepted++;
    if (arrived_ns <= load->end_ns) {
        result->accepted_in_time++;
        result->bytes_in_time += load->plan->frame->body_bytes;
    }
    histogram_record(&result->latency, arrived_ns - start_ns);
    series_record(&result->series, arrived_ns, arrived_ns - start_ns);
}

/* ---- one connection ------------------------------------------------------------------------- */

static int watch(struct load *load, int index, int op)
{
    struct sender *s = &load->senders[index];
    s->awaits_room = sender_has_unwritten(s);
    struct epoll_event event = {
        .events = EPOLLIN | (s->awaits_room ? EPOLLOUT : 0u),
        .data.u32 = (uint32_t)index,
    };
    return epoll_ctl(load->epoll_fd, op, s->fd, &event) < 0 ? err_from_errno(errno) : 0;
}

/* Writes what was put; a full socket is watched until it takes the rest. What lies on the belt
 * meanwhile waits for the generator, not for the server. */
static int flush(struct load *load, int index)
{
    struct sender *s = &load->senders[index];
    bool restarts = load->plan->counts_from_send;
    uint64_t written_bytes = s->written_bytes;
    int64_t now_ns = restarts ? load->plan->now_ns() : 0;
    int err = sender_write(s);
    if (restarts)
        sender_start_at_write(s, written_bytes, now_ns);
    if (err == 0 && sender_has_unwritten(s) != s->awaits_room)
        err = watch(load, index, EPOLL_CTL_MOD);
    return err == 0 ? 0 : fail(load, err, "sending to");
}

static bool is_sending(const struct load *load, int64_t now_ns)
{
    return now_ns < load->end_ns && load->issued < load->total;
}

/* Puts the next message of the run. */
static void put(struct load *load, struct sender *s, int64_t start_ns, int64_t born_ms)
{
    const struct load_plan *plan = load->plan;
    if (plan->start_log != NULL && (int64_t)load->issued < plan->start_log_count)
        atomic_store_explicit(&plan->start_log[load->issued], start_ns, memory_order_release);
    sender_put(s, start_ns, born_ms);
    load->issued++;
}

/* Closed loop: as many messages as the window has room for. */
static void refill(struct load *load, struct sender *s)
{
    int64_t now_ns = load->plan->now_ns();
    int64_t born_ms = clock_wall_ms();
    while (is_sending(load, now_ns) && sender_has_room(s))
        put(load, s, now_ns, born_ms);
}

static int serve(struct load *load, int index, uint32_t events)
{
    struct sender *s = &load->senders[index];
    if (events & ~(uint32_t)EPOLLOUT) {
        int64_t start_ns;
        int32_t code;
        int err = sender_receive(s);
        int64_t arrived_ns = load->plan->now_ns();
        while (err == 0 && sender_next_answer(s, &start_ns, &code, &err))
            count_answer(load, start_ns, arrived_ns, code);
        if (err != 0)
            return fail(load, err, "receiving from");
    }
    if (load->plan->rate_per_s == 0)
        refill(load, s);
    return flush(load, index);
}

/* ---- the open loop's schedule --------------------------------------------------------------- */

static int64_t due_ns(const struct load *load, uint64_t message)
{
    uint64_t rate = (uint64_t)load->plan->rate_per_s;
    return load->start_ns + (int64_t)(message / rate * NS_PER_S + message % rate * NS_PER_S / rate);
}

static bool takes_more(const struct load *load, int index)
{
    const struct sender *s = &load->senders[index];
    return sender_has_room(s) && !(load->plan->counts_from_send && s->awaits_room);
}

/* The next sender with room, in turn; -1: there is none. */
static int sender_in_turn(struct load *load)
{
    for (int tried = 0; tried < load->plan->connections; tried++) {
        int index = load->next_sender;
        load->next_sender = (index + 1) % load->plan->connections;
        if (takes_more(load, index))
            return index;
    }
    return -1;
}

/* Sends all that is due and finds room. Messages due together are spread over the connections, and
 * each connection is written once. */
static int issue_due(struct load *load)
{
    int64_t now_ns = load->plan->now_ns();
    int64_t born_ms = clock_wall_ms();
    uint64_t issued_before = load->issued;
    int first = load->next_sender, index;
    load->waits_for_room = false;
    while (load->issued < load->total && now_ns < load->give_up_ns &&
           due_ns(load, load->issued) <= now_ns) {
        index = sender_in_turn(load);
        load->waits_for_room = index < 0;
        if (index < 0)
            break;
        int64_t start_ns = load->plan->counts_from_send ? now_ns : due_ns(load, load->issued);
        put(load, &load->senders[index], start_ns, born_ms);
    }
    int err = 0;
    if (load->issued == issued_before)
        return 0;
    for (int i = 0; i < load->plan->connections && err == 0; i++) {
        index = (first + i) % load->plan->connections;
        struct sender *s = &load->senders[index];
        if (sender_has_unwritten(s) && !s->awaits_room)
            err = flush(load, index);
        if (takes_more(load, index)) /* its belt was full, not its window */
            load->waits_for_room = false;
    }
    return err;
}

/* ---- the run -------------------------------------------------------------------------------- */

/* What is lost leaves room for another message, and no answer will come to say so. */
static int expire(struct load *load, int64_t now_ns)
{
    int err = 0;
    load->next_tick_ns = now_ns + TICK_NS;
    for (int i = 0; i < load->opened && err == 0; i++) {
        sender_expire(&load->senders[i], now_ns - load->plan->timeout_ns);
        if (load->plan->rate_per_s == 0) {
            refill(load, &load->senders[i]);
            err = flush(load, i);
        }
    }
    return err;
}

static bool is_over(const struct load *load, int64_t now_ns)
{
    bool is_open = load->plan->rate_per_s > 0;
    int64_t last_send_ns = is_open ? load->give_up_ns : load->end_ns;
    if (load->issued < load->total && now_ns < last_send_ns)
        return false;
    for (int i = 0; i < load->opened; i++)
        if (load->senders[i].under_way > 0)
            return false;
    return true;
}

/* Until an event, the next tick, or the next message that is due and not held up by full windows.
 * One that has become due since issue_due() looked does not wait at all. */
static int wait_ready(struct load *load, struct epoll_event *events)
{
    const struct load_plan *plan = load->plan;
    int64_t now_ns = plan->now_ns();
    int64_t until_ns = load->next_tick_ns;
    if (plan->rate_per_s > 0 && load->issued < load->total && now_ns < load->give_up_ns &&
        !load->waits_for_room && due_ns(load, load->issued) < until_ns)
        until_ns = due_ns(load, load->issued);
    int64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    wait_ns = wait_ns < TICK_NS ? wait_ns : TICK_NS;
    if (plan->on_wait != NULL)
        plan->on_wait(wait_ns);
    struct timespec timeout = { .tv_nsec = wait_ns };
    int ready = epoll_pwait2(load->epoll_fd, events, EVENTS_MAX, &timeout, NULL);
    return ready < 0 && errno == EINTR ? 0 : ready;
}

static int turn(struct load *load)
{
    struct epoll_event events[EVENTS_MAX];
    int err = load->plan->rate_per_s > 0 ? issue_due(load) : 0;
    if (err != 0)
        return err;
    int ready = wait_ready(load, events);
    if (ready < 0)
        return fail(load, err_from_errno(errno), "waiting for");
    for (int i = 0; i < ready; i++) {
        err = serve(load, (int)events[i].data.u32, events[i].events);
        if (err != 0)
            return err;
    }
    return 0;
}

static int run(struct load *load)
{
    const struct load_plan *plan = load->plan;
    load->start_ns = plan->now_ns();
    load->end_ns = load->start_ns + plan->duration_ns;
    load->give_up_ns = load->end_ns + (plan->counts_from_send ? 0 : plan->timeout_ns);
    load->next_tick_ns = load->start_ns + TICK_NS;
    series_init(&load->result->series, load->start_ns, plan->duration_ns);
    load->total = plan->message_count > 0 ? (uint64_t)plan->message_count : UINT64_MAX;
    if (plan->rate_per_s > 0) {
        uint64_t whole =
            (uint64_t)((double)plan->rate_per_s * (double)plan->duration_ns / NS_PER_S);
        load->total = whole < load->total ? whole : load->total;
    }
    int err = 0;
    int64_t now_ns = load->start_ns;
    for (int i = 0; i < load->opened && plan->rate_per_s == 0 && err == 0; i++) {
        refill(load, &load->senders[i]);
        err = flush(load, i);
    }
    while (err == 0 && !is_over(load, now_ns)) {
        err = turn(load);
        now_ns = plan->now_ns();
        if (err == 0 && now_ns >= load->next_tick_ns)
            err = expire(load, now_ns);
    }
    struct load_result *result = load->result;
    result->due = plan->rate_per_s > 0 ? load->total : load->issued;
    result->lost = result->due - result->accepted - result->refused;
    series_end(&result->series);
    result->elapsed_ns = (now_ns < load->end_ns ? now_ns : load->end_ns) - load->start_ns;
    return err;
}

static int open_senders(struct load *load)
{
    for (; load->opened < load->plan->connections; load->opened++) {
        struct sender *s = &load->senders[load->opened];
        int err =
            sender_open(s, &load->plan->address, load->plan->is_tls, load->plan->frame,
                        (uint32_t)load->opened, load->plan->outstanding, load->plan->timeout_ns);
        if (err != 0)
            return fail(load, err, "connecting to");
        int unsent = load->plan->unsent_bytes;
        if (unsent > 0)
            setsockopt(s->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
        err = watch(load, load->opened, EPOLL_CTL_ADD);
        if (err != 0) {
            sender_close(s);
            return fail(load, err, "watching the connection to");
        }
    }
    return 0;
}

int load_run(const struct load_plan *plan, struct load_result *result)
{
    assert(plan->connections >= 1 && plan->connections <= LOAD_CONNECTIONS_MAX);
    assert(plan->outstanding >= 1 && plan->outstanding <= LOAD_OUTSTANDING_MAX);
    assert(plan->duration_ns > 0);
    assert(plan->start_log == NULL || plan->connections == 1);
    memset(result, 0, sizeof *result);
    thread_go_first();
    struct load load = { .plan = plan, .result = result, .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
    if (load.epoll_fd < 0)
        return fail(&load, err_from_errno(errno), "no epoll for");
    int err = ERR_NO_MEMORY;
    load.senders = calloc((size_t)plan->connections, sizeof load.senders[0]);
    if (load.senders != NULL)
        err = open_senders(&load);
    if (err == 0)
        err = run(&load);
    for (int i = 0; i < load.opened; i++)
        sender_close(&load.senders[i]);
    free(load.senders);
    close(load.epoll_fd);
    return err;
}

double load_rate(const struct load_result *result)
{
    if (result->elapsed_ns <= 0)
        return 0;
    return (double)result->accepted_in_time * NS_PER_S / (double)result->elapsed_ns;
}

double load_bytes_rate(const struct load_result *result)
{
    if (result->elapsed_ns <= 0)
        return 0;
    return (double)result->bytes_in_time * NS_PER_S / (double)result->elapsed_ns;
}
