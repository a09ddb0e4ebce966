/* evidence.c - stamps, passes, slow requests.
 *
 *   first request of a pass    the real clock is read once; the rest of the pass is counted in
 *                              ticks
 *   next reading, end of pass  ends the request before, or those that shared a reading: sampled
 *                              into the histograms, kept when it is the slowest of its pass
 *   end of the pass            deferred twice: what connections deferred (their writes) comes
 *                              between, so the second time the answers are out
 *
 *     NO_PASS ──begin──> HANDLING ──deferred──> WRITING ──deferred──> NO_PASS
 *                           └──────<──begin──────┘   what a deferred callback handles belongs to it
 */
#include "broker/figures/evidence.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/ticks.h"
#include "remoting/remoting.h"
#include "store/store.h"

/* OTHERS, the requests behind it in its pass, is known of slow requests only. */
enum stage { WAIT, DECODE, HANDLE, LOCK, APPEND, REST, OTHERS, REPLY, FLUSH, TOTAL, STAGE_COUNT };
static const char *const stage_names[STAGE_COUNT] = {
    "wait", "decode", "handle", "lock", "append", "rest", "others", "reply", "flush", "total"
};

/* The golden ratio of 2^32: steps of it fall evenly, and so does every n-th of them. Each eighth
 * request would be the same kind again and again where clients ask in turns. */
#define SAMPLE_STEP UINT32_C(2654435769)
/* How old the kernel's counters may be while the broker is busy. */
#define FACTS_PERIOD_NS INT64_C(1000000000)

struct slow {
    uint64_t number; /* of all slow ones, from 1; 0: the place is free */
    int64_t at_ms;
    int32_t code;
    uint32_t requests;
    char peer[64];
    int64_t stage_ns[STAGE_COUNT];
    bool has_kernel;
    struct kernel_facts kernel;
};

/* The request being handled, or those that share a reading. */
struct handled {
    struct peer *peer; /* referenced; NULL: none */
    int32_t code;
    uint32_t weight; /* in the histograms of stages; 0: it is in none */
    bool has_put;    /* and its ticks are known */
    int64_t waited_ns;
    int64_t behind_ns; /* it lay in the socket before this pass, for want of time */
    uint64_t begin_ticks, end_ticks;
    uint64_t decoded_ticks; /* 0: not known, then decoding counts as handling */
    uint64_t asked_ticks, locked_ticks, appended_ticks; /* when has_put */
};

/* A thread that runs the loop, and what the kernel had counted of it when that was last read. A
 * loop with a deputy has two, which may change places with every pass. */
struct known_thread {
    int tid;
    struct kernel_facts last;
};
enum { KNOWN_THREADS = 2 };
/* Stalls come in swarms: so many more have a line at once, beyond the one a second. */
enum { LOGGED_AT_ONCE = 20 };

enum pass_state { NO_PASS, HANDLING, WRITING };

struct evidence {
    struct evidence_head head;
    struct handled now;
    bool wants_detail; /* as on_detail was told */

    struct evidence_options options;
    struct histogram *stages; /* STAGE_COUNT of them */
    struct histogram_notes notes;

    enum pass_state state;
    struct loop_deferred pass_end;
    uint32_t pass_first;     /* head.requests before it */
    uint64_t pass_ticks;     /* when its first request began */
    int64_t pass_wait_ns;    /* how long that one had waited */
    uint64_t written_from;   /* when its last request was handled and its answers began to go out */
    int64_t worst_behind_ns; /* of the pass */
    struct handled slowest;  /* of the pass */
    int64_t slowest_ticks;

    uint64_t slow_count;
    struct slow slow[EVIDENCE_SLOW_MAX]; /* by number % EVIDENCE_SLOW_MAX */
    struct log_limit log_limit;

    /* the worker's between submission and `done` */
    struct job job;
    bool has_job;
    struct known_thread *asked;
    struct kernel_facts read;
    struct slow logged; /* number 0: only the counters are wanted */
    uint32_t held_back;

    struct known_thread threads[KNOWN_THREADS];
    struct known_thread *thread; /* that runs the loop now */
};

static_assert(offsetof(struct evidence, head) == 0, "callers find it there");

/* ---- the kernel's side: a worker reads, the loop keeps --------------------------------------- */

static void log_slow(const struct slow *slow, const struct kernel_facts *kernel, uint32_t held)
{
    const int64_t *ns = slow->stage_ns;
    log_warn("slow_request total_us=%lld wait_us=%lld decode_us=%lld handle_us=%lld lock_us=%lld "
             "append_us=%lld "
             "rest_us=%lld others_us=%lld reply_us=%lld flush_us=%lld code=%d request=%s "
             "peer=%s pass_requests=%u "
             "kernel_ms=%lld run_queue_us=%lld minor_faults=%lld major_faults=%lld "
             "reclaim_pages=%lld written_kib=%lld io_stall_us=%lld memory_stall_us=%lld "
             "cpu_stall_us=%lld not_logged=%u",
             (long long)ns[TOTAL] / 1000, (long long)ns[WAIT] / 1000, (long long)ns[DECODE] / 1000,
             (long long)ns[HANDLE] / 1000, (long long)ns[LOCK] / 1000, (long long)ns[APPEND] / 1000,
             (long long)ns[REST] / 1000, (long long)ns[OTHERS] / 1000, (long long)ns[REPLY] / 1000,
             (long long)ns[FLUSH] / 1000, slow->code, request_code_name(slow->code), slow->peer,
             slow->requests, (long long)kernel->read_ns / 1000000, (long long)kernel->run_queue_us,
             (long long)kernel->minor_faults, (long long)kernel->major_faults,
             (long long)kernel->direct_reclaim_pages, (long long)kernel->written_kib,
             (long long)kernel->io_stall_us, (long long)kernel->memory_stall_us,
             (long long)kernel->cpu_stall_us, held);
}

static const struct kernel_facts unknown_facts;

static void read_facts(struct job *job)
{
    struct evidence *e = (struct evidence *)((char *)job - offsetof(struct evidence, job));
    kernel_facts_read(&e->read, e->asked->tid);
}

static void facts_read(struct job *job)
{
    struct evidence *e = (struct evidence *)((char *)job - offsetof(struct evidence, job));
    struct kernel_facts *last = &e->asked->last;
    struct kernel_facts between = kernel_facts_between(last, &e->read);
    bool has_before = last->read_ns != 0;
    e->has_job = false;
    --*e->options.work_out;
    *last = e->read;
    if (e->logged.number == 0)
        return;
    struct slow *kept = &e->slow[e->logged.number % EVIDENCE_SLOW_MAX];
    if (has_before && kept->number == e->logged.number) {
        kept->has_kernel = true;
        kept->kernel = between;
    }
    log_slow(&e->logged, has_before ? &between : &unknown_facts, e->held_back);
}

/* `slow` NULL: the counters are only brought up to date. */
static void ask_for_facts(struct evidence *e, const struct slow *slow, uint32_t held)
{
    e->logged.number = 0;
    if (slow != NULL)
        e->logged = *slow;
    e->held_back = held;
    e->asked = e->thread;
    e->has_job = workers_submit(e->options.workers, e->options.loop, &e->job) == 0;
    *e->options.work_out += e->has_job;
    if (!e->has_job && slow != NULL) { /* the workers are busy: the line matters more */
        log_slow(slow, &unknown_facts, held);
    }
}

/* ---- requests -------------------------------------------------------------------------------- */

static int64_t threshold_ns(const struct evidence *e)
{
    return *e->options.threshold_us * 1000;
}

static void keep_slow(struct evidence *e, const struct slow *slow)
{
    struct slow *kept = &e->slow[++e->slow_count % EVIDENCE_SLOW_MAX];
    uint32_t held;
    *kept = *slow;
    kept->number = e->slow_count;
    if (!log_limit_pass(&e->log_limit, loop_now_ns(e->options.loop), &held))
        return;
    if (e->has_job)
        log_slow(kept, &unknown_facts, held);
    else
        ask_for_facts(e, kept, held);
}

/* Since what the pass reads was there. */
static int64_t pass_ns_at(const struct evidence *e, uint64_t ticks)
{
    return e->pass_wait_ns + ticks_to_ns(ticks, e->pass_ticks);
}

static void split(const struct handled *h, int64_t stage_ns[STAGE_COUNT])
{
    uint64_t from = h->decoded_ticks != 0 ? h->decoded_ticks : h->begin_ticks;
    stage_ns[WAIT] = h->waited_ns;
    stage_ns[DECODE] = ticks_to_ns(from, h->begin_ticks);
    if (!h->has_put) {
        stage_ns[HANDLE] = ticks_to_ns(h->end_ticks, from);
        return;
    }
    stage_ns[HANDLE] = ticks_to_ns(h->asked_ticks, from);
    stage_ns[LOCK] = ticks_to_ns(h->locked_ticks, h->asked_ticks);
    stage_ns[APPEND] = ticks_to_ns(h->appended_ticks, h->locked_ticks);
    stage_ns[REST] = ticks_to_ns(h->end_ticks, h->appended_ticks);
}

static void sample(struct evidence *e, const struct handled *h)
{
    int64_t stage_ns[STAGE_COUNT] = { 0 };
    split(h, stage_ns);
    int last = h->has_put ? REST : HANDLE;
    for (int stage = WAIT; stage <= last; stage++)
        histogram_note(&e->notes, &e->stages[stage], stage_ns[stage], h->weight);
}

static void tell_puts(struct evidence *e, int64_t elapsed_ns)
{
    struct puts *puts = &e->head.puts;
    puts->elapsed_ns = elapsed_ns;
    e->options.on_put(e->options.ctx, puts);
    puts->count = 0;
    puts->messages = 0;
    puts->bytes = 0;
}

static void end_handled(struct evidence *e, uint64_t end_ticks, int64_t pass_ns)
{
    struct handled *h = &e->now;
    if (h->peer == NULL)
        return;
    h->end_ticks = end_ticks;
    if (h->weight > 0)
        sample(e, h);
    if (e->head.puts.count > 0)
        tell_puts(e, h->behind_ns + pass_ns);
    struct peer *forgotten = h->peer;
    int64_t took_ticks = (int64_t)(end_ticks - h->begin_ticks);
    if (took_ticks >= e->slowest_ticks) {
        forgotten = e->slowest.peer;
        e->slowest = *h;
        e->slowest_ticks = took_ticks;
    }
    if (forgotten != NULL)
        peer_unref(forgotten);
    h->peer = NULL;
    e->head.puts.waited_ns = 0;
    e->head.looks_at_puts = true;
}

static void keep_slowest(struct evidence *e, int64_t total_ns, int64_t reply_ns)
{
    struct slow slow = { .at_ms = loop_now_ms(e->options.loop),
                         .requests = (uint32_t)evidence_pass_requests(e) };
    slow.code = e->slowest.code;
    split(&e->slowest, slow.stage_ns);
    slow.stage_ns[REPLY] = reply_ns;
    int64_t known_ns = reply_ns;
    for (int stage = WAIT; stage < OTHERS; stage++)
        known_ns += slow.stage_ns[stage];
    slow.stage_ns[OTHERS] = total_ns > known_ns ? total_ns - known_ns : 0;
    slow.stage_ns[TOTAL] = total_ns;
    memcpy(slow.peer, peer_address(e->slowest.peer)->text, sizeof slow.peer);
    keep_slow(e, &slow);
}

static void end_pass(struct evidence *e)
{
    uint64_t end_ticks = ticks_now();
    int64_t total_ns = e->worst_behind_ns + pass_ns_at(e, end_ticks);
    int64_t reply_ns = ticks_to_ns(end_ticks, e->written_from);
    histogram_note(&e->notes, &e->stages[REPLY], reply_ns, (uint64_t)evidence_pass_requests(e));
    histogram_note(&e->notes, &e->stages[TOTAL], total_ns, (uint64_t)evidence_pass_requests(e));
    e->options.on_pass(e->options.ctx, total_ns);
    int64_t now_ns = loop_now_ns(e->options.loop);
    if (threshold_ns(e) > 0 && total_ns >= threshold_ns(e))
        keep_slowest(e, total_ns, reply_ns);
    else if (!e->has_job && now_ns - e->thread->last.read_ns >= FACTS_PERIOD_NS)
        ask_for_facts(e, NULL, 0);
    peer_unref(e->slowest.peer);
    e->slowest.peer = NULL;
}

static void pass_step(struct loop_deferred *deferred)
{
    struct evidence *e =
        (struct evidence *)((char *)deferred - offsetof(struct evidence, pass_end));
    if (e->state == HANDLING) {
        e->written_from = ticks_now();
        end_handled(e, e->written_from, pass_ns_at(e, e->written_from));
        e->state = WRITING;
        loop_defer(e->options.loop, &e->pass_end);
        return;
    }
    assert(e->state == WRITING);
    end_pass(e);
    e->state = NO_PASS;
}

static void note_thread(struct evidence *e)
{
    static _Thread_local int tid;
    if (tid == 0)
        tid = gettid();
    if (e->thread->tid == tid)
        return;
    struct known_thread *other = &e->threads[e->thread == &e->threads[0]];
    if (other->tid != tid && e->has_job) /* a new one has time until the worker is done */
        return;
    if (other->tid != tid)
        *other = (struct known_thread){ .tid = tid };
    e->thread = other;
}

static void begin_pass(struct evidence *e, uint64_t begin_ticks)
{
    int64_t decoding_ns = ticks_to_ns(ticks_now(), begin_ticks);
    e->pass_first = e->head.requests - 1;
    e->worst_behind_ns = 0;
    e->pass_wait_ns = clock_monotonic_ns() - loop_now_ns(e->options.loop) - decoding_ns;
    e->pass_ticks = begin_ticks;
    e->slowest_ticks = INT64_MIN;
    note_thread(e);
}

/* Is the request with this number the one in so many? */
static bool is_sampled(uint32_t number, uint32_t one_in)
{
    return number * SAMPLE_STEP < UINT32_MAX / one_in;
}

/* How many behind this one may share its reading. */
static int sharing(uint32_t number)
{
    int count = 0;
    while (count < EVIDENCE_TOGETHER - 1 &&
           !is_sampled(number + 1 + (uint32_t)count, EVIDENCE_SAMPLE_REST))
        count++;
    return count;
}

/* Those before are over. */
void evidence_begin_slow(struct evidence *e, const struct request *req)
{
    struct handled *h = &e->now;
    uint64_t begin_ticks = req->begun_ticks != 0 ? req->begun_ticks : ticks_now();
    if (e->state == NO_PASS)
        begin_pass(e, begin_ticks);
    int64_t pass_ns = pass_ns_at(e, begin_ticks);
    end_handled(e, begin_ticks, pass_ns);
    if (e->state != HANDLING)
        loop_defer(e->options.loop, &e->pass_end);
    e->state = HANDLING;
    int64_t behind_ns = loop_now_ns(e->options.loop) - req->arrived_ns;
    if (behind_ns > e->worst_behind_ns)
        e->worst_behind_ns = behind_ns;
    h->peer = peer_ref(req->peer);
    h->code = e->head.code = req->header.code;
    h->has_put = false;
    h->behind_ns = behind_ns;
    h->waited_ns = e->head.puts.waited_ns = behind_ns + pass_ns;
    h->begin_ticks = begin_ticks;
    bool is_first = evidence_pass_requests(e) <= EVIDENCE_DETAILED;
    uint32_t one_in = is_first ? EVIDENCE_SAMPLE : EVIDENCE_SAMPLE_REST;
    h->weight = is_sampled(e->head.requests, one_in) ? one_in : 0;
    bool is_detailed = is_first || h->weight > 0;
    h->decoded_ticks = is_detailed ? ticks_now() : 0;
    e->head.looks_at_puts = is_detailed;
    if (!is_detailed)
        peer_leave_untimed(req->peer, sharing(e->head.requests));
    if (is_detailed != e->wants_detail)
        e->options.on_detail(e->options.ctx, is_detailed);
    e->wants_detail = is_detailed;
}

void evidence_put_slow(struct evidence *e, const struct store_put_result *put)
{
    struct handled *h = &e->now;
    if (h->peer == NULL) {
        tell_puts(e, 0);
        return;
    }
    h->has_put = put->asked_ticks != 0;
    h->asked_ticks = put->asked_ticks;
    h->locked_ticks = put->locked_ticks;
    h->appended_ticks = put->appended_ticks;
}

void evidence_flushed(struct evidence *e, const struct request *req, int64_t parked_ns)
{
    int64_t total_ns = loop_now_ns(e->options.loop) - req->arrived_ns;
    histogram_note(&e->notes, &e->stages[FLUSH], parked_ns, 1);
    if (threshold_ns(e) == 0 || total_ns < threshold_ns(e))
        return;
    struct slow slow = { .at_ms = loop_now_ms(e->options.loop), .requests = 1 };
    slow.code = req->header.code;
    slow.stage_ns[FLUSH] = parked_ns;
    slow.stage_ns[REST] = total_ns - parked_ns;
    slow.stage_ns[TOTAL] = total_ns;
    memcpy(slow.peer, peer_address(req->peer)->text, sizeof slow.peer);
    keep_slow(e, &slow);
}

int64_t evidence_pass_requests(const struct evidence *e)
{
    return e->head.requests - e->pass_first;
}

/* ---- telling --------------------------------------------------------------------------------- */

static void describe_stages(const struct evidence *e, struct arena *arena,
                            struct slow_requests *body)
{
    struct stage_summary *stages = arena_alloc(arena, STAGE_COUNT * sizeof *stages);
    int count = 0;
    for (int i = 0; i < STAGE_COUNT; i++) {
        const struct histogram *h = &e->stages[i];
        if (i == OTHERS)
            continue;
        stages[count++] = (struct stage_summary){
            .name = slice_str(stage_names[i]),
            .count = (int64_t)h->count,
            .p50_ns = histogram_percentile(h, 50),
            .p99_ns = histogram_percentile(h, 99),
            .p99_9_ns = histogram_percentile(h, 99.9),
            .max_ns = h->max_ns,
        };
    }
    body->stages = stages;
    body->stage_count = count;
}

static const struct named_number *describe_kernel(const struct kernel_facts *facts,
                                                  struct arena *arena, int *count)
{
    const struct named_number numbers[] = {
#define NUMBER(member, name) { SLICE(name), facts->member },
        KERNEL_FACTS(NUMBER)
#undef NUMBER
            { SLICE("overMillis"), facts->read_ns / 1000000 },
    };
    struct named_number *copy = arena_alloc(arena, sizeof numbers);
    memcpy(copy, numbers, sizeof numbers);
    *count = (int)(sizeof numbers / sizeof numbers[0]);
    return copy;
}

static struct slow_request_entry describe_slow(const struct slow *slow, struct arena *arena)
{
    struct slow_request_entry entry = {
        .at_ms = slow->at_ms,
        .code = slow->code,
        .requests = (int32_t)slow->requests,
        .peer = slice_str(slow->peer),
        .total_us = slow->stage_ns[TOTAL] / 1000,
        .stage_count = TOTAL,
    };
    struct named_number *stages = arena_alloc(arena, TOTAL * sizeof *stages);
    for (int i = 0; i < TOTAL; i++)
        stages[i] = (struct named_number){ slice_str(stage_names[i]), slow->stage_ns[i] / 1000 };
    entry.stages = stages;
    if (slow->has_kernel)
        entry.kernel = describe_kernel(&slow->kernel, arena, &entry.kernel_count);
    return entry;
}

void evidence_describe(struct evidence *e, struct arena *arena, struct slow_requests *body)
{
    histogram_write_notes(&e->notes);
    struct slow_request_entry *entries = arena_alloc(arena, EVIDENCE_SLOW_MAX * sizeof *entries);
    int count = 0;
    for (uint64_t n = e->slow_count; n > 0 && count < EVIDENCE_SLOW_MAX; n--)
        entries[count++] = describe_slow(&e->slow[n % EVIDENCE_SLOW_MAX], arena);
    *body = (struct slow_requests){ .threshold_us = *e->options.threshold_us,
                                    .slow = entries,
                                    .slow_count = count };
    describe_stages(e, arena, body);
}

/* ---- life ------------------------------------------------------------------------------------ */

int evidence_new(const struct evidence_options *options, struct evidence **evidence)
{
    struct evidence *e = calloc(1, sizeof *e);
    if (e == NULL)
        return ERR_NO_MEMORY;
    e->stages = calloc(STAGE_COUNT, sizeof *e->stages);
    if (e->stages == NULL) {
        free(e);
        return ERR_NO_MEMORY;
    }
    e->options = *options;
    e->log_limit.burst = LOGGED_AT_ONCE;
    e->thread = &e->threads[0];
    e->job.run = read_facts;
    e->job.done = facts_read;
    e->head.looks_at_puts = true;
    loop_deferred_init(&e->pass_end, pass_step);
    ticks_init();
    *evidence = e;
    return 0;
}

void evidence_free(struct evidence *e)
{
    if (e == NULL)
        return;
    assert(!e->has_job);
    loop_undefer(&e->pass_end);
    if (e->now.peer != NULL)
        peer_unref(e->now.peer);
    if (e->slowest.peer != NULL)
        peer_unref(e->slowest.peer);
    free(e->stages);
    free(e);
}
