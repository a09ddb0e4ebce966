/* conn_output.c - what waits to be sent: a chain of chunks, sent with one writev at the end of a
 * pass.
 *
 * Chunks come from small pools of the thread, so a reply that leaves in the pass it was made in
 * reuses memory that is still in the cache. What a connection writes first goes into a small one:
 * many connections with an answer each would else take, and give back to the system, 64 KiB each.
 */
#include "net/conn_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/thread_end.h"

enum { SMALL_BYTES = 4000, LARGE_BYTES = 65536, RUNS_MAX = 64 };
enum { SMALL_KEPT = 512, LARGE_KEPT = 32 };

struct out_chunk {
    struct out_chunk *next;
    uint32_t from; /* sent up to here */
    uint32_t len;
    uint32_t cap;
    uint8_t bytes[];
};

struct chunk_pool {
    struct out_chunk *first;
    int count;
};

static _Thread_local struct chunk_pool small, large;
static _Thread_local bool pools_have_end; /* they are emptied when the thread ends */

static void empty_pool(struct chunk_pool *pool)
{
    while (pool->first != NULL) {
        struct out_chunk *chunk = pool->first;
        pool->first = chunk->next;
        free(chunk);
    }
    pool->count = 0;
}

static void empty_pools(void)
{
    empty_pool(&small);
    empty_pool(&large);
    pools_have_end = false;
}

static struct out_chunk *chunk_new(uint32_t cap)
{
    struct chunk_pool *pool = cap == SMALL_BYTES ? &small : &large;
    struct out_chunk *chunk = pool->first;
    if (chunk != NULL) {
        pool->first = chunk->next;
        pool->count--;
    } else {
        chunk = memory_take(sizeof *chunk + cap);
        chunk->cap = cap;
    }
    assert(chunk->cap == cap);
    chunk->next = NULL;
    chunk->from = 0;
    chunk->len = 0;
    return chunk;
}

static void chunk_free(struct out_chunk *chunk)
{
    bool is_small = chunk->cap == SMALL_BYTES;
    struct chunk_pool *pool = is_small ? &small : &large;
    if (pool->count == (is_small ? SMALL_KEPT : LARGE_KEPT)) {
        free(chunk);
        return;
    }
    if (!pools_have_end) {
        pools_have_end = true;
        thread_at_end(empty_pools);
    }
    chunk->next = pool->first;
    pool->first = chunk;
    pool->count++;
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
    assert(least <= LARGE_BYTES);
    struct out_chunk *last = conn->out_last;
    if (last != NULL && last->cap - last->len >= least)
        return last;
    struct out_chunk *chunk =
        chunk_new(last == NULL && least <= SMALL_BYTES ? SMALL_BYTES : LARGE_BYTES);
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
        size_t n = chunk->cap - chunk->len;
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
    if (!conn->is_open || bytes > LARGE_BYTES)
        return NULL;
    struct out_chunk *chunk = room(conn, bytes);
    return chunk->bytes + chunk->len;
}

void conn_wrote(struct conn *conn, size_t bytes)
{
    struct out_chunk *chunk = conn->out_last;
    assert(bytes <= chunk->cap - chunk->len);
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

void conn_run_flush(struct loop_deferred *deferred)
{
    struct conn *conn = list_entry(deferred, struct conn, flush);
    conn_ref(conn);
    conn_flush(conn);
    conn_unref(conn);
}
