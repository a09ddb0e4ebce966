/* client.h - a RocketMQ cluster as its clients use it: typed calls, routes of topics, and
 * membership in a consumer group.
 *
 * Threads    the loop of the remoting client, for everything; nothing blocks.
 * End        client_free() first: it ends all calls under way. Then consumer_free(),
 *            routes_free().
 * Ownership  what a callback is given is borrowed until it returns. Arguments are borrowed until
 *            the call returns, unless a comment says more.
 * Errors     a call ends with a call_result: ERR_TIMEOUT, ERR_CLOSED, or an answer whose code may
 *            be a refusal. call_failure() turns both kinds into words.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include "remoting/remoting.h"
#include "wire/body_consumer_list.h"
#include "wire/body_heartbeat.h"
#include "wire/body_lists.h"
#include "wire/body_queue.h"
#include "wire/body_route.h"
#include "wire/body_slow_requests.h"
#include "wire/req_client.h"
#include "wire/req_namesrv.h"
#include "wire/req_offset.h"
#include "wire/req_pull.h"
#include "wire/record.h"
#include "wire/req_send.h"

enum { CALL_TIMEOUT_MS = 5000 };

/* ---- calls ----------------------------------------------------------------------------------
 *
 * call_x() sends a request to "host:port"; `done` runs exactly once, never before it returns.
 * answer_x(), called in `done`, decodes a successful answer into the arena: ERR_CORRUPT: it is not
 * what the protocol says.
 */

/* False: the call succeeded. True: it did not, and `text` says why in one line. */
bool call_failure(const struct call_result *result, char *text, size_t text_bytes);

void call_route(struct client *client, const char *address, struct slice topic, call_done_fn *done,
                void *ctx);
MUST_CHECK int answer_route(const struct call_result *result, struct arena *arena,
                            struct route_data *route);

void call_cluster_info(struct client *client, const char *address, call_done_fn *done, void *ctx);
MUST_CHECK int answer_cluster_info(const struct call_result *result, struct arena *arena,
                                   struct cluster_info *info);

void call_topic_list(struct client *client, const char *address, call_done_fn *done, void *ctx);
MUST_CHECK int answer_topic_list(const struct call_result *result, struct arena *arena,
                                 struct topic_list *list);

void call_send(struct client *client, const char *address, const struct send_request *fields,
               struct slice body, call_done_fn *done, void *ctx);
MUST_CHECK int answer_send(const struct call_result *result, struct send_response *response);

/* The answer may take as long as fields->suspend_timeout_ms. RESP_PULL_NOT_FOUND and the like are
 * answers too: decode those of the codes 0, 19, 20, 21. */
void call_pull(struct client *client, const char *address, const struct pull_request *fields,
               call_done_fn *done, void *ctx);
MUST_CHECK int answer_pull(const struct call_result *result, struct pull_response *response);

void call_heartbeat(struct client *client, const char *address, const struct heartbeat *heartbeat,
                    call_done_fn *done, void *ctx);
void call_unregister(struct client *client, const char *address,
                     const struct unregister_client_request *fields, call_done_fn *done, void *ctx);

void call_consumer_list(struct client *client, const char *address, struct slice group,
                        call_done_fn *done, void *ctx);
MUST_CHECK int answer_consumer_list(const struct call_result *result, struct arena *arena,
                                    struct consumer_list *list);

void call_query_offset(struct client *client, const char *address,
                       const struct query_consumer_offset_request *fields, call_done_fn *done,
                       void *ctx);
void call_update_offset(struct client *client, const char *address,
                        const struct update_consumer_offset_request *fields, call_done_fn *done,
                        void *ctx);
void call_max_offset(struct client *client, const char *address, const struct queue_request *fields,
                     call_done_fn *done, void *ctx);
/* Of call_query_offset() and call_max_offset(). */
MUST_CHECK int answer_offset(const struct call_result *result, int64_t *queue_offset);

/* GET_SLOW_REQUESTS, a request of Ramjet's own. */
void call_slow_requests(struct client *client, const char *address, call_done_fn *done, void *ctx);
MUST_CHECK int answer_slow_requests(const struct call_result *result, struct arena *arena,
                                    struct slow_requests *body);

/* ---- routes --------------------------------------------------------------------------------- */

/* A queue of a topic and the master that serves it. */
struct route_queue {
    struct slice broker_name;
    const char *address;
    int32_t queue_id;
};

/* What a name server said about a topic, as a client needs it; sorted by broker name and queue id.
 */
struct route {
    const struct route_queue *readable;
    int readable_count;
    const struct route_queue *writable;
    int writable_count;
    const char *const *masters; /* addresses, each once */
    int master_count;
};

/* The next of "host:port;host:port", without blanks around it; false: there are no more. */
bool name_servers_next(struct slice *list, struct slice *address);

/* Routes asked of name servers, one after the other until one answers, and kept for a while. */
struct routes;

enum { ROUTE_KEPT_MS = 30000 };

/* `name_servers`: "host:port;host:port". ERR_INVALID: none in it. */
MUST_CHECK int routes_new(struct loop *loop, struct client *client, const char *name_servers,
                          struct routes **routes);
/* After client_free(), which ends the questions under way. */
void routes_free(struct routes *routes);

/* route NULL: there is none; `why` then says so, and no_such_topic tells that a name server
 * answered that it does not know the topic. */
typedef void route_done_fn(void *ctx, const struct route *route, bool no_such_topic,
                           const char *why);
/* Never runs `done` before it returns. */
void routes_find(struct routes *routes, struct slice topic, route_done_fn *done, void *ctx);
/* The name server that is asked first, i.e. the latest that answered. */
const char *routes_name_server(const struct routes *routes);
int routes_name_server_count(const struct routes *routes);
/* That one did not answer: the next one is asked first. */
void routes_pass_over(struct routes *routes, const char *name_server);

/* ---- consuming ------------------------------------------------------------------------------ */

/* The part of `total` queues, dealt in order to `members` members as evenly as can be, that the
 * member at place `index` gets: the reference's default strategy (AVG). */
void allocate_average(int total, int members, int index, int *first, int *count);

/* One member of a consumer group: heartbeats, takes its share of the queues of a topic (and of the
 * group's retry topic), pulls them and commits offsets. Shares queues with any other client
 * library.
 *
 *     join ── heartbeat to all masters ── list of members ── my queues ── offset ── pull, pull, ...
 *                                              └─ again when told of a change, and each 20 s
 */
struct consumer;

struct consumer_options {
    struct loop *loop;
    struct client *client;
    struct routes *routes;
    struct slice topic;
    struct slice group;
    struct slice client_id; /* unique among the group's members */
    bool from_first;        /* where to begin a queue the group never read */
    /* A message that is the group's to handle; false: it was not taken and no more is wanted of
     * this queue. Not to call consumer_stop() from here. */
    bool (*on_message)(void *ctx, const struct message_queue *queue, const struct record *record);
    /* Something went wrong that is being tried again: a line for people. */
    void (*on_trouble)(void *ctx, const char *text);
    void *ctx;
};

/* Texts in the options are copied. */
MUST_CHECK int consumer_start(const struct consumer_options *options, struct consumer **consumer);
/* The remoting client was asked something (NOTIFY_CONSUMER_IDS_CHANGED): pass it here from its
 * on_request. Takes req over. */
void consumer_on_request(struct consumer *consumer, struct request *req);
/* Commits what was taken, leaves the group, then calls `left`. No message comes any more. */
void consumer_stop(struct consumer *consumer, void (*left)(void *ctx), void *ctx);
/* After client_free(), which ends its calls under way. */
void consumer_free(struct consumer *consumer);

#endif
