/* handle_cold_reads.c - how much groups read from the disk: thresholds of single groups, set (2001)
 * and taken back (2002), and how things stand (2003). They count with coldDataFlowControlEnable.
 * And whether the disk is asked for more than they read (2004). All of it lasts until the broker
 * stops, as with the reference.
 */
#include <assert.h>

#include "base/conf_parse.h"
#include "broker/guard/guard.h"
#include "broker/internal.h"
#include "broker/requests.h"
#include "wire/req_admin.h"

struct thresholds {
    struct limits *limits; /* NULL: they are only looked at */
    struct arena *arena;
    int count;
    struct slice bad_group; /* data NULL: none */
    struct slice bad_value;
};

static int take_threshold(void *ctx, int line, struct slice group, struct slice value)
{
    (void)line;
    struct thresholds *t = ctx;
    int64_t bytes;
    t->count++;
    if (group.len > 0 && slice_to_i64(value, &bytes) && bytes >= 0)
        return t->limits == NULL ? 0 : limits_set_threshold(t->limits, group, bytes);
    t->bad_group = arena_copy(t->arena, group);
    t->bad_value = arena_copy(t->arena, value);
    return ERR_INVALID;
}

/* UPDATE_COLD_DATA_FLOW_CTR_CONFIG: `group=bytes` lines, all or none. */
void handle_put_cold_thresholds(struct broker *broker, struct request *req)
{
    struct limits *limits = guard_limits(broker->guard);
    struct thresholds tried = { .arena = &req->arena };
    struct thresholds kept = { .limits = limits, .arena = &req->arena };
    if (conf_parse(req->body, take_threshold, &tried) != 0) {
        reply_code(req, RESP_INVALID_PARAMETER, "\"%.*s\" of group %.*s is no number of bytes",
                   SLICE_FMT(tried.bad_value), SLICE_FMT(tried.bad_group));
        return;
    }
    if (tried.count > limits_thresholds_left(limits)) {
        reply_code(req, RESP_INVALID_PARAMETER,
                   "%d groups at most have thresholds of their own, and %d more may",
                   LIMITS_THRESHOLDS_MAX, limits_thresholds_left(limits));
        return;
    }
    int err = conf_parse(req->body, take_threshold, &kept);
    assert(err == 0); /* each was looked at, and there is room */
    reply_code(req, RESP_SUCCESS, NULL);
}

/* REMOVE_COLD_DATA_FLOW_CTR_CONFIG: the body is the group's name. */
void handle_remove_cold_threshold(struct broker *broker, struct request *req)
{
    limits_remove_threshold(guard_limits(broker->guard), req->body);
    reply_code(req, RESP_SUCCESS, NULL);
}

static void readers_to_json(struct broker *broker, struct json_out *j)
{
    struct cold_reader reader;
    size_t cursor = 0;
    int64_t now_ns = loop_now_ns(broker->loop), now_ms = loop_now_ms(broker->loop);
    json_key(j, SLICE("runtimeTable"));
    json_object_begin(j);
    while (limits_next_reader(guard_limits(broker->guard), &cursor, now_ns, &reader)) {
        json_key(j, reader.group);
        json_object_begin(j);
        json_member_i64(j, "coldAcc", reader.bytes);
        json_member_i64(j, "createTimeMills", now_ms - (now_ns - reader.first_ns) / 1000000);
        json_member_i64(j, "lastColdReadTimeMills", now_ms - (now_ns - reader.last_ns) / 1000000);
        json_object_end(j);
    }
    json_object_end(j);
}

static void thresholds_to_json(struct broker *broker, struct json_out *j)
{
    struct slice group;
    int64_t bytes;
    size_t cursor = 0;
    json_key(j, SLICE("configTable"));
    json_object_begin(j);
    while (limits_next_threshold(guard_limits(broker->guard), &cursor, &group, &bytes)) {
        json_key(j, group);
        json_i64(j, bytes);
    }
    json_object_end(j);
}

/* GET_COLD_DATA_FLOW_CTR_INFO */
void handle_cold_reads(struct broker *broker, struct request *req)
{
    const struct broker_conf *conf = &broker->conf;
    struct buf body = BUF_INIT;
    struct json_out j = json_out_to(&body, JSON_DIALECT);
    json_object_begin(&j);
    readers_to_json(broker, &j);
    thresholds_to_json(broker, &j);
    json_member_i64(&j, "cgColdReadThreshold", conf->cg_cold_read_threshold);
    json_member_i64(&j, "globalColdReadThreshold", conf->global_cold_read_threshold);
    json_member_i64(&j, "globalAcc",
                    limits_cold_bytes(guard_limits(broker->guard), slice_of(NULL, 0),
                                      loop_now_ns(broker->loop)));
    json_object_end(&j);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}

/* SET_COMMITLOG_READ_MODE: the modes are numbers of madvise(), 0 reads ahead and 1 does not. */
void handle_set_read_ahead(struct broker *broker, struct request *req)
{
    struct read_mode_request fields;
    int32_t mode;
    if (request_fields(req, &read_mode_request_fields, &fields) != 0)
        return;
    if (!slice_to_i32(fields.mode, &mode)) {
        reply_code(req, RESP_SYSTEM_ERROR,
                   "set commitlog readahead mode failed: READ_AHEAD_MODE \"%.*s\" is no number",
                   SLICE_FMT(fields.mode));
    } else if (mode != 0 && mode != 1) {
        reply_code(req, RESP_INVALID_PARAMETER,
                   "set commitlog readahead mode param value error: READ_AHEAD_MODE %d is "
                   "neither 0 nor 1",
                   mode);
    } else {
        store_set_read_ahead(broker->store, mode == 0);
        reply_code(req, RESP_SUCCESS, "set commitlog readahead mode success, mode: %d", mode);
    }
}
