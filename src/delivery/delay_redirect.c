/* delay_redirect.c - the way of a message onto a delay level. */
#include "delivery/delay.h"

#include <assert.h>

#include "wire/properties.h"

/* TIMER_DELAY_SEC, _DELAY_MS and _DELIVER_MS begin alike. */
bool message_has_times(struct slice properties)
{
    struct slice name;
    struct slice value;
    while (property_next(&properties, &name, &value))
        if (slice_starts_with(name, SLICE("TIMER_DEL")) || slice_eq(name, SLICE(PROPERTY_DELAY)))
            return true;
    return false;
}

void delay_redirect(const struct delay_levels *levels, struct record *record, struct arena *arena)
{
    assert(levels->count > 0);
    int32_t type = record->sys_flag & SYS_FLAG_TRANSACTION_MASK;
    if (type != 0 && type != SYS_FLAG_TRANSACTION_COMMIT)
        return;
    int32_t level;
    struct slice asked = property_get(record->properties, SLICE(PROPERTY_DELAY));
    if (asked.data == NULL || !slice_to_i32(asked, &level) || level <= 0)
        return;
    if (level > levels->count)
        level = levels->count;
    assert(level >= 1 && level <= DELAY_LEVELS_MAX);
    struct property_change changes[] = {
        { SLICE(PROPERTY_DELAY), arena_printf(arena, "%d", level) },
        { SLICE(PROPERTY_REAL_TOPIC), record->topic },
        { SLICE(PROPERTY_REAL_QUEUE_ID), arena_printf(arena, "%d", record->queue_id) },
    };
    record->properties = properties_edit(record->properties, changes, 3, arena);
    record->topic = SLICE(TOPIC_SCHEDULE);
    record->queue_id = level - 1;
}
