#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "remoting/remoting.h"

/* What the handler does with a request: its code says it. */
enum { ECHO = 1, PARK = 2, NEEDS_TOPIC = 3, DROP = 4, LEAVE_TWO_UNTIMED = 5 };

enum { PENDING_MAX = 4 };

struct fixture {
    struct loop *loop;
    struct server *server;
    int port;
    int fd;             /* a client by hand, non-blocking */
    struct buf answers; /* what it received so far */
    bool ended;         /* it received the end */
    int requests;
    uint32_t timed; /* a bit for each of the latest: does it say when it was begun? */
    int peers_closed;
    struct list parked;
    struct loop_timer step;
    bool (*until)(struct fixture *f);
};

struct topic_request {
    struct slice topic;
    int32_t queue_id;
};
static const struct field topic_rows[] = {
    FIELD(struct topic_request, topic, "topic", FIELD_STRING, FIELD_MANDATORY),
    FIELD_OR(struct topic_request, queue_id, "queueId", FIELD_I32, 7),
};
static const struct fields topic_fields = FIELDS(topic_rows, struct topic_request);

static void on_request(void *ctx, struct request *req)
{
    struct fixture *f = ctx;
    struct topic_request topic;
    f->timed = f->timed << 1 | (req->begun_ticks != 0);
    f->requests++;
    switch (req->header.code) {
    case ECHO:
        reply_body(req, req->body);
        break;
    case PARK:
        request_detach(req);
        list_append(&f->parked, &req->link);
        break;
    case NEEDS_TOPIC:
        if (request_fields(req, &topic_fields, &topic) == 0)
            reply_fields(req, 0, slice_of(NULL, 0), &topic_fields, &topic, slice_of(NULL, 0));
        break;
    case DROP:
        request_drop(req);
        break;
    case LEAVE_TWO_UNTIMED:
        peer_leave_untimed(req->peer, 2);
        request_drop(req);
        break;
    default:
        reply_code(req, RESP_REQUEST_CODE_NOT_SUPPORTED, " request type %d not supported",
                   req->header.code);
    }
}

static void on_peer_closed(void *ctx, struct peer *peer)
{
    struct fixture *f = ctx;
    assert_false(peer_is_open(peer));
    f->peers_closed++;
}

static int dial(struct fixture *f)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)f->port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    list_init(&f->parked);
    struct server_options options;
    server_options_init(&options);
    options.host = "127.0.0.1";
    options.pending_max = PENDING_MAX;
    options.on_request = on_request;
    options.on_peer_closed = on_peer_closed;
    options.ctx = f;
    if (loop_new("test", &f->loop) != 0 || server_start(f->loop, &options, &f->server) != 0)
        return -1;
    f->port = server_port(f->server);
    f->fd = dial(f);
    return 0;
}

static struct request *take_parked(struct fixture *f)
{
    struct request *req = list_entry(f->parked.next, struct request, link);
    list_remove(&req->link);
    return req;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    while (!list_empty(&f->parked))
        request_drop(take_parked(f));
    server_free(f->server);
    loop_free(f->loop);
    close(f->fd);
    buf_fini(&f->answers);
    free(f);
    return 0;
}

static void receive(struct fixture *f)
{
    for (;;) {
        ssize_t n = recv(f->fd, buf_reserve(&f->answers, 65536), 65536, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            f->ended = true;
        if (n <= 0)
            return;
        f->answers.len += (size_t)n;
    }
}

static void on_step(struct loop_timer *timer)
{
    struct fixture *f = list_entry(timer, struct fixture, step);
    receive(f);
    if (f->until(f))
        loop_stop(f->loop);
    else
        loop_timer_start(f->loop, timer, 1);
}

static void run_until(struct fixture *f, bool (*until)(struct fixture *f))
{
    f->until = until;
    loop_timer_init(&f->step, on_step);
    loop_timer_start(f->loop, &f->step, 0);
    loop_run(f->loop);
}

/* A frame by hand: JSON header text and body. */
static void append_frame(struct buf *out, const char *header, const char *body)
{
    buf_append_be32(out, (uint32_t)(4 + strlen(header) + strlen(body)));
    buf_append_be32(out, (uint32_t)strlen(header));
    buf_append(out, header, strlen(header));
    buf_append(out, body, strlen(body));
}

static void append_request(struct buf *out, int code, int opaque, int flag, const char *body)
{
    char header[160];
    snprintf(header, sizeof header,
             "{\"code\":%d,\"flag\":%d,\"language\":\"GO\",\"opaque\":%d,\"version\":413}", code,
             flag, opaque);
    append_frame(out, header, body);
}

static void say(struct fixture *f, struct buf *bytes)
{
    assert_int_equal(send(f->fd, bytes->data, bytes->len, MSG_NOSIGNAL), bytes->len);
    buf_fini(bytes);
}

static void request(struct fixture *f, int code, int opaque, int flag, const char *body)
{
    struct buf out = BUF_INIT;
    append_request(&out, code, opaque, flag, body);
    say(f, &out);
}

static int answer_count(const struct fixture *f)
{
    int count = 0;
    for (size_t at = 0; at + 4 <= f->answers.len; at += 4 + get_be32(f->answers.data + at))
        count += at + 4 + get_be32(f->answers.data + at) <= f->answers.len;
    return count;
}

/* The n-th answer: its header as text, in a buffer that the next call uses again; the body. */
static const char *answer(const struct fixture *f, int n, struct slice *body)
{
    static char header[1024];
    size_t at = 0;
    for (; n > 0; n--)
        at += 4 + get_be32(f->answers.data + at);
    size_t total = get_be32(f->answers.data + at);
    size_t header_len = get_be32(f->answers.data + at + 4) & 0xFFFFFF;
    assert_true(header_len < sizeof header);
    memcpy(header, f->answers.data + at + 8, header_len);
    header[header_len] = 0;
    *body = slice_of(f->answers.data + at + 8 + header_len, total - 4 - header_len);
    return header;
}

static bool has_one_answer(struct fixture *f)
{
    return answer_count(f) >= 1;
}

static bool has_two_answers(struct fixture *f)
{
    return answer_count(f) >= 2;
}

static bool has_ended(struct fixture *f)
{
    return f->ended;
}

/* Goal: a request is answered with its opaque, as a response, with the body.
 * Method: one frame by hand; the answer's header as text. */
static void a_request_is_answered(void **state)
{
    struct fixture *f = *state;
    struct slice body;
    request(f, ECHO, 42, 0, "hello");
    run_until(f, has_one_answer);
    const char *header = answer(f, 0, &body);
    assert_non_null(strstr(header, "\"code\":0"));
    assert_non_null(strstr(header, "\"opaque\":42"));
    assert_non_null(strstr(header, "\"flag\":1"));
    assert_non_null(strstr(header, "\"language\":\"JAVA\""));
    assert_true(slice_eq(body, SLICE("hello")));
}

/* Goal: the answer comes in the serialization of the request.
 * Method: a binary header by hand: code, language, version, opaque, flag, no remark, no ext fields.
 */
static void a_binary_request_gets_a_binary_answer(void **state)
{
    struct fixture *f = *state;
    struct buf out = BUF_INIT;
    buf_append_be32(&out, 4 + 21 + 2);
    buf_append_be32(&out, 1u << 24 | 21);
    buf_append(&out, (const uint8_t[]){ 0, ECHO, 12, 413 >> 8, 413 & 0xFF }, 5);
    buf_append_be32(&out, 77);
    buf_append_be32(&out, 0);
    buf_append_be32(&out, 0);
    buf_append_be32(&out, 0);
    buf_append(&out, "hi", 2);
    say(f, &out);
    run_until(f, has_one_answer);
    assert_int_equal(f->answers.data[4], 1);
    assert_int_equal(get_be32(f->answers.data + 8 + 5), 77);
    assert_int_equal(get_be32(f->answers.data + 8 + 9), 1);
    assert_memory_equal(f->answers.data + f->answers.len - 2, "hi", 2);
}

/* Goal: one-way requests get no answer, not even a refusal.
 * Method: three one-way requests of different fates before an ordinary one: one answer, the last.
 */
static void one_way_requests_get_no_answer(void **state)
{
    struct fixture *f = *state;
    struct slice body;
    request(f, ECHO, 1, 2, "");
    request(f, 9999, 2, 2, "");
    request(f, NEEDS_TOPIC, 3, 2, "");
    request(f, 9999, 4, 0, "");
    run_until(f, has_one_answer);
    assert_int_equal(f->requests, 4);
    assert_int_equal(answer_count(f), 1);
    const char *header = answer(f, 0, &body);
    assert_non_null(strstr(header, "\"opaque\":4"));
    assert_non_null(strstr(header, "\"code\":3,"));
    assert_non_null(strstr(header, "\"remark\":\" request type 9999 not supported\""));
}

/* Goal: fields are decoded by table; a missing mandatory one is answered with its name.
 * Method: a request without ext fields, then one with the topic only. */
static void missing_fields_are_named(void **state)
{
    struct fixture *f = *state;
    struct slice body;
    struct buf out = BUF_INIT;
    request(f, NEEDS_TOPIC, 1, 0, "");
    append_frame(&out, "{\"code\":3,\"opaque\":2,\"extFields\":{\"topic\":\"T\"}}", "");
    say(f, &out);
    run_until(f, has_two_answers);
    const char *header = answer(f, 0, &body);
    assert_non_null(strstr(header, "\"code\":1,"));
    assert_non_null(strstr(header, "topic"));
    header = answer(f, 1, &body);
    assert_non_null(strstr(header, "\"code\":0"));
    assert_non_null(strstr(header, "\"topic\":\"T\""));
}

static bool always(struct fixture *f)
{
    (void)f;
    return true;
}

static bool has_300_answers(struct fixture *f)
{
    return answer_count(f) == 300;
}

/* Goal: frames are found however the bytes are cut, and pipelined requests are answered in order.
 * Method: a hundred frames in single bytes, two hundred in one write. */
static void frames_are_found_in_any_pieces(void **state)
{
    struct fixture *f = *state;
    struct buf out = BUF_INIT;
    for (int i = 0; i < 100; i++)
        append_request(&out, ECHO, i, 0, "piece");
    for (size_t i = 0; i < out.len; i++) {
        assert_int_equal(send(f->fd, out.data + i, 1, MSG_NOSIGNAL), 1);
        if (i % 16 == 0)
            run_until(f, always);
    }
    buf_clear(&out);
    for (int i = 100; i < 300; i++)
        append_request(&out, ECHO, i, 0, "piece");
    say(f, &out);
    run_until(f, has_300_answers);
    for (int i = 0; i < 300; i++) {
        struct slice body;
        char opaque[32];
        snprintf(opaque, sizeof opaque, "\"opaque\":%d,", i);
        assert_non_null(strstr(answer(f, i, &body), opaque));
        assert_true(slice_eq(body, SLICE("piece")));
    }
}

/* Goal: what is no frame ends that connection, and no other.
 * Method: each kind of bad frame on a connection of its own, beside one that goes on. */
static void bad_frames_end_their_connection_only(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint32_t total, type_and_header;
        const char *rest;
    } frames[] = {
        { 0, 0, "" },                          /* shorter than its own fields */
        { 3, 0, "" },                          /* the same */
        { 0x7FFFFFFF, 20, "" },                /* huge */
        { 0xFFFFFFF0, 20, "" },                /* negative */
        { 16777213, 20, "" },                  /* one byte over the largest frame */
        { 30, 0, "{}" },                       /* no header */
        { 30, 27, "{}" },                      /* header longer than the frame */
        { 12, 7u << 24 | 8, "{\"a\":1 }" },    /* unknown type */
        { 12, 8, "nonsense" },                 /* header that is not JSON */
        { 12, 8, "[1,2,3] " },                 /* JSON, but no object */
        { 12, 1u << 24 | 8, "shorter " },      /* binary header cut off */
        { 0x16030100, 0x01020304, "\1\2\3\4" } /* TLS */
    };
    int good = f->fd;
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        struct buf out = BUF_INIT;
        f->fd = dial(f);
        f->ended = false;
        buf_append_be32(&out, frames[i].total);
        buf_append_be32(&out, frames[i].type_and_header);
        buf_append(&out, frames[i].rest, strlen(frames[i].rest));
        say(f, &out);
        run_until(f, has_ended);
        close(f->fd);
    }
    f->fd = good;
    f->ended = false;
    assert_int_equal(f->requests, 0);
    request(f, ECHO, 1, 0, "still here");
    run_until(f, has_one_answer);
}

static bool pending_max_are_parked(struct fixture *f)
{
    return f->requests == PENDING_MAX;
}

static bool ten_are_answered(struct fixture *f)
{
    while (!list_empty(&f->parked)) {
        struct request *req = take_parked(f);
        reply_body(req, req->body);
    }
    return answer_count(f) == 10;
}

/* Goal: a peer with as many requests in hand as allowed is not read further until some are
 * answered; what was kept is not disturbed by later input. Method: ten requests are parked, in one
 * write; four arrive; answering lets the others in. */
static void a_peer_with_much_in_hand_waits(void **state)
{
    struct fixture *f = *state;
    struct buf out = BUF_INIT;
    char body[32];
    for (int i = 0; i < 10; i++) {
        snprintf(body, sizeof body, "body %d", i);
        append_request(&out, PARK, i, 0, body);
    }
    say(f, &out);
    run_until(f, pending_max_are_parked);
    for (int i = 0; i < 5; i++)
        run_until(f, pending_max_are_parked);
    run_until(f, ten_are_answered);
    for (int i = 0; i < 10; i++) {
        struct slice got;
        answer(f, i, &got);
        snprintf(body, sizeof body, "body %d", i);
        assert_true(slice_eq(got, slice_str(body)));
    }
}

static bool six_came(struct fixture *f)
{
    return f->requests == 6;
}

static bool seven_came(struct fixture *f)
{
    return f->requests == 7;
}

/* Goal: a request says when it was begun, unless the one before it spared it that and one read
 * brought them both.
 * Method: in one write a request, one that spares two, three more, one that spares two; another. */
static void requests_say_when_they_were_begun(void **state)
{
    struct fixture *f = *state;
    static const int codes[] = { DROP, LEAVE_TWO_UNTIMED, DROP, DROP, DROP, LEAVE_TWO_UNTIMED };
    struct buf out = BUF_INIT;
    for (int i = 0; i < 6; i++)
        append_request(&out, codes[i], i, 0, "");
    say(f, &out);
    run_until(f, six_came);
    request(f, DROP, 6, 0, "");
    run_until(f, seven_came);
    assert_int_equal(f->timed, 0x67); /* 1100111 */
}

static bool one_is_parked(struct fixture *f)
{
    return !list_empty(&f->parked);
}

static bool one_peer_closed(struct fixture *f)
{
    return f->peers_closed == 1;
}

/* Goal: an answer to a peer that has gone is harmless, and its end is told once.
 * Method: park, reset the connection, wait for the end, answer. */
static void answers_to_the_gone_are_dropped(void **state)
{
    struct fixture *f = *state;
    struct linger reset = { 1, 0 };
    request(f, PARK, 1, 0, "");
    run_until(f, one_is_parked);
    setsockopt(f->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(f->fd);
    f->fd = socket(AF_INET, SOCK_STREAM, 0);
    run_until(f, one_peer_closed);
    reply_code(take_parked(f), 0, "late");
    assert_int_equal(server_peer_count(f->server), 0);
    assert_int_equal(f->peers_closed, 1);
}

/* Goal: a consumer that closes while a pull of its is parked is missed within seconds.
 * Method: park, close in order (no reset), wait for the end. */
static void a_peer_that_leaves_with_requests_parked_is_missed(void **state)
{
    struct fixture *f = *state;
    request(f, PARK, 1, 0, "");
    run_until(f, one_is_parked);
    close(f->fd);
    f->fd = socket(AF_INET, SOCK_STREAM, 0);
    run_until(f, one_peer_closed);
}

static bool is_drained(struct fixture *f)
{
    return server_is_drained(f->server);
}

/* Goal: stopping takes no new connections and no new requests, while those in hand are answered.
 * Method: park one, stop, send another, answer the first; only one answer, then drained. */
static void stopping_answers_what_is_in_hand(void **state)
{
    struct fixture *f = *state;
    request(f, PARK, 1, 0, "in hand");
    run_until(f, one_is_parked);
    server_stop_accepting(f->server);
    request(f, ECHO, 2, 0, "too late");
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)f->port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), -1);
    close(fd);
    assert_false(server_is_drained(f->server));
    struct request *req = take_parked(f);
    reply_body(req, req->body);
    run_until(f, is_drained);
    run_until(f, has_one_answer);
    assert_int_equal(f->requests, 1);
}

#define SERVER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(a_request_is_answered),
        SERVER_TEST(a_binary_request_gets_a_binary_answer),
        SERVER_TEST(one_way_requests_get_no_answer),
        SERVER_TEST(missing_fields_are_named),
        SERVER_TEST(frames_are_found_in_any_pieces),
        SERVER_TEST(bad_frames_end_their_connection_only),
        SERVER_TEST(a_peer_with_much_in_hand_waits),
        SERVER_TEST(requests_say_when_they_were_begun),
        SERVER_TEST(answers_to_the_gone_are_dropped),
        SERVER_TEST(a_peer_that_leaves_with_requests_parked_is_missed),
        SERVER_TEST(stopping_answers_what_is_in_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
