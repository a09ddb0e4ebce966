#include "delivery/pop_dir.h"

#include <stdio.h>
#include <stdlib.h>

#define REVIVE_TOPIC POP_REVIVE_TOPIC_PREFIX "c"
enum { START_MS = 1700000000, STEP_MS = 50, BUDGET = 64, REVIVE_QUEUES = 2 };

static const struct timer_rules rules = { true, 1000, 3 * 86400 * 1000LL };

/* ---- what timer and keeper ask for ----------------------------------------------------------- */

static int put_one(struct pop_dir *dir, const struct record *record,
                   struct store_put_result *result)
{
    int err = store_put(dir->files->store, record, 1, dir->now_ms, result, NULL);
    if (err == 0 && slice_eq(record->topic, SLICE("rmq_sys_wheel_timer")))
        timer_arrived(dir->timer, record->properties, dir->now_ms);
    if (err == 0 && slice_eq(record->topic, SLICE(REVIVE_TOPIC)) && dir->keeper != NULL)
        pop_keeper_log_arrived(dir->keeper, record->queue_id, dir->now_ms);
    return err;
}

static int put_timed(void *ctx, const struct record *record, int64_t *end_phy_offset)
{
    struct store_put_result result = { .end_phy_offset = 0 };
    int err = put_one(ctx, record, &result);
    *end_phy_offset = result.end_phy_offset;
    return err;
}

static int put(void *ctx, struct record *record, struct arena *arena,
               struct store_put_result *result)
{
    struct pop_dir *dir = ctx;
    assert_in_range(timer_redirect(&rules, record, dir->now_ms, arena), 0, TIMER_REDIRECTED);
    return put_one(dir, record, result);
}

static int retry_topic(void *ctx, struct slice topic, struct slice group, struct arena *arena,
                       struct slice *name)
{
    (void)ctx, (void)topic, (void)group, (void)arena;
    *name = SLICE(POP_DIR_RETRY_TOPIC);
    return 0;
}

static bool has_batch_queues(void *ctx, struct slice topic)
{
    (void)ctx, (void)topic;
    return false;
}

static int64_t delivered_to(void *ctx)
{
    const struct pop_dir *dir = ctx;
    return timer_delivered_to(dir->timer, dir->now_ms);
}

static int64_t saved_to(void *ctx)
{
    const struct pop_dir *dir = ctx;
    return timer_saved_to(dir->timer);
}

static void nothing(void *ctx)
{
    (void)ctx;
}

static void freed(void *ctx, struct slice topic, struct slice group, int32_t queue_id)
{
    (void)ctx, (void)topic, (void)group, (void)queue_id;
}

static bool submit(void *ctx, struct pop_job *job)
{
    struct pop_dir *dir = ctx;
    assert_in_range(dir->job_count, 0, POP_DIR_JOBS_MAX - 1);
    dir->jobs[dir->job_count++] = job;
    return true;
}

static void run_jobs(struct pop_dir *dir)
{
    while (dir->job_count > 0) {
        struct pop_job *job = dir->jobs[--dir->job_count];
        job->work(job);
        job->done(job, dir->now_ms);
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

static void open_timer(struct pop_dir *dir)
{
    const struct timer_options options = { .store = dir->files->store,
                                           .root_dir = dir->files->path,
                                           .precision_ms = rules.precision_ms,
                                           .roll_window_ticks = 3600,
                                           .log_file_bytes = 52 * 100 + 16,
                                           .put = put_timed,
                                           .ctx = dir };
    assert_int_equal(timer_open(&options, dir->now_ms, &dir->timer), 0);
}

static void open_keeper(struct pop_dir *dir)
{
    const struct pop_keeper_options options = { .store = dir->files->store,
                                                .offsets = dir->offsets,
                                                .order_path = dir->order_path,
                                                .revive_topic = SLICE(REVIVE_TOPIC),
                                                .revive_queue_count = REVIVE_QUEUES,
                                                .broker_name = SLICE("b"),
                                                .self = &dir->self,
                                                .points_max = 1000,
                                                .put = put,
                                                .retry_topic = retry_topic,
                                                .has_batch_queues = has_batch_queues,
                                                .timers_delivered_to = delivered_to,
                                                .timers_saved_to = saved_to,
                                                .offsets_changed = nothing,
                                                .order_changed = nothing,
                                                .save_offsets_here = nothing,
                                                .freed = freed,
                                                .recovered = nothing,
                                                .look = nothing,
                                                .submit = submit,
                                                .ctx = dir };
    assert_int_equal(pop_keeper_open(&options, dir->now_ms, &dir->keeper), 0);
}

struct pop_dir *pop_dir_new(void)
{
    struct pop_dir *dir = calloc(1, sizeof *dir);
    assert_non_null(dir);
    dir->files = store_dir_new();
    dir->files->options.scrub_bytes_per_second = 0; /* or it opened queues */
    store_dir_open(dir->files);
    dir->self = (struct host){ .address = { 127, 0, 0, 1 }, .port = 10911 };
    snprintf(dir->order_path, sizeof dir->order_path, "%s/consumerOrderInfo.json",
             dir->files->path);
    dir->now_ms = START_MS;
    arena_init(&dir->arena);
    assert_int_equal(offsets_new(&dir->offsets), 0);
    open_timer(dir);
    open_keeper(dir);
    return dir;
}

static void close_all(struct pop_dir *dir, bool is_killed)
{
    pop_keeper_stop(dir->keeper);
    run_jobs(dir);
    if (!is_killed)
        pop_keeper_note_log_end(dir->keeper, dir->now_ms);
    pop_keeper_free(dir->keeper);
    dir->keeper = NULL;
    timer_close(dir->timer, dir->now_ms);
    store_dir_close(dir->files);
}

static void start_again(struct pop_dir *dir, int64_t now_ms, bool is_killed)
{
    close_all(dir, is_killed);
    dir->now_ms = now_ms;
    store_dir_open(dir->files);
    open_timer(dir);
    open_keeper(dir);
}

void pop_dir_restart(struct pop_dir *dir, int64_t now_ms)
{
    start_again(dir, now_ms, false);
}

void pop_dir_kill(struct pop_dir *dir, int64_t now_ms)
{
    start_again(dir, now_ms, true);
}

void pop_dir_remove(struct pop_dir *dir)
{
    close_all(dir, false);
    offsets_free(dir->offsets);
    arena_fini(&dir->arena);
    store_dir_remove(dir->files);
    free(dir);
}

/* Everything that is to be done at this time. */
static void pass(struct pop_dir *dir)
{
    int64_t due_ms;
    do {
        if (timer_work_due(dir->timer, dir->now_ms) <= dir->now_ms) {
            timer_work_begin(dir->timer, dir->now_ms, true);
            timer_work(dir->timer);
            timer_work_end(dir->timer, dir->now_ms, true);
        }
        due_ms = timer_run(dir->timer, dir->now_ms, BUDGET);
        run_jobs(dir);
        int64_t pops_ms = pop_keeper_run(dir->keeper, dir->now_ms);
        due_ms = pops_ms < due_ms ? pops_ms : due_ms;
    } while (due_ms <= dir->now_ms || dir->job_count > 0 ||
             timer_work_due(dir->timer, dir->now_ms) <= dir->now_ms);
}

void pop_dir_run_until(struct pop_dir *dir, int64_t time_ms)
{
    pass(dir);
    while (dir->now_ms < time_ms) {
        dir->now_ms = dir->now_ms + STEP_MS < time_ms ? dir->now_ms + STEP_MS : time_ms;
        pass(dir);
    }
}

/* ---- messages -------------------------------------------------------------------------------- */

void pop_dir_send(struct pop_dir *dir, int count)
{
    for (int i = 0; i < count; i++) {
        struct record record = store_dir_record("orders", 0, SLICE("m"), "UNIQ_KEY\001u\002");
        struct store_put_result result;
        assert_int_equal(put_one(dir, &record, &result), 0);
    }
}

int pop_dir_pop(struct pop_dir *dir, int count, int64_t invisible_ms, struct popped *popped,
                int64_t *queue_offsets)
{
    struct buf body = BUF_INIT;
    int64_t begin = offsets_get(dir->offsets, SLICE("orders"), SLICE("g"), 0);
    struct pop_taking taking = { .topic = SLICE("orders"),
                                 .group = SLICE("g"),
                                 .pop_time_ms = dir->now_ms,
                                 .invisible_ms = invisible_ms,
                                 .queue_offset = begin < 0 ? 0 : begin };
    const struct store_get_request request = { .topic = taking.topic,
                                               .queue_offset = taking.queue_offset,
                                               .max_count = count,
                                               .max_bytes = 1 << 16,
                                               .may_block = true };
    assert_false(pop_keeper_is_recovering(dir->keeper));
    taking.read_err = store_get(dir->files->store, &request, &body, &taking.got);
    assert_int_equal(taking.read_err, 0);
    assert_false(pop_take(dir->keeper, &taking, &body, 0, false, dir->now_ms));
    *popped = (struct popped){
        { taking.topic, taking.group, 0, taking.queue_offset, taking.pop_time_ms }, invisible_ms, 0
    };
    for (int i = 0; i < taking.count; i++)
        queue_offsets[i] = taking.offsets[i];
    buf_fini(&body);
    return taking.count;
}

void pop_dir_ack(struct pop_dir *dir, struct popped *popped, int64_t queue_offset)
{
    int64_t end;
    assert_int_equal(pop_ack(dir->keeper, popped, &queue_offset, 1, dir->now_ms, &end), 0);
}

int64_t pop_dir_retried(struct pop_dir *dir)
{
    return store_queue_max(dir->files->store, SLICE(POP_DIR_RETRY_TOPIC), 0);
}
