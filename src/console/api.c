#include "console/api.h"

#include "console/answers.h"
#include "console/path.h"
#include "wire/codes.h"

/* A request while its answer is being found; in its arena. */
struct ask {
    struct api *api;
    struct http_request *request;
    const struct api_row *row;
    struct slice words[PATH_WORDS_MAX]; /* those that the row's path leaves open */
    int name_servers_left;
    const char *name_server; /* the one that is asked */
    const struct broker_place *place;
};

/* What is done with the brokers that the name server knows. */
typedef void got_brokers_fn(struct ask *ask, const struct broker_place *places, int count);

struct api_row {
    const char *path;
    got_brokers_fn *got_brokers;
};

/* ---- brokers --------------------------------------------------------------------------------- */

static void show_brokers(struct ask *ask, const struct broker_place *places, int count)
{
    struct buf body = BUF_INIT;
    answer_brokers(places, count, &body);
    http_answer_json(ask->request, &body);
}

/* ---- slow requests --------------------------------------------------------------------------- */

static void got_slow(void *ctx, const struct call_result *result)
{
    struct ask *ask = ctx;
    const struct broker_place *place = ask->place;
    struct http_request *request = ask->request;
    struct slow_requests slow;
    char why[256] = "its answer is not understood";
    if (ask->api->is_ending) {
        http_answer_error(request, HTTP_UNAVAILABLE, "the console is stopping");
    } else if (result->err == ERR_TIMEOUT) {
        http_answer_error(request, HTTP_GATEWAY_TIMEOUT, "the broker at %.*s does not answer",
                          SLICE_FMT(place->address));
    } else if (result->err == 0 && result->header.code == RESP_REQUEST_CODE_NOT_SUPPORTED) {
        http_answer_error(request, HTTP_NOT_IMPLEMENTED,
                          "the broker at %.*s is not Ramjet and does not measure this",
                          SLICE_FMT(place->address));
    } else if (call_failure(result, why, sizeof why) ||
               answer_slow_requests(result, &request->arena, &slow) != 0) {
        http_answer_error(request, HTTP_BAD_GATEWAY, "the broker at %.*s: %s",
                          SLICE_FMT(place->address), why);
    } else {
        struct buf body = BUF_INIT;
        answer_slow(place, &slow, &body);
        http_answer_json(request, &body);
    }
}

static void ask_slow(struct ask *ask, const struct broker_place *places, int count)
{
    int64_t id;
    const struct broker_place *place = NULL;
    if (slice_to_i64(ask->words[1], &id))
        place = broker_places_find(places, count, ask->words[0], id);
    if (place == NULL) {
        http_answer_error(ask->request, HTTP_NOT_FOUND,
                          "the name server lists no broker %.*s with the id %.*s",
                          SLICE_FMT(ask->words[0]), SLICE_FMT(ask->words[1]));
        return;
    }
    ask->place = place;
    struct slice address = arena_copy(&ask->request->arena, place->address);
    call_slow_requests(ask->api->client, (const char *)address.data, got_slow, ask);
}

/* ---- paths ----------------------------------------------------------------------------------- */

static const struct api_row rows[] = {
    { "/api/brokers", show_brokers }, { "/api/brokers/*/*/slow", ask_slow }, /* name, id */
};
enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

static void ask_name_server(struct ask *ask);

static void got_cluster(void *ctx, const struct call_result *result)
{
    struct ask *ask = ctx;
    struct arena *arena = &ask->request->arena;
    struct cluster_info info;
    char why[256] = "its answer is not understood";
    if (ask->api->is_ending) {
        http_answer_error(ask->request, HTTP_UNAVAILABLE, "the console is stopping");
    } else if (result->err != 0 && --ask->name_servers_left > 0) {
        routes_pass_over(ask->api->routes, ask->name_server);
        ask_name_server(ask);
    } else if (result->err == ERR_TIMEOUT) {
        http_answer_error(ask->request, HTTP_GATEWAY_TIMEOUT,
                          "the name server at %s does not answer", ask->name_server);
    } else if (call_failure(result, why, sizeof why) ||
               answer_cluster_info(result, arena, &info) != 0) {
        http_answer_error(ask->request, HTTP_BAD_GATEWAY, "the name server at %s: %s",
                          ask->name_server, why);
    } else {
        int count;
        const struct broker_place *places = broker_places(&info, arena, &count);
        ask->row->got_brokers(ask, places, count);
    }
}

static void ask_name_server(struct ask *ask)
{
    ask->name_server = routes_name_server(ask->api->routes);
    call_cluster_info(ask->api->client, ask->name_server, got_cluster, ask);
}

bool api_takes(struct api *api, struct http_request *request)
{
    struct slice words[PATH_WORDS_MAX] = { 0 };
    int row = 0;
    while (row < ROW_COUNT && !path_matches(rows[row].path, request->path, &request->arena, words))
        row++;
    if (row == ROW_COUNT)
        return false;
    struct ask *ask = arena_zalloc(&request->arena, sizeof *ask);
    ask->api = api;
    ask->request = request;
    ask->row = &rows[row];
    memcpy(ask->words, words, sizeof words);
    ask->name_servers_left = routes_name_server_count(api->routes);
    ask_name_server(ask);
    return true;
}
