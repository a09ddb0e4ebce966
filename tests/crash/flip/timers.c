/* timers.c - what the timers of a directory deliver when everything in it is due. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/crc.h"
#include "delivery/delivery.h"
#include "flip.h"
#include "wire/names.h"
#include "wire/properties.h"

enum { PRECISION_MS = 1000, WINDOW_TICKS = 172800, AHEAD_MS = 120000, RETRIES = 5 };

static int64_t all_due_ms; /* the same for every case */

static int take(void *ctx, const struct record *record, int64_t *end_phy_offset)
{
    struct timed_set *set = ctx;
    struct slice key = property_get(record->properties, SLICE(PROPERTY_UNIQ_KEY));
    if (set->count == TIMED_MAX)
        violation("more than %d timers are delivered", TIMED_MAX);
    struct timed *timed = &set->list[set->count++];
    timed->body_crc = crc32_update(0, record->body);
    snprintf(timed->topic, sizeof timed->topic, "%.*s", SLICE_FMT(record->topic));
    snprintf(timed->key, sizeof timed->key, "%.*s", SLICE_FMT(key));
    *end_phy_offset = 0;
    return 0;
}

static void deliver_all(struct timer *timer)
{
    int retries = 0;
    for (int64_t now_ms = all_due_ms; retries < RETRIES;) {
        int64_t due_ms = timer_run(timer, now_ms, 64);
        if (timer_work_due(timer, now_ms) <= now_ms) {
            timer_work_begin(timer, now_ms, true);
            timer_work(timer);
            timer_work_end(timer, now_ms, true);
        } else if (due_ms > now_ms) { /* what failed is tried again */
            now_ms += TIMER_RETRY_MS;
            retries++;
        }
    }
}

int timers_take(struct store *store, const char *root, struct timed_set *set)
{
    const struct timer_options options = { .store = store,
                                           .root_dir = root,
                                           .precision_ms = PRECISION_MS,
                                           .roll_window_ticks = WINDOW_TICKS,
                                           .log_file_bytes = geometry.timer_file_bytes,
                                           .put = take,
                                           .ctx = set };
    struct timer *timer;
    if (all_due_ms == 0)
        all_due_ms = clock_wall_ms() + AHEAD_MS;
    set->count = 0;
    int err = timer_open(&options, all_due_ms, &timer);
    if (err != 0)
        return err;
    deliver_all(timer);
    timer_close(timer, all_due_ms);
    return 0;
}
