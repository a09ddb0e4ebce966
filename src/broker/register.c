/* register.c - tells every name server which topics this broker has. */
#include "broker/register.h"

#include <assert.h>
#include <stdlib.h>

#include "base/crc.h"
#include "base/log.h"
#include "base/memory.h"
#include "broker/announcement.h"
#include "broker/topic_rules.h"
#include "client/client.h"
#include "wire/body_lists.h"
#include "wire/body_register.h"
#include "wire/req_namesrv.h"

enum { NAMESRV_MAX = 16, UNREGISTER_TIMEOUT_MS = 3000 };
/* How soon a name server that did not take a registration is told again. */
enum { REGISTER_RETRY_MS = 2000 };
/* Up to here a change of the topic table is told with the whole table. */
enum { FEW_TOPICS = 1000 };

struct namesrv {
    struct registrar *registrar;
    char *address;
    uint64_t told;     /* it knows the first so many changes of the topic table */
    uint64_t telling;  /* and will know so many when it takes the registration under way */
    bool is_calling;   /* one call at a time */
    bool is_in_round;  /* it is told the announcement under way, part after part */
    bool needs_all;    /* it is to be told the whole table */
    bool must_ask;     /* with forceRegister off: ask for its version first */
    bool is_reachable; /* answered the latest call, or was not called yet */
    bool is_leaving;   /* its answer to UNREGISTER_BROKER is awaited */
};

struct registrar {
    struct broker *broker;
    struct namesrv servers[NAMESRV_MAX];
    int server_count;
    struct loop_timer period;
    struct loop_timer retry; /* armed while a name server is not reachable */
    struct loop_deferred round;
    struct announcement *announcement; /* one at a time, told to all who need one when it begins */
    bool is_stopping;
};

static struct broker_identity_request identity(const struct broker *broker)
{
    return (struct broker_identity_request){
        .broker_name = slice_str(broker->conf.broker_name),
        .broker_addr = slice_str(broker->address),
        .cluster_name = slice_str(broker->conf.cluster_name),
        .broker_id = broker->conf.broker_id,
    };
}

static void call(struct namesrv *ns, enum request_code code, const struct fields *fields,
                 const void *from, struct slice body, int64_t timeout_ms, call_done_fn *done)
{
    struct arena arena;
    arena_init(&arena);
    struct call call = { .code = code, .body = body };
    call.ext = fields_encode(fields, FIELD_LONG_NAMES, from, &arena, &call.ext_count);
    client_call(ns->registrar->broker->client, ns->address, &call, timeout_ms, done, ns);
    arena_fini(&arena);
}

/* ---- registering ----------------------------------------------------------------------------- */

/* Topics the name server has an order for are consumed in order. */
static void take_order_topics(struct broker *broker, struct slice body)
{
    struct arena arena;
    struct kv_table table;
    bool changed = false;
    arena_init(&arena);
    if (body.len > 0 && kv_table_decode(body, &arena, &table) == 0) {
        for (int i = 0; i < table.count; i++) {
            const struct topic_config *config = topics_get(broker->topics, table.pairs[i].key);
            if (config == NULL || config->order)
                continue;
            struct topic_config ordered = *config;
            ordered.order = true;
            topics_put(broker->topics, &ordered, loop_now_ms(broker->loop));
            changed = true;
        }
    }
    arena_fini(&arena);
    if (changed)
        broker_topics_changed(broker);
}

static void note_answer(struct namesrv *ns, const struct call_result *result)
{
    bool is_ok = result->err == 0 && result->header.code == RESP_SUCCESS;
    if (!is_ok && ns->is_reachable)
        log_warn("register_failed namesrv=%s err=%s code=%d remark=\"%.*s\"", ns->address,
                 err_name(result->err), result->header.code, SLICE_FMT(result->header.remark));
    else if (is_ok && !ns->is_reachable)
        log_info("registered_again namesrv=%s", ns->address);
    ns->is_reachable = is_ok;
    assert(ns->is_calling);
    ns->is_calling = false;
}

static void register_at(struct namesrv *ns, struct slice body, uint64_t change_count,
                        call_done_fn *done)
{
    struct broker *broker = ns->registrar->broker;
    struct arena arena;
    arena_init(&arena);
    struct register_broker_request fields = {
        .broker_name = slice_str(broker->conf.broker_name),
        .broker_addr = slice_str(broker->address),
        .cluster_name = slice_str(broker->conf.cluster_name),
        .ha_server_addr =
            arena_printf(&arena, "%s:%d", broker->conf.broker_ip1, broker->self.port + 1),
        .broker_id = broker->conf.broker_id,
        .enable_acting_master = SLICE("false"),
        .compressed = broker->conf.compressed_register,
        .body_crc32 = (int32_t)crc31(body),
    };
    ns->is_calling = true;
    ns->telling = change_count;
    call(ns, REQ_REGISTER_BROKER, &register_broker_request_fields, &fields, body,
         broker->conf.register_broker_timeout_ms, done);
    arena_fini(&arena);
}

/* A registration was answered. False: the broker stops, and nothing follows on it. */
static bool note_registered(struct namesrv *ns, const struct call_result *result)
{
    struct registrar *r = ns->registrar;
    note_answer(ns, result);
    if (r->is_stopping)
        return false;
    if (ns->is_reachable) {
        take_order_topics(r->broker, result->body);
        return true;
    }
    ns->needs_all = true;
    if (r->retry.at == 0)
        loop_timer_start(r->broker->loop, &r->retry, REGISTER_RETRY_MS);
    return true;
}

/* ---- telling what changed -------------------------------------------------------------------- */

static void registered_changes(void *ctx, const struct call_result *result)
{
    struct namesrv *ns = ctx;
    struct registrar *r = ns->registrar;
    if (!note_registered(ns, result))
        return;
    if (ns->is_reachable)
        ns->told = ns->telling;
    loop_defer(r->broker->loop, &r->round);
}

/* The topics that changed since the name server was last told, as they are now; those that are gone
 * are left to it. */
static void collect_changes(const struct namesrv *ns, struct topic_config *topics, int *count)
{
    const struct broker *broker = ns->registrar->broker;
    uint64_t last = topics_change_count(broker->topics);
    *count = 0;
    for (uint64_t n = ns->told + 1; n <= last; n++) {
        struct slice name = { NULL, 0 };
        bool is_known = topics_change(broker->topics, n, &name);
        assert(is_known);
        const struct topic_config *config = topics_get(broker->topics, name);
        if (config != NULL)
            topics[(*count)++] = announced_topic(broker, config);
    }
}

static void tell_changes(struct namesrv *ns)
{
    struct topics *table = ns->registrar->broker->topics;
    struct topic_config topics[TOPICS_CHANGES_KEPT];
    struct register_body body = { .topics = { .version = *topics_version(table),
                                              .topics = topics } };
    struct buf text = BUF_INIT;
    collect_changes(ns, topics, &body.topics.count);
    register_body_encode(&body, ns->registrar->broker->conf.compressed_register, &text);
    register_at(ns, buf_slice(&text), topics_change_count(table), registered_changes);
    buf_fini(&text);
}

/* ---- telling the whole table ----------------------------------------------------------------- */

static bool round_is_awaited(const struct registrar *r)
{
    for (int i = 0; i < r->server_count; i++)
        if (r->servers[i].is_in_round && r->servers[i].is_calling)
            return true;
    return false;
}

static bool round_has_anyone(const struct registrar *r)
{
    for (int i = 0; i < r->server_count; i++)
        if (r->servers[i].is_in_round)
            return true;
    return false;
}

/* A part was answered; when all have, the next one is made, for those who took this one. */
static void registered_part(void *ctx, const struct call_result *result)
{
    struct namesrv *ns = ctx;
    struct registrar *r = ns->registrar;
    if (!note_registered(ns, result))
        return;
    ns->is_in_round = ns->is_in_round && ns->is_reachable;
    if (round_is_awaited(r))
        return;
    if (round_has_anyone(r)) {
        announcement_next(r->announcement);
    } else {
        announcement_end(r->announcement);
        loop_defer(r->broker->loop, &r->round);
    }
}

static void part_made(void *ctx)
{
    struct registrar *r = ctx;
    bool is_last = announcement_is_last(r->announcement);
    if (r->is_stopping)
        return;
    for (int i = 0; i < r->server_count; i++) {
        struct namesrv *ns = &r->servers[i];
        if (!ns->is_in_round)
            continue;
        ns->is_in_round = !is_last;
        register_at(ns, announcement_body(r->announcement),
                    announcement_change_count(r->announcement),
                    is_last ? registered_changes : registered_part);
    }
    if (is_last) {
        announcement_end(r->announcement);
        loop_defer(r->broker->loop, &r->round);
    }
}

/* Begins an announcement for all who need one and are free to listen. */
static void begin_round(struct registrar *r)
{
    if (announcement_is_under_way(r->announcement))
        return;
    for (int i = 0; i < r->server_count; i++) {
        struct namesrv *ns = &r->servers[i];
        ns->is_in_round = ns->needs_all && !ns->is_calling;
        if (ns->is_in_round)
            ns->needs_all = false;
    }
    announcement_begin(r->announcement);
}

/* ---- asking first ---------------------------------------------------------------------------- */

static void asked(void *ctx, const struct call_result *result)
{
    struct namesrv *ns = ctx;
    struct query_data_version_response answer = { .changed = true };
    if (result->err == 0 && result->header.code == RESP_SUCCESS &&
        fields_decode(&query_data_version_response_fields, FIELD_LONG_NAMES, &result->header,
                      &answer, NULL) != 0)
        answer.changed = true;
    note_answer(ns, result);
    ns->must_ask = false;
    ns->needs_all = ns->needs_all || answer.changed;
    if (!ns->registrar->is_stopping)
        loop_defer(ns->registrar->broker->loop, &ns->registrar->round);
}

static void ask(struct namesrv *ns)
{
    struct broker *broker = ns->registrar->broker;
    struct broker_identity_request fields = identity(broker);
    struct buf body = BUF_INIT;
    data_version_encode(topics_version(broker->topics), &body);
    ns->is_calling = true;
    call(ns, REQ_QUERY_DATA_VERSION, &broker_identity_request_fields, &fields, buf_slice(&body),
         broker->conf.register_broker_timeout_ms, asked);
    buf_fini(&body);
}

/* A change alone tells nothing to a name server that forgot the broker when its connection ended.
 */
static bool changes_are_enough(const struct namesrv *ns, uint64_t count)
{
    const struct broker *broker = ns->registrar->broker;
    return topics_count(broker->topics) > FEW_TOPICS && count <= TOPICS_CHANGES_KEPT &&
           client_is_connected(broker->client, ns->address);
}

/* What a name server does not know yet: with few topics it is told all of them when one changed, as
 * it may then find out which are gone; with many, what changed. */
static void next_step(struct namesrv *ns)
{
    struct registrar *r = ns->registrar;
    uint64_t behind = topics_change_count(r->broker->topics) - ns->told;
    if (ns->is_calling || ns->is_in_round)
        return;
    if (behind > 0 && !changes_are_enough(ns, behind))
        ns->needs_all = true;
    if (ns->needs_all)
        begin_round(r);
    else if (behind > 0)
        tell_changes(ns);
    else if (ns->must_ask)
        ask(ns);
}

static void run_round(struct loop_deferred *deferred)
{
    struct registrar *r =
        (struct registrar *)((char *)deferred - offsetof(struct registrar, round));
    for (int i = 0; i < r->server_count; i++)
        if (r->servers[i].is_reachable)
            next_step(&r->servers[i]);
}

static void period_passed(struct loop_timer *timer)
{
    struct registrar *r = (struct registrar *)((char *)timer - offsetof(struct registrar, period));
    for (int i = 0; i < r->server_count; i++) {
        r->servers[i].must_ask = !r->broker->conf.force_register;
        r->servers[i].needs_all = r->servers[i].needs_all || r->broker->conf.force_register;
    }
    loop_defer(r->broker->loop, &r->round);
    loop_timer_start(r->broker->loop, &r->period, r->broker->conf.register_name_server_period_ms);
}

static void retry_due(struct loop_timer *timer)
{
    struct registrar *r = (struct registrar *)((char *)timer - offsetof(struct registrar, retry));
    for (int i = 0; i < r->server_count; i++)
        if (!r->servers[i].is_reachable)
            next_step(&r->servers[i]);
}

/* ---- from outside ---------------------------------------------------------------------------- */

void registrar_tell_all(struct registrar *registrar)
{
    for (int i = 0; i < registrar->server_count; i++)
        registrar->servers[i].needs_all = true;
    registrar_changed(registrar);
}

void registrar_changed(struct registrar *registrar)
{
    if (registrar->is_stopping)
        return;
    loop_defer(registrar->broker->loop, &registrar->round);
}

static int read_addresses(struct registrar *r, struct slice list)
{
    struct slice address;
    while (name_servers_next(&list, &address)) {
        if (r->server_count == NAMESRV_MAX) {
            log_error("setting_refused key=namesrvAddr reason=\"more than %d\"", NAMESRV_MAX);
            return ERR_INVALID;
        }
        struct namesrv *ns = &r->servers[r->server_count++];
        *ns = (struct namesrv){ .registrar = r,
                                .address = memory_text(address),
                                .is_reachable = true };
    }
    return 0;
}

int registrar_start(struct broker *broker, struct registrar **registrar)
{
    struct registrar *r = calloc(1, sizeof *r);
    if (r == NULL)
        return ERR_NO_MEMORY;
    r->broker = broker;
    loop_timer_init(&r->period, period_passed);
    loop_timer_init(&r->retry, retry_due);
    loop_deferred_init(&r->round, run_round);
    int err = announcement_new(broker, part_made, r, &r->announcement);
    if (err == 0)
        err = read_addresses(r, slice_str(broker->conf.namesrv_addr));
    if (err != 0) {
        registrar_free(r);
        return err;
    }
    if (r->server_count > 0) {
        loop_timer_start(broker->loop, &r->period, broker->conf.register_name_server_period_ms);
        registrar_tell_all(r);
    }
    *registrar = r;
    return 0;
}

static void unregistered(void *ctx, const struct call_result *result)
{
    struct namesrv *ns = ctx;
    (void)result; /* it will notice by itself that the broker is gone */
    ns->is_leaving = false;
}

void registrar_stop(struct registrar *registrar)
{
    struct broker_identity_request fields = identity(registrar->broker);
    registrar->is_stopping = true;
    loop_timer_stop(&registrar->period);
    loop_timer_stop(&registrar->retry);
    loop_undefer(&registrar->round);
    for (int i = 0; i < registrar->server_count; i++) {
        registrar->servers[i].is_leaving = true;
        call(&registrar->servers[i], REQ_UNREGISTER_BROKER, &broker_identity_request_fields,
             &fields, slice_of(NULL, 0), UNREGISTER_TIMEOUT_MS, unregistered);
    }
}

bool registrar_has_work_out(const struct registrar *registrar)
{
    return announcement_is_packing(registrar->announcement);
}

bool registrar_is_idle(const struct registrar *registrar)
{
    for (int i = 0; i < registrar->server_count; i++)
        if (registrar->servers[i].is_leaving)
            return false;
    return true;
}

void registrar_free(struct registrar *registrar)
{
    if (registrar == NULL)
        return;
    loop_timer_stop(&registrar->period);
    loop_timer_stop(&registrar->retry);
    loop_undefer(&registrar->round);
    announcement_free(registrar->announcement);
    for (int i = 0; i < registrar->server_count; i++)
        free(registrar->servers[i].address);
    free(registrar);
}
