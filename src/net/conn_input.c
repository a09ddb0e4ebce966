/* conn_input.c - what a peer sends, to the user.
 *
 * Reading goes into a scratch buffer of the thread and is handed to the user from there; only what
 * the user leaves (the start of a frame) is copied into memory of the connection's own, which is
 * given back when it is empty. So a silent connection costs its struct and nothing else.
 */
#include "net/conn_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

enum {
    SCRATCH_BYTES = 65536,
    CARRIED_BYTES_MAX = 16384, /* of an unfinished frame, taken along into the scratch buffer */
    GROWTH_BYTES = 16384,
    SPARE_BYTES_MAX = 131072, /* a buffer with more to spare is exchanged for a smaller one */
};

static _Thread_local uint8_t scratch[CARRIED_BYTES_MAX + SCRATCH_BYTES];

void conn_free_input(struct conn *conn)
{
    free(conn->in);
    conn->in = NULL;
    conn->in_len = 0;
    conn->in_cap = 0;
}

bool conn_input_is_held(const struct conn *conn)
{
    return conn->pauses > 0 || conn->is_throttled || !conn->is_open;
}

void conn_update_events(struct conn *conn)
{
    if (!conn->is_open)
        return;
    bool reads = !conn_input_is_held(conn) && !conn->is_half_closed;
    bool writes = conn->wants_writable || conn->reads_when_writable;
    uint32_t events = (reads ? (uint32_t)EPOLLIN : 0) | (writes ? (uint32_t)EPOLLOUT : 0);
    if (events == conn->watch.events)
        return;
    if (loop_watch_change(conn->loop, &conn->watch, events) != 0)
        conn_close(conn, "cannot_be_watched");
}

/* Keeps `left`, which may lie in the scratch buffer or in conn->in itself. */
static void keep_input(struct conn *conn, struct slice left)
{
    if (left.len == 0) {
        conn_free_input(conn);
        return;
    }
    /* what conn_need() asked for is no spare: the rest of a frame is on its way */
    size_t wanted = left.len > conn->need ? left.len : conn->need;
    if (left.len > conn->in_cap || conn->in_cap > wanted + SPARE_BYTES_MAX) {
        uint8_t *in = malloc(left.len + GROWTH_BYTES);
        if (in == NULL) {
            conn_close(conn, "no_memory");
            return;
        }
        memcpy(in, left.data, left.len);
        free(conn->in);
        conn->in = in;
        conn->in_cap = left.len + GROWTH_BYTES;
    } else if (left.data != conn->in) {
        memmove(conn->in, left.data, left.len);
    }
    conn->in_len = left.len;
}

/* Hands `all` to the user and keeps what it left. */
static void deliver(struct conn *conn, struct slice all)
{
    const struct conn_user *user;
    conn_ref(conn);
    conn->is_delivering = true;
    do { /* again when a sniffer put another user in its place */
        user = conn->user;
        conn->need = 1;
        size_t used = user->on_input(conn, conn->ctx, all);
        assert(used <= all.len);
        all = slice_from(all, used);
    } while (conn->user != user && all.len > 0 && conn->is_open);
    conn->is_delivering = false;
    if (all.len > conn->limits.input_max_bytes + SCRATCH_BYTES)
        conn_close(conn, "input_too_long");
    if (conn->is_open)
        keep_input(conn, all);
    else
        conn_free_input(conn);
    conn_unref(conn);
}

/* False: there is no memory, the connection was closed. What peers make us keep is the bulk of what
 * we take, so that this frees some, where others could not go on. */
static bool make_room(struct conn *conn)
{
    size_t want = conn->in_len + GROWTH_BYTES;
    if (want < conn->need)
        want = conn->need;
    if (want <= conn->in_cap)
        return true;
    uint8_t *in = realloc(conn->in, want);
    if (in == NULL) {
        conn_close(conn, "no_memory");
        return false;
    }
    conn->in = in;
    conn->in_cap = want;
    return true;
}

static void start_lingering(struct conn *conn)
{
    conn->linger_until_ns = loop_now_ns(conn->loop) + conn->limits.linger_ms * 1000000;
    conn_arm_timer(conn);
    conn_update_events(conn);
}

static void peer_ended(struct conn *conn)
{
    conn->is_half_closed = true;
    if (!conn->is_open)
        return;
    conn_check_finished(conn);
    if (conn->is_open)
        start_lingering(conn);
}

/* Where the next read goes: the scratch buffer behind a short rest, or the connection's own memory
 * behind what is long already. Of no length: there is no room, and the connection is over. */
static struct iovec place_to_read(struct conn *conn)
{
    if (conn->in_len <= CARRIED_BYTES_MAX && conn->need <= SCRATCH_BYTES) {
        if (conn->in_len > 0)
            memcpy(scratch, conn->in, conn->in_len);
        return (struct iovec){ scratch + conn->in_len, SCRATCH_BYTES };
    }
    if (!make_room(conn))
        return (struct iovec){ .iov_len = 0 };
    return (struct iovec){ conn->in + conn->in_len, conn->in_cap - conn->in_len };
}

/* One read. True: there may be more. */
static bool read_once(struct conn *conn)
{
    struct iovec place = place_to_read(conn);
    if (place.iov_len == 0)
        return false;
    ssize_t n = conn->transport->read(conn, place.iov_base, place.iov_len);
    if (n == 0) {
        peer_ended(conn);
        return false;
    }
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            conn_close(conn, NULL);
        return false;
    }
    conn->last_io_ns = loop_now_ns(conn->loop);
    uint8_t *end = (uint8_t *)place.iov_base + n;
    struct slice all = slice_of(end - n - conn->in_len, conn->in_len + (size_t)n);
    if (all.len < conn->need)
        keep_input(conn, all);
    else
        deliver(conn, all);
    return (size_t)n == place.iov_len || conn->has_unread;
}

/* Reads once; whoever has more has another turn behind the others. */
static void read_on(struct conn *conn)
{
    if (conn_input_is_held(conn) || conn->is_half_closed)
        return;
    bool has_more = read_once(conn);
    bool goes_on = has_more && !conn_input_is_held(conn) && !conn->is_half_closed;
    conn->more_since_ns = goes_on ? loop_now_ns(conn->loop) : 0;
    if (goes_on)
        loop_go_on(conn->loop, &conn->read_on);
}

void conn_run_read_on(struct loop_deferred *step)
{
    struct conn *conn = list_entry(step, struct conn, read_on);
    conn_ref(conn);
    read_on(conn);
    conn_update_events(conn);
    conn_unref(conn);
}

void conn_on_ready(struct loop_watch *watch, uint32_t ready)
{
    struct conn *conn = list_entry(watch, struct conn, watch);
    conn_ref(conn);
    if (ready & EPOLLOUT) {
        conn_flush(conn);
        if (conn->reads_when_writable)
            ready |= EPOLLIN;
        conn->reads_when_writable = false;
    }
    if ((ready & (EPOLLIN | EPOLLHUP | EPOLLERR)) && list_empty(&conn->read_on.link))
        read_on(conn); /* else it has its turn in the backlog */
    /* Gone altogether while nothing may be read: there is nobody to answer. */
    if ((ready & (EPOLLHUP | EPOLLERR)) && conn->is_open &&
        (conn_input_is_held(conn) || conn->is_half_closed))
        conn_close(conn, NULL);
    conn_update_events(conn);
    conn_unref(conn);
}

static bool has_deliverable(const struct conn *conn)
{
    return conn->in_len > 0 && conn->in_len >= conn->need;
}

void conn_input_wanted(struct conn *conn)
{
    if (!conn_input_is_held(conn) && (has_deliverable(conn) || conn->has_unread))
        loop_defer(conn->loop, &conn->redeliver);
    conn_update_events(conn);
}

void conn_run_redeliver(struct loop_deferred *deferred)
{
    struct conn *conn = list_entry(deferred, struct conn, redeliver);
    if (conn_input_is_held(conn))
        return;
    conn_ref(conn);
    if (has_deliverable(conn)) {
        deliver(conn, slice_of(conn->in, conn->in_len));
        if (conn->is_open && conn->is_half_closed)
            conn_check_finished(conn);
    }
    if (conn->has_unread && list_empty(&conn->read_on.link)) {
        read_on(conn);
        conn_update_events(conn);
    }
    conn_unref(conn);
}

void conn_need(struct conn *conn, size_t bytes)
{
    assert(bytes <= conn->limits.input_max_bytes);
    conn->need = bytes > 0 ? bytes : 1;
}

void conn_pause_input(struct conn *conn)
{
    conn->pauses++;
    conn_update_events(conn);
}

void conn_resume_input(struct conn *conn)
{
    assert(conn->pauses > 0);
    conn->pauses--;
    conn_input_wanted(conn);
}
