/* register.c - tells every name server which topics this broker has. */
#include "broker/register.h"

#include <assert.h>
#include <stdlib.h>

#include "base/crc.h"
#include "base/log.h"
#include "broker/internal.h"
#include "wire/body_lists.h"
#include "wire/body_register.h"
#include "wire/req_namesrv.h"

enum { NAMESRV_MAX = 16, UNREGISTER_TIMEOUT_MS = 3000 };
/* How soon a name server that did not take a registration is told again. */
enum { REGISTER_RETRY_MS = 2000 };

struct namesrv {
    struct registrar *registrar;
    char *address;
    bool is_calling;   /* one call at a time */
    bool is_stale;     /* topics changed since the registration under way was made */
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

/* All topics; what the broker as a whole may not do no topic may. */
static void append_topics(struct broker *broker, struct arena *arena, struct buf *out)
{
    struct topic_config *topics = arena_alloc(arena, topics_count(broker->topics) * sizeof *topics);
    struct register_body body = {
        .topics = { .version = *topics_version(broker->topics), .topics = topics },
    };
    size_t cursor = 0;
    const struct topic_config *config;
    while (topics_next(broker->topics, &cursor, &config)) {
        struct topic_config *topic = &topics[body.topics.count++];
        *topic = *config;
        if ((broker->conf.broker_permission & PERM_READ) == 0)
            topic->perm &= ~PERM_READ;
        if ((broker->conf.broker_permission & PERM_WRITE) == 0)
            topic->perm &= ~PERM_WRITE;
    }
    register_body_encode(&body, broker->conf.compressed_register, out);
}

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
    ns->is_calling = false;
}

static void next_step(struct namesrv *ns);

static void registered(void *ctx, const struct call_result *result)
{
    struct namesrv *ns = ctx;
    note_answer(ns, result);
    struct registrar *r = ns->registrar;
    if (r->is_stopping)
        return;
    if (ns->is_reachable)
        take_order_topics(r->broker, result->body);
    else if (r->retry.at == 0)
        loop_timer_start(r->broker->loop, &r->retry, REGISTER_RETRY_MS);
    if (ns->is_reachable && ns->is_stale)
        next_step(ns);
}

static void register_at(struct namesrv *ns)
{
    struct broker *broker = ns->registrar->broker;
    struct arena arena;
    struct buf body = BUF_INIT;
    arena_init(&arena);
    append_topics(broker, &arena, &body);
    struct register_broker_request fields = {
        .broker_name = slice_str(broker->conf.broker_name),
        .broker_addr = slice_str(broker->address),
        .cluster_name = slice_str(broker->conf.cluster_name),
        .ha_server_addr =
            arena_printf(&arena, "%s:%d", broker->conf.broker_ip1, broker->self.port + 1),
        .broker_id = broker->conf.broker_id,
        .enable_acting_master = SLICE("false"),
        .compressed = broker->conf.compressed_register,
        .body_crc32 = (int32_t)crc31(buf_slice(&body)),
    };
    ns->is_stale = false;
    ns->is_calling = true;
    call(ns, REQ_REGISTER_BROKER, &register_broker_request_fields, &fields, buf_slice(&body),
         broker->conf.register_broker_timeout_ms, registered);
    buf_fini(&body);
    arena_fini(&arena);
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
    if (!ns->registrar->is_stopping && (answer.changed || ns->is_stale))
        register_at(ns);
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

static void next_step(struct namesrv *ns)
{
    if (ns->is_calling)
        return;
    if (ns->must_ask && !ns->is_stale)
        ask(ns);
    else
        register_at(ns);
}

static void run_round(struct loop_deferred *deferred)
{
    struct registrar *r =
        (struct registrar *)((char *)deferred - offsetof(struct registrar, round));
    for (int i = 0; i < r->server_count; i++)
        next_step(&r->servers[i]);
}

static void period_passed(struct loop_timer *timer)
{
    struct registrar *r = (struct registrar *)((char *)timer - offsetof(struct registrar, period));
    for (int i = 0; i < r->server_count; i++)
        r->servers[i].must_ask = !r->broker->conf.force_register;
    loop_defer(r->broker->loop, &r->round);
    loop_timer_start(r->broker->loop, &r->period, r->broker->conf.register_name_server_period_ms);
}

static void retry_due(struct loop_timer *timer)
{
    struct registrar *r = (struct registrar *)((char *)timer - offsetof(struct registrar, retry));
    for (int i = 0; i < r->server_count; i++)
        if (!r->servers[i].is_reachable && !r->servers[i].is_calling)
            register_at(&r->servers[i]);
}

/* ---- from outside ---------------------------------------------------------------------------- */

void registrar_changed(struct registrar *registrar)
{
    if (registrar->is_stopping)
        return;
    for (int i = 0; i < registrar->server_count; i++)
        registrar->servers[i].is_stale = true;
    loop_defer(registrar->broker->loop, &registrar->round);
}

/* Splits "host:port;host:port". */
static int read_addresses(struct registrar *r, const char *text)
{
    char *copy = strdup(text);
    char *rest = copy, *address;
    int err = copy == NULL ? ERR_NO_MEMORY : 0;
    while (err == 0 && (address = strsep(&rest, ";")) != NULL) {
        if (*address == '\0')
            continue;
        if (r->server_count == NAMESRV_MAX) {
            log_error("setting_refused key=namesrvAddr reason=\"more than %d\"", NAMESRV_MAX);
            err = ERR_INVALID;
            break;
        }
        struct namesrv *ns = &r->servers[r->server_count++];
        *ns = (struct namesrv){ .registrar = r, .address = strdup(address), .is_reachable = true };
        err = ns->address == NULL ? ERR_NO_MEMORY : 0;
    }
    free(copy);
    return err;
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
    int err = read_addresses(r, broker->conf.namesrv_addr);
    if (err != 0) {
        registrar_free(r);
        return err;
    }
    if (r->server_count > 0) {
        loop_timer_start(broker->loop, &r->period, broker->conf.register_name_server_period_ms);
        registrar_changed(r);
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
    for (int i = 0; i < registrar->server_count; i++)
        free(registrar->servers[i].address);
    free(registrar);
}
