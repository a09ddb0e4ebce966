#include "popping.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delivery/pop_internal.h"
#include "history.h"
#include "popped.h"
#include "waiting.h"

#define GROUP "poppers"
#define ORDER_PATH_LAST "/config/consumerOrderInfo.json"
enum { REVIVE_QUEUES = 2, JOBS_MAX = 10, TAKE_MAX = 6 };
enum { MAX_DELAY_MS = 1000 * 86400 };

static struct {
    struct popping_parts parts;
    struct pop_keeper *keeper;
    char order_path[128];
    struct host self;
    struct arena arena;
    struct {
        pthread_t thread;
        struct pop_job *job;
        bool is_ended;
    } jobs[JOBS_MAX];
    bool is_closing;
    int64_t saving_order_offset;
} now;

static int64_t now_ms(void)
{
    return machine_now_ns() / 1000000;
}

/* ---- what the keeper asks for ---------------------------------------------------------------- */

static int put(void *ctx, struct record *record, struct arena *arena,
               struct store_put_result *result)
{
    static const struct timer_rules rules = { true, POPPING_PRECISION_MS, MAX_DELAY_MS };
    (void)ctx;
    bool is_ack = popped_is_ack(record);
    if (timer_redirect(&rules, record, now_ms(), arena) > TIMER_REDIRECTED)
        violation("a record of a pop is not taken by the timer");
    int err = store_put(now.parts.store, record, 1, now_ms(), result, NULL);
    if (err == 0 && slice_eq(record->topic, SLICE(TOPIC_TIMER)))
        timer_arrived(now.parts.timer, record->properties, now_ms());
    if (is_ack)
        popped_ack_logged(err == 0 ? result->end_phy_offset : -1);
    return err;
}

static int retry_topic(void *ctx, struct slice topic, struct slice group, struct arena *arena,
                       struct slice *name)
{
    (void)ctx;
    (void)topic;
    (void)group;
    (void)arena;
    *name = SLICE(POPPED_RETRY_TOPIC);
    return chance_one_in(8) ? ERR_WOULD_BLOCK : 0; /* the table is not on the disk yet */
}

static bool has_batch_queues(void *ctx, struct slice topic)
{
    (void)ctx;
    (void)topic;
    return false;
}

static int64_t delivered_to(void *ctx)
{
    (void)ctx;
    return timer_delivered_to(now.parts.timer, now_ms());
}

static int64_t saved_to(void *ctx)
{
    (void)ctx;
    return timer_saved_to(now.parts.timer);
}

static void nothing(void *ctx)
{
    (void)ctx;
}

static void freed(void *ctx, struct slice topic, struct slice group, int32_t queue_id)
{
    (void)ctx;
    (void)topic;
    (void)group;
    (void)queue_id;
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static void *run_job(void *arg)
{
    int i = (int)(intptr_t)arg;
    now.jobs[i].job->work(now.jobs[i].job);
    now.jobs[i].is_ended = true;
    return NULL;
}

static bool submit(void *ctx, struct pop_job *job)
{
    (void)ctx;
    for (int i = 0; i < JOBS_MAX && !chance_one_in(16); i++) {
        if (now.jobs[i].job != NULL)
            continue;
        now.jobs[i].job = job;
        now.jobs[i].is_ended = false;
        if (pthread_create(&now.jobs[i].thread, NULL, run_job, (void *)(intptr_t)i) != 0)
            abort();
        return true;
    }
    return false;
}

static void end_jobs(void)
{
    for (int i = 0; i < JOBS_MAX; i++) {
        struct pop_job *job = now.jobs[i].job;
        if (job == NULL || !now.jobs[i].is_ended)
            continue;
        pthread_join(now.jobs[i].thread, NULL);
        now.jobs[i].job = NULL;
        job->done(job, now_ms());
    }
}

/* ---- the consumer ---------------------------------------------------------------------------- */

static int read_queue(struct pop_taking *t, struct buf *body, int count)
{
    struct store_get_request request = { .topic = t->topic,
                                         .queue_id = t->queue_id,
                                         .queue_offset = t->queue_offset,
                                         .max_count = count,
                                         .max_bytes = 1 << 16,
                                         .may_block = true };
    return store_get(now.parts.store, &request, body, &t->got);
}

static bool is_blocked(const struct pop_taking *t)
{
    return t->is_in_order && pop_is_blocked(now.keeper, t->topic, t->group, t->queue_id,
                                            t->queue_offset, t->attempt_id, now_ms());
}

/* What was taken goes to the consumer. */
static void hand_out(const struct pop_taking *t, struct slice records)
{
    struct record record;
    for (int i = 0; i < t->count; i++) {
        if (record_decode(records, RECORD_CHECK_BODY_CRC, &record) != 0)
            violation("a pop gave what is no record");
        popped_came(t, i, &record);
        records = slice_from(records, (size_t)record.total_bytes);
    }
}

static void pop_queue(struct slice topic, int32_t queue_id, int64_t invisible_ms, int count)
{
    struct buf body = BUF_INIT;
    struct buf counts = BUF_INIT;
    struct pop_queue *claimed;
    bool is_in_order = slice_eq(topic, SLICE(POPPED_ORDER_TOPIC));
    int64_t begin = offsets_get(now.parts.offsets, topic, SLICE(GROUP), queue_id);
    struct pop_taking t = { .topic = topic,
                            .group = SLICE(GROUP),
                            .queue_id = queue_id,
                            .pop_time_ms = now_ms(),
                            .invisible_ms = invisible_ms,
                            .revive_queue_id = pop_keeper_next_revive_queue(now.keeper),
                            .is_in_order = is_in_order,
                            .queue_offset = begin < 0 ? 0 : begin,
                            .counts = &counts };
    if (pop_keeper_is_recovering(now.keeper) || is_blocked(&t) ||
        !pop_claim(now.keeper, topic, SLICE(GROUP), queue_id, &claimed))
        return;
    bool is_again = false;
    do
        t.read_err = read_queue(&t, &body, count);
    while (pop_take(now.keeper, &t, &body, 0, is_again, now_ms()) && (is_again = true));
    pop_release(now.keeper, claimed);
    hand_out(&t, buf_slice(&body));
    buf_fini(&body);
    buf_fini(&counts);
}

static void pop_some(void)
{
    static const int64_t times_ms[] = { 0, 300, 900, 1500, 3000, 8000 };
    int64_t invisible_ms = times_ms[chance_below(6)];
    int count = 1 + (int)chance_below(TAKE_MAX);
    uint32_t what = chance_below(4);
    if (what == 3)
        pop_queue(SLICE(POPPED_ORDER_TOPIC), 0, invisible_ms, count);
    else if (what == 2)
        pop_queue(SLICE(POPPED_RETRY_TOPIC), 0, invisible_ms, count);
    else
        pop_queue(SLICE(POPPED_TOPIC), (int32_t)what, invisible_ms, count);
}

static void ack(int id)
{
    struct popped_message *message = popped_of(id);
    if (message->is_in_order) {
        bool is_taken =
            pop_ack_in_order(now.keeper, &message->handle, message->out_offset, now_ms()) == NULL;
        popped_acked_in_order(id, is_taken);
        return;
    }
    int64_t end = 0;
    int64_t at_ms = now_ms();
    popped_ack_begins(id);
    int err = pop_ack(now.keeper, &message->handle, &message->out_offset, 1, at_ms, &end);
    popped_ack_ends(id, err, at_ms, end);
}

/* Everything that was popped at once, and is still out. */
static void batch_ack(int id)
{
    int64_t offsets[POP_CHECKPOINT_MESSAGES_MAX];
    int ids[POP_CHECKPOINT_MESSAGES_MAX];
    int count = popped_of_the_same_pop(id, ids, offsets);
    int64_t end = 0;
    int64_t at_ms = now_ms();
    for (int i = 0; i < count; i++)
        popped_ack_begins(ids[i]);
    int err = pop_ack(now.keeper, &popped_of(id)->handle, offsets, count, at_ms, &end);
    for (int i = 0; i < count; i++)
        popped_ack_ends(ids[i], err, at_ms, end);
}

/* The handler refuses a change of what is not out any more. */
static bool is_out(const struct popped_message *message)
{
    return pop_standing(now.keeper, &message->handle, message->out_offset) == POP_IS_OUT;
}

static void change(int id)
{
    struct popped_message *message = popped_of(id);
    int64_t invisible_ms = 100 + chance_below(4000);
    struct popped changed;
    int64_t end = 0;
    if (message->is_in_order) {
        if (pop_change_in_order(now.keeper, &message->handle, message->out_offset,
                                now_ms() + invisible_ms, now_ms()))
            message->out_until_ms = 0;
        return;
    }
    if (!is_out(message))
        return;
    bool was_known = pop_find(now.keeper->table, &message->handle.key) != NULL;
    int64_t at_ms = now_ms();
    popped_change_begins(id);
    int err = pop_change(now.keeper, &message->handle, message->out_offset, invisible_ms, at_ms,
                         &changed, &end);
    popped_change_ends(id, err, at_ms, was_known, &changed, end);
}

static void settle_some(void)
{
    int id = popped_some_out();
    if (id < 0)
        return;
    switch (chance_below(4)) {
    case 0:
        change(id);
        break;
    case 1:
        if (!popped_of(id)->is_in_order) {
            batch_ack(id);
            break;
        }
        /* fall through */
    default:
        ack(id);
    }
}

/* ---- saving ---------------------------------------------------------------------------------- */

static int64_t order_offset(void)
{
    return offsets_get(now.parts.offsets, SLICE(POPPED_ORDER_TOPIC), SLICE(GROUP), 0);
}

void popping_offsets_saving(void)
{
    if (now.keeper == NULL)
        return;
    pop_keeper_note_log_end(now.keeper, now_ms());
    now.saving_order_offset = order_offset();
}

void popping_offsets_saved(void)
{
    if (now.keeper != NULL)
        popped_order_saved(now.saving_order_offset);
}

static void save_order(void)
{
    struct buf text = BUF_INIT;
    if (!pop_keeper_order_changed(now.keeper))
        return;
    pop_keeper_order_text(now.keeper, now_ms(), &text);
    if (store_sync(now.parts.store) == 0 &&
        table_file_write(now.order_path, buf_slice(&text)) != 0) {
        /* what changes is saved with it */
    }
    buf_fini(&text);
}

/* As at a start: before anything else. */
static void save_offsets_here(void *ctx)
{
    (void)ctx;
    waiting_save_offsets_here();
}

/* ---- a pass ---------------------------------------------------------------------------------- */

void popping_do_something(void)
{
    switch (chance_below(8)) {
    case 0:
    case 1:
        popped_send(now.parts.store);
        break;
    case 2:
        save_order();
        break;
    case 3:
    case 4:
        settle_some();
        break;
    default:
        pop_some();
    }
}

int64_t popping_run(void)
{
    end_jobs();
    int64_t due_ms = pop_keeper_run(now.keeper, now_ms());
    return pop_keeper_has_jobs(now.keeper) ? now_ms() + 1 : due_ms;
}

void popping_arrived(const struct store_arrival *arrival)
{
    if (now.keeper == NULL)
        return;
    if (slice_eq(arrival->topic, SLICE(POPPED_REVIVE_TOPIC)))
        pop_keeper_log_arrived(now.keeper, arrival->queue_id, now_ms());
    else if (slice_eq(arrival->topic, SLICE(POPPED_RETRY_TOPIC)))
        popped_put_again(arrival->properties, arrival->queue_offset);
}

void popping_note_flushed(int64_t upto)
{
    popped_note_flushed(upto);
}

/* ---- life ------------------------------------------------------------------------------------ */

void popping_reset(void)
{
    popped_reset();
    memset(&now, 0, sizeof now);
}

static int open_keeper(void)
{
    const struct pop_keeper_options options = { .store = now.parts.store,
                                                .offsets = now.parts.offsets,
                                                .order_path = now.order_path,
                                                .revive_topic = SLICE(POPPED_REVIVE_TOPIC),
                                                .revive_queue_count = REVIVE_QUEUES,
                                                .broker_name = SLICE("b"),
                                                .self = &now.self,
                                                .points_max = 10000,
                                                .put = put,
                                                .retry_topic = retry_topic,
                                                .has_batch_queues = has_batch_queues,
                                                .timers_delivered_to = delivered_to,
                                                .timers_saved_to = saved_to,
                                                .offsets_changed = nothing,
                                                .order_changed = nothing,
                                                .save_offsets_here = save_offsets_here,
                                                .freed = freed,
                                                .recovered = nothing,
                                                .look = nothing,
                                                .submit = submit };
    return pop_keeper_open(&options, now_ms(), &now.keeper);
}

/* Bits of the table have turned, in all its versions: the operator takes it away. */
static void remove_order(void)
{
    static const char *const ends[] = { "", ".bak", ".sum" };
    char path[160];
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        snprintf(path, sizeof path, "%s%s", now.order_path, ends[i]);
        sim_disk_remove_tree(path);
    }
}

void popping_open(const struct popping_parts *parts, enum machine_end stop, bool sync_failed)
{
    memset(&now, 0, sizeof now);
    now.parts = *parts;
    now.self = (struct host){ .address = { 127, 0, 0, 1 }, .port = 10911 };
    snprintf(now.order_path, sizeof now.order_path, "%s" ORDER_PATH_LAST, parts->root_dir);
    popped_look_at_losses(parts->store, stop, sync_failed);
    machine_sleep_ms(2); /* no pop of this life is of the same millisecond as one before */
    int err = open_keeper();
    if (err != 0 && !history.has_promises) {
        remove_order();
        err = open_keeper();
    }
    if (err != 0)
        violation("popping does not begin: %s", err_name(err));
}

void popping_close(void)
{
    pop_keeper_stop(now.keeper);
    while (pop_keeper_has_jobs(now.keeper)) {
        machine_sleep_ms(1);
        end_jobs();
    }
    save_order();
    waiting_save_offsets_here();
    pop_keeper_free(now.keeper);
    now.keeper = NULL;
}

bool popping_is_drained(void)
{
    for (int32_t i = 0; i < POPPED_QUEUES; i++)
        pop_queue(SLICE(POPPED_TOPIC), i, 60000, 32);
    pop_queue(SLICE(POPPED_RETRY_TOPIC), 0, 60000, 32);
    pop_queue(SLICE(POPPED_ORDER_TOPIC), 0, 60000, 32);
    int id;
    while ((id = popped_to_be_acked()) >= 0)
        ack(id);
    return popped_count_left() == 0;
}

void popping_look_at_end(void)
{
    popped_look_at_end();
}
