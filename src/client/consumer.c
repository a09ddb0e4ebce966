/* consumer.c - one member of a consumer group.
 *
 * A round (at the start, when told of a change, and each 20 s) tells all masters of the topic that
 * we are there, asks one for the members of the group, and takes our share of the queues of the
 * topic and of the group's retry topic: messages that other members sent back arrive there, and its
 * share may be ours. Each queue of ours then pulls for itself, one request at a time, waiting at
 * the broker for messages. A queue that is given to another member is committed and left to that
 * member.
 *
 * Until the members agree on who is who, two of them may read the same queue for a moment, as with
 * every client of this protocol: messages are delivered at least once.
 */
#include "base/memory.h"
#include "base/sort.h"
#include "client/consumer_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/names.h"

enum { ROUND_EVERY_MS = 20000, COMMIT_EVERY_MS = 5000 };

void consumer_trouble(struct consumer *c, const char *what, const char *why)
{
    char text[512];
    if (c->is_stopping)
        return;
    snprintf(text, sizeof text, "%s: %s", what, why);
    c->options.on_trouble(c->options.ctx, text);
}

static void run_step(struct loop_deferred *deferred)
{
    struct consumer *c =
        (struct consumer *)((char *)deferred - offsetof(struct consumer, next_step));
    c->take_step(c);
}

static void go_on_with(struct consumer *c, void (*take_step)(struct consumer *c))
{
    c->take_step = take_step;
    loop_defer(c->options.loop, &c->next_step);
}

/* ---- offsets -------------------------------------------------------------------------------- */

static void commit_due(struct loop_timer *t)
{
    struct consumer *c = (struct consumer *)((char *)t - offsetof(struct consumer, commit_timer));
    list_each(link, &c->queues)
        pulled_queue_commit(list_entry(link, struct pulled_queue, link));
    loop_timer_start(c->options.loop, &c->commit_timer, COMMIT_EVERY_MS);
}

/* ---- which queues are ours ------------------------------------------------------------------ */

static struct pulled_queue *find_queue(struct consumer *c, int topic, const struct route_queue *r)
{
    list_each(link, &c->queues) {
        struct pulled_queue *q = list_entry(link, struct pulled_queue, link);
        if (q->topic == topic && !q->is_dropped && pulled_queue_is(q, r))
            return q;
    }
    return NULL;
}

/* Makes the queues of one topic that we pull the ones from `mine`. */
static void share_out(struct consumer *c, int topic, const struct route_queue *mine, int count)
{
    list_each(link, &c->queues) {
        struct pulled_queue *q = list_entry(link, struct pulled_queue, link);
        if (q->topic != topic || q->is_dropped)
            continue;
        bool is_mine = false;
        for (int i = 0; i < count && !is_mine; i++)
            is_mine = pulled_queue_is(q, &mine[i]);
        if (!is_mine)
            pulled_queue_drop(q);
    }
    for (int i = 0; i < count; i++)
        if (find_queue(c, topic, &mine[i]) == NULL)
            pulled_queue_add(c, topic, &mine[i]);
}

/* ---- a round: heartbeats, members, shares --------------------------------------------------- */

static void start_round(struct consumer *c);

static void end_round(struct consumer *c, int64_t next_ms)
{
    c->in_round = false;
    if (c->is_stopping)
        return;
    loop_timer_start(c->options.loop, &c->round_timer, c->another_round ? 0 : next_ms);
    c->another_round = false;
}

static void share_next_topic(struct consumer *c);

static void got_route_to_share(void *ctx, const struct route *route, bool no_such_topic,
                               const char *why)
{
    struct consumer *c = ctx;
    if (c->is_stopping) {
        end_round(c, 0);
        return;
    }
    if (route != NULL) {
        int first, count;
        allocate_average(route->readable_count, c->member_count, c->member_index, &first, &count);
        share_out(c, c->sharing, route->readable + first, count);
    } else if (!no_such_topic) { /* a retry topic may not be there yet */
        consumer_trouble(c, "route", why);
    }
    c->sharing++;
    share_next_topic(c);
}

static void share_next_topic(struct consumer *c)
{
    if (c->sharing == TOPICS)
        end_round(c, ROUND_EVERY_MS);
    else
        routes_find(c->options.routes, c->topics[c->sharing], got_route_to_share, c);
}

/* Our place among the members, sorted as every member sorts them; false: we are not among them. */
static bool find_our_place(struct consumer *c, const struct consumer_list *list,
                           struct arena *arena)
{
    struct slice *ids = arena_alloc(arena, ((size_t)list->count + 1) * sizeof *ids);
    for (int i = 0; i < list->count; i++)
        ids[i] = list->client_ids[i];
    sort_slices(ids, list->count);
    c->member_count = list->count;
    for (c->member_index = 0; c->member_index < list->count; c->member_index++)
        if (slice_eq(ids[c->member_index], c->options.client_id))
            return true;
    return false;
}

static void got_members(void *ctx, const struct call_result *result)
{
    struct consumer *c = ctx;
    struct consumer_list list;
    char why[256] = "the answer is not understood";
    struct arena arena;
    arena_init(&arena);
    if (c->is_stopping) {
        end_round(c, 0);
    } else if (call_failure(result, why, sizeof why) ||
               answer_consumer_list(result, &arena, &list) != 0) {
        consumer_trouble(c, "members of the group", why);
        end_round(c, RETRY_MS);
    } else if (!find_our_place(c, &list, &arena)) {
        end_round(c, RETRY_MS);
    } else {
        c->sharing = 0;
        share_next_topic(c);
    }
    arena_fini(&arena);
}

static void ask_members(struct consumer *c)
{
    if (c->is_stopping)
        end_round(c, 0);
    else
        call_consumer_list(c->options.client, c->masters[0], c->options.group, got_members, c);
}

static void heartbeat_answered(void *ctx, const struct call_result *result)
{
    struct consumer *c = ctx;
    char why[256];
    if (call_failure(result, why, sizeof why))
        consumer_trouble(c, "heartbeat", why);
    if (--c->heartbeats_out == 0 && !c->is_stopping)
        go_on_with(c, ask_members);
}

static void send_heartbeats(struct consumer *c)
{
    struct subscription subscriptions[TOPICS];
    for (int i = 0; i < TOPICS; i++)
        subscriptions[i] = (struct subscription){ .topic = c->topics[i],
                                                  .sub_string = SLICE("*"),
                                                  .sub_version = 1,
                                                  .expression_type = SLICE("TAG") };
    struct heartbeat_consumer consumer = {
        .group = c->options.group,
        .consume_type = CONSUME_PASSIVELY,
        .message_model = MESSAGE_MODEL_CLUSTERING,
        .consume_from =
            c->options.from_first ? CONSUME_FROM_FIRST_OFFSET : CONSUME_FROM_LAST_OFFSET,
        .subscriptions = subscriptions,
        .subscription_count = TOPICS,
    };
    struct heartbeat heartbeat = { .client_id = c->options.client_id,
                                   .consumers = &consumer,
                                   .consumer_count = 1 };
    c->heartbeats_out = c->master_count;
    for (int i = 0; i < c->master_count; i++)
        call_heartbeat(c->options.client, c->masters[i], &heartbeat, heartbeat_answered, c);
}

static void forget_masters(struct consumer *c)
{
    for (int i = 0; i < c->master_count; i++)
        free(c->masters[i]);
    c->master_count = 0;
}

static void got_route(void *ctx, const struct route *route, bool no_such_topic, const char *why)
{
    (void)no_such_topic;
    struct consumer *c = ctx;
    if (c->is_stopping || route == NULL || route->master_count == 0) {
        consumer_trouble(c, "route", why != NULL ? why : "no master serves the topic");
        end_round(c, RETRY_MS);
        return;
    }
    forget_masters(c);
    for (int i = 0; i < route->master_count && i < MASTERS_MAX; i++)
        c->masters[c->master_count++] = memory_text(slice_str(route->masters[i]));
    send_heartbeats(c);
}

static void start_round(struct consumer *c)
{
    assert(!c->is_stopping);
    if (c->in_round) {
        c->another_round = true;
        return;
    }
    c->in_round = true;
    routes_find(c->options.routes, c->topics[0], got_route, c);
}

static void round_due(struct loop_timer *t)
{
    start_round((struct consumer *)((char *)t - offsetof(struct consumer, round_timer)));
}

/* ---- start and stop ------------------------------------------------------------------------- */

int consumer_start(const struct consumer_options *options, struct consumer **consumer)
{
    struct consumer *c = calloc(1, sizeof *c);
    if (c == NULL)
        return ERR_NO_MEMORY;
    c->options = *options;
    arena_init(&c->arena);
    c->options.topic = arena_copy(&c->arena, options->topic);
    c->options.group = arena_copy(&c->arena, options->group);
    c->options.client_id = arena_copy(&c->arena, options->client_id);
    c->topics[0] = c->options.topic;
    c->topics[1] = retry_topic_of(c->options.group, &c->arena);
    list_init(&c->queues);
    loop_deferred_init(&c->next_step, run_step);
    loop_timer_init(&c->round_timer, round_due);
    loop_timer_init(&c->commit_timer, commit_due);
    loop_timer_start(options->loop, &c->round_timer, 0);
    loop_timer_start(options->loop, &c->commit_timer, COMMIT_EVERY_MS);
    *consumer = c;
    return 0;
}

void consumer_on_request(struct consumer *consumer, struct request *req)
{
    if (req->header.code != REQ_NOTIFY_CONSUMER_IDS_CHANGED) {
        reply_code(req, RESP_REQUEST_CODE_NOT_SUPPORTED, " request type %d not supported",
                   req->header.code);
        return;
    }
    request_drop(req);
    if (!consumer->is_stopping)
        start_round(consumer);
}

static void farewell_answered(void *ctx, const struct call_result *result)
{
    (void)result; /* without an answer the broker notices the closed connection */
    struct consumer *c = ctx;
    if (--c->farewells_out == 0)
        c->left(c->left_ctx);
}

static void say_farewell(struct consumer *c)
{
    if (c->master_count == 0) {
        c->left(c->left_ctx);
        return;
    }
    struct unregister_client_request fields = { .client_id = c->options.client_id,
                                                .consumer_group = c->options.group };
    c->farewells_out = c->master_count;
    for (int i = 0; i < c->master_count; i++)
        call_unregister(c->options.client, c->masters[i], &fields, farewell_answered, c);
}

void consumer_commit_ended(struct consumer *c)
{
    c->commits_out--;
    if (c->is_stopping && c->commits_out == 0)
        go_on_with(c, say_farewell);
}

void consumer_stop(struct consumer *consumer, void (*left)(void *ctx), void *ctx)
{
    assert(!consumer->is_stopping);
    consumer->left = left;
    consumer->left_ctx = ctx;
    loop_timer_stop(&consumer->round_timer);
    loop_timer_stop(&consumer->commit_timer);
    list_each(link, &consumer->queues) {
        struct pulled_queue *q = list_entry(link, struct pulled_queue, link);
        loop_timer_stop(&q->retry);
        if (!q->is_dropped)
            pulled_queue_commit(q);
    }
    consumer->is_stopping = true;
    loop_undefer(&consumer->next_step);
    if (consumer->commits_out == 0)
        go_on_with(consumer, say_farewell);
}

void consumer_free(struct consumer *consumer)
{
    if (consumer == NULL)
        return;
    loop_undefer(&consumer->next_step);
    loop_timer_stop(&consumer->round_timer);
    loop_timer_stop(&consumer->commit_timer);
    list_each(link, &consumer->queues)
        pulled_queue_free(list_entry(link, struct pulled_queue, link));
    forget_masters(consumer);
    arena_fini(&consumer->arena);
    free(consumer);
}
