/* conn_output.c - what waits to be sent: a chain of chunks, sent with one writev at the end of a
 * pass.
 *
 * Chunks come from a small pool of the thread, so a reply that leaves in the pass it was made in
 * reuses memory that is still in the cache.
 */
#include "base/memory.h"
#include "net/conn_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/thread_end.h"

enum { CHUNK_BYTES = 65536, POOL_CHUNKS_MAX = 32, RUNS_MAX = 64 };

struct out_chunk {
    struct out_chunk *next;
    uint32_t from; /* sent up to here */
    uint32_t len;
    uint8_t bytes[CHUNK_BYTES];
};

static _Thread_local struct out_chunk *pool;
static _Thread_local int pool_count;
static _Thread_local bool pool_has_end; /* it is emptied when the thread ends */

static void empty_pool(void)
{
    while (pool != NULL) {
        struct out_chunk *chunk = pool;
        pool = chunk->next;
        free(chunk);
    }
    pool_count = 0;
    pool_has_end = false;
}

static struct out_chunk *chunk_new(void)
{
    struct out_chunk *chunk = pool;
    if (chunk != NULL) {
        pool = chunk->next;
        pool_count--;
    } else {
        chunk = memory_take(sizeof *chunk);
    }
    chunk->next = NULL;
    chunk->from = 0;
    chunk->len = 0;
    return chunk;
}

static void chunk_free(struct out_chunk *chunk)
{
    if (pool_count == POOL_CHUNKS_MAX) {
        free(chunk);
        return;
    }
    if (!pool_has_end) {
        pool_has_end = true;
        thread_at_end(empty_pool);
    }
    chunk->next = pool;
    pool = chunk;
    pool_count++;
}

static void drop_first(struct conn *conn)
{
    struct out_chunk *chunk = conn->out_first;
    conn->out_first = chunk->next;
    if (conn->out_first == NULL)
        conn->out_last = NULL;
    chunk_free(chunk);
}

void conn_free_output(struct conn *conn)
{
    while (conn->out_first != NULL)
        drop_first(conn);
    conn->out_bytes = 0;
}

/* A chunk with at least `least` bytes free. */
static struct out_chunk *room(struct conn *conn, size_t least)
{
    assert(least <= CHUNK_BYTES);
    struct out_chunk *last = conn->out_last;
    if (last != NULL && CHUNK_BYTES - last->len >= least)
        return last;
    struct out_chunk *chunk = chunk_new();
    if (last == NULL)
        conn->out_first = chunk;
    else
        last->next = chunk;
    conn->out_last = chunk;
    return chunk;
}

static void added(struct conn *conn, size_t len)
{
    conn->out_bytes += len;
    /* while hands are shaken it is not the peer who is slow, and its answer must be read */
    if (conn->out_bytes > conn->limits.output_high_bytes && !conn->output_waits)
        conn->is_throttled = true;
    if (!conn->wants_writable || conn->out_bytes > conn->limits.output_max_bytes)
        loop_defer(conn->loop, &conn->flush);
}

void conn_write(struct conn *conn, struct slice bytes)
{
    if (!conn->is_open)
        return;
    while (bytes.len > 0) {
        struct out_chunk *chunk = room(conn, 1);
        size_t n = CHUNK_BYTES - chunk->len;
        if (n > bytes.len)
            n = bytes.len;
        memcpy(chunk->bytes + chunk->len, bytes.data, n);
        chunk->len += (uint32_t)n;
        bytes = slice_from(bytes, n);
        added(conn, n);
    }
}

uint8_t *conn_room(struct conn *conn, size_t bytes)
{
    if (!conn->is_open || bytes > CHUNK_BYTES)
        return NULL;
    struct out_chunk *chunk = room(conn, bytes);
    return chunk->bytes + chunk->len;
}

void conn_wrote(struct conn *conn, size_t bytes)
{
    struct out_chunk *chunk = conn->out_last;
    assert(bytes <= CHUNK_BYTES - chunk->len);
    chunk->len += (uint32_t)bytes;
    added(conn, bytes);
}

static int gather(const struct conn *conn, struct iovec runs[RUNS_MAX])
{
    int count = 0;
    for (struct out_chunk *chunk = conn->out_first; chunk != NULL && count < RUNS_MAX;
         chunk = chunk->next)
        runs[count++] = (struct iovec){ chunk->bytes + chunk->from, chunk->len - chunk->from };
    return count;
}

static void sent(struct conn *conn, size_t n)
{
    assert(n <= conn->out_bytes);
    conn->out_bytes -= n;
    while (n > 0) {
        struct out_chunk *chunk = conn->out_first;
        size_t left = chunk->len - chunk->from;
        if (n < left) {
            chunk->from += (uint32_t)n;
            return;
        }
        n -= left;
        drop_first(conn);
    }
}

/* The kernel took nothing or not all: wait until it can, and watch that it does. */
static void note_progress(struct conn *conn, bool moved)
{
    int64_t now_ns = loop_now_ns(conn->loop);
    bool waits = conn->out_bytes > 0;
    if (moved)
        conn->last_io_ns = now_ns;
    if (!waits)
        conn->stalled_since_ns = 0;
    else if (moved || conn->stalled_since_ns == 0)
        conn->stalled_since_ns = now_ns;
    if (waits && !conn->wants_writable) {
        conn->wants_writable = true;
        conn_arm_timer(conn);
    } else if (!waits) {
        conn->wants_writable = false;
    }
}

void conn_flush(struct conn *conn)
{
    if (!conn->is_open || conn->out_bytes == 0)
        return;
    if (conn->output_waits) {
        if (conn->out_bytes > conn->limits.output_max_bytes)
            conn_close(conn, "does_not_read");
        return;
    }
    struct iovec runs[RUNS_MAX];
    ssize_t n = conn->transport->write(conn, runs, gather(conn, runs));
    if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS) {
        conn_close(conn, NULL); /* reset by the peer: nothing anyone could do */
        return;
    }
    if (n > 0)
        sent(conn, (size_t)n);
    if (conn->out_bytes > conn->limits.output_max_bytes) {
        conn_close(conn, "does_not_read");
        return;
    }
    note_progress(conn, n > 0);
    if (conn->is_throttled && conn->out_bytes <= conn->limits.output_high_bytes / 2) {
        conn->is_throttled = false;
        conn_input_wanted(conn);
    }
    conn_update_events(conn);
    conn_check_finished(conn);
}
