#include "bench/fake_broker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/send_frame.h"
#include "wire/header.h"

static atomic_llong fake_moved_ns;

void fake_clock_reset(void)
{
    atomic_store(&fake_moved_ns, 0);
}

int64_t fake_now_ns(void)
{
    return atomic_load(&fake_moved_ns);
}

int64_t fake_real_now_ns(void)
{
    return clock_monotonic_ns() + atomic_load(&fake_moved_ns);
}

static void send_answer(int fd, const struct frame *request, int32_t code)
{
    struct answer asked;
    struct arena arena;
    arena_init(&arena);
    assert_int_equal(answer_read(request, &asked), 0);
    const struct header header = { .code = code,
                                   .opaque = 1000000000 + (int32_t)asked.number,
                                   .flag = HEADER_RESPONSE };
    struct slice bytes = header_encode(request->type, &header, 0, &arena);
    send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);
    arena_fini(&arena);
}

/* False: hang up. */
static bool act(int fd, const struct frame *request, struct fake_answer answer)
{
    atomic_fetch_add(&fake_moved_ns, answer.takes_ns);
    if (answer.what == FAKE_HANG_UP)
        return false;
    if (answer.what == FAKE_GARBAGE)
        send(fd, "this is no frame", 16, MSG_NOSIGNAL);
    if (answer.what == FAKE_ANSWER || answer.what == FAKE_TWICE)
        send_answer(fd, request, answer.code);
    if (answer.what == FAKE_TWICE)
        send_answer(fd, request, answer.code);
    return true;
}

static void *broker_main(void *arg)
{
    struct fake_broker *b = arg;
    static uint8_t input[1 << 20];
    size_t len = 0, need;
    ssize_t got;
    bool going = true;
    int fd = accept(b->listen_fd, NULL, NULL);
    while (going && (got = recv(fd, input + len, sizeof input - len, 0)) > 0) {
        struct frame frame;
        len += (size_t)got;
        while (going && frame_parse(slice_of(input, len), &frame, &need) == 0) {
            size_t bytes = frame.bytes;
            going = act(fd, &frame, b->script(b->requests++));
            memmove(input, input + bytes, len - bytes);
            len -= bytes;
        }
    }
    close(fd);
    return NULL;
}

void fake_broker_start(struct fake_broker *b, struct fake_answer (*script)(int index))
{
    socklen_t len = sizeof b->address;
    *b = (struct fake_broker){ .script = script, .listen_fd = socket(AF_INET, SOCK_STREAM, 0) };
    b->address.sin_family = AF_INET;
    b->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(b->listen_fd, (struct sockaddr *)&b->address, len), 0);
    assert_int_equal(listen(b->listen_fd, 1), 0);
    assert_int_equal(getsockname(b->listen_fd, (struct sockaddr *)&b->address, &len), 0);
    assert_int_equal(pthread_create(&b->thread, NULL, broker_main, b), 0);
}

void fake_broker_join(struct fake_broker *b)
{
    pthread_join(b->thread, NULL);
    close(b->listen_fd);
}
