/* topics.c - the topics of a broker, by name. */
#include <assert.h>
#include <stdlib.h>

#include "meta/meta.h"
#include "meta/owned.h"

struct topics {
    struct map by_name; /* values: struct topic_config with its texts behind it */
    struct data_version version;
    bool is_changed;
};

static_assert(sizeof(struct topic_config) % _Alignof(struct pair) == 0, "pairs follow the struct");

/* `config` may be an entry of the table, or borrow from one. */
static struct topic_config *config_copy(const struct topic_config *config)
{
    size_t bytes = sizeof *config + config->name.len +
                   owned_pairs_bytes(config->attributes, config->attribute_count);
    struct topic_config *copy = malloc(bytes);
    if (copy == NULL)
        abort();
    *copy = *config;
    struct owned owned = owned_behind(copy, sizeof *copy, config->attribute_count);
    copy->name = owned_text(&owned, config->name);
    copy->attributes = owned_pairs(&owned, config->attributes, config->attribute_count);
    assert(owned.bytes == (uint8_t *)copy + bytes);
    return copy;
}

static void put(struct topics *topics, const struct topic_config *config)
{
    struct topic_config *copy = config_copy(config);
    free(map_put(&topics->by_name, copy->name, copy));
}

static void changed(struct topics *topics, int64_t now_ms)
{
    data_version_next(&topics->version, now_ms);
    topics->is_changed = true;
}

static bool take_text(void *ctx, struct slice text)
{
    struct topics *topics = ctx;
    struct topic_table table;
    struct arena arena;
    arena_init(&arena);
    bool is_table = topic_table_decode(text, &arena, &table) == 0;
    if (is_table) {
        topics->version = table.version;
        for (int i = 0; i < table.count; i++)
            put(topics, &table.topics[i]);
    }
    arena_fini(&arena);
    return is_table;
}

int topics_open(const char *path, struct topics **opened)
{
    struct topics *topics = calloc(1, sizeof *topics);
    if (topics == NULL)
        return ERR_NO_MEMORY;
    map_init(&topics->by_name);
    int err = table_file_read(path, take_text, topics);
    if (err != 0 && err != ERR_NOT_FOUND) {
        topics_free(topics);
        return err;
    }
    *opened = topics;
    return 0;
}

void topics_free(struct topics *topics)
{
    if (topics == NULL)
        return;
    size_t cursor = 0;
    struct slice name;
    void *config;
    while (map_next(&topics->by_name, &cursor, &name, &config))
        free(config);
    map_fini(&topics->by_name);
    free(topics);
}

const struct topic_config *topics_get(const struct topics *topics, struct slice name)
{
    return map_get(&topics->by_name, name);
}

void topics_put(struct topics *topics, const struct topic_config *config, int64_t now_ms)
{
    put(topics, config);
    changed(topics, now_ms);
}

bool topics_remove(struct topics *topics, struct slice name, int64_t now_ms)
{
    void *config = map_remove(&topics->by_name, name);
    if (config == NULL)
        return false;
    free(config);
    changed(topics, now_ms);
    return true;
}

bool topics_next(const struct topics *topics, size_t *cursor, const struct topic_config **config)
{
    struct slice name;
    void *value;
    if (!map_next(&topics->by_name, cursor, &name, &value))
        return false;
    *config = value;
    return true;
}

size_t topics_count(const struct topics *topics)
{
    return topics->by_name.count;
}

const struct data_version *topics_version(const struct topics *topics)
{
    return &topics->version;
}

bool topics_changed(const struct topics *topics)
{
    return topics->is_changed;
}

void topics_text(struct topics *topics, struct buf *out)
{
    struct topic_config *configs = malloc((topics_count(topics) + 1) * sizeof *configs);
    if (configs == NULL)
        abort();
    struct topic_table table = { .version = topics->version, .topics = configs };
    const struct topic_config *config;
    size_t cursor = 0;
    while (topics_next(topics, &cursor, &config))
        configs[table.count++] = *config;
    topic_table_encode(&table, true, out);
    free(configs);
    topics->is_changed = false;
}
