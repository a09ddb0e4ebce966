/* conn.c - life and input of a connection.
 *
 * Reading goes into a scratch buffer of the thread and is handed to the user from there; only what
 * the user leaves (the start of a frame) is copied into memory of the connection's own, which is
 * given back when it is empty. So a silent connection costs its struct and nothing else.
 *
 * One timer per connection stands at the earliest of its deadlines and looks again when it fires,
 * instead of being moved with every byte.
 */
#include "net/conn_internal.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"

enum {
    SCRATCH_BYTES = 65536,
    CARRIED_BYTES_MAX = 16384, /* of an unfinished frame, taken along into the scratch buffer */
    GROWTH_BYTES = 16384,
    SPARE_BYTES_MAX = 131072, /* a buffer with more to spare is exchanged for a smaller one */
};
static_assert(sizeof(struct conn) <= 1024, "a silent connection costs next to nothing");

static _Thread_local uint8_t scratch[CARRIED_BYTES_MAX + SCRATCH_BYTES];

/* ---- the plain socket ------------------------------------------------------------------------ */

static ssize_t plain_read(struct conn *conn, void *into, size_t len)
{
    return recv(conn->watch.fd, into, len, 0);
}

static ssize_t plain_write(struct conn *conn, const struct iovec *runs, int count)
{
    struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)runs,
                              .msg_iovlen = (size_t)count };
    return sendmsg(conn->watch.fd, &message, MSG_NOSIGNAL);
}

static void plain_close(struct conn *conn)
{
    close(conn->watch.fd);
}

const struct transport plain_transport = { plain_read, plain_write, plain_close };

/* ---- life ------------------------------------------------------------------------------------ */

static void format_address(struct conn_address *address)
{
    char host[INET6_ADDRSTRLEN] = "?";
    switch (address->sockaddr.ss_family) {
    case AF_INET: {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&address->sockaddr;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(address->text, sizeof address->text, "%s:%d", host, ntohs(in->sin_port));
        break;
    }
    case AF_INET6: {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address->sockaddr;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(address->text, sizeof address->text, "[%s]:%d", host, ntohs(in6->sin6_port));
        break;
    }
    default:
        snprintf(address->text, sizeof address->text, "local");
    }
}

static void on_ready(struct loop_watch *watch, uint32_t ready);
static void on_timer(struct loop_timer *timer);
static void run_flush(struct loop_deferred *deferred);
static void run_redeliver(struct loop_deferred *deferred);
static void run_read_on(struct loop_deferred *step);

int conn_open(struct loop *loop, int fd, const struct conn_limits *limits,
              const struct conn_user *user, void *ctx, struct conn **opened)
{
    struct conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL)
        return ERR_NO_MEMORY;
    conn->loop = loop;
    conn->watch = (struct loop_watch){ on_ready, fd, EPOLLIN };
    conn->transport = &plain_transport;
    conn->refs = 1;
    conn->is_open = true;
    conn->user = user;
    conn->ctx = ctx;
    conn->limits = *limits;
    conn->need = 1;
    conn->last_io_ns = loop_now_ns(loop);
    loop_deferred_init(&conn->flush, run_flush);
    loop_deferred_init(&conn->redeliver, run_redeliver);
    loop_deferred_init(&conn->read_on, run_read_on);
    loop_timer_init(&conn->timer, on_timer);
    list_init(&conn->unsniffed);
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* a unix socket has none: fine */
    socklen_t len = sizeof conn->peer.sockaddr;
    getpeername(fd, (struct sockaddr *)&conn->peer.sockaddr, &len);
    format_address(&conn->peer);
    int err = loop_watch_start(loop, &conn->watch);
    if (err != 0) {
        free(conn);
        return err;
    }
    conn_arm_timer(conn);
    *opened = conn;
    return 0;
}

struct conn *conn_ref(struct conn *conn)
{
    assert(conn->refs > 0);
    conn->refs++;
    return conn;
}

void conn_unref(struct conn *conn)
{
    assert(conn->refs > 0);
    if (--conn->refs > 0)
        return;
    assert(!conn->is_open);
    free(conn);
}

static void free_input(struct conn *conn)
{
    free(conn->in);
    conn->in = NULL;
    conn->in_len = 0;
    conn->in_cap = 0;
}

void conn_close(struct conn *conn, const char *reason)
{
    if (!conn->is_open)
        return;
    if (reason != NULL)
        log_info("conn_closed peer=%s reason=%s", conn->peer.text, reason);
    conn->is_open = false;
    list_remove(&conn->unsniffed);
    loop_watch_stop(conn->loop, &conn->watch);
    conn->transport->close(conn);
    loop_timer_stop(&conn->timer);
    loop_undefer(&conn->flush);
    loop_undefer(&conn->redeliver);
    loop_undefer(&conn->read_on);
    conn_free_output(conn);
    if (!conn->is_delivering)
        free_input(conn); /* else the user still looks at it */
    if (conn->user->on_closed != NULL)
        conn->user->on_closed(conn, conn->ctx);
    if (conn->on_gone != NULL)
        conn->on_gone(conn->on_gone_ctx);
    conn_unref(conn);
}

static void start_lingering(struct conn *conn)
{
    conn->linger_until_ns = loop_now_ns(conn->loop) + conn->limits.linger_ms * 1000000;
    conn_arm_timer(conn);
    conn_update_events(conn);
}

/* Closes a connection that has nothing left to do: half-closed by a peer who got all its answers.
 */
void conn_check_finished(struct conn *conn)
{
    if (!conn->is_open || conn->out_bytes > 0)
        return;
    bool has_unread = !list_empty(&conn->redeliver.link); /* the user has not seen all it sent */
    if (!conn->is_half_closed || has_unread)
        return;
    if (conn->user->on_half_closed == NULL || !conn->user->on_half_closed(conn, conn->ctx))
        conn_close(conn, NULL);
}

bool conn_is_open(const struct conn *conn)
{
    return conn->is_open;
}

/* ---- deadlines ------------------------------------------------------------------------------- */

static int64_t earlier(int64_t a_ns, int64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

static int64_t idle_deadline_ns(const struct conn *conn)
{
    return conn->limits.idle_ms == 0 ? INT64_MAX
                                     : conn->last_io_ns + conn->limits.idle_ms * 1000000;
}

static int64_t stall_deadline_ns(const struct conn *conn)
{
    return conn->limits.stall_ms == 0 || conn->stalled_since_ns == 0
               ? INT64_MAX
               : conn->stalled_since_ns + conn->limits.stall_ms * 1000000;
}

static int64_t linger_deadline_ns(const struct conn *conn)
{
    return conn->linger_until_ns == 0 ? INT64_MAX : conn->linger_until_ns;
}

static int64_t ready_deadline_ns(const struct conn *conn)
{
    return conn->ready_until_ns == 0 ? INT64_MAX : conn->ready_until_ns;
}

void conn_arm_timer(struct conn *conn)
{
    int64_t due_ns = earlier(earlier(idle_deadline_ns(conn), stall_deadline_ns(conn)),
                             earlier(linger_deadline_ns(conn), ready_deadline_ns(conn)));
    if (due_ns == INT64_MAX)
        return;
    if (conn->timer.at != 0 && conn->timer.due_ns <= due_ns)
        return; /* fires early enough, and looks again then */
    int64_t left_ns = due_ns - loop_now_ns(conn->loop);
    loop_timer_start(conn->loop, &conn->timer, left_ns > 0 ? left_ns / 1000000 + 1 : 0);
}

static void on_timer(struct loop_timer *timer)
{
    struct conn *conn = list_entry(timer, struct conn, timer);
    int64_t now_ns = loop_now_ns(conn->loop);
    if (now_ns >= stall_deadline_ns(conn))
        conn_close(conn, "does_not_read");
    else if (now_ns >= linger_deadline_ns(conn))
        conn_close(conn, conn->is_half_closed ? "half_closed" : "does_not_read");
    else if (now_ns >= ready_deadline_ns(conn))
        conn_close(conn, "handshake_timeout");
    else if (now_ns >= idle_deadline_ns(conn))
        conn_close(conn, "idle");
    else
        conn_arm_timer(conn);
}

void conn_set_ready_deadline(struct conn *conn, int64_t ms)
{
    conn->ready_until_ns = ms == 0 ? 0 : loop_now_ns(conn->loop) + ms * 1000000;
    conn_arm_timer(conn);
}

/* ---- input ----------------------------------------------------------------------------------- */

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
        free_input(conn);
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
        free_input(conn);
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

static void run_read_on(struct loop_deferred *step)
{
    struct conn *conn = list_entry(step, struct conn, read_on);
    conn_ref(conn);
    read_on(conn);
    conn_update_events(conn);
    conn_unref(conn);
}

static void on_ready(struct loop_watch *watch, uint32_t ready)
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

static void run_flush(struct loop_deferred *deferred)
{
    struct conn *conn = list_entry(deferred, struct conn, flush);
    conn_ref(conn);
    conn_flush(conn);
    conn_unref(conn);
}

static bool has_deliverable(const struct conn *conn)
{
    return conn->in_len > 0 && conn->in_len >= conn->need;
}

/* Input is allowed again: what was left lies here already, no event will tell of it. */
void conn_input_wanted(struct conn *conn)
{
    if (!conn_input_is_held(conn) && (has_deliverable(conn) || conn->has_unread))
        loop_defer(conn->loop, &conn->redeliver);
    conn_update_events(conn);
}

static void run_redeliver(struct loop_deferred *deferred)
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

/* ---- what one may ask ------------------------------------------------------------------------ */

void conn_set_user(struct conn *conn, const struct conn_user *user, void *ctx)
{
    conn->user = user;
    conn->ctx = ctx;
}

void conn_set_origin(struct conn *conn, const struct sockaddr_storage *origin)
{
    assert(!conn->is_relayed);
    conn->is_relayed = true;
    if (origin == NULL)
        return;
    conn->peer.sockaddr = *origin;
    format_address(&conn->peer);
}

bool conn_is_relayed(const struct conn *conn)
{
    return conn->is_relayed;
}

bool conn_is_encrypted(const struct conn *conn)
{
    return conn->tls != NULL;
}

struct loop *conn_loop(const struct conn *conn)
{
    return conn->loop;
}

size_t conn_output_bytes(const struct conn *conn)
{
    return conn->out_bytes;
}

int64_t conn_arrived_ns(const struct conn *conn)
{
    return conn->more_since_ns != 0 ? conn->more_since_ns : loop_now_ns(conn->loop);
}

const struct conn_address *conn_peer(const struct conn *conn)
{
    return &conn->peer;
}
