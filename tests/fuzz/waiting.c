/* Goal: whatever properties a client's message has, it becomes a timer, a half message, both in
 * turn, or is refused; what waits is restored, rolled and committed without reading outside of it,
 * and a half says the topic that it was sent to. */
#include "delivery/delivery.h"
#include "delivery/timer_message.h"
#include "delivery/txn.h"
#include "fuzz.h"

enum { NOW_MS = 1800000000, PRECISION_MS = 1000, DAY_MS = 86400000 };

static struct record sent(const uint8_t *data, size_t size)
{
    return (struct record){ .topic = SLICE("t"),
                            .queue_id = 3,
                            .body = SLICE("body"),
                            .born_timestamp = NOW_MS,
                            .store_timestamp = NOW_MS,
                            .properties = slice_of(data, size) };
}

static void wait_for_time(struct record record, struct arena *arena)
{
    const struct timer_rules rules = { .enable = true,
                                       .max_delay_ms = DAY_MS,
                                       .precision_ms = PRECISION_MS };
    int64_t tick_ms;
    if (timer_redirect(&rules, &record, NOW_MS, arena) != TIMER_REDIRECTED)
        return;
    CHECK(timer_tick_in(&record, &tick_ms));
    int64_t due_ms = timer_due_of(&record, tick_ms, PRECISION_MS);
    CHECK(due_ms > tick_ms && due_ms <= tick_ms + PRECISION_MS);
    touch(timer_cancelled_by(&record));
    touch(timer_cancel_key(&record, arena));
    struct record rolled = record;
    timer_roll(&rolled, due_ms, NOW_MS, NOW_MS, arena);
    CHECK(timer_tick_in(&rolled, &tick_ms));
    if (timer_restore(&record, NOW_MS, NOW_MS, arena))
        touch(record.properties);
}

static void wait_for_its_end(struct record record, struct arena *arena)
{
    struct txn_half half;
    txn_half_prepare(&record, arena);
    if (!txn_half_read(&record, &half))
        return;
    touch(half.transaction_id);
    touch(half.producer_group);
    CHECK(slice_eq(half.real_topic, SLICE("t")) && half.real_queue_id == 3 && !half.is_copy);
    wait_for_time(txn_final(&half), arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena);
    wait_for_time(sent(data, size), &arena);
    wait_for_its_end(sent(data, size), &arena);
    arena_fini(&arena);
    return 0;
}
