/* timer_flush.c - how far it has come: a snapshot taken by the loop, brought to the disk by a
 * worker.
 *
 * What the check point says must be true after a crash: units and wheel are synced before it is
 * written, and the records they lead to before that (needs_phy_offset).
 */
#include <assert.h>

#include "base/log.h"
#include "delivery/timer_internal.h"
#include "meta/meta.h"

enum { METRICS_INTERVAL_MS = 10000 };

static void write_metrics(struct timer *t)
{
    if (table_file_write(t->metrics_path, buf_slice(&t->flush.metrics_text)) != 0)
        log_warn("timer_metrics_not_saved path=%s", t->metrics_path);
}

void timer_save_metrics(struct timer *t)
{
    buf_clear(&t->flush.metrics_text);
    topic_counts_text(&t->counts, &t->flush.metrics_text);
    write_metrics(t);
}

int64_t timer_saved_to(const struct timer *t)
{
    return t->flushed.read_ms;
}

int64_t timer_saved_queue_offset(const struct timer *t)
{
    return t->flushed.queue_offset;
}

/* Up to when everything of the first tick was delivered: before what waits. */
static int64_t exact_progress(const struct timer *t)
{
    int64_t tick_ms = timer_tick_ms(t, t->due.first_tick);
    int64_t exact_ms = tick_ms + t->options.precision_ms;
    const struct timer_item *first = timer_due_first(&t->due);
    if (!t->is_ready || t->due.first_tick >= t->loaded_to)
        return tick_ms;
    if (first != NULL && first->due_ms - 1 < exact_ms)
        exact_ms = first->due_ms - 1;
    for (size_t i = 0; i < t->cold_count; i++)
        if (t->cold[i].item.due_ms - 1 < exact_ms)
            exact_ms = t->cold[i].item.due_ms - 1;
    return exact_ms < tick_ms ? tick_ms : exact_ms;
}

struct timer_check timer_progress(const struct timer *t)
{
    struct timer_check check = t->flushed;
    check.read_ms = timer_tick_ms(t, t->due.first_tick);
    check.exact_ms = exact_progress(t);
    check.log_pos = t->work.late_pos >= 0 ? t->work.late_pos : timer_log_end(t->work.log);
    check.queue_offset = t->work.queue_next;
    check.master_queue_offset = t->work.queue_next;
    assert(check.exact_ms >= check.read_ms);
    assert(check.exact_ms - check.read_ms <= t->options.precision_ms);
    assert(check.log_pos >= 0 && check.log_pos <= timer_log_end(t->work.log));
    return check;
}

bool timer_has_progress(const struct timer *t)
{
    if (t->has_flush_failed || !t->is_recovered)
        return false;
    if (t->is_working)
        return true;
    struct timer_check check = timer_progress(t);
    /* time passing over empty ticks is no news, but for what was delivered in them */
    bool has_passed = t->has_delivered && t->flushed.read_ms <= timer_tick_ms(t, t->delivered_tick);
    return t->has_delivered_since || (has_passed && check.read_ms != t->flushed.read_ms) ||
           check.log_pos != t->flushed.log_pos || check.queue_offset != t->flushed.queue_offset;
}

int64_t timer_flush_begin(struct timer *t, int64_t now_ms)
{
    assert(!t->is_working && !t->is_flushing);
    struct timer_flush *f = &t->flush;
    t->is_flushing = true;
    t->has_delivered_since = false;
    f->check = timer_progress(t);
    f->check.timestamp = now_ms;
    f->check.counter++;
    timer_log_take_unsynced(t->work.log, &f->unsynced);
    buf_clear(&f->metrics_text);
    if (t->counts.is_changed && now_ms >= t->metrics_due_ms) {
        topic_counts_text(&t->counts, &f->metrics_text);
        t->metrics_due_ms = now_ms + METRICS_INTERVAL_MS;
    }
    int64_t enqueued_end = t->work.enqueued_end;
    f->needs_phy_offset = enqueued_end > t->delivered_end ? enqueued_end : t->delivered_end;
    return f->needs_phy_offset;
}

void timer_flush(struct timer *t)
{
    struct timer_flush *f = &t->flush;
    assert(t->is_flushing);
    f->err = timer_log_sync(&f->unsynced);
    if (f->err == 0)
        f->err = timer_wheel_sync(&t->work.wheel);
    if (f->err == 0)
        f->err = timer_check_write(t->check_path, &f->check);
    if (f->metrics_text.len > 0)
        write_metrics(t);
}

void timer_flush_end(struct timer *t)
{
    assert(t->is_flushing);
    t->is_flushing = false;
    if (t->flush.err == 0) {
        t->flushed = t->flush.check;
        return;
    }
    /* what the disk holds is not known any more: the next start goes on from the last check point
     */
    t->has_flush_failed = true;
    log_error("timer_flush_failed error=%s: timers go on, a restart will deliver some again",
              err_name(t->flush.err));
}

void timer_check_text(const struct timer *t, struct buf *out)
{
    timer_check_encode(&t->flushed, buf_reserve(out, TIMER_CHECK_BYTES));
    out->len += TIMER_CHECK_BYTES;
}

void timer_metrics_body(struct timer *t, struct buf *out)
{
    bool was_changed = t->counts.is_changed;
    topic_counts_text(&t->counts, out);
    t->counts.is_changed = was_changed;
}
