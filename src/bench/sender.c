#include "bench/sender.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bench/line.h"
#include "bench/sender_tls.h"

enum { BELT_BYTES_MAX = 1 << 17, INPUT_BYTES_LEAST = 1 << 18, RING_LEAST = 64 };

static uint32_t power_of_two_from(uint32_t least)
{
    uint32_t n = 1;
    while (n < least)
        n *= 2;
    return n;
}

/* Enough frames for a full window, as long as they stay in the cache; never fewer than the queues,
 * since a frame keeps its queue. */
static uint32_t belt_frames_for(const struct send_frame *frame, uint32_t outstanding)
{
    uint32_t most = (uint32_t)(BELT_BYTES_MAX / frame->bytes) + 1;
    uint32_t wanted = outstanding < most ? outstanding : most;
    uint32_t queues = (uint32_t)frame->queue_count;
    return (wanted + queues - 1) / queues * queues;
}

static int allocate(struct sender *s)
{
    size_t frame_bytes = s->frame->bytes;
    s->belt_frames = belt_frames_for(s->frame, s->outstanding);
    s->ring_mask = power_of_two_from(8 * s->outstanding + RING_LEAST) - 1;
    s->input_cap = INPUT_BYTES_LEAST > 2 * frame_bytes ? INPUT_BYTES_LEAST : 2 * frame_bytes;
    s->belt = malloc(s->belt_frames * frame_bytes);
    s->ring = malloc((s->ring_mask + 1) * sizeof s->ring[0]);
    s->input = malloc(s->input_cap);
    if (s->belt == NULL || s->ring == NULL || s->input == NULL)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < s->belt_frames; i++)
        send_frame_copy(s->frame, s->belt + i * frame_bytes,
                        (int)((i + s->index) % (uint32_t)s->frame->queue_count), s->index);
    for (uint32_t i = 0; i <= s->ring_mask; i++)
        s->ring[i].start_ns = SENDER_FREE;
    return 0;
}

int sender_open(struct sender *s, const struct sockaddr_in *address, bool is_tls,
                const struct send_frame *frame, uint32_t index, int outstanding, int64_t timeout_ns)
{
    *s = (struct sender){
        .fd = -1, .frame = frame, .index = index, .outstanding = (uint32_t)outstanding
    };
    int err = allocate(s);
    if (err != 0)
        goto fail;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0) {
        err = err_from_errno(errno);
        goto fail;
    }
    err = line_connect(s->fd, address, timeout_ns);
    if (err == 0 && is_tls)
        err = sender_tls_open(s->fd, timeout_ns, &s->ssl);
    if (err != 0)
        goto fail;
    return 0;
fail:
    sender_close(s);
    return err;
}

void sender_close(struct sender *s)
{
    sender_tls_close(s->ssl);
    if (s->fd >= 0)
        close(s->fd);
    free(s->belt);
    free(s->ring);
    free(s->input);
    *s = (struct sender){ .fd = -1 };
}

static uint64_t stamped_bytes(const struct sender *s)
{
    return s->stamped_frames * s->frame->bytes;
}

bool sender_has_unwritten(const struct sender *s)
{
    return s->written_bytes < stamped_bytes(s);
}

bool sender_has_room(const struct sender *s)
{
    uint64_t unwritten_frames = s->stamped_frames - s->written_bytes / s->frame->bytes;
    return s->under_way < s->outstanding && unwritten_frames < s->belt_frames &&
           s->ring[s->stamped_frames & s->ring_mask].start_ns == SENDER_FREE;
}

void sender_put(struct sender *s, int64_t start_ns, int64_t born_ms)
{
    assert(start_ns >= 0);
    assert(sender_has_room(s));
    uint8_t *copy = s->belt + s->stamped_frames % s->belt_frames * s->frame->bytes;
    uint32_t number = (uint32_t)(s->stamped_frames % SEND_NUMBER_COUNT);
    send_frame_stamp(s->frame, copy, s->index, number, born_ms);
    s->ring[number & s->ring_mask] = (struct under_way){ start_ns, number };
    s->stamped_frames++;
    s->under_way++;
}

int sender_write(struct sender *s)
{
    while (sender_has_unwritten(s)) {
        size_t belt_bytes = s->belt_frames * s->frame->bytes;
        size_t from = s->written_bytes % belt_bytes;
        size_t left = stamped_bytes(s) - s->written_bytes;
        size_t first = left < belt_bytes - from ? left : belt_bytes - from;
        struct iovec parts[2] = { { s->belt + from, first }, { s->belt, left - first } };
        struct msghdr message = { .msg_iov = parts, .msg_iovlen = left > first ? 2 : 1 };
        ssize_t sent = s->ssl != NULL ? sender_tls_write(s->ssl, parts, message.msg_iovlen)
                                      : sendmsg(s->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN)
            return 0;
        if (sent < 0 && errno != EINTR)
            return ERR_CLOSED;
        if (sent > 0)
            s->written_bytes += (uint64_t)sent;
    }
    return 0;
}

void sender_start_at_write(struct sender *s, uint64_t written_bytes, int64_t start_ns)
{
    assert(start_ns >= 0);
    assert(written_bytes <= s->written_bytes);
    size_t frame_bytes = s->frame->bytes;
    uint64_t first = (written_bytes + frame_bytes - 1) / frame_bytes;
    uint64_t end = (s->written_bytes + frame_bytes - 1) / frame_bytes;
    for (; first < end; first++) {
        uint32_t number = (uint32_t)(first % SEND_NUMBER_COUNT);
        struct under_way *message = &s->ring[number & s->ring_mask];
        if (message->start_ns != SENDER_FREE && message->number == number)
            message->start_ns = start_ns;
    }
}

int sender_receive(struct sender *s)
{
    if (s->input_start > 0) {
        memmove(s->input, s->input + s->input_start, s->input_end - s->input_start);
        s->input_end -= s->input_start;
        s->input_start = 0;
    }
    if (s->input_end == s->input_cap)
        return ERR_TOO_BIG;
    uint8_t *into = s->input + s->input_end;
    size_t room = s->input_cap - s->input_end;
    ssize_t got = s->ssl != NULL ? sender_tls_read(s->ssl, into, room)
                                 : recv(s->fd, into, room, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got <= 0)
        return ERR_CLOSED;
    s->input_end += (size_t)got;
    return 0;
}

/* Ends the message with this number; false when none such is under way. */
static bool end_message(struct sender *s, uint32_t number, int64_t *start_ns)
{
    struct under_way *message = &s->ring[number & s->ring_mask];
    if (message->start_ns == SENDER_FREE || message->number != number)
        return false;
    *start_ns = message->start_ns;
    message->start_ns = SENDER_FREE;
    s->under_way--;
    return true;
}

bool sender_next_answer(struct sender *s, int64_t *start_ns, int32_t *code, int *err)
{
    for (;;) {
        struct frame frame;
        struct answer answer;
        size_t need;
        struct slice rest = slice_of(s->input + s->input_start, s->input_end - s->input_start);
        *err = frame_parse(rest, &frame, &need);
        if (*err == 0)
            *err = answer_read(&frame, &answer);
        if (*err != 0) {
            *err = *err == ERR_INCOMPLETE ? 0 : *err;
            return false;
        }
        s->input_start += frame.bytes;
        *code = answer.code;
        if (end_message(s, answer.number, start_ns))
            return true;
    }
}

void sender_expire(struct sender *s, int64_t limit_ns)
{
    for (; s->oldest < s->stamped_frames; s->oldest++) {
        struct under_way *message = &s->ring[s->oldest & s->ring_mask];
        if (message->start_ns == SENDER_FREE)
            continue;
        if (message->start_ns >= limit_ns)
            break;
        message->start_ns = SENDER_FREE;
        s->under_way--;
    }
}
