#include "wire/delay_levels.h"

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

int delay_levels_parse(struct slice text, struct delay_levels *levels)
{
    struct delay_levels parsed = { 0 };
    while (text.len > 0) {
        int32_t number;
        struct slice word = slice_cut(&text, ' ');
        if (word.len == 0)
            continue;
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
