/* handle_reset.c - a group's offsets are set by a request: INVOKE_BROKER_TO_RESET_OFFSET (222).
 *
 * The worker looks for the offsets by time; then, by setting:
 *
 *     useServerSideResetOffset   they are the group's offsets from now on, and each queue's next
 *                                pull is told (progress.h); who is parked there is told at once
 *     off, as before 5.0         each client is told to do it (RESET_CONSUMER_CLIENT_OFFSET)
 */
#include "broker/groups/clients.h"
#include "broker/groups/progress.h"
#include "broker/groups/relay.h"
#include "broker/internal.h"
#include "broker/offload.h"
#include "broker/pull/hold.h"
#include "broker/requests.h"
#include "broker/unreadable.h"
#include "wire/body_progress.h"
#include "wire/req_admin.h"

enum { RESET_QUEUES_MAX = 65536 };

struct reset {
    struct offload offload;
    struct reset_offset_request fields;
    struct queue_offset *queues;
    int queue_count;
    bool is_given;              /* the one queue's offset stands in the request */
    struct store_bounds bounds; /* of that queue */
    struct unreadable unreadable;
};

static int find_offset(struct store *store, struct queue_offset *of, int64_t timestamp_ms)
{
    const struct message_queue *queue = &of->queue;
    struct store_bounds bounds;
    if (timestamp_ms >= 0)
        return store_queue_offset_by_time(store, queue->topic, queue->queue_id, timestamp_ms,
                                          BOUNDARY_LOWER, &of->queue_offset);
    int err = store_queue_bounds(store, queue->topic, queue->queue_id, &bounds);
    of->queue_offset = bounds.max;
    return err;
}

static void find_offsets(struct offload *o)
{
    struct reset *r = (struct reset *)o;
    struct store *store = o->broker->store;
    const struct message_queue *first = &r->queues[0].queue;
    if (r->is_given) {
        unreadable_note(&r->unreadable, first->topic, first->queue_id,
                        store_queue_bounds(store, first->topic, first->queue_id, &r->bounds));
        return;
    }
    for (int i = 0; i < r->queue_count; i++)
        unreadable_note(&r->unreadable, first->topic, r->queues[i].queue.queue_id,
                        find_offset(store, &r->queues[i], r->fields.timestamp));
}

/* The queues concerned: one, or all that can be read (or written). */
static void list_queues(struct broker *broker, struct reset *r, int32_t queue_count,
                        struct arena *arena)
{
    struct slice broker_name = arena_copy(arena, slice_str(broker->conf.broker_name));
    bool is_one = broker->conf.use_server_side_reset_offset && r->fields.queue_id >= 0;
    r->queue_count = is_one ? 1 : queue_count;
    if (r->queue_count < 0)
        r->queue_count = 0;
    if (r->queue_count > RESET_QUEUES_MAX)
        r->queue_count = RESET_QUEUES_MAX;
    r->queues = arena_zalloc(arena, ((size_t)r->queue_count + 1) * sizeof *r->queues);
    for (int i = 0; i < r->queue_count; i++)
        r->queues[i].queue =
            (struct message_queue){ r->fields.topic, broker_name, is_one ? r->fields.queue_id : i };
    r->is_given = is_one && r->fields.offset != -1;
    if (r->is_given)
        r->queues[0].queue_offset = r->fields.offset;
}

static void reply_offsets(struct reset *r)
{
    struct buf body = BUF_INIT;
    queue_offsets_encode(r->queues, r->queue_count, &body);
    reply_body(r->offload.req, buf_slice(&body));
    buf_fini(&body);
}

/* ---- here ------------------------------------------------------------------------------------ */

static void reset_here(struct offload *o)
{
    struct reset *r = (struct reset *)o;
    struct broker *broker = o->broker;
    const struct reset_offset_request *f = &r->fields;
    if (r->queue_count == 0) {
        reply_code(o->req, RESP_SYSTEM_ERROR, "No queues to reset.");
        return;
    }
    if (unreadable_answer(o->req, &r->unreadable)) /* none is reset */
        return;
    if (r->is_given && (f->offset < r->bounds.min || f->offset > r->bounds.max + 1)) {
        reply_code(o->req, RESP_SYSTEM_ERROR,
                   "Target offset %lld not in consume queue range [%lld-%lld]",
                   (long long)f->offset, (long long)r->bounds.min, (long long)r->bounds.max);
        return;
    }
    for (int i = 0; i < r->queue_count; i++) {
        const struct queue_offset *target = &r->queues[i];
        progress_reset(broker->progress, f->topic, f->group, target->queue.queue_id,
                       target->queue_offset);
        hold_release_queue(broker->hold, f->topic, target->queue.queue_id);
    }
    reply_offsets(r);
}

/* ---- by the clients -------------------------------------------------------------------------- */

/* Only backwards, unless forced; a group that never committed cannot be reset so. */
static bool settle_offsets(struct reset *r)
{
    for (int i = 0; i < r->queue_count; i++) {
        struct queue_offset *target = &r->queues[i];
        int64_t committed = progress_get(r->offload.broker->progress, r->fields.topic,
                                         r->fields.group, target->queue.queue_id);
        if (committed < 0)
            return false;
        if (!r->fields.is_force && target->queue_offset > committed)
            target->queue_offset = committed;
    }
    return true;
}

static const struct client_member *find_too_old(const struct client_group *group)
{
    list_each(link, &group->members) {
        const struct client_member *m = list_entry(link, struct client_member, group_link);
        if (m->version < RELAY_SINCE_3_0_7)
            return m;
    }
    return NULL;
}

/* What the clients are told has the form for C++ when the one who asks speaks that. */
static void tell_clients(struct reset *r, const struct client_group *group)
{
    struct request *req = r->offload.req;
    struct reset_offset_request header = { .topic = r->fields.topic,
                                           .group = r->fields.group,
                                           .timestamp = r->fields.timestamp,
                                           .queue_id = -1,
                                           .offset = -1 };
    struct buf body = BUF_INIT;
    struct call call = { .code = REQ_RESET_CONSUMER_CLIENT_OFFSET };
    call.ext = fields_encode(&reset_consumer_offset_fields, FIELD_LONG_NAMES, &header, &req->arena,
                             &call.ext_count);
    if (req->header.language == LANGUAGE_CPP)
        queue_offset_list_encode(r->queues, r->queue_count, &body);
    else
        queue_offsets_encode(r->queues, r->queue_count, &body);
    call.body = buf_slice(&body);
    list_each(link, &group->members)
        peer_tell(list_entry(link, struct client_member, group_link)->peer, &call);
    buf_fini(&body);
}

static void reset_at_clients(struct offload *o)
{
    struct reset *r = (struct reset *)o;
    const struct reset_offset_request *f = &r->fields;
    const struct client_group *group = clients_consumer_group(o->broker->clients, f->group);
    const struct client_member *too_old = group == NULL ? NULL : find_too_old(group);
    if (unreadable_answer(o->req, &r->unreadable))
        return;
    if (!settle_offsets(r)) {
        reply_code(o->req, RESP_SYSTEM_ERROR, "THe consumer group <%.*s> not exist",
                   SLICE_FMT(f->group));
    } else if (group == NULL) {
        reply_code(o->req, RESP_CONSUMER_NOT_ONLINE,
                   "Consumer not online, so can not reset offset, Group: %.*s Topic: %.*s "
                   "Timestamp: %lld",
                   SLICE_FMT(f->group), SLICE_FMT(f->topic), (long long)f->timestamp);
    } else if (too_old != NULL) {
        reply_code(o->req, RESP_SYSTEM_ERROR,
                   "the client does not support this feature. version=%d", too_old->version);
    } else {
        tell_clients(r, group);
        reply_offsets(r);
    }
}

void handle_reset_offset(struct broker *broker, struct request *req)
{
    request_detach(req);
    struct reset *r = arena_zalloc(&req->arena, sizeof *r);
    if (request_fields(req, &reset_offset_request_fields, &r->fields) != 0)
        return;
    bool is_here = broker->conf.use_server_side_reset_offset;
    const struct topic_config *topic = topics_get(broker->topics, r->fields.topic);
    if (topic == NULL) {
        reply_code(req, RESP_TOPIC_NOT_EXIST, "Topic %.*s does not exist",
                   SLICE_FMT(r->fields.topic));
        return;
    }
    if (is_here && groups_get(broker->groups, r->fields.group) == NULL) {
        reply_code(req, RESP_SUBSCRIPTION_GROUP_NOT_EXIST, "Group %.*s does not exist",
                   SLICE_FMT(r->fields.group));
        return;
    }
    list_queues(broker, r, is_here ? topic->read_queue_count : topic->write_queue_count,
                &req->arena);
    offload_start(&r->offload, broker, req, find_offsets, is_here ? reset_here : reset_at_clients);
}
