/* groups.c - the consumer groups of a broker, by name. The forbidden table is kept as the file had
 * it: what it forbids is not served yet, but must survive our writing the file. */
#include <assert.h>
#include <stdlib.h>

#include "meta/meta.h"
#include "meta/owned.h"

struct groups {
    struct map by_name; /* values: struct group_config with its texts behind it */
    struct data_version version;
    struct arena forbidden_arena;
    const struct group_forbidden *forbidden;
    int forbidden_count;
    bool is_changed;
};

static_assert(sizeof(struct group_config) % _Alignof(struct pair) == 0, "pairs follow the struct");

/* `config` may be an entry of the table, or borrow from one. */
static struct group_config *config_copy(const struct group_config *config)
{
    size_t bytes = sizeof *config + config->name.len +
                   owned_pairs_bytes(config->attributes, config->attribute_count) +
                   owned_pairs_bytes(config->others, config->other_count);
    struct group_config *copy = malloc(bytes);
    if (copy == NULL)
        abort();
    *copy = *config;
    struct owned owned =
        owned_behind(copy, sizeof *copy, config->attribute_count + config->other_count);
    copy->name = owned_text(&owned, config->name);
    copy->attributes = owned_pairs(&owned, config->attributes, config->attribute_count);
    copy->others = owned_pairs(&owned, config->others, config->other_count);
    assert(owned.bytes == (uint8_t *)copy + bytes);
    return copy;
}

static void put(struct groups *groups, const struct group_config *config)
{
    struct group_config *copy = config_copy(config);
    free(map_put(&groups->by_name, copy->name, copy));
}

static void changed(struct groups *groups, int64_t now_ms)
{
    data_version_next(&groups->version, now_ms);
    groups->is_changed = true;
}

static void keep_forbidden(struct groups *groups, const struct group_table *table)
{
    struct arena *arena = &groups->forbidden_arena;
    struct group_forbidden *kept =
        arena_alloc(arena, ((size_t)table->forbidden_count + 1) * sizeof *kept);
    for (int i = 0; i < table->forbidden_count; i++) {
        const struct group_forbidden *entry = &table->forbidden[i];
        kept[i] = (struct group_forbidden){ arena_copy(arena, entry->group),
                                            arena_copy(arena, entry->topic), entry->bits };
    }
    groups->forbidden = kept;
    groups->forbidden_count = table->forbidden_count;
}

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
    arena_init(&groups->forbidden_arena);
    int err = table_file_read(path, take_text, groups);
    if (err != 0 && err != ERR_NOT_FOUND) {
        groups_free(groups);
        return err;
    }
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
    arena_fini(&groups->forbidden_arena);
    free(groups);
}

const struct group_config *groups_get(const struct groups *groups, struct slice name)
{
    return map_get(&groups->by_name, name);
}

void groups_put(struct groups *groups, const struct group_config *config, int64_t now_ms)
{
    put(groups, config);
    changed(groups, now_ms);
}

bool groups_remove(struct groups *groups, struct slice name, int64_t now_ms)
{
    void *config = map_remove(&groups->by_name, name);
    if (config == NULL)
        return false;
    free(config);
    changed(groups, now_ms);
    return true;
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

const struct data_version *groups_version(const struct groups *groups)
{
    return &groups->version;
}

bool groups_changed(const struct groups *groups)
{
    return groups->is_changed;
}

void groups_text(struct groups *groups, struct buf *out)
{
    struct group_config *configs = malloc((groups->by_name.count + 1) * sizeof *configs);
    if (configs == NULL)
        abort();
    struct group_table table = { .version = groups->version,
                                 .groups = configs,
                                 .forbidden = groups->forbidden,
                                 .forbidden_count = groups->forbidden_count };
    const struct group_config *config;
    size_t cursor = 0;
    while (groups_next(groups, &cursor, &config))
        configs[table.count++] = *config;
    group_table_encode(&table, true, out);
    free(configs);
    groups->is_changed = false;
}
