/* handle_admin_offsets.c - offsets of consumer groups as tools and slaves see them: 314 and 308,
 * and the tables that a slave copies: 43 and 45. */
#include "broker/groups/clients.h"
#include "broker/internal.h"
#include "broker/later/delays.h"
#include "broker/requests.h"
#include "broker/saver.h"
#include "broker/unreadable.h"
#include "wire/body_progress.h"
#include "wire/req_admin.h"

/* ---- 314: a group starts where another one is ------------------------------------------------ */

struct topic_node {
    struct slice topic;
    struct topic_node *next;
};

/* Unless the source is said to be offline, it must subscribe to what is cloned. */
static bool is_cloned(const struct broker *broker, const struct clone_group_offset_request *fields,
                      struct slice topic)
{
    if (topics_get(broker->topics, topic) == NULL)
        return false;
    const struct client_group *online = clients_consumer_group(broker->clients, fields->src_group);
    return fields->offline || online == NULL || online->subscriptions.count == 0 ||
           client_group_subscription(online, topic) != NULL;
}

/* Collected first: cloning changes the table that is walked. */
static struct topic_node *list_cloned(const struct broker *broker,
                                      const struct clone_group_offset_request *fields,
                                      struct arena *arena)
{
    struct topic_node *list = NULL;
    size_t cursor = 0;
    struct slice topic, group;
    while (offsets_next(broker->offsets, &cursor, &topic, &group)) {
        if (!slice_eq(group, fields->src_group) ||
            (fields->topic.len > 0 && !slice_eq(fields->topic, topic)) ||
            !is_cloned(broker, fields, topic))
            continue;
        struct topic_node *node = arena_alloc(arena, sizeof *node);
        *node = (struct topic_node){ arena_copy(arena, topic), list };
        list = node;
    }
    return list;
}

void handle_clone_offset(struct broker *broker, struct request *req)
{
    struct clone_group_offset_request fields;
    if (request_fields(req, &clone_group_offset_request_fields, &fields) != 0)
        return;
    struct topic_node *list = list_cloned(broker, &fields, &req->arena);
    for (; list != NULL; list = list->next)
        offsets_clone(broker->offsets, list->topic, fields.src_group, fields.dest_group,
                      loop_now_ms(broker->loop));
    saver_changed(broker->saver, TABLE_OFFSETS);
    reply_code(req, RESP_SUCCESS, NULL);
}

/* ---- 308: the smallest offset of any group --------------------------------------------------- */

/* One group's offset of a queue is taken into account; one that points at what is gone is not. */
static void take_offset(struct broker *broker, struct slice topic, int32_t queue_id,
                        int64_t queue_offset, struct queue_offset *least, int count,
                        struct unreadable *unreadable)
{
    struct store_bounds bounds;
    if (queue_id >= count ||
        !unreadable_note(unreadable, topic, queue_id,
                         store_queue_bounds(broker->store, topic, queue_id, &bounds)) ||
        queue_offset < bounds.min)
        return;
    struct queue_offset *entry = &least[queue_id];
    if (entry->queue_offset < 0 || entry->queue_offset > queue_offset)
        entry->queue_offset = queue_offset;
}

/* The least offset per queue over all groups but those filtered; where the group compared with is
 * behind that, it is the largest number there is: nothing to correct. */
static void find_least(struct broker *broker, const struct correction_offset_request *fields,
                       struct queue_offset *least, int count, struct unreadable *unreadable)
{
    size_t pairs = 0;
    struct slice topic, group;
    int32_t queue_id;
    int64_t queue_offset;
    while (offsets_next(broker->offsets, &pairs, &topic, &group)) {
        if (!slice_eq(topic, fields->topic) || slice_lists(fields->filter_groups, ',', group))
            continue;
        size_t queues = 0;
        while ((queue_id =
                    offsets_next_queue(broker->offsets, topic, group, &queues, &queue_offset)) >= 0)
            take_offset(broker, fields->topic, queue_id, queue_offset, least, count, unreadable);
    }
    size_t queues = 0;
    while ((queue_id = offsets_next_queue(broker->offsets, fields->topic, fields->compare_group,
                                          &queues, &queue_offset)) >= 0)
        if (queue_id < count && least[queue_id].queue_offset > queue_offset)
            least[queue_id].queue_offset = INT64_MAX;
}

void handle_correction_offset(struct broker *broker, struct request *req)
{
    struct correction_offset_request fields;
    if (request_fields(req, &correction_offset_request_fields, &fields) != 0)
        return;
    const struct topic_config *config = topics_get(broker->topics, fields.topic);
    int count = config == NULL || config->read_queue_count < 0 ? 0 : config->read_queue_count;
    if (count > OFFSETS_QUEUES_MAX)
        count = OFFSETS_QUEUES_MAX;
    struct queue_offset *least = arena_alloc(&req->arena, ((size_t)count + 1) * sizeof *least);
    for (int i = 0; i < count; i++)
        least[i] = (struct queue_offset){ .queue = { .queue_id = i }, .queue_offset = -1 };
    struct unreadable unreadable = { .err = 0 };
    find_least(broker, &fields, least, count, &unreadable);
    if (unreadable_answer(req, &unreadable))
        return;
    int found = 0;
    for (int i = 0; i < count; i++)
        if (least[i].queue_offset >= 0)
            least[found++] = least[i];
    struct buf body = BUF_INIT;
    correction_offsets_encode(least, found, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}

/* ---- tables for slaves ----------------------------------------------------------------------- */

void handle_all_offsets(struct broker *broker, struct request *req)
{
    struct buf body = BUF_INIT;
    offsets_body(broker->offsets, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}

void handle_all_delay_offsets(struct broker *broker, struct request *req)
{
    struct buf body = BUF_INIT;
    delays_body(broker->delays, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}
