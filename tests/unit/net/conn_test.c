#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn.h"

/* A connection over a socket pair whose other end the test holds in its hand, and a user that keeps
 * what it was given. The loop is run a step at a time: until nothing is left to do. */
struct fixture {
    struct loop *loop;
    struct conn *conn;
    int fd; /* the peer's end */
    struct conn_limits limits;
    uint8_t got[1 << 20];
    size_t got_len;
    size_t take_at_most; /* of each input */
    size_t next_need;    /* asked for once nothing was taken */
    size_t pause_after;  /* pauses the input when so much was got; 0: never */
    int inputs;
    int closed;
    bool is_owed;
    struct loop_timer watchdog;
};

static size_t on_input(struct conn *conn, void *ctx, struct slice in)
{
    struct fixture *f = ctx;
    f->inputs++;
    if (f->next_need > 0) {
        conn_need(conn, f->next_need);
        f->next_need = 0;
        return 0;
    }
    size_t n = in.len < f->take_at_most ? in.len : f->take_at_most;
    assert_true(f->got_len + n <= sizeof f->got);
    memcpy(f->got + f->got_len, in.data, n);
    f->got_len += n;
    if (f->pause_after > 0 && f->got_len >= f->pause_after) {
        f->pause_after = 0;
        conn_pause_input(conn);
    }
    return n;
}

static void on_closed(struct conn *conn, void *ctx)
{
    struct fixture *f = ctx;
    assert_ptr_equal(conn, f->conn);
    assert_false(conn_is_open(conn));
    f->closed++;
    loop_stop(f->loop);
}

static bool on_half_closed(struct conn *conn, void *ctx)
{
    (void)conn;
    const struct fixture *f = ctx;
    return f->is_owed;
}

static const struct conn_user user = { on_input, on_closed, on_half_closed };

static void on_watchdog(struct loop_timer *timer)
{
    (void)timer;
    fail_msg("nothing happened for a minute");
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    f->take_at_most = SIZE_MAX;
    f->limits = (struct conn_limits){ .input_max_bytes = 1 << 20,
                                      .output_high_bytes = 100000,
                                      .output_max_bytes = 1000000,
                                      .linger_ms = 10000 };
    loop_timer_init(&f->watchdog, on_watchdog);
    return loop_new("test", &f->loop);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (conn_is_open(f->conn))
        conn_close(f->conn, NULL);
    assert_int_equal(f->closed, 1);
    conn_unref(f->conn);
    loop_timer_stop(&f->watchdog);
    loop_free(f->loop);
    if (f->fd >= 0)
        close(f->fd);
    free(f);
    return 0;
}

static void open_pair(struct fixture *f)
{
    int fds[2];
    int small = 4096;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    f->fd = fds[1];
    assert_int_equal(conn_open(f->loop, fds[0], &f->limits, &user, f, &f->conn), 0);
    conn_ref(f->conn);
    loop_timer_start(f->loop, &f->watchdog, 60000);
}

struct quiet {
    struct loop_timer timer;
    struct loop *loop;
    int passes;
};

static void on_quiet(struct loop_timer *timer)
{
    struct quiet *quiet = list_entry(timer, struct quiet, timer);
    if (--quiet->passes == 0)
        loop_stop(quiet->loop);
    else
        loop_timer_start(quiet->loop, timer, 0);
}

/* A few passes: enough for all that is ready now, since both ends are in this process. */
static void run_passes(struct fixture *f)
{
    struct quiet quiet = { .loop = f->loop, .passes = 8 };
    loop_timer_init(&quiet.timer, on_quiet);
    loop_timer_start(f->loop, &quiet.timer, 0);
    loop_run(f->loop);
    loop_timer_stop(&quiet.timer);
}

static void peer_says(struct fixture *f, const void *data, size_t len)
{
    const uint8_t *at = data;
    while (len > 0) {
        ssize_t n = send(f->fd, at, len, MSG_NOSIGNAL);
        if (n < 0) {
            assert_int_equal(errno, EAGAIN);
            run_passes(f);
            continue;
        }
        at += n;
        len -= (size_t)n;
    }
    run_passes(f);
}

/* Reads all the conn has to say until it pauses or ends; returns the sum, checks the pattern. */
static size_t peer_reads(struct fixture *f, size_t from)
{
    static uint8_t bytes[65536];
    size_t sum = 0;
    for (int dry = 0; dry < 3;) {
        ssize_t n = recv(f->fd, bytes, sizeof bytes, 0);
        if (n <= 0) {
            dry++;
            run_passes(f);
            continue;
        }
        dry = 0;
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(bytes[i], (uint8_t)((from + sum + (size_t)i) * 7));
        sum += (size_t)n;
    }
    return sum;
}

static void conn_says_pattern(struct fixture *f, size_t from, size_t len)
{
    uint8_t *bytes = malloc(len);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)((from + i) * 7);
    conn_write(f->conn, slice_of(bytes, len));
    free(bytes);
}

/* Goal: bytes come in order whatever the user takes at a time, and the rest is given again with
 * more. Method: three bytes at most are taken of each input; the peer says ten and then ten more.
 */
static void what_is_left_is_given_again_with_more(void **state)
{
    struct fixture *f = *state;
    f->take_at_most = 3;
    open_pair(f);
    peer_says(f, "0123456789", 10);
    assert_int_equal(f->inputs, 1);
    assert_int_equal(f->got_len, 3);
    f->take_at_most = SIZE_MAX;
    peer_says(f, "abcdefghij", 10);
    assert_int_equal(f->inputs, 2);
    assert_memory_equal(f->got, "0123456789abcdefghij", 20);
    assert_int_equal(f->got_len, 20);
}

/* Goal: a user that needs a long run is not called until it is all there.
 * Method: 300,000 bytes needed, said in single bytes at first, then in pieces. */
static void needed_bytes_come_at_once(void **state)
{
    struct fixture *f = *state;
    enum { NEED = 300000 };
    f->next_need = NEED;
    open_pair(f);
    uint8_t *bytes = malloc(NEED);
    for (size_t i = 0; i < NEED; i++)
        bytes[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < 10; i++)
        peer_says(f, bytes + i, 1);
    peer_says(f, bytes + 10, NEED - 11);
    assert_int_equal(f->inputs, 1);
    assert_int_equal(f->got_len, 0);
    peer_says(f, bytes + NEED - 1, 1);
    assert_int_equal(f->inputs, 2);
    assert_int_equal(f->got_len, NEED);
    assert_memory_equal(f->got, bytes, NEED);
    free(bytes);
}

/* Goal: output comes whole and in order, in whatever pieces it was written.
 * Method: pieces of all lengths around a page, some in place, until several chunks are full; then
 * again, from chunks used before. */
static void output_comes_in_order_in_pieces_of_any_length(void **state)
{
    struct fixture *f = *state;
    static const size_t lengths[] = { 1, 3999, 1, 4000, 4001, 100, 65536, 3, 8192, 65535, 4096 };
    open_pair(f);
    size_t read = 0;
    for (int round = 0; round < 3; round++) {
        size_t said = read;
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
            uint8_t *room = i % 2 == 0 ? NULL : conn_room(f->conn, lengths[i]);
            for (size_t at = 0; room != NULL && at < lengths[i]; at++)
                room[at] = (uint8_t)((said + at) * 7);
            if (room != NULL)
                conn_wrote(f->conn, lengths[i]);
            else
                conn_says_pattern(f, said, lengths[i]);
            said += lengths[i];
        }
        assert_int_equal(conn_output_bytes(f->conn), said - read);
        read += peer_reads(f, read);
        assert_int_equal(read, said);
    }
}

/* Goal: a user that takes nothing and asks for nothing cannot grow memory.
 * Method: say more than the bound allows. */
static void input_nobody_takes_is_bounded(void **state)
{
    struct fixture *f = *state;
    f->take_at_most = 0;
    f->limits.input_max_bytes = 1000;
    open_pair(f);
    static const uint8_t zeros[4096];
    for (int i = 0; i < 100 && f->closed == 0; i++)
        if (send(f->fd, zeros, sizeof zeros, MSG_NOSIGNAL) < 0 || f->closed == 0)
            run_passes(f);
    assert_int_equal(f->closed, 1);
}

/* Goal: while paused nothing is delivered; resuming delivers what was left, without new bytes.
 * Method: the user takes two bytes of six and pauses; the peer says more; resume. */
static void a_paused_input_waits(void **state)
{
    struct fixture *f = *state;
    f->take_at_most = 2;
    f->pause_after = 2;
    open_pair(f);
    peer_says(f, "abcdef", 6);
    peer_says(f, "gh", 2);
    assert_int_equal(f->got_len, 2);
    assert_true(conn_input_is_held(f->conn));
    f->take_at_most = SIZE_MAX;
    conn_resume_input(f->conn);
    run_passes(f);
    assert_int_equal(f->got_len, 8);
    assert_memory_equal(f->got, "abcdefgh", 8);
}

/* Goal: output larger than the kernel takes arrives whole and in order.
 * Method: a small send buffer; 400,000 bytes of a pattern. */
static void output_arrives_whole(void **state)
{
    struct fixture *f = *state;
    open_pair(f);
    conn_says_pattern(f, 0, 400000);
    assert_int_equal(conn_output_bytes(f->conn), 400000);
    run_passes(f);
    assert_true(conn_output_bytes(f->conn) > 0);
    assert_int_equal(peer_reads(f, 0), 400000);
    assert_int_equal(conn_output_bytes(f->conn), 0);
    assert_true(conn_is_open(f->conn));
}

/* Goal: a peer with much unread output is not read; once it reads, its input is.
 * Method: more output than the high mark, then a word from the peer, then the peer reads. */
static void a_slow_reader_is_throttled(void **state)
{
    struct fixture *f = *state;
    open_pair(f);
    conn_says_pattern(f, 0, 300000);
    run_passes(f);
    peer_says(f, "hello", 5);
    assert_int_equal(f->got_len, 0);
    assert_true(conn_input_is_held(f->conn));
    assert_int_equal(peer_reads(f, 0), 300000);
    assert_false(conn_input_is_held(f->conn));
    assert_int_equal(f->got_len, 5);
}

/* Goal: output beyond the bound ends the connection, also when it grows while the kernel is full.
 * Method: write less than the bound, see it stuck, write past the bound. */
static void too_much_output_drops_the_peer(void **state)
{
    struct fixture *f = *state;
    open_pair(f);
    conn_says_pattern(f, 0, 900000);
    run_passes(f);
    assert_true(conn_is_open(f->conn));
    conn_says_pattern(f, 0, 900000);
    run_passes(f);
    assert_int_equal(f->closed, 1);
    assert_int_equal(conn_output_bytes(f->conn), 0);
    conn_write(f->conn, SLICE("dropped in silence"));
}

/* Goal: a peer that takes nothing of what waits is dropped after the stall time, one that is silent
 * after the idle time, and neither earlier.
 * Method: run until closed and compare the loop's clock. */
static void a_stalled_peer_is_dropped(void **state)
{
    struct fixture *f = *state;
    f->limits.stall_ms = 30;
    open_pair(f);
    int64_t start_ns = loop_now_ns(f->loop);
    conn_says_pattern(f, 0, 300000);
    loop_run(f->loop);
    assert_int_equal(f->closed, 1);
    assert_true(loop_now_ns(f->loop) - start_ns >= 30000000);
}

static void a_silent_peer_is_closed_after_the_idle_time(void **state)
{
    struct fixture *f = *state;
    f->limits.idle_ms = 30;
    open_pair(f);
    int64_t before_ns = loop_now_ns(f->loop);
    assert_int_equal(send(f->fd, "x", 1, MSG_NOSIGNAL), 1);
    loop_run(f->loop); /* a busy machine may do it in one pass */
    assert_int_equal(f->got_len, 1);
    assert_int_equal(f->closed, 1);
    assert_true(loop_now_ns(f->loop) - before_ns >= 25000000);
}

/* Goal: a peer that ended its sending gets what is owed, then the connection ends.
 * Method: shut down the peer's side; owed at first; answer; read it and the end. */
static void a_half_closed_peer_gets_its_answer(void **state)
{
    struct fixture *f = *state;
    f->is_owed = true;
    open_pair(f);
    peer_says(f, "question", 8);
    shutdown(f->fd, SHUT_WR);
    run_passes(f);
    assert_int_equal(f->closed, 0);
    f->is_owed = false;
    conn_write(f->conn, SLICE("answer"));
    run_passes(f);
    assert_int_equal(f->closed, 1);
    char answer[16];
    assert_int_equal(recv(f->fd, answer, sizeof answer, 0), 6);
    assert_memory_equal(answer, "answer", 6);
    assert_int_equal(recv(f->fd, answer, sizeof answer, 0), 0);
}

/* Goal: requests that lie unread when the peer ends its sending are still handed over.
 * Method: the user pauses after the first byte; the peer ends; resume: all bytes come, then the
 * end. */
static void unread_input_of_a_half_closed_peer_is_delivered(void **state)
{
    struct fixture *f = *state;
    f->take_at_most = 1;
    f->pause_after = 1;
    open_pair(f);
    peer_says(f, "abcd", 4);
    shutdown(f->fd, SHUT_WR);
    run_passes(f);
    assert_int_equal(f->closed, 0);
    f->take_at_most = SIZE_MAX;
    conn_resume_input(f->conn);
    run_passes(f);
    assert_int_equal(f->got_len, 4);
    assert_int_equal(f->closed, 1);
}

/* Goal: nobody owed anything is closed at the end of its sending; answers that never come are not
 * waited for beyond the linger time.
 * Method: an owed peer with a linger time of 20 ms. */
static void a_half_closed_peer_does_not_linger_for_ever(void **state)
{
    struct fixture *f = *state;
    f->is_owed = true;
    f->limits.linger_ms = 20;
    open_pair(f);
    shutdown(f->fd, SHUT_WR);
    loop_run(f->loop);
    assert_int_equal(f->closed, 1);
}

/* Goal: writing to a peer that has gone ends the connection, without a signal.
 * Method: close the peer's end, then write. */
static void a_peer_that_has_gone_is_noticed(void **state)
{
    struct fixture *f = *state;
    open_pair(f);
    close(f->fd);
    f->fd = -1;
    conn_write(f->conn, SLICE("anyone?"));
    run_passes(f);
    assert_int_equal(f->closed, 1);
}

/* ---- several connections ------------------------------------------------------------------- */

enum { TURN_BYTES = 65536, TURNS_MAX = 64 };

/* Whose input came when. */
struct turns {
    char order[TURNS_MAX + 1];
    int count;
};

struct turn_taker {
    struct turns *turns;
    struct conn *conn;
    char name;
    int fd;
};

static size_t note_turn(struct conn *conn, void *ctx, struct slice in)
{
    (void)conn;
    struct turn_taker *taker = ctx;
    assert_true(taker->turns->count < TURNS_MAX);
    taker->turns->order[taker->turns->count++] = taker->name;
    return in.len;
}

static const struct conn_user turn_user = { note_turn, NULL, NULL };

static void open_taker(struct fixture *f, struct turn_taker *taker)
{
    int fds[2], large = 1 << 20;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &large, sizeof large);
    taker->fd = fds[1];
    assert_int_equal(conn_open(f->loop, fds[0], &f->limits, &turn_user, taker, &taker->conn), 0);
    conn_ref(taker->conn);
}

/* Goal: whoever has more than one read is read in turns, and behind whoever has little.
 * Method: two connections with three reads each are there before one with a byte; all three are
 * ready in one pass. */
static void connections_take_turns(void **state)
{
    struct fixture *f = *state;
    struct turns turns = { .count = 0 };
    struct turn_taker takers[3] = { { .name = 'a' }, { .name = 'b' }, { .name = 'c' } };
    static const uint8_t much[2 * TURN_BYTES + 1];
    open_pair(f);
    for (int i = 0; i < 3; i++) {
        takers[i].turns = &turns;
        open_taker(f, &takers[i]);
        size_t len = i < 2 ? sizeof much : 1;
        assert_int_equal(send(takers[i].fd, much, len, MSG_NOSIGNAL), len);
    }
    run_passes(f);
    assert_string_equal(turns.order, "abcabab");
    for (int i = 0; i < 3; i++) {
        conn_close(takers[i].conn, NULL);
        conn_unref(takers[i].conn);
        close(takers[i].fd);
    }
    conn_close(f->conn, NULL);
}

#define CONN_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONN_TEST(what_is_left_is_given_again_with_more),
        CONN_TEST(needed_bytes_come_at_once),
        CONN_TEST(input_nobody_takes_is_bounded),
        CONN_TEST(a_paused_input_waits),
        CONN_TEST(output_arrives_whole),
        CONN_TEST(output_comes_in_order_in_pieces_of_any_length),
        CONN_TEST(a_slow_reader_is_throttled),
        CONN_TEST(too_much_output_drops_the_peer),
        CONN_TEST(a_stalled_peer_is_dropped),
        CONN_TEST(a_silent_peer_is_closed_after_the_idle_time),
        CONN_TEST(a_half_closed_peer_gets_its_answer),
        CONN_TEST(unread_input_of_a_half_closed_peer_is_delivered),
        CONN_TEST(a_half_closed_peer_does_not_linger_for_ever),
        CONN_TEST(a_peer_that_has_gone_is_noticed),
        CONN_TEST(connections_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
