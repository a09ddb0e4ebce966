#include "bench/line.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum { INPUT_LEAST_BYTES = 1 << 18 };

int line_connect(int fd, const struct sockaddr_in *address, int64_t timeout_ns)
{
    int one = 1;
    struct timeval limit = { .tv_sec = timeout_ns / 1000000000,
                             .tv_usec = timeout_ns % 1000000000 / 1000 };
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0)
        return err_from_errno(errno);
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) < 0)
        return errno == EINPROGRESS ? ERR_TIMEOUT : ERR_CLOSED;
    return 0;
}

int line_open(struct line *line, const struct sockaddr_in *address, int64_t timeout_ns)
{
    *line = (struct line){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                           .input = malloc(INPUT_LEAST_BYTES),
                           .input_cap = INPUT_LEAST_BYTES };
    arena_init(&line->arena);
    int err = line->fd < 0 ? err_from_errno(errno) : line->input == NULL ? ERR_NO_MEMORY : 0;
    if (err == 0)
        err = line_connect(line->fd, address, timeout_ns);
    if (err != 0)
        line_close(line);
    return err;
}

void line_close(struct line *line)
{
    if (line->fd >= 0)
        close(line->fd);
    free(line->input);
    arena_fini(&line->arena);
    *line = (struct line){ .fd = -1 };
}

/* The socket blocks when it is full, no longer than its time limit. */
static int send_all(struct line *line, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t sent = send(line->fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return errno == EAGAIN ? ERR_TIMEOUT : ERR_CLOSED;
        bytes = slice_from(bytes, (size_t)sent);
    }
    return 0;
}

int line_ask(struct line *line, int32_t code, const struct fields *fields, const void *from,
             struct slice body)
{
    arena_reset(&line->arena);
    line->input_bytes = 0;
    struct header header = { .code = code,
                             .version = WIRE_VERSION,
                             .opaque = ++line->opaque,
                             .language = LANGUAGE_OTHER,
                             .has_ext = true };
    if (fields != NULL)
        header.ext = fields_encode(fields, FIELD_LONG_NAMES, from, &line->arena, &header.ext_count);
    int err = send_all(line, header_encode(SERIALIZE_JSON, &header, body.len, &line->arena));
    return err != 0 ? err : send_all(line, body);
}

/* Room for `need` bytes of one frame. */
static int make_room(struct line *line, size_t need)
{
    if (need <= line->input_cap)
        return 0;
    uint8_t *grown = realloc(line->input, need);
    if (grown == NULL)
        return ERR_NO_MEMORY;
    line->input = grown;
    line->input_cap = need;
    return 0;
}

/* What was read so far as an answer; requests of the broker (it may tell its clients things) and
 * answers to earlier requests are passed over. */
static int take_answer(struct line *line, struct line_answer *answer)
{
    size_t start = 0, need = 0;
    struct frame frame;
    int err;
    while ((err = frame_parse(slice_of(line->input + start, line->input_bytes - start), &frame,
                              &need)) == 0) {
        err = header_decode(frame.type, frame.header, &line->arena, &answer->header);
        answer->body = frame.body;
        if (err != 0)
            return err;
        if ((answer->header.flag & HEADER_RESPONSE) != 0 && answer->header.opaque == line->opaque)
            return 0;
        start += frame.bytes;
    }
    if (err != ERR_INCOMPLETE)
        return err;
    memmove(line->input, line->input + start, line->input_bytes - start);
    line->input_bytes -= start;
    err = make_room(line, need);
    return err != 0 ? err : ERR_INCOMPLETE;
}

int line_receive(struct line *line, int wait_ms, struct line_answer *answer)
{
    struct pollfd ready = { .fd = line->fd, .events = POLLIN };
    if (poll(&ready, 1, wait_ms) <= 0)
        return ERR_INCOMPLETE;
    int err = make_room(line, line->input_bytes + 1);
    if (err != 0)
        return err;
    ssize_t got = recv(line->fd, line->input + line->input_bytes,
                       line->input_cap - line->input_bytes, MSG_DONTWAIT);
    answer->arrived_ns = clock_monotonic_ns();
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return ERR_INCOMPLETE;
    if (got <= 0)
        return ERR_CLOSED;
    line->input_bytes += (size_t)got;
    return take_answer(line, answer);
}

int line_call(struct line *line, int32_t code, const struct fields *fields, const void *from,
              struct slice body, int64_t timeout_ns, struct line_answer *answer)
{
    int64_t deadline_ns = clock_monotonic_ns() + timeout_ns;
    int err = line_ask(line, code, fields, from, body);
    if (err != 0)
        return err;
    do {
        int64_t left_ms = (deadline_ns - clock_monotonic_ns()) / 1000000;
        if (left_ms < 0)
            return ERR_TIMEOUT;
        err = line_receive(line, (int)left_ms + 1, answer);
    } while (err == ERR_INCOMPLETE);
    return err;
}
