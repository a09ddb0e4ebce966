/* groups.c - the consumer groups of a broker, by name, and what each may not do with a topic.
 *
 * What is forbidden stands in a map of its own, by "group@topic": pulls look it up, and a group may
 * be forbidden something before it exists. */
#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "meta/meta.h"
#include "meta/owned.h"
#include "meta/table_text.h"
#include "wire/multi_dispatch.h"
#include "wire/names.h"

/* Groups of light queues are in no table, as their topics are (topics.c). */
struct light_groups {
    struct group_config kept[LIGHT_KEPT];
    unsigned next;
};

struct groups {
    struct map by_name;         /* values: struct group_config with its texts behind it */
    struct light_groups *light; /* NULL: there are none */
    struct data_version version;
    struct map forbidden; /* "group@topic": struct forbidden */
    bool is_changed;
};

static_assert(sizeof(struct group_config) % _Alignof(struct pair) == 0, "pairs follow the struct");

/* `config` may be an entry of the table, or borrow from one. */
static struct group_config *config_copy(const struct group_config *config)
{
    size_t bytes = sizeof *config + config->name.len +
                   owned_pairs_bytes(config->attributes, config->attribute_count) +
                   owned_pairs_bytes(config->others, config->other_count);
    struct group_config *copy = memory_take(bytes);
    *copy = *config;
    struct owned owned =
        owned_behind(copy, sizeof *copy, config->attribute_count + config->other_count);
    copy->name = owned_text(&owned, config->name);
    copy->attributes = owned_pairs(&owned, config->attributes, config->attribute_count);
    copy->others = owned_pairs(&owned, config->others, config->other_count);
    assert(owned_is_whole(&owned, (uint8_t *)copy + bytes));
    return copy;
}

static void put(struct groups *groups, const struct group_config *config)
{
    struct group_config *copy = config_copy(config);
    struct group_config *old = map_put(&groups->by_name, copy->name, copy);
    assert(old == NULL || slice_eq(old->name, copy->name));
    free(old);
}

/* ---- what is forbidden ------------------------------------------------------------------- */

/* Names have at most 255 bytes (wire/names.h). */
enum { FORBIDDEN_KEY_MAX = 511 };

struct forbidden {
    int32_t bits;
    size_t group_len;
    size_t topic_len;
    uint8_t key[]; /* group@topic */
};

struct forbidden_key {
    uint8_t bytes[FORBIDDEN_KEY_MAX];
    size_t len;
};

static bool forbidden_key_make(struct forbidden_key *key, struct slice group, struct slice topic)
{
    if (group.len == 0 || topic.len == 0 || group.len + 1 + topic.len > sizeof key->bytes)
        return false;
    memcpy(key->bytes, group.data, group.len);
    key->bytes[group.len] = '@';
    memcpy(key->bytes + group.len + 1, topic.data, topic.len);
    key->len = group.len + 1 + topic.len;
    return true;
}

static struct forbidden *forbidden_find(const struct groups *groups,
                                        const struct forbidden_key *key)
{
    return map_get(&groups->forbidden, slice_of(key->bytes, key->len));
}

static void forbidden_put(struct groups *groups, const struct forbidden_key *key, size_t group_len,
                          int32_t bits)
{
    struct forbidden *entry = forbidden_find(groups, key);
    assert(bits != 0);
    assert(group_len < key->len);
    assert(key->bytes[group_len] == '@');
    if (entry == NULL) {
        entry = memory_zeroed(1, sizeof *entry + key->len);
        entry->group_len = group_len;
        entry->topic_len = key->len - group_len - 1;
        memcpy(entry->key, key->bytes, key->len);
        map_put(&groups->forbidden, slice_of(entry->key, key->len), entry);
    }
    entry->bits = bits;
}

static void keep_forbidden(struct groups *groups, const struct group_table *table)
{
    for (int i = 0; i < table->forbidden_count; i++) {
        const struct group_forbidden *entry = &table->forbidden[i];
        struct forbidden_key key;
        if (entry->bits != 0 && forbidden_key_make(&key, entry->group, entry->topic))
            forbidden_put(groups, &key, entry->group.len, entry->bits);
    }
}

int32_t groups_forbidden(const struct groups *groups, struct slice group, struct slice topic)
{
    struct forbidden_key key;
    if (groups->forbidden.count == 0 || !forbidden_key_make(&key, group, topic))
        return 0;
    const struct forbidden *entry = forbidden_find(groups, &key);
    return entry == NULL ? 0 : entry->bits;
}

static void changed(struct groups *groups, int64_t now_ms)
{
    data_version_next(&groups->version, now_ms);
    groups->is_changed = true;
}

int groups_forbid(struct groups *groups, struct slice group, struct slice topic, int32_t bits,
                  int64_t now_ms)
{
    struct forbidden_key key;
    if (!forbidden_key_make(&key, group, topic))
        return ERR_INVALID;
    const struct forbidden *entry = forbidden_find(groups, &key);
    if (bits == (entry == NULL ? 0 : entry->bits))
        return 0;
    if (entry == NULL && groups->forbidden.count >= GROUPS_FORBIDDEN_MAX) /* a file may have more */
        return ERR_TOO_BIG;
    if (bits == 0)
        free(map_remove(&groups->forbidden, slice_of(key.bytes, key.len)));
    else
        forbidden_put(groups, &key, group.len, bits);
    assert(groups_forbidden(groups, group, topic) == bits);
    changed(groups, now_ms);
    return 0;
}

static void forget_forbidden(struct groups *groups, struct slice group)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&groups->forbidden, &cursor, &key, &value)) {
        struct forbidden *entry = value;
        if (!slice_eq(slice_of(entry->key, entry->group_len), group))
            continue;
        map_remove(&groups->forbidden, key);
        groups->is_changed = true;
        free(entry);
    }
}

static int compare_forbidden(const void *a, const void *b)
{
    const struct group_forbidden *left = a;
    const struct group_forbidden *right = b;
    return slice_order(left->group, right->group);
}

/* In the arena; the entries of a group stand together. */
static const struct group_forbidden *list_forbidden(const struct groups *groups,
                                                    struct arena *arena, int *count)
{
    struct group_forbidden *list = arena_alloc(arena, (groups->forbidden.count + 1) * sizeof *list);
    size_t cursor = 0;
    struct slice key;
    void *value;
    *count = 0;
    while (map_next(&groups->forbidden, &cursor, &key, &value)) {
        const struct forbidden *entry = value;
        list[(*count)++] = (struct group_forbidden){
            slice_of(entry->key, entry->group_len),
            slice_of(entry->key + entry->group_len + 1, entry->topic_len),
            entry->bits,
        };
    }
    assert((size_t)*count == groups->forbidden.count);
    qsort(list, (size_t)*count, sizeof *list, compare_forbidden);
    return list;
}

/* ---- the table --------------------------------------------------------------------------- */

static bool take_text(void *ctx, struct slice text)
{
    struct groups *groups = ctx;
    struct group_table table;
    struct arena arena;
    arena_init(&arena);
    bool is_table = group_table_decode(text, &arena, &table) == 0;
    if (is_table) {
        groups->version = table.version;
        for (int i = 0; i < table.count; i++)
            put(groups, &table.groups[i]);
        keep_forbidden(groups, &table);
    }
    arena_fini(&arena);
    return is_table;
}

int groups_open(const char *path, struct groups **opened)
{
    struct groups *groups = calloc(1, sizeof *groups);
    if (groups == NULL)
        return ERR_NO_MEMORY;
    map_init(&groups->by_name);
    map_init(&groups->forbidden);
    int err = table_file_read(path, take_text, groups);
    if (err != 0 && err != ERR_NOT_FOUND) {
        groups_free(groups);
        return err;
    }
    assert(!groups->is_changed); /* it is as in the file */
    *opened = groups;
    return 0;
}

void groups_free(struct groups *groups)
{
    if (groups == NULL)
        return;
    size_t cursor = 0;
    struct slice name;
    void *config;
    while (map_next(&groups->by_name, &cursor, &name, &config))
        free(config);
    map_fini(&groups->by_name);
    cursor = 0;
    while (map_next(&groups->forbidden, &cursor, &name, &config))
        free(config);
    map_fini(&groups->forbidden);
    free(groups->light);
    free(groups);
}

void groups_take_light(struct groups *groups)
{
    assert(groups->light == NULL);
    groups->light = memory_zeroed(1, sizeof *groups->light);
}

static bool is_light(const struct groups *groups, struct slice name)
{
    return groups->light != NULL && name_is_light(name);
}

/* NULL: longer than any name. */
static const struct group_config *light_group(struct light_groups *light, struct slice name)
{
    if (name.len > RETRY_TOPIC_NAME_MAX)
        return NULL;
    struct group_config *config = &light->kept[light->next++ % LIGHT_KEPT];
    *config = group_config_default(name);
    return config;
}

const struct group_config *groups_get(const struct groups *groups, struct slice name)
{
    if (is_light(groups, name))
        return light_group(groups->light, name);
    return map_get(&groups->by_name, name);
}

void groups_put(struct groups *groups, const struct group_config *config, int64_t now_ms)
{
    if (is_light(groups, config->name))
        return;
    put(groups, config);
    changed(groups, now_ms);
}

void groups_remove(struct groups *groups, struct slice name, int64_t now_ms)
{
    forget_forbidden(groups, name);
    struct group_config *config = map_remove(&groups->by_name, name);
    if (config == NULL)
        return;
    assert(slice_eq(config->name, name));
    free(config);
    changed(groups, now_ms);
}

bool groups_next(const struct groups *groups, size_t *cursor, const struct group_config **config)
{
    struct slice name;
    void *value;
    if (!map_next(&groups->by_name, cursor, &name, &value))
        return false;
    *config = value;
    return true;
}

bool groups_changed(const struct groups *groups)
{
    return groups->is_changed;
}

/* What stands before the first group. */
static void begin_table(const struct groups *groups, struct json_out *j)
{
    struct arena arena;
    struct group_table table = { .version = groups->version };
    arena_init(&arena);
    table.forbidden = list_forbidden(groups, &arena, &table.forbidden_count);
    group_table_begin(&table, j);
    arena_fini(&arena);
}

bool groups_text_step(struct groups *groups, struct table_text *text)
{
    const struct group_config *config;
    if (table_text_begins(text, &groups->by_name)) {
        groups->is_changed = false;
        begin_table(groups, &text->json);
    }
    for (int i = 0; i < TABLE_TEXT_STEP; i++) {
        if (!groups_next(groups, &text->cursor, &config)) {
            group_table_end(&text->json);
            return table_text_whole(text);
        }
        group_table_add(config, &text->json);
    }
    return false;
}

void groups_body(const struct groups *groups, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    const struct group_config *config;
    size_t cursor = 0;
    json_object_begin(&j);
    begin_table(groups, &j);
    while (groups_next(groups, &cursor, &config))
        group_table_add(config, &j);
    group_table_end(&j);
    json_object_end(&j);
}
