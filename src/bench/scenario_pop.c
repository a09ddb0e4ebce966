/* scenario_pop.c - how long after its invisible time has ended a popped message that nobody
 * acknowledged reaches a pop that waits.
 *
 *     message ──> pop (waits) ──> due back: pop time + invisible time of the answer
 *                  pop (waits) <─┘        late: arrival - due back
 *
 * Nothing is acknowledged, so each message comes back again and again until the round has ended,
 * and each time counts; it ends when each has come back once. A round has a topic of its own, so
 * that nothing of an earlier one comes in between. What comes back before its time is counted as
 * refused, code 0.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "bench/timed.h"
#include "wire/codes.h"
#include "wire/properties.h"
#include "wire/req_pop.h"

enum { BACK, SENDS };
enum { RATE = 200, POP_MESSAGES = 32 };

struct popper {
    struct receiver receiver;
    const struct run *run;
    const struct send_frame *frame;
    struct load_result *result;
    char topic[SEND_TOPIC_NAME_BYTES];
    struct popped {
        int64_t due_back_ms; /* 0: not popped yet */
        bool came_back;
    } * popped; /* by message */
    int64_t count;
    int64_t answer_due_ms; /* of what the answer at hand holds */
    int64_t back;          /* returns that counted */
};

static int ask_pop(struct receiver *c)
{
    const struct popper *p = c->ctx;
    const struct pop_request fields = {
        .consumer_group = SLICE("ramjet_bench_pop"),
        .topic = slice_str(p->topic),
        .queue_id = -1,
        .max_msg_nums = POP_MESSAGES,
        .invisible_ms = p->run->settings.invisible_ms,
        .poll_ms = RECEIVER_SUSPEND_MS,
        .born_ms = clock_wall_ms(),
        .init_mode = POP_FROM_MIN,
        .expression_type = SLICE("TAG"),
        .expression = SLICE("*"),
    };
    return line_ask(&c->line, REQ_POP_MESSAGE, &pop_request_fields, &fields, slice_of(NULL, 0));
}

static bool note(void *ctx, const struct record *record, int64_t arrived_ns)
{
    struct popper *p = ctx;
    uint32_t number;
    struct slice key = property_get(record->properties, SLICE(PROPERTY_UNIQ_KEY));
    if (key.data == NULL || !send_frame_number(p->frame, key, &number) ||
        number >= (uint64_t)p->count)
        return false;
    struct popped *popped = &p->popped[number];
    int64_t due_ms = popped->due_back_ms;
    popped->due_back_ms = p->answer_due_ms;
    if (due_ms == 0)
        return false;
    int64_t late_ns = timed_wall_ns(arrived_ns) - due_ms * 1000000;
    if (late_ns < 0) {
        p->result->refused++;
        return false;
    }
    histogram_record(&p->result->latency, late_ns);
    series_record(&p->result->series, arrived_ns, late_ns);
    p->back++;
    bool is_first = !popped->came_back;
    popped->came_back = true;
    return is_first;
}

static int take_pop(struct receiver *c, const struct line_answer *answer)
{
    struct popper *p = c->ctx;
    struct pop_response fields;
    int32_t code = answer->header.code;
    if (code == RESP_POLLING_TIMEOUT || code == RESP_POLLING_FULL)
        return 0;
    if (code != RESP_SUCCESS ||
        fields_decode(&pop_response_fields, FIELD_LONG_NAMES, &answer->header, &fields, NULL) != 0)
        return ERR_INVALID;
    p->answer_due_ms = fields.pop_time_ms + fields.invisible_ms;
    receiver_take_records(c, answer);
    return 0;
}

static int pop_beside(struct run *run, const struct run_broker *broker, struct popper *p,
                      struct round **rounds)
{
    struct load_plan plan = run_plan(run, broker);
    int64_t invisible_ns = run->settings.invisible_ms * INT64_C(1000000);
    plan.frame = p->frame;
    p->receiver = (struct receiver){ .ask = ask_pop, .take = take_pop, .each = note, .ctx = p };
    series_init(&p->result->series, clock_monotonic_ns(), plan.duration_ns + 2 * invisible_ns);
    int err = receiver_start(&p->receiver, &broker->address, plan.timeout_ns);
    if (err != 0)
        return run_complain(run, broker, "a consumer", err);
    int load_err = run_load(run, broker, &plan, rounds[SENDS]);
    if (load_err == 0)
        receiver_await(&p->receiver, rounds[SENDS]->load.accepted,
                       clock_monotonic_ns() + invisible_ns + plan.timeout_ns);
    err = receiver_stop(&p->receiver);
    if (load_err != 0)
        return load_err;
    if (err != 0)
        return run_complain(run, broker, "popping", err);
    receiver_sum_up(&p->receiver, rounds[BACK], rounds[SENDS]);
    struct load_result *back = &rounds[BACK]->load;
    back->accepted = back->accepted_in_time = (uint64_t)p->back;
    back->due = back->accepted + back->refused + back->lost; /* those did not come back at all */
    return 0;
}

/* A frame to the topic of the round. Its messages are told from those of another frame. */
static int make_frame(const struct run *run, const struct run_broker *broker, const char *topic,
                      struct send_frame *frame)
{
    const struct send_frame_options options = {
        .type = run->frame.type,
        .topic = topic,
        .queue_count = 1,
        .body_bytes = run->frame.body_bytes,
    };
    int err = send_frame_init(frame, &options);
    return err == 0 ? 0 : run_complain(run, broker, "a message", err);
}

static int measure(struct run *run, const struct run_broker *broker, struct round **rounds)
{
    struct popper p = {
        .run = run,
        .result = &rounds[BACK]->load,
        .count = run_plan(run, broker).rate_per_s * run->settings.seconds + 1,
    };
    struct send_frame first, frame;
    snprintf(p.topic, sizeof p.topic, "%.80s_pop_%lld", run->settings.topic,
             (long long)clock_wall_ms());
    int err = make_frame(run, broker, p.topic, &first);
    if (err == 0) { /* makes the topic */
        err = timed_send(run, broker, &first, 1);
        send_frame_fini(&first);
    }
    p.popped = calloc((size_t)p.count, sizeof *p.popped);
    if (err == 0 && p.popped == NULL)
        err = run_complain(run, broker, "a table of messages", ERR_NO_MEMORY);
    if (err == 0)
        err = make_frame(run, broker, p.topic, &frame);
    if (err == 0) {
        p.frame = &frame;
        err = pop_beside(run, broker, &p, rounds);
        send_frame_fini(&frame);
    }
    free(p.popped);
    return err;
}

static const char *const variants[] = { [BACK] = "", [SENDS] = " sends" };

const struct scenario scenario_pop = {
    .name = "pop",
    .text = "how late a popped message comes back when nobody acknowledges it",
    .help =
        "Sends over one connection, at --rate (200) a second; a consumer pops them by waiting,\n"
        "each for --invisible-ms (2000), and acknowledges none. Latency counts from when a\n"
        "message is due to come back until it has; what comes sooner is shown as refused.",
    .is_single = true,
    .rate_per_s = RATE,
    .variants = variants,
    .variant_count = 2,
    .measure = measure,
};
