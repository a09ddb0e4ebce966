/* log.c - a bounded ring between the threads that have something to say and the one that writes.
 *
 * Each slot carries a turn number. A producer claims the next ticket, formats into the slot when
 * the slot's turn says it is free, and publishes it by moving the turn on; the writer follows in
 * ticket order. A producer that finds its slot still taken (the ring is full) drops the line and
 * counts it. Nobody waits for anybody but the writer, who sleeps on a futex while the ring is
 * empty.
 */
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static_assert((LOG_RING_LINES & (LOG_RING_LINES - 1)) == 0, "slots are found by masking");

struct line {
    atomic_uint turn; /* == ticket: free for it; == ticket + 1: holds its line */
    uint32_t len;
    char text[LOG_LINE_BYTES];
};

static struct line ring[LOG_RING_LINES];
static atomic_uint next_ticket;
static atomic_uint dropped;
static atomic_int wake_word; /* futex: 1 while there is something to look at */
static atomic_int least_level = LOG_INFO;
static atomic_int is_running;
static atomic_int is_stopping;
static int log_fd = STDERR_FILENO;
static pthread_t writer;

static const char *const level_names[] = { "DEBUG", "INFO ", "WARN ", "ERROR" };

__attribute__((format(printf, 3, 0))) static size_t
format_line(char text[LOG_LINE_BYTES], enum log_level level, const char *format, va_list args)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t len = strftime(text, LOG_LINE_BYTES, "%Y-%m-%dT%H:%M:%S", &utc);
    len += (size_t)snprintf(text + len, LOG_LINE_BYTES - len, ".%03ldZ %s ", now.tv_nsec / 1000000,
                            level_names[level]);
    int more = vsnprintf(text + len, LOG_LINE_BYTES - len, format, args);
    len += more < 0 ? 0 : (size_t)more;
    if (len > LOG_LINE_BYTES - 1) {
        len = LOG_LINE_BYTES - 1;
        memcpy(text + len - 3, "...", 3);
    }
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < ' ')
            text[i] = '?'; /* one event, one line, whatever a client put into a name */
    text[len] = '\n';
    return len + 1;
}

static void write_fully(const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(log_fd, text, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* nobody reads the log: nothing better can be done with the line */
        text += n;
        len -= (size_t)n;
    }
}

static void wake_writer(void)
{
    if (atomic_exchange(&wake_word, 1) == 0)
        syscall(SYS_futex, &wake_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Claims the slot of the next ticket; NULL when the ring is full. */
static struct line *claim(unsigned *ticket)
{
    unsigned at = atomic_load_explicit(&next_ticket, memory_order_relaxed);
    for (;;) {
        struct line *line = &ring[at & (LOG_RING_LINES - 1)];
        unsigned turn = atomic_load_explicit(&line->turn, memory_order_acquire);
        if ((int)(turn - at) < 0)
            return NULL;
        if (turn == at &&
            atomic_compare_exchange_weak_explicit(&next_ticket, &at, at + 1, memory_order_relaxed,
                                                  memory_order_relaxed)) {
            *ticket = at;
            return line;
        }
        if (turn != at)
            at = atomic_load_explicit(&next_ticket, memory_order_relaxed);
    }
}

void log_write(enum log_level level, const char *format, ...)
{
    if ((int)level < atomic_load_explicit(&least_level, memory_order_relaxed))
        return;
    va_list args;
    va_start(args, format);
    if (!atomic_load_explicit(&is_running, memory_order_acquire)) {
        char text[LOG_LINE_BYTES];
        write_fully(text, format_line(text, level, format, args));
    } else {
        unsigned ticket;
        struct line *line = claim(&ticket);
        if (line == NULL) {
            atomic_fetch_add(&dropped, 1);
        } else {
            line->len = (uint32_t)format_line(line->text, level, format, args);
            atomic_store_explicit(&line->turn, ticket + 1, memory_order_release);
        }
        wake_writer();
    }
    va_end(args);
}

/* Writes what is published from `ticket` on; returns the first ticket that is not. */
static unsigned write_published(unsigned ticket)
{
    for (;; ticket++) {
        struct line *line = &ring[ticket & (LOG_RING_LINES - 1)];
        if (atomic_load_explicit(&line->turn, memory_order_acquire) != ticket + 1)
            return ticket;
        write_fully(line->text, line->len);
        atomic_store_explicit(&line->turn, ticket + LOG_RING_LINES, memory_order_release);
    }
}

/* Past the ring: for the writer itself. */
static void write_line(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void write_line(enum log_level level, const char *format, ...)
{
    char text[LOG_LINE_BYTES];
    va_list args;
    va_start(args, format);
    write_fully(text, format_line(text, level, format, args));
    va_end(args);
}

static void write_dropped_count(void)
{
    unsigned count = atomic_exchange(&dropped, 0);
    if (count == 0)
        return;
    write_line(LOG_WARN, "log_lines_dropped count=%u", count);
}

static void *run_writer(void *arg)
{
    unsigned ticket = *(unsigned *)arg;
    for (;;) {
        /* The word is taken down before anything is looked at: whoever adds to what is looked at
         * afterwards raises it again. */
        atomic_exchange(&wake_word, 0);
        int stopping = atomic_load(&is_stopping);
        ticket = write_published(ticket);
        write_dropped_count();
        if (stopping)
            return NULL;
        while (atomic_load(&wake_word) == 0)
            syscall(SYS_futex, &wake_word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    }
}

int log_start(int fd, enum log_level least)
{
    assert(!atomic_load(&is_running));
    static unsigned first_ticket;
    first_ticket = 0;
    for (unsigned i = 0; i < LOG_RING_LINES; i++)
        atomic_store(&ring[i].turn, i);
    atomic_store(&next_ticket, 0);
    log_fd = fd;
    log_set_level(least);
    atomic_store(&is_stopping, 0);
    int cause = pthread_create(&writer, NULL, run_writer, &first_ticket);
    if (cause != 0)
        return err_from_errno(cause);
    pthread_setname_np(writer, "log");
    atomic_store_explicit(&is_running, 1, memory_order_release);
    return 0;
}

void log_stop(void)
{
    if (!atomic_exchange(&is_running, 0))
        return;
    atomic_store(&is_stopping, 1);
    wake_writer();
    pthread_join(writer, NULL);
}

void log_set_level(enum log_level least)
{
    atomic_store(&least_level, (int)least);
}

bool log_limit_pass(struct log_limit *limit, int64_t now_ns, uint32_t *held)
{
    enum { SECOND_NS = 1000000000 };
    int64_t unused_ns = now_ns - (int64_t)limit->burst * SECOND_NS;
    if (now_ns < limit->next_ns) {
        limit->held++;
        return false;
    }
    *held = limit->held;
    limit->held = 0;
    limit->next_ns = (limit->next_ns > unused_ns ? limit->next_ns : unused_ns) + SECOND_NS;
    return true;
}
