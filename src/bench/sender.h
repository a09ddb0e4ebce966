/* sender.h - one connection of the load generator: messages out, answers in.
 *
 * The messages lie on a belt, a ring of prebuilt frames that is stamped and written in turn, so
 * that whatever became due together goes out with one system call and nothing is copied:
 *
 *      written            stamped
 *         v                  v
 *   | .. | frame | .. | frame | free | free | ..     a frame is free when the kernel has its bytes
 *
 * Beside it a ring indexed by message number remembers when each message under way was started;
 * answers may come in any order.
 *
 * net/conn is not used on purpose: it batches per loop pass, copies what is sent and tells no time
 * of arrival, which is right for a server and wrong for a stop-watch.
 *
 * Ownership  sender_open() makes connection and memory, sender_close() ends both.
 * Threads    one at a time.
 * Errors     0, or a negative code; then only sender_close() may follow.
 */
#ifndef BENCH_SENDER_H
#define BENCH_SENDER_H

#include <netinet/in.h>
#include <stdbool.h>

#include "bench/send_frame.h"

struct under_way {
    int64_t start_ns; /* SENDER_FREE: the place is free */
    uint32_t number;
};
#define SENDER_FREE INT64_C(-1)

struct sender {
    int fd;
    struct ssl_st *ssl; /* NULL: plain */
    const struct send_frame *frame;
    uint32_t index;
    uint32_t outstanding; /* most messages under way */
    uint32_t under_way;   /* messages */
    uint8_t *belt;
    uint32_t belt_frames;
    uint64_t stamped_frames; /* also the next message's number */
    uint64_t written_bytes;
    bool awaits_room;       /* set by the owner: it waits until the socket takes more */
    struct under_way *ring; /* by number & ring_mask */
    uint32_t ring_mask;
    uint64_t oldest; /* no message before this number is under way */
    uint8_t *input;
    size_t input_start, input_end, input_cap;
};

/* `index` tells senders of one run apart. The frame is borrowed until sender_close().
 * ERR_TIMEOUT: not connected within timeout_ns. is_tls: what goes over it is encrypted. */
MUST_CHECK int sender_open(struct sender *s, const struct sockaddr_in *address, bool is_tls,
                           const struct send_frame *frame, uint32_t index, int outstanding,
                           int64_t timeout_ns);
void sender_close(struct sender *s);

/* May another message be put? */
bool sender_has_room(const struct sender *s);
/* Puts the next message on the belt; start_ns >= 0 is when its latency begins. Needs room. */
void sender_put(struct sender *s, int64_t start_ns, int64_t born_ms);
/* Writes what the socket takes. */
MUST_CHECK int sender_write(struct sender *s);
/* The latency of the messages whose first byte was written since `written_bytes` was so much begins
 * at start_ns, and not when they were put. */
void sender_start_at_write(struct sender *s, uint64_t written_bytes, int64_t start_ns);
/* Bytes on the belt have not been written yet. */
bool sender_has_unwritten(const struct sender *s);

/* Takes in what has arrived, with one call. ERR_CLOSED: the peer is gone. */
MUST_CHECK int sender_receive(struct sender *s);
/* The next whole answer to a message under way, which ends with it. Answers to others, such as lost
 * ones, are passed over. False: none left; *err tells whether because of ERR_CORRUPT input. */
bool sender_next_answer(struct sender *s, int64_t *start_ns, int32_t *code, int *err);

/* Ends messages under way that started before `limit_ns`: they are lost. A message that started
 * later hides those behind it until it is answered or lost itself. */
void sender_expire(struct sender *s, int64_t limit_ns);

#endif
