/* request_modes.c - how a group reads a topic, pulling or popping (messageRequestMode.json). */
#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "meta/meta.h"

/* One array by topic, then group: they are set by hand, and looked up at each rebalance only. */
struct request_modes {
    struct request_mode_setting *settings; /* each owns its two names, in one block */
    int count;
    int cap;
    bool is_changed;
};

/* Where the pair stands, or would. */
static int place_of(const struct request_modes *modes, struct slice topic, struct slice group)
{
    int low = 0;
    int high = modes->count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        const struct request_mode_setting *s = &modes->settings[middle];
        int order = slice_order(s->topic, topic);
        if (order == 0)
            order = slice_order(s->consumer_group, group);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct request_mode_setting *request_modes_get(const struct request_modes *modes,
                                                     struct slice topic, struct slice group)
{
    int at = place_of(modes, topic, group);
    const struct request_mode_setting *s = at < modes->count ? &modes->settings[at] : NULL;
    return s != NULL && slice_eq(s->topic, topic) && slice_eq(s->consumer_group, group) ? s : NULL;
}

static void insert(struct request_modes *modes, const struct request_mode_setting *setting)
{
    int at = place_of(modes, setting->topic, setting->consumer_group);
    uint8_t *names = memory_take(setting->topic.len + setting->consumer_group.len);
    MEMORY_GROW(modes->settings, modes->count, modes->cap, 8);
    memmove(&modes->settings[at + 1], &modes->settings[at],
            (size_t)(modes->count - at) * sizeof *modes->settings);
    struct request_mode_setting *made = &modes->settings[at];
    *made = *setting;
    memcpy(names, setting->topic.data, setting->topic.len);
    memcpy(names + setting->topic.len, setting->consumer_group.data, setting->consumer_group.len);
    made->topic = slice_of(names, setting->topic.len);
    made->consumer_group = slice_of(names + setting->topic.len, setting->consumer_group.len);
    modes->count++;
}

int request_modes_put(struct request_modes *modes, const struct request_mode_setting *setting)
{
    assert(setting->topic.len > 0 && setting->consumer_group.len > 0);
    const struct request_mode_setting *old =
        request_modes_get(modes, setting->topic, setting->consumer_group);
    if (old != NULL) {
        struct request_mode_setting *kept = &modes->settings[old - modes->settings];
        kept->mode = setting->mode;
        kept->pop_share_queue_num = setting->pop_share_queue_num;
    } else if (modes->count == REQUEST_MODES_MAX) {
        return ERR_TOO_BIG;
    } else {
        insert(modes, setting);
    }
    modes->is_changed = true;
    return 0;
}

static bool take_text(void *ctx, struct slice text)
{
    struct request_modes *modes = ctx;
    struct request_mode_table table;
    struct arena arena;
    arena_init(&arena);
    bool is_table = request_mode_table_decode(text, &arena, &table) == 0;
    for (int i = 0; is_table && i < table.count && i < REQUEST_MODES_MAX; i++) {
        const struct request_mode_setting *s = &table.settings[i];
        if (s->topic.len > 0 && s->consumer_group.len > 0 &&
            request_modes_get(modes, s->topic, s->consumer_group) == NULL)
            insert(modes, s);
    }
    arena_fini(&arena);
    return is_table;
}

int request_modes_open(const char *path, struct request_modes **opened)
{
    struct request_modes *modes = calloc(1, sizeof *modes);
    if (modes == NULL)
        return ERR_NO_MEMORY;
    int err = table_file_read(path, take_text, modes);
    if (err != 0 && err != ERR_NOT_FOUND) {
        request_modes_free(modes);
        return err;
    }
    *opened = modes;
    return 0;
}

void request_modes_free(struct request_modes *modes)
{
    if (modes == NULL)
        return;
    for (int i = 0; i < modes->count; i++)
        free((void *)(uintptr_t)modes->settings[i].topic.data);
    free(modes->settings);
    free(modes);
}

struct request_mode_table request_modes_all(const struct request_modes *modes)
{
    return (struct request_mode_table){ modes->settings, modes->count };
}

bool request_modes_changed(const struct request_modes *modes)
{
    return modes->is_changed;
}

void request_modes_text(struct request_modes *modes, struct buf *out)
{
    struct request_mode_table table = request_modes_all(modes);
    request_mode_table_encode(&table, out);
    modes->is_changed = false;
}
