/* consumer_queue.c - one queue of a consumer: asks where the group is, then pulls, one request at a
 * time, waiting at the broker for messages, and says how far it has come.
 */
#include "base/memory.h"
#include "client/consumer_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { PULL_SUSPEND_MS = 15000, PULL_COUNT = 32 };

void pulled_queue_free(struct pulled_queue *q)
{
    assert(!q->is_called);
    loop_timer_stop(&q->retry);
    list_remove(&q->link);
    free(q->broker_name);
    free(q->address);
    free(q);
}

static void queue_go_on(struct pulled_queue *q);

static void queue_retry_due(struct loop_timer *t)
{
    queue_go_on((struct pulled_queue *)((char *)t - offsetof(struct pulled_queue, retry)));
}

static void queue_trouble(struct pulled_queue *q, const char *what, const char *why)
{
    char text[128];
    snprintf(text, sizeof text, "%s %s/%d", what, q->broker_name, q->id);
    consumer_trouble(q->consumer, text, why);
    loop_timer_start(q->consumer->options.loop, &q->retry, RETRY_MS);
}

/* A call of this queue is over. False: nothing more is to be done with the queue. */
static bool queue_returned(struct pulled_queue *q)
{
    q->is_called = false;
    if (q->is_dropped)
        pulled_queue_free(q);
    else if (!q->consumer->is_stopping)
        return true;
    return false;
}

/* Hands the records over; false when one was not taken. */
static bool take_records(struct pulled_queue *q, struct slice body)
{
    struct message_queue name = { q->consumer->topics[q->topic], slice_str(q->broker_name), q->id };
    struct record record;
    while (body.len > 0 && record_decode(body, RECORD_CHECK_BODY_CRC, &record) == 0) {
        body = slice_from(body, (size_t)record.total_bytes);
        if (record.queue_offset < q->next)
            continue;
        if (!q->consumer->options.on_message(q->consumer->options.ctx, &name, &record))
            return false;
        q->next = record.queue_offset + 1;
    }
    return true;
}

static void pulled(void *ctx, const struct call_result *result)
{
    struct pulled_queue *q = ctx;
    char why[256];
    struct pull_response response;
    if (!queue_returned(q))
        return;
    int32_t code = result->header.code;
    bool is_answer =
        result->err == 0 && (code == RESP_SUCCESS || code == RESP_PULL_NOT_FOUND ||
                             code == RESP_PULL_RETRY_IMMEDIATELY || code == RESP_PULL_OFFSET_MOVED);
    if (!is_answer) {
        call_failure(result, why, sizeof why);
        queue_trouble(q, "pull", why);
    } else if (answer_pull(result, &response) != 0) {
        queue_trouble(q, "pull", "the answer is not understood");
    } else if (code != RESP_SUCCESS || take_records(q, result->body)) {
        q->next = response.next_begin_offset;
        queue_go_on(q);
    }
}

static void pull(struct pulled_queue *q)
{
    struct pull_request fields = {
        .consumer_group = q->consumer->options.group,
        .topic = q->consumer->topics[q->topic],
        .queue_id = q->id,
        .queue_offset = q->next,
        .max_msg_nums = PULL_COUNT,
        .sys_flag = PULL_SUSPEND | PULL_SUBSCRIPTION,
        .suspend_timeout_ms = PULL_SUSPEND_MS,
        .subscription = SLICE("*"),
        .expression_type = SLICE("TAG"),
    };
    q->is_called = true;
    call_pull(q->consumer->options.client, q->address, &fields, pulled, q);
}

static void got_max_offset(void *ctx, const struct call_result *result)
{
    struct pulled_queue *q = ctx;
    char why[256];
    if (!queue_returned(q))
        return;
    if (call_failure(result, why, sizeof why) || answer_offset(result, &q->next) != 0)
        queue_trouble(q, "end of", why);
    else
        queue_go_on(q);
}

/* The group never read this queue: begin where it was told to. */
static void begin_new_queue(struct pulled_queue *q)
{
    if (q->consumer->options.from_first || q->topic > 0) {
        q->next = 0; /* what comes first is in the answer when that has gone already */
        queue_go_on(q);
        return;
    }
    struct queue_request fields = { q->consumer->topics[q->topic], q->id };
    q->is_called = true;
    call_max_offset(q->consumer->options.client, q->address, &fields, got_max_offset, q);
}

static void got_group_offset(void *ctx, const struct call_result *result)
{
    struct pulled_queue *q = ctx;
    char why[256] = "the answer is not understood";
    if (!queue_returned(q))
        return;
    if (result->err == 0 && result->header.code == RESP_QUERY_NOT_FOUND) {
        begin_new_queue(q);
        return;
    }
    if (call_failure(result, why, sizeof why) || answer_offset(result, &q->next) != 0) {
        queue_trouble(q, "offset of", why);
        return;
    }
    q->committed = q->next;
    queue_go_on(q);
}

static void ask_group_offset(struct pulled_queue *q)
{
    struct query_consumer_offset_request fields = {
        .consumer_group = q->consumer->options.group,
        .topic = q->consumer->topics[q->topic],
        .queue_id = q->id,
        .set_zero_if_not_found = false,
    };
    q->is_called = true;
    call_query_offset(q->consumer->options.client, q->address, &fields, got_group_offset, q);
}

static void queue_go_on(struct pulled_queue *q)
{
    if (q->next < 0)
        ask_group_offset(q);
    else
        pull(q);
}

static void committed(void *ctx, const struct call_result *result)
{
    struct consumer *c = ctx;
    char why[256];
    if (call_failure(result, why, sizeof why))
        consumer_trouble(c, "commit", why);
    consumer_commit_ended(c);
}

void pulled_queue_commit(struct pulled_queue *q)
{
    struct consumer *c = q->consumer;
    if (q->next < 0 || q->next == q->committed)
        return;
    struct update_consumer_offset_request fields = {
        .consumer_group = c->options.group,
        .topic = c->topics[q->topic],
        .queue_id = q->id,
        .commit_offset = q->next,
    };
    q->committed = q->next;
    c->commits_out++;
    call_update_offset(c->options.client, q->address, &fields, committed, c);
}

void pulled_queue_drop(struct pulled_queue *q)
{
    pulled_queue_commit(q);
    q->is_dropped = true;
    if (!q->is_called)
        pulled_queue_free(q);
}

bool pulled_queue_is(const struct pulled_queue *q, const struct route_queue *r)
{
    return q->id == r->queue_id && slice_eq(slice_str(q->broker_name), r->broker_name) &&
           strcmp(q->address, r->address) == 0;
}

void pulled_queue_add(struct consumer *c, int topic, const struct route_queue *r)
{
    struct pulled_queue *q = memory_zeroed(1, sizeof *q);
    q->consumer = c;
    q->topic = topic;
    q->broker_name = memory_text(r->broker_name);
    q->address = memory_text(slice_str(r->address));
    q->id = r->queue_id;
    q->next = -1;
    q->committed = -1;
    loop_timer_init(&q->retry, queue_retry_due);
    list_append(&c->queues, &q->link);
    queue_go_on(q);
}
