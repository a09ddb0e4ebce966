#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

enum { THREADS = 4, LINES = 2000 };

struct fixture {
    int read_fd;
    int write_fd;
    char *text; /* what came through the pipe until it was closed */
    size_t len;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    int fds[2];
    *state = f;
    if (pipe(fds) != 0)
        return -1;
    f->read_fd = fds[0];
    f->write_fd = fds[1];
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    log_set_level(LOG_INFO);
    close(f->read_fd);
    free(f->text);
    free(f);
    return 0;
}

static void *read_all(void *arg)
{
    struct fixture *f = arg;
    size_t cap = 1 << 22;
    f->text = malloc(cap);
    for (ssize_t n; (n = read(f->read_fd, f->text + f->len, cap - 1 - f->len)) > 0;)
        f->len += (size_t)n;
    f->text[f->len] = 0;
    return NULL;
}

static void stop_and_read(struct fixture *f)
{
    log_stop();
    close(f->write_fd);
    read_all(f);
}

/* Goal: a line has time, level, event and values, one line whatever is in it, cut when too long;
 * what is below the level is not written. Method: write one of each into a pipe. */
static void lines_have_their_form(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(log_start(f->write_fd, LOG_INFO), 0);
    log_debug("hidden");
    log_info("topic_made name=%s queues=%d", "a\nb", 8);
    log_error("long text=%0600d", 1);
    stop_and_read(f);
    int year, month, day, hour, minute, second, ms;
    char zone;
    assert_int_equal(sscanf(f->text, "%d-%d-%dT%d:%d:%d.%3d%c", &year, &month, &day, &hour, &minute,
                            &second, &ms, &zone),
                     8);
    assert_int_equal(zone, 'Z');
    assert_int_equal(f->text[23], 'Z');
    const char *second_line = strchr(f->text, '\n') + 1;
    assert_memory_equal(f->text + 24, " INFO  topic_made name=a?b queues=8\n", 36);
    assert_int_equal(strlen(second_line), LOG_LINE_BYTES);
    assert_memory_equal(second_line + 24, " ERROR long", 11);
    assert_string_equal(second_line + LOG_LINE_BYTES - 4, "...\n");
}

static void *write_lines(void *arg)
{
    const int *thread = arg;
    for (int i = 0; i < LINES; i++)
        log_info("line thread=%d number=%d", *thread, i);
    return NULL;
}

/* Goal: lines of several threads come whole and in each thread's order; each is written or counted
 * as dropped. Method: four threads at once, a reader on the pipe; parse everything that came. */
static void every_line_is_written_or_counted(void **state)
{
    struct fixture *f = *state;
    pthread_t reader, writers[THREADS];
    int numbers[THREADS];
    assert_int_equal(log_start(f->write_fd, LOG_INFO), 0);
    pthread_create(&reader, NULL, read_all, f);
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        pthread_create(&writers[i], NULL, write_lines, &numbers[i]);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(writers[i], NULL);
    log_stop();
    close(f->write_fd);
    pthread_join(reader, NULL);

    int next[THREADS] = { 0 };
    unsigned written = 0, dropped = 0;
    char *rest = f->text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL && *line != 0;) {
        int thread, number;
        unsigned count;
        const char *event = strstr(line, "line thread=");
        if (event != NULL && sscanf(event, "line thread=%d number=%d", &thread, &number) == 2) {
            assert_true(number >= next[thread]);
            next[thread] = number + 1;
            written++;
        } else {
            event = strstr(line, "log_lines_dropped");
            assert_non_null(event);
            assert_int_equal(sscanf(event, "log_lines_dropped count=%u", &count), 1);
            dropped += count;
        }
    }
    assert_int_equal(written + dropped, THREADS * LINES);
}

/* Goal: a writer that hangs holds nobody up; what did not fit is counted once there is room again.
 * Method: a pipe nobody reads takes 64 KiB, the ring its lines; log three times as much, then read.
 */
static void a_full_ring_drops_and_counts(void **state)
{
    struct fixture *f = *state;
    enum { MANY = 3 * LOG_RING_LINES };
    assert_int_equal(fcntl(f->write_fd, F_SETPIPE_SZ, 4096) > 0, 1);
    assert_int_equal(log_start(f->write_fd, LOG_INFO), 0);
    for (int i = 0; i < MANY; i++)
        log_info("line number=%d text=%0200d", i, 0);
    pthread_t reader;
    pthread_create(&reader, NULL, read_all, f);
    log_stop();
    close(f->write_fd);
    pthread_join(reader, NULL);
    int written = 0;
    unsigned dropped = 0, count;
    for (const char *at = f->text; (at = strstr(at, "line number=")) != NULL; at++)
        written++;
    for (const char *at = f->text; (at = strstr(at, "log_lines_dropped count=")) != NULL; at++)
        dropped += sscanf(at, "log_lines_dropped count=%u", &count) == 1 ? count : 0;
    assert_true(dropped > 0);
    assert_int_equal((unsigned)written + dropped, MANY);
}

/* Goal: starting and stopping ends, whatever the writer is doing at that moment.
 * Method: two thousand times, with a line just before. */
static void stopping_never_hangs(void **state)
{
    struct fixture *f = *state;
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(log_start(null, LOG_INFO), 0);
        log_info("line number=%d", i);
        log_stop();
    }
    close(null);
    close(f->write_fd);
}

/* Goal: a limited event passes once per second and tells how many were held back.
 * Method: time is a number. */
static void a_limit_lets_one_through_per_second(void **state)
{
    struct fixture *f = *state;
    close(f->write_fd);
    struct log_limit limit = { 0 };
    uint32_t held = 9;
    assert_true(log_limit_pass(&limit, 1000, &held));
    assert_int_equal(held, 0);
    assert_false(log_limit_pass(&limit, 2000, &held));
    assert_false(log_limit_pass(&limit, 1000000999, &held));
    assert_true(log_limit_pass(&limit, 1000001000, &held));
    assert_int_equal(held, 2);
}

/* Goal: after a quiet time so many more pass at once, and then one a second again.
 * Method: time is a number. */
static void a_limit_with_a_burst_lets_more_through_at_once(void **state)
{
    enum { SECOND_NS = 1000000000 };
    struct fixture *f = *state;
    close(f->write_fd);
    struct log_limit limit = { .burst = 2 };
    uint32_t held;
    int64_t now_ns = INT64_C(100) * SECOND_NS;
    for (int i = 0; i < 3; i++) {
        assert_true(log_limit_pass(&limit, now_ns + i, &held));
        assert_int_equal(held, 0);
    }
    assert_false(log_limit_pass(&limit, now_ns + 3, &held));
    assert_true(log_limit_pass(&limit, now_ns + SECOND_NS, &held));
    assert_int_equal(held, 1);
    assert_false(log_limit_pass(&limit, now_ns + SECOND_NS + 1, &held));
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(lines_have_their_form),
        LOG_TEST(every_line_is_written_or_counted),
        LOG_TEST(a_full_ring_drops_and_counts),
        LOG_TEST(stopping_never_hangs),
        LOG_TEST(a_limit_lets_one_through_per_second),
        LOG_TEST(a_limit_with_a_burst_lets_more_through_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
