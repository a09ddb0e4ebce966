#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "bench/sender.h"

/* A listener whose backlog takes the connection; the test is the server. */
struct rig {
    struct send_frame frame;
    struct sender sender;
    int listen_fd;
    int server_fd;
    uint8_t *got; /* what the server has received */
    size_t got_bytes, got_cap;
};

static void open_rig(struct rig *rig, size_t body_bytes, int outstanding)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    const struct send_frame_options options = {
        .type = SERIALIZE_BINARY, .topic = "t", .queue_count = 3, .body_bytes = body_bytes
    };
    assert_int_equal(send_frame_init(&rig->frame, &options), 0);
    rig->listen_fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(rig->listen_fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(rig->listen_fd, 1), 0);
    assert_int_equal(getsockname(rig->listen_fd, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(sender_open(&rig->sender, &address, false, &rig->frame, 0, outstanding,
                                 INT64_C(1000000000)),
                     0);
    rig->server_fd = accept(rig->listen_fd, NULL, NULL);
    assert_true(rig->server_fd >= 0);
    rig->got_cap = 64 << 20;
    rig->got = malloc(rig->got_cap);
    rig->got_bytes = 0;
}

static void close_rig(struct rig *rig)
{
    sender_close(&rig->sender);
    send_frame_fini(&rig->frame);
    close(rig->server_fd);
    close(rig->listen_fd);
    free(rig->got);
}

static void take_all(struct rig *rig)
{
    ssize_t got;
    while ((got = recv(rig->server_fd, rig->got + rig->got_bytes, rig->got_cap - rig->got_bytes,
                       MSG_DONTWAIT)) > 0)
        rig->got_bytes += (size_t)got;
}

/* What was sent may be on its way for a moment. */
static void take_frames(struct rig *rig, size_t count)
{
    while (rig->got_bytes < count * rig->frame.bytes)
        take_all(rig);
}

/* Answers the index-th request that came by sending it back. */
static void answer(struct rig *rig, size_t index)
{
    const uint8_t *frame = rig->got + index * rig->frame.bytes;
    assert_true((index + 1) * rig->frame.bytes <= rig->got_bytes);
    assert_int_equal(send(rig->server_fd, frame, rig->frame.bytes, 0), rig->frame.bytes);
}

static uint32_t number_at(const struct rig *rig, size_t index)
{
    return get_be32(rig->got + index * rig->frame.bytes + rig->frame.opaque_at) - 1000000000;
}

/* Of what has come. */
static bool next(struct rig *rig, int64_t *start_ns)
{
    int32_t code;
    int err = sender_receive(&rig->sender);
    assert_int_equal(err, 0);
    bool got = sender_next_answer(&rig->sender, start_ns, &code, &err);
    assert_int_equal(err, 0);
    return got;
}

static void await_next(struct rig *rig, int64_t *start_ns)
{
    while (!next(rig, start_ns))
        continue; /* it comes in parts, and a moment later */
}

/* Goal: the window bounds what is under way, and answers out of order end the right messages. */
static void answers_end_their_own_messages(void **state)
{
    (void)state;
    struct rig rig;
    int64_t start_ns;
    open_rig(&rig, 10, 3);
    for (int i = 0; i < 3; i++)
        sender_put(&rig.sender, 100 + i, 0);
    assert_false(sender_has_room(&rig.sender));
    assert_int_equal(sender_write(&rig.sender), 0);
    take_frames(&rig, 3);
    answer(&rig, 2);
    answer(&rig, 0);
    await_next(&rig, &start_ns);
    assert_int_equal(start_ns, 102);
    await_next(&rig, &start_ns);
    assert_int_equal(start_ns, 100);
    assert_false(next(&rig, &start_ns));
    assert_int_equal(rig.sender.under_way, 1);
    assert_true(sender_has_room(&rig.sender));
    close_rig(&rig);
}

/* Goal: a socket that takes only a part is fed the rest later; no byte is lost, doubled or changed,
 * also where the belt turns over.
 * Method: frames of 300 KB, more than the socket's buffers hold, several turns of the belt. */
static void a_full_socket_gets_every_frame_whole(void **state)
{
    (void)state;
    struct rig rig;
    enum { MESSAGES = 40 };
    int64_t start_ns;
    open_rig(&rig, 300000, 64);
    int put = 0, was_blocked = 0, small = 1 << 16;
    setsockopt(rig.sender.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    setsockopt(rig.server_fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    while (rig.got_bytes < MESSAGES * rig.frame.bytes) {
        while (put < MESSAGES && sender_has_room(&rig.sender)) {
            sender_put(&rig.sender, put, 0);
            put++;
        }
        assert_int_equal(sender_write(&rig.sender), 0);
        was_blocked += sender_has_unwritten(&rig.sender);
        take_all(&rig);
    }
    assert_true(was_blocked > 0);
    for (size_t i = 0; i < MESSAGES; i++) {
        struct frame frame;
        size_t need;
        struct slice rest = slice_of(rig.got + i * rig.frame.bytes, rig.frame.bytes);
        assert_int_equal(frame_parse(rest, &frame, &need), 0);
        assert_int_equal(number_at(&rig, i), i);
        assert_int_equal(rest.data[rig.frame.queue_id_at], '0' + i % 3);
        assert_memory_equal(frame.body.data, "abcdefghijklmnopqrstuvwxyz", 26);
    }
    answer(&rig, 39);
    await_next(&rig, &start_ns);
    assert_int_equal(start_ns, 39);
    close_rig(&rig);
}

/* Goal: a message that lay on the belt because the socket was full starts when its first byte goes.
 * Method: three frames of 300 KB, put at 1, written in turns at 1000, 1001, .. */
static void messages_start_at_their_write(void **state)
{
    (void)state;
    struct rig rig;
    enum { MESSAGES = 3 };
    int64_t expected[MESSAGES] = { 0 }, now_ns = 1000;
    open_rig(&rig, 300000, 64);
    int small = 1 << 16;
    setsockopt(rig.sender.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    setsockopt(rig.server_fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    for (int i = 0; i < MESSAGES; i++)
        sender_put(&rig.sender, 1, 0);
    for (; rig.got_bytes < MESSAGES * rig.frame.bytes; now_ns++) {
        uint64_t before = rig.sender.written_bytes;
        assert_int_equal(sender_write(&rig.sender), 0);
        sender_start_at_write(&rig.sender, before, now_ns);
        for (int i = 0; i < MESSAGES; i++) {
            if (expected[i] == 0 && rig.sender.written_bytes > i * rig.frame.bytes)
                expected[i] = now_ns;
            assert_int_equal(rig.sender.ring[i].start_ns, expected[i] == 0 ? 1 : expected[i]);
        }
        take_all(&rig);
    }
    assert_int_equal(expected[0], 1000);
    assert_true(expected[MESSAGES - 1] > 1000);
    close_rig(&rig);
}

/* Goal: what expired is under way no more, makes room, and its late answer is passed over. */
static void late_answers_are_passed_over(void **state)
{
    (void)state;
    struct rig rig;
    int64_t start_ns;
    open_rig(&rig, 10, 2);
    sender_put(&rig.sender, 100, 0);
    sender_put(&rig.sender, 200, 0);
    assert_int_equal(sender_write(&rig.sender), 0);
    take_frames(&rig, 2);
    sender_expire(&rig.sender, 100);
    assert_int_equal(rig.sender.under_way, 2);
    sender_expire(&rig.sender, 101);
    assert_int_equal(rig.sender.under_way, 1);
    assert_true(sender_has_room(&rig.sender));
    answer(&rig, 0);
    assert_false(next(&rig, &start_ns));
    answer(&rig, 1);
    await_next(&rig, &start_ns);
    assert_int_equal(start_ns, 200);
    close_rig(&rig);
}

static void a_gone_peer_is_told(void **state)
{
    (void)state;
    struct rig rig;
    open_rig(&rig, 10, 1);
    shutdown(rig.server_fd, SHUT_RDWR);
    struct pollfd end = { .fd = rig.sender.fd, .events = POLLIN };
    assert_int_equal(poll(&end, 1, 60000), 1); /* it may be on its way for a moment */
    assert_int_equal(sender_receive(&rig.sender), ERR_CLOSED);
    close_rig(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_end_their_own_messages),
        cmocka_unit_test(a_full_socket_gets_every_frame_whole),
        cmocka_unit_test(messages_start_at_their_write),
        cmocka_unit_test(late_answers_are_passed_over),
        cmocka_unit_test(a_gone_peer_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
