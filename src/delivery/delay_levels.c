/* delay_levels.c - the table of delay levels, and the way of a message onto one. */
#include "delivery/delay.h"

#include <assert.h>

#include "wire/properties.h"

static int64_t unit_ms(uint8_t unit)
{
    switch (unit) {
    case 's':
        return 1000;
    case 'm':
        return 60 * 1000;
    case 'h':
        return 3600 * 1000;
    case 'd':
        return 24 * 3600 * 1000;
    default:
        return 0;
    }
}

/* Cuts the next word, ended by a blank, off the text; empty at the end. */
static struct slice next_word(struct slice *rest)
{
    size_t start = 0;
    while (start < rest->len && rest->data[start] == ' ')
        start++;
    size_t end = start;
    while (end < rest->len && rest->data[end] != ' ')
        end++;
    struct slice word = { rest->data + start, end - start };
    *rest = slice_from(*rest, end);
    return word;
}

int delay_levels_parse(struct slice text, struct delay_levels *levels)
{
    struct delay_levels parsed = { 0 };
    for (struct slice word = next_word(&text); word.len > 0; word = next_word(&text)) {
        int32_t number;
        int64_t unit = unit_ms(word.data[word.len - 1]);
        if (parsed.count == DELAY_LEVELS_MAX || unit == 0 ||
            !slice_to_i32(slice_of(word.data, word.len - 1), &number) || number < 0)
            return ERR_INVALID;
        parsed.ms[++parsed.count] = number * unit;
    }
    if (parsed.count == 0)
        return ERR_INVALID;
    *levels = parsed;
    return 0;
}

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
