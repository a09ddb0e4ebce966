/* saver.c - the broker's tables, a row each: its file, its text, whether it rests on the log; and
 * how they are written.
 */
#include "broker/saver.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/internal.h"
#include "broker/later/txns.h"
#include "broker/pop/pops.h"
#include "broker/send/light_queues.h"

enum { FILTERS_SAVE_MS = 10000 };
enum { TEXT_KEPT_BYTES = 64 << 10 }; /* of a table that is saved again and again */

struct table_row {
    const char *file;
    bool rests_on_log; /* written when the disk has what was put before: else a loss of power would
                          take messages and leave the claim that they were read */
    bool (*text_step)(struct broker *broker, struct table_text *text);
    bool (*changed)(const struct broker *broker);
};

static bool topics_step(struct broker *broker, struct table_text *text)
{
    return topics_text_step(broker->topics, text);
}

static bool topics_are_changed(const struct broker *broker)
{
    return topics_changed(broker->topics);
}

static bool groups_step(struct broker *broker, struct table_text *text)
{
    return groups_text_step(broker->groups, text);
}

static bool groups_are_changed(const struct broker *broker)
{
    return groups_changed(broker->groups);
}

static bool offsets_step(struct broker *broker, struct table_text *text)
{
    if (!text->is_begun)
        light_queues_forget_past(broker);
    if (broker->pops != NULL && !text->is_begun)
        pops_note_log_end(broker->pops);
    return offsets_text_step(broker->offsets, text);
}

static bool offsets_are_changed(const struct broker *broker)
{
    return offsets_changed(broker->offsets);
}

/* In one step: the table is small. */
static bool filters_step(struct broker *broker, struct table_text *text)
{
    filters_text(broker->filters, broker->conf.filter_data_clean_time_span_ms,
                 loop_now_ms(broker->loop), &text->out);
    return true;
}

static bool filters_are_changed(const struct broker *broker)
{
    return filters_changed(broker->filters);
}

static bool pop_order_step(struct broker *broker, struct table_text *text)
{
    pop_keeper_order_text(pops_keeper(broker->pops), loop_now_ms(broker->loop), &text->out);
    return true;
}

static bool pop_order_is_changed(const struct broker *broker)
{
    return broker->pops != NULL && pop_keeper_order_changed(pops_keeper(broker->pops));
}

static bool request_modes_step(struct broker *broker, struct table_text *text)
{
    request_modes_text(broker->request_modes, &text->out);
    return true;
}

static bool request_modes_are_changed(const struct broker *broker)
{
    return request_modes_changed(broker->request_modes);
}

static bool txn_counts_step(struct broker *broker, struct table_text *text)
{
    txn_counts_text(txns_txn(broker->txns), &text->out);
    return true;
}

static bool txn_counts_are_changed(const struct broker *broker)
{
    return broker->txns != NULL && txn_counts_changed(txns_txn(broker->txns));
}

static const struct table_row table_rows[TABLE_COUNT] = {
    [TABLE_TOPICS] = { "topics.json", false, topics_step, topics_are_changed },
    [TABLE_GROUPS] = { "subscriptionGroup.json", false, groups_step, groups_are_changed },
    [TABLE_OFFSETS] = { "consumerOffset.json", true, offsets_step, offsets_are_changed },
    [TABLE_FILTERS] = { "consumerFilter.json", false, filters_step, filters_are_changed },
    [TABLE_POP_ORDER] = { "consumerOrderInfo.json", true, pop_order_step, pop_order_is_changed },
    [TABLE_REQUEST_MODES] = { "messageRequestMode.json", false, request_modes_step,
                              request_modes_are_changed },
    [TABLE_TXN_COUNTS] = { "transactionMetrics", false, txn_counts_step, txn_counts_are_changed },
};

void saver_table_path(const struct broker *broker, enum saved_table table, char *path,
                      size_t path_bytes)
{
    broker_config_path(broker, table_rows[table].file, path, path_bytes);
}

struct saved {
    struct saver *saver;
    const struct table_row *row;
    struct loop_timer timer; /* armed from a change on, and for each further step of the text */
    struct job job;          /* writes `text` to `path` */
    bool is_writing;         /* the text is being made or written */
    bool is_urgent;          /* once more, at once, when it is written */
    bool is_failed;          /* `text` was not written: the file is older than it */
    int err;
    struct table_text text;      /* the worker's once it is whole */
    struct save_waiter *waiting; /* for the next write */
    struct save_waiter *writing; /* for the write under way */
    char path[PATH_MAX];
};

struct saver {
    struct broker *broker;
    struct saved tables[TABLE_COUNT];
};

/* What clients change all the time, and would tell again, is saved now and then. */
static int64_t delay_ms(const struct saved *s)
{
    if (s->row == &table_rows[TABLE_OFFSETS] || s->row == &table_rows[TABLE_POP_ORDER])
        return s->saver->broker->conf.flush_consumer_offset_interval_ms;
    if (s->row == &table_rows[TABLE_TXN_COUNTS])
        return s->saver->broker->conf.transaction_metric_flush_interval_ms;
    return s->row == &table_rows[TABLE_FILTERS] ? FILTERS_SAVE_MS : 0;
}

static void tell(struct save_waiter *waiters, int err)
{
    while (waiters != NULL) {
        struct save_waiter *next = waiters->next;
        waiters->done(waiters, err);
        waiters = next;
    }
}

/* The text is whole. May block. */
static int write_text(const struct saved *s)
{
    struct store *store = s->saver->broker->store;
    assert(s->text.out.len > 0); /* an empty file is one that is not there */
    int err = s->row->rests_on_log && store != NULL ? store_sync(store) : 0;
    return err != 0 ? err : table_file_write(s->path, buf_slice(&s->text.out));
}

static void write_file(struct job *job)
{
    struct saved *s = (struct saved *)((char *)job - offsetof(struct saved, job));
    s->err = write_text(s);
}

static void file_written(struct job *job)
{
    struct saved *s = (struct saved *)((char *)job - offsetof(struct saved, job));
    struct loop *loop = s->saver->broker->loop;
    struct save_waiter *told = s->writing;
    assert(s->is_writing);
    s->is_writing = false;
    s->writing = NULL;
    s->is_failed = s->err != 0;
    if (s->text.out.cap > TEXT_KEPT_BYTES)
        table_text_fini(&s->text);
    if (s->is_failed)
        loop_timer_start(loop, &s->timer, SAVE_RETRY_MS);
    else if (s->waiting != NULL || s->is_urgent)
        loop_timer_start(loop, &s->timer, 0);
    else if (s->row->changed(s->saver->broker))
        loop_timer_start(loop, &s->timer, delay_ms(s));
    tell(told, s->err);
}

/* One step of the text in each pass of the loop; then it goes to a worker. */
static void save_due(struct loop_timer *timer)
{
    struct saved *s = (struct saved *)((char *)timer - offsetof(struct saved, timer));
    struct broker *broker = s->saver->broker;
    if (!s->is_writing) {
        assert(s->writing == NULL);
        table_text_clear(&s->text);
        s->writing = s->waiting;
        s->waiting = NULL;
        s->is_urgent = false;
        s->is_writing = true;
    }
    if (!s->row->text_step(broker, &s->text)) {
        loop_timer_start(broker->loop, &s->timer, 0);
    } else if (workers_submit(broker->workers, broker->loop, &s->job) != 0) {
        s->err = ERR_WOULD_BLOCK;
        file_written(&s->job);
    }
}

void saver_changed(struct saver *saver, enum saved_table table)
{
    struct saved *s = &saver->tables[table];
    if (s->timer.at == 0 && !s->is_writing)
        loop_timer_start(saver->broker->loop, &s->timer, delay_ms(s));
}

void saver_soon(struct saver *saver, enum saved_table table)
{
    struct saved *s = &saver->tables[table];
    if (s->is_writing)
        s->is_urgent = true; /* file_written() looks again */
    else
        loop_timer_start(saver->broker->loop, &s->timer, 0);
}

void saver_wait(struct saver *saver, enum saved_table table, struct save_waiter *waiter)
{
    struct saved *s = &saver->tables[table];
    waiter->next = s->waiting;
    s->waiting = waiter;
    if (!s->is_writing) /* else file_written() looks again */
        loop_timer_start(saver->broker->loop, &s->timer, 0);
}

bool saver_is_idle(const struct saver *saver)
{
    for (int i = 0; i < TABLE_COUNT; i++)
        if (saver->tables[i].is_writing || saver->tables[i].waiting != NULL)
            return false;
    return true;
}

bool saver_has_saved(const struct saver *saver, enum saved_table table)
{
    const struct saved *s = &saver->tables[table];
    return !s->is_writing && !s->is_failed && !s->row->changed(saver->broker);
}

void saver_save_here(struct saver *saver, enum saved_table table)
{
    struct saved *s = &saver->tables[table];
    assert(!s->is_writing);
    table_text_clear(&s->text);
    while (!s->row->text_step(saver->broker, &s->text))
        ;
    s->is_failed = write_text(s) != 0;
}

void saver_finish(struct saver *saver)
{
    assert(saver_is_idle(saver));
    for (int i = 0; i < TABLE_COUNT; i++) {
        struct saved *s = &saver->tables[i];
        loop_timer_stop(&s->timer);
        if (s->is_failed || s->row->changed(saver->broker))
            saver_save_here(saver, (enum saved_table)i);
    }
}

int saver_new(struct broker *broker, struct saver **saver)
{
    struct saver *made = calloc(1, sizeof *made);
    if (made == NULL)
        return ERR_NO_MEMORY;
    made->broker = broker;
    for (int i = 0; i < TABLE_COUNT; i++) {
        struct saved *s = &made->tables[i];
        s->saver = made;
        s->row = &table_rows[i];
        s->job = (struct job){ .run = write_file, .done = file_written };
        loop_timer_init(&s->timer, save_due);
        table_text_init(&s->text);
        if (i == TABLE_OFFSETS && broker->conf.enable_lmq)
            broker_config_path(broker, LIGHT_OFFSETS_FILE, s->path, sizeof s->path);
        else
            saver_table_path(broker, (enum saved_table)i, s->path, sizeof s->path);
    }
    *saver = made;
    return 0;
}

void saver_free(struct saver *saver)
{
    if (saver == NULL)
        return;
    assert(saver_is_idle(saver));
    for (int i = 0; i < TABLE_COUNT; i++) {
        loop_timer_stop(&saver->tables[i].timer);
        table_text_fini(&saver->tables[i].text);
    }
    free(saver);
}
