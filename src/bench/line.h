/* line.h - a connection on which one request at a time is asked: what a scenario needs to know or
 * to set up before it measures, and its pulls.
 *
 * Ownership  line_open() makes connection and memory, line_close() ends both. What an answer lends
 *            is good until the next request.
 * Threads    one at a time.
 * Errors     0, or a negative code; then only line_close() may follow.
 */
#ifndef BENCH_LINE_H
#define BENCH_LINE_H

#include <netinet/in.h>

#include "base/arena.h"
#include "wire/fields.h"

struct line {
    int fd;
    int32_t opaque; /* of the latest request */
    struct arena arena;
    uint8_t *input;
    size_t input_bytes, input_cap;
};

struct line_answer {
    struct header header;
    struct slice body;
    int64_t arrived_ns; /* monotonic, when its last bytes were read */
};

/* Connects a socket as the bench wants its connections; a send takes timeout_ns at most. */
MUST_CHECK int line_connect(int fd, const struct sockaddr_in *address, int64_t timeout_ns);

MUST_CHECK int line_open(struct line *line, const struct sockaddr_in *address, int64_t timeout_ns);
void line_close(struct line *line);

/* Sends a request; header fields come from a struct by table (NULL: none). */
MUST_CHECK int line_ask(struct line *line, int32_t code, const struct fields *fields,
                        const void *from, struct slice body);
/* Waits up to wait_ms for the answer. ERR_INCOMPLETE: it is not there yet. */
MUST_CHECK int line_receive(struct line *line, int wait_ms, struct line_answer *answer);
/* Asks and waits for the answer. ERR_TIMEOUT: it did not come. */
MUST_CHECK int line_call(struct line *line, int32_t code, const struct fields *fields,
                         const void *from, struct slice body, int64_t timeout_ns,
                         struct line_answer *answer);

#endif
