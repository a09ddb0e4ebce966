/* timer_message.c - what a message says about when it is to be delivered, and what it says while it
 * waits for that.
 *
 *   time asked for   1,000,001 .. 1,001,000   (ms, precision 1 s)
 *   TIMER_OUT_MS     1,000,000                 the tick, that is its slot of the wheel
 *
 * The tick is all the reference's wheel keeps; the exact time is found again from what the sender
 * wrote, which stays among the properties, and the time of storing.
 */
#include "delivery/timer_message.h"

#include <assert.h>

#include "delivery/real_place.h"
#include "wire/properties.h"

/* Strongest first. */
static const struct {
    struct slice name;
    int64_t unit_ms;
    bool is_delay; /* counts from when the message was stored */
} time_properties[] = {
    { SLICE(PROPERTY_TIMER_DELAY_SEC), 1000, true },
    { SLICE(PROPERTY_TIMER_DELAY_MS), 1, true },
    { SLICE(PROPERTY_TIMER_DELIVER_MS), 1, false },
};
enum { TIME_PROPERTIES = sizeof time_properties / sizeof time_properties[0] };

/* Far beyond any clock, and adding one to another does not overflow. */
#define TIME_MAX_MS (INT64_MAX / 4)

int64_t timer_precision(int asked_ms)
{
    static const int lengths[] = { 1000, 500, 200, 100 };
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        if (asked_ms >= lengths[i])
            return lengths[i];
    return lengths[sizeof lengths / sizeof lengths[0] - 1];
}

/* The time the property at `index` names. False: it is no number, or out of all bounds. */
static bool time_of(struct slice value, int index, int64_t stored_ms, int64_t *time_ms)
{
    int64_t count;
    if (!slice_to_i64(value, &count))
        return false;
    int64_t unit_ms = time_properties[index].unit_ms;
    if (count > TIME_MAX_MS / unit_ms || count < -TIME_MAX_MS / unit_ms)
        return false;
    *time_ms = count * unit_ms + (time_properties[index].is_delay ? stored_ms : 0);
    return true;
}

int64_t timer_tick_of(int64_t due_ms, int64_t precision_ms)
{
    assert(due_ms > 0 && precision_ms > 0);
    return (due_ms - 1) / precision_ms * precision_ms;
}

int64_t timer_due_of(const struct record *record, int64_t tick_ms, int64_t precision_ms)
{
    assert(tick_ms >= 0);
    assert(precision_ms > 0);
    for (int i = 0; i < TIME_PROPERTIES; i++) {
        int64_t due_ms;
        struct slice value = property_get(record->properties, time_properties[i].name);
        if (value.data != NULL && time_of(value, i, record->store_timestamp, &due_ms) &&
            due_ms > tick_ms && due_ms <= tick_ms + precision_ms)
            return due_ms;
    }
    return tick_ms + precision_ms;
}

static bool has_time(struct slice properties)
{
    for (int i = 0; i < TIME_PROPERTIES; i++)
        if (property_get(properties, time_properties[i].name).data != NULL)
            return true;
    return false;
}

static void remove_times(struct record *record, struct arena *arena)
{
    struct property_change changes[TIME_PROPERTIES];
    for (int i = 0; i < TIME_PROPERTIES; i++)
        changes[i] = (struct property_change){ .name = time_properties[i].name };
    record->properties = properties_edit(record->properties, changes, TIME_PROPERTIES, arena);
}

static void move_to_timer_topic(struct record *record, int64_t tick_ms, struct arena *arena)
{
    const struct property_change changes[] = {
        { SLICE(PROPERTY_TIMER_OUT_MS), arena_printf(arena, "%lld", (long long)tick_ms) },
        { SLICE(PROPERTY_REAL_TOPIC), record->topic },
        { SLICE(PROPERTY_REAL_QUEUE_ID), arena_printf(arena, "%d", record->queue_id) },
    };
    record->properties =
        properties_edit(record->properties, changes, sizeof changes / sizeof changes[0], arena);
    record->topic = SLICE(TOPIC_TIMER);
    record->queue_id = 0;
}

static bool is_timer(const struct record *record)
{
    int32_t type = record->sys_flag & SYS_FLAG_TRANSACTION_MASK;
    return (type == 0 || type == SYS_FLAG_TRANSACTION_COMMIT) && has_time(record->properties) &&
           !slice_eq(record->topic, SLICE(TOPIC_TIMER)) &&
           property_get(record->properties, SLICE(PROPERTY_TIMER_OUT_MS)).data == NULL;
}

/* The time asked for; false when it is none. */
static bool asked_time(const struct record *record, int64_t now_ms, int64_t *due_ms)
{
    int i = 0;
    struct slice value = { NULL, 0 };
    while (i < TIME_PROPERTIES &&
           (value = property_get(record->properties, time_properties[i].name)).data == NULL)
        i++;
    assert(i < TIME_PROPERTIES);
    return time_of(value, i, now_ms, due_ms);
}

enum timer_verdict timer_redirect(const struct timer_rules *rules, struct record *record,
                                  int64_t now_ms, struct arena *arena)
{
    int32_t level;
    int64_t due_ms;
    if (!is_timer(record))
        return TIMER_NONE;
    if (slice_to_i32(property_get(record->properties, SLICE(PROPERTY_DELAY)), &level) &&
        level > 0) {
        remove_times(record, arena);
        return TIMER_NONE;
    }
    if (!rules->enable)
        return TIMER_NOT_ENABLED;
    if (!asked_time(record, now_ms, &due_ms))
        return TIMER_ILLEGAL;
    bool cancels =
        property_get(record->properties, SLICE(PROPERTY_TIMER_DEL_UNIQ_KEY)).data != NULL;
    if (due_ms <= now_ms)
        return cancels ? TIMER_ILLEGAL : TIMER_NONE;
    if (due_ms - now_ms > rules->max_delay_ms)
        return TIMER_ILLEGAL;
    int64_t tick_ms = timer_tick_of(due_ms, rules->precision_ms);
    assert(tick_ms < due_ms && due_ms <= tick_ms + rules->precision_ms);
    move_to_timer_topic(record, tick_ms, arena);
    return TIMER_REDIRECTED;
}

/* ---- while it waits -------------------------------------------------------------------------- */

bool timer_tick_in(const struct record *record, int64_t *tick_ms)
{
    struct slice value = property_get(record->properties, SLICE(PROPERTY_TIMER_OUT_MS));
    return slice_to_i64(value, tick_ms) && *tick_ms >= 0 && *tick_ms < TIME_MAX_MS;
}

struct slice timer_cancelled_by(const struct record *record)
{
    return property_get(record->properties, SLICE(PROPERTY_TIMER_DEL_UNIQ_KEY));
}

struct slice timer_cancel_key(const struct record *record, struct arena *arena)
{
    struct slice topic = property_get(record->properties, SLICE(PROPERTY_REAL_TOPIC));
    struct slice key = property_get(record->properties, SLICE(PROPERTY_UNIQ_KEY));
    if (topic.len == 0 || key.len == 0)
        return slice_of(NULL, 0);
    return arena_printf(arena, "%.*s+%.*s", SLICE_FMT(topic), SLICE_FMT(key));
}

/* ---- when its time has come ------------------------------------------------------------------ */

/* What the timer adds is for people who look; it never makes a message too big to be delivered. */
static void add_notes(struct record *record, const struct property_change *changes, int count,
                      struct arena *arena)
{
    struct slice noted = properties_edit(record->properties, changes, count, arena);
    if (noted.len <= RECORD_PROPERTIES_MAX)
        record->properties = noted;
}

bool timer_restore(struct record *record, int64_t write_ms, int64_t now_ms, struct arena *arena)
{
    if (!real_place_restore(record))
        return false;
    const struct property_change notes[] = {
        { SLICE(PROPERTY_TIMER_ENQUEUE_MS), arena_printf(arena, "%lld", (long long)write_ms) },
        { SLICE(PROPERTY_TIMER_DEQUEUE_MS), arena_printf(arena, "%lld", (long long)now_ms) },
    };
    add_notes(record, notes, sizeof notes / sizeof notes[0], arena);
    return true;
}

void timer_roll(struct record *record, int64_t due_ms, int64_t write_ms, int64_t now_ms,
                struct arena *arena)
{
    int32_t rolls = 0;
    assert(due_ms > 0 && slice_eq(record->topic, SLICE(TOPIC_TIMER)));
    slice_to_i32(property_get(record->properties, SLICE(PROPERTY_TIMER_ROLL_TIMES)), &rolls);
    const struct property_change notes[] = {
        { SLICE(PROPERTY_TIMER_ENQUEUE_MS), arena_printf(arena, "%lld", (long long)write_ms) },
        { SLICE(PROPERTY_TIMER_DEQUEUE_MS), arena_printf(arena, "%lld", (long long)now_ms) },
        { SLICE(PROPERTY_TIMER_ROLL_TIMES), arena_printf(arena, "%d", rolls + 1) },
        { SLICE(PROPERTY_TIMER_DELIVER_MS), arena_printf(arena, "%lld", (long long)due_ms) },
    };
    record->topic = SLICE(TOPIC_TIMER);
    record->queue_id = 0;
    record->prepared_transaction_offset = 0;
    add_notes(record, notes, sizeof notes / sizeof notes[0], arena);
}
