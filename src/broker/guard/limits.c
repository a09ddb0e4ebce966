#include "broker/guard/limits.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/memory.h"
#include "broker/guard/ladder.h"

/* Zeroed: nothing was read yet. */
struct window {
    int64_t second[LIMITS_WINDOW_S]; /* which one the slot is of */
    int64_t bytes[LIMITS_WINDOW_S];
    int64_t first_ns;
    int64_t last_ns;
};

static_assert(LIMITS_THRESHOLDS_MAX <= LIMITS_NAMES_MAX, "no threshold is forgotten for another");

/* Entries of one size, one allocation each, zeroed at first. */
struct names {
    struct map by_name;
    size_t entry_bytes;
};

struct limits {
    struct names rates[LIMIT_KINDS]; /* of struct rate_limit */
    struct names readers;            /* of struct window */
    struct window all_readers;
    struct names thresholds; /* of int64_t */
};

static void forget(struct names *names)
{
    size_t cursor = 0;
    struct slice name;
    void *entry;
    while (map_next(&names->by_name, &cursor, &name, &entry))
        free(entry);
    map_fini(&names->by_name);
    map_init(&names->by_name);
}

static void *entry_of(struct names *names, struct slice name)
{
    void *entry = map_get(&names->by_name, name);
    if (entry != NULL)
        return entry;
    if (names->by_name.count >= LIMITS_NAMES_MAX)
        forget(names);
    entry = memory_zeroed(1, names->entry_bytes);
    map_put(&names->by_name, name, entry);
    assert(names->by_name.count <= LIMITS_NAMES_MAX);
    return entry;
}

bool limits_take(struct limits *limits, enum limit_kind kind, struct slice name, int64_t per_s,
                 int64_t now_ns)
{
    assert(kind < LIMIT_KINDS);
    if (per_s <= 0)
        return true;
    if (name.len > LIMITS_NAME_BYTES)
        name.len = LIMITS_NAME_BYTES;
    return rate_limit_take(entry_of(&limits->rates[kind], name), per_s, now_ns);
}

/* ---- the sliding window ---------------------------------------------------------------------- */

static void window_add(struct window *window, int64_t bytes, int64_t now_ns)
{
    int64_t second = now_ns / NS_PER_S;
    int slot = (int)(second % LIMITS_WINDOW_S);
    if (window->second[slot] != second) {
        window->second[slot] = second;
        window->bytes[slot] = 0;
    }
    window->bytes[slot] += bytes;
    if (window->first_ns == 0)
        window->first_ns = now_ns;
    window->last_ns = now_ns;
}

static int64_t window_sum(const struct window *window, int64_t now_ns)
{
    int64_t sum = 0, oldest = now_ns / NS_PER_S - LIMITS_WINDOW_S + 1;
    for (int slot = 0; slot < LIMITS_WINDOW_S; slot++)
        sum += window->second[slot] >= oldest ? window->bytes[slot] : 0;
    return sum;
}

void limits_read_cold(struct limits *limits, struct slice group, int64_t bytes, int64_t now_ns)
{
    assert(bytes >= 0 && now_ns >= 0);
    window_add(&limits->all_readers, bytes, now_ns);
    window_add(entry_of(&limits->readers, group), bytes, now_ns);
}

int64_t limits_cold_bytes(struct limits *limits, struct slice group, int64_t now_ns)
{
    if (group.len == 0)
        return window_sum(&limits->all_readers, now_ns);
    const struct window *window = map_get(&limits->readers.by_name, group);
    return window == NULL ? 0 : window_sum(window, now_ns);
}

bool limits_next_reader(const struct limits *limits, size_t *cursor, int64_t now_ns,
                        struct cold_reader *reader)
{
    struct slice group;
    void *entry;
    while (map_next(&limits->readers.by_name, cursor, &group, &entry)) {
        const struct window *window = entry;
        *reader = (struct cold_reader){ group, window_sum(window, now_ns), window->first_ns,
                                        window->last_ns };
        if (reader->bytes > 0)
            return true;
    }
    return false;
}

/* ---- thresholds ------------------------------------------------------------------------------ */

int limits_set_threshold(struct limits *limits, struct slice group, int64_t bytes)
{
    assert(bytes >= 0);
    const struct map *set = &limits->thresholds.by_name;
    if (map_get(set, group) == NULL && set->count >= LIMITS_THRESHOLDS_MAX)
        return ERR_TOO_BIG;
    *(int64_t *)entry_of(&limits->thresholds, group) = bytes;
    return 0;
}

void limits_remove_threshold(struct limits *limits, struct slice group)
{
    free(map_remove(&limits->thresholds.by_name, group));
}

int limits_thresholds_left(const struct limits *limits)
{
    return LIMITS_THRESHOLDS_MAX - (int)limits->thresholds.by_name.count;
}

int64_t limits_threshold(const struct limits *limits, struct slice group, int64_t others)
{
    const int64_t *own = map_get(&limits->thresholds.by_name, group);
    return own == NULL ? others : *own;
}

bool limits_next_threshold(const struct limits *limits, size_t *cursor, struct slice *group,
                           int64_t *bytes)
{
    void *entry;
    if (!map_next(&limits->thresholds.by_name, cursor, group, &entry))
        return false;
    *bytes = *(const int64_t *)entry;
    return true;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void init(struct names *names, size_t entry_bytes)
{
    map_init(&names->by_name);
    names->entry_bytes = entry_bytes;
}

int limits_new(struct limits **made)
{
    struct limits *limits = calloc(1, sizeof *limits);
    if (limits == NULL)
        return ERR_NO_MEMORY;
    for (int kind = 0; kind < LIMIT_KINDS; kind++)
        init(&limits->rates[kind], sizeof(struct rate_limit));
    init(&limits->readers, sizeof(struct window));
    init(&limits->thresholds, sizeof(int64_t));
    *made = limits;
    return 0;
}

void limits_free(struct limits *limits)
{
    if (limits == NULL)
        return;
    for (int kind = 0; kind < LIMIT_KINDS; kind++) {
        forget(&limits->rates[kind]);
        map_fini(&limits->rates[kind].by_name);
    }
    forget(&limits->readers);
    map_fini(&limits->readers.by_name);
    forget(&limits->thresholds);
    map_fini(&limits->thresholds.by_name);
    free(limits);
}
