/* topics.c - the topics of a broker, by name. */
#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "meta/meta.h"
#include "meta/owned.h"
#include "meta/table_text.h"
#include "wire/multi_dispatch.h"

/* Topics of light queues are in no table: what is said of one is made when it is asked for. */
struct light_topics {
    struct topic_config kept[LIGHT_KEPT];
    unsigned next;
};

struct topic {
    uint64_t beside[TOPIC_BESIDE_BYTES / sizeof(uint64_t)];
    struct topic_config config;
    /* its texts follow */
};

struct topics {
    struct map by_name;         /* values: struct topic */
    struct light_topics *light; /* NULL: there are none */
    struct data_version version;
    bool is_changed;
    uint64_t change_count;
    char *changed[TOPICS_CHANGES_KEPT]; /* names; the n-th change's at n % TOPICS_CHANGES_KEPT */
};

static_assert(sizeof(struct topic) % _Alignof(struct pair) == 0, "pairs follow the struct");

/* `config` may be an entry of the table, or borrow from one. */
static struct topic *topic_of(const struct topic_config *config)
{
    size_t bytes = sizeof(struct topic) + config->name.len +
                   owned_pairs_bytes(config->attributes, config->attribute_count);
    struct topic *topic = memory_zeroed(1, bytes);
    topic->config = *config;
    struct owned owned = owned_behind(topic, sizeof *topic, config->attribute_count);
    topic->config.name = owned_text(&owned, config->name);
    topic->config.attributes = owned_pairs(&owned, config->attributes, config->attribute_count);
    assert(owned_is_whole(&owned, (uint8_t *)topic + bytes));
    return topic;
}

static void put(struct topics *topics, const struct topic_config *config)
{
    struct topic *topic = topic_of(config);
    struct topic *old = map_put(&topics->by_name, topic->config.name, topic);
    assert(old == NULL || slice_eq(old->config.name, topic->config.name));
    free(old);
}

static void changed(struct topics *topics, struct slice name, int64_t now_ms)
{
    char **place = &topics->changed[++topics->change_count % TOPICS_CHANGES_KEPT];
    free(*place);
    *place = memory_text(name);
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
    map_init_borrowing(&topics->by_name);
    int err = table_file_read(path, take_text, topics);
    if (err != 0 && err != ERR_NOT_FOUND) {
        topics_free(topics);
        return err;
    }
    assert(!topics->is_changed); /* it is as in the file */
    assert(topics->change_count == 0);
    *opened = topics;
    return 0;
}

void topics_free(struct topics *topics)
{
    if (topics == NULL)
        return;
    size_t cursor = 0;
    struct slice name;
    void *topic;
    while (map_next(&topics->by_name, &cursor, &name, &topic))
        free(topic);
    map_fini(&topics->by_name);
    for (int i = 0; i < TOPICS_CHANGES_KEPT; i++)
        free(topics->changed[i]);
    free(topics->light);
    free(topics);
}

void topics_take_light(struct topics *topics)
{
    assert(topics->light == NULL);
    topics->light = memory_zeroed(1, sizeof *topics->light);
}

static bool is_light(const struct topics *topics, struct slice name)
{
    return topics->light != NULL && name_is_light(name);
}

/* NULL: no queue can have this name. */
static const struct topic_config *light_topic(struct light_topics *light, struct slice name)
{
    if (light_name_fault(name) != NULL)
        return NULL;
    struct topic_config *config = &light->kept[light->next++ % LIGHT_KEPT];
    *config = topic_config_default(name);
    config->read_queue_count = 1;
    config->write_queue_count = 1;
    return config;
}

const struct topic_config *topics_get(const struct topics *topics, struct slice name)
{
    if (is_light(topics, name))
        return light_topic(topics->light, name);
    const struct topic *topic = map_get(&topics->by_name, name);
    return topic == NULL ? NULL : &topic->config;
}

void *topics_beside(const struct topics *topics, const struct topic_config *config)
{
    const struct light_topics *light = topics->light;
    if (light != NULL && config >= light->kept && config < light->kept + LIGHT_KEPT)
        return NULL;
    return (uint8_t *)(uintptr_t)config - offsetof(struct topic, config);
}

void topics_put(struct topics *topics, const struct topic_config *config, int64_t now_ms)
{
    if (is_light(topics, config->name))
        return;
    changed(topics, config->name, now_ms); /* first: `config` may borrow from what is replaced */
    put(topics, config);
}

void topics_remove(struct topics *topics, struct slice name, int64_t now_ms)
{
    struct topic *topic = map_remove(&topics->by_name, name);
    if (topic == NULL)
        return;
    assert(slice_eq(topic->config.name, name));
    changed(topics, name, now_ms);
    free(topic);
}

bool topics_next(const struct topics *topics, size_t *cursor, const struct topic_config **config)
{
    struct slice name;
    void *value;
    if (!map_next(&topics->by_name, cursor, &name, &value))
        return false;
    *config = &((const struct topic *)value)->config;
    assert((*config)->name.data == name.data); /* the map has no key of its own */
    return true;
}

size_t topics_count(const struct topics *topics)
{
    return topics->by_name.count;
}

uint32_t topics_layout(const struct topics *topics)
{
    return topics->by_name.layout;
}

uint64_t topics_change_count(const struct topics *topics)
{
    return topics->change_count;
}

bool topics_change(const struct topics *topics, uint64_t n, struct slice *name)
{
    if (n == 0 || n > topics->change_count || topics->change_count - n >= TOPICS_CHANGES_KEPT)
        return false;
    const char *changed = topics->changed[n % TOPICS_CHANGES_KEPT];
    assert(changed != NULL);
    *name = slice_str(changed);
    return true;
}

const struct data_version *topics_version(const struct topics *topics)
{
    return &topics->version;
}

void topics_touch(struct topics *topics, int64_t now_ms)
{
    data_version_next(&topics->version, now_ms);
    topics->is_changed = true;
}

bool topics_changed(const struct topics *topics)
{
    return topics->is_changed;
}

bool topics_text_step(struct topics *topics, struct table_text *text)
{
    const struct topic_config *config;
    if (table_text_begins(text, &topics->by_name)) {
        topics->is_changed = false;
        topic_table_begin(&topics->version, &text->json);
    }
    for (int i = 0; i < TABLE_TEXT_STEP; i++) {
        if (!topics_next(topics, &text->cursor, &config)) {
            topic_table_end(&text->json);
            return table_text_whole(text);
        }
        topic_table_add(config, &text->json);
    }
    return false;
}
