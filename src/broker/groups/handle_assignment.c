/* handle_assignment.c - QUERY_ASSIGNMENT (400): which queues a consumer reads, dealt out here
 * instead of by each consumer for itself; SET_MESSAGE_REQUEST_MODE (401) and
 * GET_ALL_MESSAGE_REQUEST_MODE (402): whether a group pulls or pops a topic.
 *
 * The queues are those of all brokers that have the topic, as the name servers know them; a broker
 * without name servers knows its own.
 */
#include "base/sort.h"
#include "broker/groups/clients.h"
#include "broker/internal.h"
#include "broker/requests.h"
#include "broker/saver.h"
#include "broker/topic_rules.h"
#include "client/client.h"
#include "wire/body_assignment.h"
#include "wire/names.h"

struct question {
    struct broker *broker;
    struct request *req;
    struct assignment_request asked;
    struct request_mode_setting setting;
};

/* The queues of the topic, sorted; the clients of the group, sorted. */
struct deal {
    const struct message_queue *queues;
    int queue_count;
    const struct slice *clients;
    int client_count;
};

static void answer_queues(struct question *q, const struct message_queue *queues, int count)
{
    struct buf body = BUF_INIT;
    assignment_response_encode(queues, count, false, q->setting.mode, &body);
    reply_body(q->req, buf_slice(&body));
    buf_fini(&body);
}

/* The client keeps what it has. */
static void answer_nothing(struct question *q)
{
    reply_body(q->req, SLICE("{}"));
}

/* ---- dealing out --------------------------------------------------------------------------- */

enum strategy { STRATEGY_NONE, STRATEGY_AVERAGE, STRATEGY_CIRCLE };

static enum strategy strategy_of(struct slice name)
{
    if (slice_eq(name, SLICE("AVG")))
        return STRATEGY_AVERAGE;
    return slice_eq(name, SLICE("AVG_BY_CIRCLE")) ? STRATEGY_CIRCLE : STRATEGY_NONE;
}

/* The client ids of the group's members, each once; false: nobody is online. */
static bool sorted_clients(struct question *q, struct deal *deal)
{
    const struct client_group *group =
        clients_consumer_group(q->broker->clients, q->asked.consumer_group);
    if (group == NULL)
        return false;
    struct slice *ids = arena_alloc(&q->req->arena, (size_t)group->member_count * sizeof *ids);
    int count = 0;
    int unique = 0;
    list_each(link, &group->members)
        ids[count++] = list_entry(link, struct client_member, group_link)->client_id;
    sort_slices(ids, count);
    for (int i = 0; i < count; i++)
        if (i == 0 || !slice_eq(ids[i], ids[unique - 1]))
            ids[unique++] = ids[i];
    deal->clients = ids;
    deal->client_count = unique;
    return true;
}

static int place_of(const struct deal *deal, struct slice client_id)
{
    for (int i = 0; i < deal->client_count; i++)
        if (slice_eq(deal->clients[i], client_id))
            return i;
    return -1;
}

/* The share of the client at `place` by the strategy. */
static int add_share(const struct deal *deal, enum strategy strategy, int place,
                     struct message_queue *out)
{
    int first = place;
    int count = 0;
    int step = deal->client_count;
    if (strategy == STRATEGY_AVERAGE) {
        allocate_average(deal->queue_count, deal->client_count, place, &first, &count);
        step = 1;
    } else if (place < deal->queue_count) {
        count = (deal->queue_count - place - 1) / deal->client_count + 1;
    }
    for (int i = 0; i < count; i++)
        out[i] = deal->queues[first + i * step];
    return count;
}

/* All clients pop all queues: a queue -1 for each broker. */
static int any_queue(const struct deal *deal, struct message_queue *out)
{
    int count = 0;
    for (int i = 0; i < deal->queue_count; i++) {
        if (count > 0 && slice_eq(out[count - 1].broker_name, deal->queues[i].broker_name))
            continue;
        out[count] = deal->queues[i];
        out[count++].queue_id = -1;
    }
    return count;
}

/* A client that pops reads its own share and those of the next `popShareQueueNum` clients. */
static int shares_for_pop(const struct question *q, const struct deal *deal, enum strategy strategy,
                          int place, struct message_queue *out)
{
    int shared = q->setting.pop_share_queue_num;
    if (shared <= 0 || shared >= deal->client_count - 1)
        return any_queue(deal, out);
    if (place < 0 || deal->queue_count == 0)
        return 0;
    if (deal->client_count > deal->queue_count) {
        out[0] = deal->queues[place % deal->queue_count];
        return 1;
    }
    int count = 0;
    for (int i = 0; i <= shared; i++)
        count += add_share(deal, strategy, (place + i) % deal->client_count, out + count);
    return count;
}

static void deal_out(struct question *q, struct deal *deal)
{
    enum strategy strategy = strategy_of(q->asked.strategy_name);
    if (q->asked.message_model == MESSAGE_MODEL_BROADCASTING ||
        !q->broker->conf.server_load_balancer_enable) {
        answer_queues(q, deal->queues, deal->queue_count);
        return;
    }
    if (q->asked.client_id.len == 0 || strategy == STRATEGY_NONE || !sorted_clients(q, deal)) {
        answer_nothing(q);
        return;
    }
    int place = place_of(deal, q->asked.client_id);
    struct message_queue *mine =
        arena_alloc(&q->req->arena, (size_t)(deal->queue_count + 1) * sizeof *mine);
    int count = 0;
    if (q->setting.mode == REQUEST_MODE_POP)
        count = shares_for_pop(q, deal, strategy, place, mine);
    else if (place >= 0)
        count = add_share(deal, strategy, place, mine);
    answer_queues(q, mine, count);
}

/* ---- the queues there are ------------------------------------------------------------------ */

static void route_found(void *ctx, const struct route *route, bool no_such_topic, const char *why)
{
    (void)no_such_topic;
    (void)why;
    struct question *q = ctx;
    if (!peer_is_open(q->req->peer)) {
        request_drop(q->req);
    } else if (route == NULL) {
        answer_nothing(q);
    } else {
        struct message_queue *queues =
            arena_alloc(&q->req->arena, (size_t)(route->readable_count + 1) * sizeof *queues);
        for (int i = 0; i < route->readable_count; i++)
            queues[i] = (struct message_queue){ q->asked.topic, route->readable[i].broker_name,
                                                route->readable[i].queue_id };
        struct deal deal = { .queues = queues, .queue_count = route->readable_count };
        deal_out(q, &deal);
    }
}

/* The broker's own queues of the topic: all there are without name servers. */
static void deal_own(struct question *q, int32_t queue_count)
{
    struct message_queue *queues =
        arena_alloc(&q->req->arena, (size_t)(queue_count + 1) * sizeof *queues);
    for (int32_t i = 0; i < queue_count; i++)
        queues[i] =
            (struct message_queue){ q->asked.topic, slice_str(q->broker->conf.broker_name), i };
    struct deal deal = { .queues = queues, .queue_count = queue_count };
    deal_out(q, &deal);
}

static void find_queues(struct question *q)
{
    struct broker *broker = q->broker;
    if (slice_starts_with(q->asked.topic, SLICE(TOPIC_LMQ_PREFIX))) {
        deal_own(q, 1);
    } else if (broker->routes == NULL) {
        const struct topic_config *topic = topics_get(broker->topics, q->asked.topic);
        if (topic == NULL)
            answer_nothing(q);
        else
            deal_own(q, topic->read_queue_count);
    } else {
        request_detach(q->req);
        routes_find(broker->routes, q->asked.topic, route_found, q);
    }
}

/* What was set for the pair, or how it is by itself: retry topics are always pulled. */
static struct request_mode_setting setting_of(const struct broker *broker, struct slice topic,
                                              struct slice group)
{
    const struct request_mode_setting *set = request_modes_get(broker->request_modes, topic, group);
    if (set != NULL)
        return *set;
    bool is_popped =
        !topic_is_retry(topic) && strcmp(broker->conf.default_message_request_mode, "POP") == 0;
    return (struct request_mode_setting){
        .mode = is_popped ? REQUEST_MODE_POP : REQUEST_MODE_PULL,
        .pop_share_queue_num = is_popped ? broker->conf.default_pop_share_queue_num : 0,
    };
}

void handle_query_assignment(struct broker *broker, struct request *req)
{
    struct question *q = arena_zalloc(&req->arena, sizeof *q);
    q->broker = broker;
    q->req = req;
    if (assignment_request_decode(req->body, &req->arena, &q->asked) != 0 ||
        q->asked.topic.len == 0) {
        reply_code(req, RESP_SYSTEM_ERROR, "the body is no question for an assignment");
    } else if (q->asked.message_model == MESSAGE_MODEL_NONE) {
        reply_code(req, RESP_SYSTEM_ERROR, "messageModel is neither CLUSTERING nor BROADCASTING");
    } else {
        q->setting = setting_of(broker, q->asked.topic, q->asked.consumer_group);
        find_queues(q);
    }
}

/* ---- settings ------------------------------------------------------------------------------ */

void handle_set_request_mode(struct broker *broker, struct request *req)
{
    struct request_mode_setting setting;
    if (request_mode_setting_decode(req->body, &req->arena, &setting) != 0 ||
        setting.topic.len == 0 || setting.consumer_group.len == 0) {
        reply_code(req, RESP_SYSTEM_ERROR, "the body is no setting of a topic and a group");
    } else if (topic_is_retry(setting.topic)) {
        reply_code(req, RESP_NO_PERMISSION, "retry topic is not allowed to set mode");
    } else if (topics_get(broker->topics, setting.topic) == NULL) {
        reply_code(req, RESP_TOPIC_NOT_EXIST, "topic[%.*s] not exist", SLICE_FMT(setting.topic));
    } else if (broker_group_ensure(broker, setting.consumer_group) == NULL) {
        reply_code(req, RESP_SUBSCRIPTION_GROUP_NOT_EXIST, "subscription group does not exist");
    } else if (setting.mode == REQUEST_MODE_NONE) {
        reply_code(req, RESP_INVALID_PARAMETER, "mode is neither PULL nor POP");
    } else if (request_modes_put(broker->request_modes, &setting) != 0) {
        reply_code(req, RESP_INVALID_PARAMETER, "there are %d settings already", REQUEST_MODES_MAX);
    } else {
        saver_changed(broker->saver, TABLE_REQUEST_MODES);
        reply_code(req, RESP_SUCCESS, NULL);
    }
}

void handle_all_request_modes(struct broker *broker, struct request *req)
{
    struct request_mode_table table = request_modes_all(broker->request_modes);
    struct buf body = BUF_INIT;
    request_mode_table_encode(&table, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}
