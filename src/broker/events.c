#include "broker/events.h"

#include <assert.h>

#include "base/clock.h"
#include "broker/figures/evidence.h"
#include "broker/figures/stats.h"
#include "broker/guard/guard.h"
#include "broker/internal.h"
#include "broker/later/delays.h"
#include "broker/later/timers.h"
#include "broker/pop/pops.h"
#include "broker/requests.h"
#include "broker/saver.h"
#include "broker/send/acks.h"
#include "broker/send/light_queues.h"
#include "broker/send/put.h"
#include "broker/session.h"
#include "wire/multi_dispatch.h"
#include "wire/names.h"

enum { GO_AWAY_KNOWN_ABOVE = 475 }; /* version 5.3.1 */

void events_message_arrived(void *ctx, const struct store_arrival *arrival)
{
    struct broker *broker = ctx;
    assert(loop_is_current(broker->loop));
    int64_t now_ns = loop_now_ns(broker->loop);
    if (arrival->queue_offset == 0 && name_is_light(arrival->topic) &&
        light_queues_forget_past(broker))
        saver_soon(broker->saver, TABLE_OFFSETS);
    if (!arrival->is_light) { /* it is counted with its own queue */
        struct stats_place *counted =
            arrival->place == NULL
                ? NULL
                : &list_entry(arrival->place, struct topic_places, stored)->counted;
        traffic_count(&broker->traffic, TRAFFIC_PUT, 1, now_ns);
        stats_put(broker->stats, counted, arrival->topic, arrival->queue_id, arrival->bytes,
                  now_ns);
    }
    hold_arrived(broker->hold, arrival->topic, arrival->queue_id, arrival->queue_offset,
                 arrival->tags_code, arrival->properties);
    pop_hold_arrived(broker->pop_hold, arrival->topic, arrival->queue_id, arrival->tags_code,
                     arrival->properties);
    if (broker->pops != NULL)
        pops_arrived(broker->pops, arrival->topic, arrival->queue_id, arrival->queue_offset);
    if (broker->delays != NULL && slice_eq(arrival->topic, SLICE(TOPIC_SCHEDULE)))
        delays_arrived(broker->delays, arrival->queue_id);
    if (broker->timers != NULL && slice_eq(arrival->topic, SLICE(TOPIC_TIMER)))
        timers_arrived(broker->timers, arrival->properties);
}

void events_log_flushed(void *ctx)
{
    acks_flushed(((struct broker *)ctx)->acks);
}

/* A broker that is about to stop sends clients away that know what that means; others are served as
 * long as it runs. True: the request was answered. */
static bool turn_away(const struct broker *broker, struct request *req)
{
    if (!broker->is_leaving || req->header.version <= GO_AWAY_KNOWN_ABOVE)
        return false;
    reply_code(req, RESP_GO_AWAY, "please go away");
    return true;
}

void events_pass_over(void *ctx, int64_t delay_ns)
{
    guard_pass_over(((struct broker *)ctx)->guard, delay_ns);
}

/* What they had waited was counted with each one's queue (send/put.c). Milliseconds begun since
 * then, most often none, go to the queue of the last. */
void events_put(void *ctx, const struct puts *puts)
{
    struct broker *broker = ctx;
    int64_t now_ns = loop_now_ns(broker->loop);
    put_times_record(broker->put_times, puts, now_ns + puts->elapsed_ns);
    int64_t more_ms = puts->elapsed_ns / NS_PER_MS - puts->waited_ns / NS_PER_MS;
    if (more_ms > 0)
        stats_put_took(broker->stats, more_ms * puts->count, now_ns);
}

void events_detail_wanted(void *ctx, bool is_wanted)
{
    store_want_ticks(((struct broker *)ctx)->store, is_wanted);
}

void events_request_came(void *ctx, struct request *req)
{
    evidence_begin(((struct broker *)ctx)->evidence, req);
    if (!turn_away(ctx, req))
        request_dispatch(ctx, req);
}

void events_fast_request_came(void *ctx, struct request *req)
{
    evidence_begin(((struct broker *)ctx)->evidence, req);
    if (!turn_away(ctx, req))
        request_dispatch_fast(ctx, req);
}

void events_peer_closed(void *ctx, struct peer *peer)
{
    session_end(ctx, peer);
}

void events_serve_pull(void *ctx, struct held_request *held)
{
    (void)ctx;
    pull_resume(held);
}

void events_drop_pull(void *ctx, struct held_request *held)
{
    (void)ctx;
    request_drop(held->req);
}

void events_serve_pop(void *ctx, struct held_pop *held)
{
    (void)ctx;
    if (held->kind == HELD_POP)
        pop_resume(held);
    else
        notification_resume(held);
}

void events_drop_pop(void *ctx, struct held_pop *held)
{
    (void)ctx;
    request_drop(held->req);
}

/* NOTIFY_CONSUMER_IDS_CHANGED to each member; it is one-way, clients also look by themselves. */
void events_group_changed(void *ctx, struct client_group *group)
{
    struct broker *broker = ctx;
    if (!broker->conf.notify_consumer_ids_changed_enable || broker->is_stopping)
        return;
    struct ext_field ext = { SLICE("consumerGroup"), group->name };
    struct call call = { .code = REQ_NOTIFY_CONSUMER_IDS_CHANGED, .ext = &ext, .ext_count = 1 };
    list_each(link, &group->members)
        peer_tell(list_entry(link, struct client_member, group_link)->peer, &call);
}

/* A stop ends no filter: at the next start every group counts as gone anyway. */
void events_group_gone(void *ctx, struct slice group)
{
    struct broker *broker = ctx;
    if (broker->is_stopping)
        return;
    filters_unregister(broker->filters, group, loop_now_ms(broker->loop));
    if (filters_changed(broker->filters))
        saver_changed(broker->saver, TABLE_FILTERS);
}
