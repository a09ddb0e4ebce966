/* routes.c - which brokers serve a topic, asked of name servers and kept for a while.
 *
 * Questions for one topic that come while it is being asked share the answer. A name server that
 * does not answer is passed over for the next one; the one that answered is asked first from then
 * on.
 */
#include "base/memory.h"
#include "client/client.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"

enum { NAME_SERVERS_MAX = 16 };

struct waiter {
    route_done_fn *done;
    void *ctx;
    struct waiter *next;
};

struct kept_route {
    struct routes *routes;
    char *topic;
    struct arena arena; /* of `route` */
    struct route route;
    bool is_known;
    int64_t asked_ns;
    struct waiter *waiters; /* not empty: a question is under way */
    int tries_left;
    bool is_asking_again;
    struct loop_deferred next_step; /* tells what is known already, or asks the next name server */
};

struct routes {
    struct loop *loop;
    struct client *client;
    char *servers[NAME_SERVERS_MAX];
    int server_count;
    int server; /* asked first */
    struct map kept;
};

bool name_servers_next(struct slice *list, struct slice *address)
{
    *address = slice_of(NULL, 0);
    while (address->len == 0 && list->len > 0)
        *address = slice_trim(slice_cut(list, ';'));
    return address->len > 0;
}

int routes_new(struct loop *loop, struct client *client, const char *name_servers,
               struct routes **routes)
{
    struct routes *r = calloc(1, sizeof *r);
    if (r == NULL)
        return ERR_NO_MEMORY;
    r->loop = loop;
    r->client = client;
    map_init(&r->kept);
    struct slice list = slice_str(name_servers), address;
    while (r->server_count < NAME_SERVERS_MAX && name_servers_next(&list, &address))
        r->servers[r->server_count++] = memory_text(address);
    if (r->server_count == 0) {
        routes_free(r);
        return ERR_INVALID;
    }
    *routes = r;
    return 0;
}

void routes_free(struct routes *routes)
{
    if (routes == NULL)
        return;
    size_t cursor = 0;
    struct slice topic;
    void *value;
    while (map_next(&routes->kept, &cursor, &topic, &value)) {
        struct kept_route *kept = value;
        loop_undefer(&kept->next_step);
        while (kept->waiters != NULL) { /* never answered: the loop ended first */
            struct waiter *w = kept->waiters;
            kept->waiters = w->next;
            free(w);
        }
        arena_fini(&kept->arena);
        free(kept->topic);
        free(kept);
    }
    map_fini(&routes->kept);
    for (int i = 0; i < routes->server_count; i++)
        free(routes->servers[i]);
    free(routes);
}

const char *routes_name_server(const struct routes *routes)
{
    return routes->servers[routes->server];
}

int routes_name_server_count(const struct routes *routes)
{
    return routes->server_count;
}

void routes_pass_over(struct routes *routes, const char *name_server)
{
    /* of many questions that it left open, the first one moves on */
    if (strcmp(routes_name_server(routes), name_server) == 0)
        routes->server = (routes->server + 1) % routes->server_count;
}

/* Runs all waiters; they may ask again from within. */
static void tell(struct kept_route *kept, const struct route *route, bool no_such_topic,
                 const char *why)
{
    struct waiter *waiters = kept->waiters;
    kept->waiters = NULL;
    while (waiters != NULL) {
        struct waiter *w = waiters;
        waiters = w->next;
        w->done(w->ctx, route, no_such_topic, why);
        free(w);
    }
}

static const char *master_address(const struct route_data *data, struct slice broker_name,
                                  struct arena *arena)
{
    for (int i = 0; i < data->broker_count; i++) {
        const struct broker_data *broker = &data->brokers[i];
        for (int k = 0; k < broker->addr_count && slice_eq(broker->broker_name, broker_name); k++)
            if (broker->addrs[k].broker_id == MASTER_ID)
                return (const char *)arena_copy(arena, broker->addrs[k].address).data;
    }
    return NULL;
}

static int queue_order(const void *left, const void *right)
{
    const struct route_queue *a = left, *b = right;
    int order = slice_order(a->broker_name, b->broker_name);
    return order != 0 ? order : (a->queue_id > b->queue_id) - (a->queue_id < b->queue_id);
}

/* More than any real topic has, to bound what a name server can make us allocate. */
enum { QUEUES_MAX = 65536 };

static const struct route_queue *list_queues(const struct route_data *data, int32_t perm,
                                             struct arena *arena, int *count)
{
    int64_t most = 0;
    for (int i = 0; i < data->queue_count; i++) {
        const struct queue_data *q = &data->queues[i];
        int32_t n = perm == PERM_READ ? q->read_queue_count : q->write_queue_count;
        most += n > 0 ? n : 0;
    }
    if (most > QUEUES_MAX)
        most = QUEUES_MAX;
    struct route_queue *queues = arena_alloc(arena, ((size_t)most + 1) * sizeof *queues);
    *count = 0;
    for (int i = 0; i < data->queue_count; i++) {
        const struct queue_data *q = &data->queues[i];
        const char *address = master_address(data, q->broker_name, arena);
        if ((q->perm & perm) == 0 || address == NULL)
            continue;
        int32_t n = perm == PERM_READ ? q->read_queue_count : q->write_queue_count;
        for (int32_t id = 0; id < n && *count < most; id++)
            queues[(*count)++] = (struct route_queue){ q->broker_name, address, id };
    }
    if (*count > 0)
        qsort(queues, (size_t)*count, sizeof *queues, queue_order);
    return queues;
}

static void list_masters(const struct route_data *data, struct arena *arena, struct route *route)
{
    const char **masters = arena_alloc(arena, ((size_t)data->broker_count + 1) * sizeof *masters);
    for (int i = 0; i < data->broker_count; i++) {
        const char *address = master_address(data, data->brokers[i].broker_name, arena);
        if (address != NULL)
            masters[route->master_count++] = address;
    }
    route->masters = masters;
}

/* Replaces what is kept by the answer. */
static int keep(struct kept_route *kept, const struct call_result *result)
{
    struct route_data data;
    kept->is_known = false;
    arena_reset(&kept->arena);
    int err = answer_route(result, &kept->arena, &data);
    if (err != 0)
        return err;
    struct route *route = &kept->route;
    *route = (struct route){ 0 };
    route->readable = list_queues(&data, PERM_READ, &kept->arena, &route->readable_count);
    route->writable = list_queues(&data, PERM_WRITE, &kept->arena, &route->writable_count);
    list_masters(&data, &kept->arena, route);
    kept->is_known = true;
    kept->asked_ns = loop_now_ns(kept->routes->loop);
    return 0;
}

static void ask(struct kept_route *kept);

static void asked(void *ctx, const struct call_result *result)
{
    struct kept_route *kept = ctx;
    struct routes *routes = kept->routes;
    char failure[256], why[512];
    if (result->err != 0 && --kept->tries_left > 0) {
        routes->server = (routes->server + 1) % routes->server_count;
        kept->is_asking_again = true; /* not from here: client_free() may be what ended the call */
        loop_defer(routes->loop, &kept->next_step);
        return;
    }
    bool failed = call_failure(result, failure, sizeof failure);
    if (!failed && keep(kept, result) != 0) {
        failed = true;
        snprintf(failure, sizeof failure, "its answer is not understood");
    }
    snprintf(why, sizeof why, "%s %s: %s", result->err != 0 ? "no name server at" : "name server",
             routes_name_server(routes), failed ? failure : "");
    tell(kept, failed ? NULL : &kept->route,
         result->err == 0 && result->header.code == RESP_TOPIC_NOT_EXIST, failed ? why : NULL);
}

static void ask(struct kept_route *kept)
{
    call_route(kept->routes->client, routes_name_server(kept->routes), slice_str(kept->topic),
               asked, kept);
}

static void take_step(struct loop_deferred *deferred)
{
    struct kept_route *kept =
        (struct kept_route *)((char *)deferred - offsetof(struct kept_route, next_step));
    bool is_asking_again = kept->is_asking_again;
    kept->is_asking_again = false;
    if (is_asking_again)
        ask(kept);
    else
        tell(kept, &kept->route, false, NULL);
}

static struct kept_route *kept_for(struct routes *routes, struct slice topic)
{
    struct kept_route *kept = map_get(&routes->kept, topic);
    if (kept != NULL)
        return kept;
    kept = memory_zeroed(1, sizeof *kept);
    kept->routes = routes;
    kept->topic = memory_text(topic);
    arena_init(&kept->arena);
    loop_deferred_init(&kept->next_step, take_step);
    map_put(&routes->kept, topic, kept);
    return kept;
}

void routes_find(struct routes *routes, struct slice topic, route_done_fn *done, void *ctx)
{
    struct kept_route *kept = kept_for(routes, topic);
    struct waiter *w = memory_take(sizeof *w);
    *w = (struct waiter){ done, ctx, kept->waiters };
    bool under_way = kept->waiters != NULL;
    kept->waiters = w;
    if (under_way)
        return;
    int64_t age_ms = (loop_now_ns(routes->loop) - kept->asked_ns) / 1000000;
    if (kept->is_known && age_ms < ROUTE_KEPT_MS) {
        loop_defer(routes->loop, &kept->next_step);
        return;
    }
    kept->tries_left = routes->server_count;
    ask(kept);
}
