#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "client/client.h"
#include "wire/req_namesrv.h"

enum { QUEUES = 4, MESSAGES = 3 };

/* A loop with a stand-in for name server and broker on it, and one consumer. Topic "orders" has
 * four queues of three messages; the group's retry topic does not exist. */
struct fixture {
    struct loop *loop;
    struct server *server;
    struct client *client;
    struct routes *routes;
    struct consumer *consumer;
    char address[64];
    const char *members;    /* what the broker says, JSON */
    struct peer *peer;      /* the consumer's connection */
    int64_t stored[QUEUES]; /* the group's offsets, -1: none */
    int heartbeats;
    int farewells;
    int received[QUEUES];
    int received_count;
    int wanted;       /* the loop stops at so many messages */
    int refuse_after; /* on_message takes no more than so many */
    int parked;
    bool has_left;
};

static void reply_route(struct fixture *f, struct request *req)
{
    if (!slice_eq(header_ext(&req->header, SLICE("topic")), SLICE("orders"))) {
        reply_code(req, RESP_TOPIC_NOT_EXIST, "No topic route info");
        return;
    }
    char body[512];
    snprintf(body, sizeof body,
             "{\"brokerDatas\":[{\"brokerAddrs\":{\"0\":\"%s\"},\"brokerName\":\"b\"}],"
             "\"queueDatas\":[{\"brokerName\":\"b\",\"perm\":6,\"readQueueNums\":%d,"
             "\"writeQueueNums\":%d}]}",
             f->address, QUEUES, QUEUES);
    reply_body(req, slice_str(body));
}

static void answer_offset_of_group(struct fixture *f, struct request *req)
{
    struct query_consumer_offset_request fields;
    assert_int_equal(request_fields(req, &query_consumer_offset_request_fields, &fields), 0);
    struct offset_response response = { f->stored[fields.queue_id] };
    if (response.offset < 0)
        reply_code(req, RESP_QUERY_NOT_FOUND, "Not found");
    else
        reply_fields(req, RESP_SUCCESS, slice_of(NULL, 0), &offset_response_fields, &response,
                     slice_of(NULL, 0));
}

static void answer_pull_of(struct fixture *f, struct request *req)
{
    struct pull_request fields;
    assert_int_equal(request_fields(req, &pull_request_fields, &fields), 0);
    if (fields.queue_offset >= MESSAGES) { /* nothing comes any more: parked for the test's life */
        f->parked++;
        request_drop(req);
        return;
    }
    struct record record = { .queue_id = fields.queue_id,
                             .queue_offset = fields.queue_offset,
                             .topic = SLICE("orders"),
                             .body = SLICE("x") };
    uint8_t bytes[256];
    assert_true(record_bytes(&record) <= sizeof bytes);
    record_encode(&record, bytes);
    record_stamp(bytes, fields.queue_offset, 0, 0);
    struct pull_response response = { .next_begin_offset = fields.queue_offset + 1,
                                      .max_offset = MESSAGES };
    reply_fields(req, RESP_SUCCESS, SLICE("FOUND"), &pull_response_fields, &response,
                 slice_of(bytes, record_bytes(&record)));
}

static void answer_commit(struct fixture *f, struct request *req)
{
    struct update_consumer_offset_request fields;
    assert_int_equal(request_fields(req, &update_consumer_offset_request_fields, &fields), 0);
    f->stored[fields.queue_id] = fields.commit_offset;
    reply_code(req, RESP_SUCCESS, NULL);
}

static void answer(void *ctx, struct request *req)
{
    struct fixture *f = ctx;
    struct offset_response end = { MESSAGES };
    f->peer = req->peer;
    switch (req->header.code) {
    case REQ_GET_ROUTEINFO_BY_TOPIC:
        reply_route(f, req);
        break;
    case REQ_HEART_BEAT:
        f->heartbeats++;
        reply_code(req, RESP_SUCCESS, NULL);
        break;
    case REQ_GET_CONSUMER_LIST_BY_GROUP:
        reply_body(req, slice_str(f->members));
        break;
    case REQ_QUERY_CONSUMER_OFFSET:
        answer_offset_of_group(f, req);
        break;
    case REQ_GET_MAX_OFFSET:
        reply_fields(req, RESP_SUCCESS, slice_of(NULL, 0), &offset_response_fields, &end,
                     slice_of(NULL, 0));
        break;
    case REQ_PULL_MESSAGE:
        answer_pull_of(f, req);
        break;
    case REQ_UPDATE_CONSUMER_OFFSET:
        answer_commit(f, req);
        break;
    case REQ_UNREGISTER_CLIENT:
        f->farewells++;
        reply_code(req, RESP_SUCCESS, NULL);
        break;
    default:
        fail_msg("code %d", req->header.code);
    }
    if (f->parked == f->wanted)
        loop_stop(f->loop);
}

static bool on_message(void *ctx, const struct message_queue *queue, const struct record *record)
{
    struct fixture *f = ctx;
    if (f->received_count == f->refuse_after)
        return false;
    assert_true(slice_eq(queue->topic, SLICE("orders")));
    assert_int_equal(record->queue_offset, f->received[queue->queue_id]); /* in order, none twice */
    f->received[queue->queue_id]++;
    if (++f->received_count == f->refuse_after)
        loop_stop(f->loop);
    return true;
}

static void on_trouble(void *ctx, const char *text)
{
    (void)ctx;
    fail_msg("%s", text);
}

static void on_push(void *ctx, struct request *req)
{
    consumer_on_request(((struct fixture *)ctx)->consumer, req);
}

static void left(void *ctx)
{
    loop_stop(((struct fixture *)ctx)->loop);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    for (int i = 0; i < QUEUES; i++)
        f->stored[i] = -1;
    f->refuse_after = -1;
    f->wanted = -1;
    f->members = "{\"consumerIdList\":[\"me\"]}";
    assert_int_equal(loop_new("test", &f->loop), 0);
    struct server_options server;
    server_options_init(&server);
    server.host = "127.0.0.1";
    server.port = 0;
    server.on_request = answer;
    server.ctx = f;
    assert_int_equal(server_start(f->loop, &server, &f->server), 0);
    snprintf(f->address, sizeof f->address, "127.0.0.1:%d", server_port(f->server));
    struct client_options client;
    client_options_init(&client);
    client.on_request = on_push;
    client.ctx = f;
    assert_int_equal(client_new(f->loop, &client, &f->client), 0);
    assert_int_equal(routes_new(f->loop, f->client, f->address, &f->routes), 0);
    *state = f;
    return 0;
}

static void leave(struct fixture *f)
{
    f->has_left = true;
    f->wanted = -1;
    consumer_stop(f->consumer, left, f);
    loop_run(f->loop);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (!f->has_left)
        leave(f);
    client_free(f->client);
    consumer_free(f->consumer);
    routes_free(f->routes);
    server_free(f->server);
    loop_free(f->loop);
    free(f);
    return 0;
}

/* Runs until the consumer waits at the end of `queues` queues, or took what it wants. */
static void consume(struct fixture *f, bool from_first, int queues)
{
    struct consumer_options options = {
        .loop = f->loop,
        .client = f->client,
        .routes = f->routes,
        .topic = SLICE("orders"),
        .group = SLICE("g"),
        .client_id = SLICE("me"),
        .from_first = from_first,
        .on_message = on_message,
        .on_trouble = on_trouble,
        .ctx = f,
    };
    f->wanted = queues;
    assert_int_equal(consumer_start(&options, &f->consumer), 0);
    loop_run(f->loop);
}

/* Goal: a lone member reads all queues from the first message when told so; on leaving it commits
 * what it took and says farewell. */
static void a_lone_member_reads_everything_and_commits(void **state)
{
    struct fixture *f = *state;
    consume(f, true, QUEUES);
    assert_int_equal(f->received_count, QUEUES * MESSAGES);
    assert_int_equal(f->heartbeats, 1);
    leave(f);
    for (int i = 0; i < QUEUES; i++)
        assert_int_equal(f->stored[i], MESSAGES);
    assert_int_equal(f->farewells, 1);
}

/* Goal: a new group begins with the next message unless told otherwise. */
static void a_new_group_begins_at_the_end(void **state)
{
    struct fixture *f = *state;
    consume(f, false, QUEUES);
    assert_int_equal(f->received_count, 0);
}

/* Goal: a group goes on where it stood.
 * Method: an offset is stored for one queue. */
static void a_group_goes_on_where_it_stood(void **state)
{
    struct fixture *f = *state;
    f->stored[2] = 1;
    f->received[2] = 1;
    consume(f, false, QUEUES);
    assert_int_equal(f->received[2], MESSAGES);
    assert_int_equal(f->received_count, MESSAGES - 1);
}

/* Goal: of two members each has half of the queues, by the order of their ids.
 * Method: the other one sorts before us, so ours is the second half. */
static void a_member_takes_its_share(void **state)
{
    struct fixture *f = *state;
    f->members = "{\"consumerIdList\":[\"me\",\"another\"]}";
    consume(f, true, QUEUES / 2);
    assert_int_equal(f->received[0] + f->received[1], 0);
    assert_int_equal(f->received_count, QUEUES / 2 * MESSAGES);
}

/* Goal: told of a change, a member shares anew at once, and commits what it gives away.
 * Method: alone at first; then another member is listed and the change is told. */
static void a_change_is_followed_at_once(void **state)
{
    struct fixture *f = *state;
    consume(f, true, QUEUES);
    f->members = "{\"consumerIdList\":[\"another\",\"me\"]}";
    struct ext_field group = { SLICE("consumerGroup"), SLICE("g") };
    struct call call = { .code = REQ_NOTIFY_CONSUMER_IDS_CHANGED, .ext = &group, .ext_count = 1 };
    peer_tell(f->peer, &call);
    while (f->stored[0] < 0 || f->stored[1] < 0) {
        f->wanted = f->parked; /* stop after each request that is answered */
        loop_run(f->loop);
    }
    assert_int_equal(f->heartbeats, 2);
    assert_int_equal(f->stored[0], MESSAGES);
    assert_int_equal(f->stored[3], -1);
}

/* Goal: a message that was not taken is not committed.
 * Method: take two messages, refuse the rest, leave. */
static void what_was_not_taken_is_not_committed(void **state)
{
    struct fixture *f = *state;
    f->refuse_after = 2;
    consume(f, true, QUEUES);
    leave(f);
    int64_t committed = 0;
    for (int i = 0; i < QUEUES; i++)
        committed += f->stored[i] < 0 ? 0 : f->stored[i];
    assert_int_equal(committed, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_lone_member_reads_everything_and_commits, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_new_group_begins_at_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(a_group_goes_on_where_it_stood, setup, teardown),
        cmocka_unit_test_setup_teardown(a_member_takes_its_share, setup, teardown),
        cmocka_unit_test_setup_teardown(a_change_is_followed_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_not_taken_is_not_committed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
