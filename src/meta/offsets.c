/* offsets.c - where each consumer group goes on reading, by topic, group and queue.
 *
 * An update is on the path of every consumer's commit, so it is a hash of "topic@group" built on
 * the stack, and then a look into the queues of that pair, which stand sorted by id. Queues are
 * mostly numbered 0..n-1 and all present; then queue i stands at i and no search is needed. Memory
 * is only asked for by the first offset of a queue.
 *
 *     by_pair:  "orders@g1" -> { queues: [0:120] [1:118] [2:97] ... }
 */
#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "meta/table_text.h"
#include "wire/body_offset_table.h"
#include "wire/multi_dispatch.h"

/* Topics and groups have at most 255 bytes each (wire/names.h); longer ones are not offsets of
 * ours. */
enum { PAIR_BYTES_MAX = 1024 };
/* The reference moves the table's data version on once per so many updates. */
enum { UPDATES_PER_VERSION = 500 };

struct queue_progress {
    int32_t queue_id;
    int64_t queue_offset;
};

struct pair_offsets {
    struct queue_progress *queues; /* by queue_id */
    size_t count;
    size_t cap;
    size_t topic_len;
    size_t group_len;
    uint8_t key[]; /* topic@group */
};

struct offsets {
    struct map by_pair;
    struct data_version version;
    bool separates_light;
    int updates; /* since the version moved */
    bool is_changed;
};

struct pair_key {
    uint8_t bytes[PAIR_BYTES_MAX];
    size_t len;
};

/* False: longer than any pair in the table. */
static bool pair_key_make(struct pair_key *key, struct slice topic, struct slice group)
{
    if (topic.len + 1 + group.len > sizeof key->bytes)
        return false;
    if (topic.len > 0)
        memcpy(key->bytes, topic.data, topic.len);
    key->bytes[topic.len] = '@';
    if (group.len > 0)
        memcpy(key->bytes + topic.len + 1, group.data, group.len);
    key->len = topic.len + 1 + group.len;
    return true;
}

static struct slice pair_key_slice(const struct pair_key *key)
{
    return slice_of(key->bytes, key->len);
}

/* ---- the queues of a pair ---------------------------------------------------------------- */

/* Where the queue stands, or would. */
static size_t queue_place(const struct pair_offsets *pair, int32_t queue_id)
{
    size_t low = 0;
    size_t high = pair->count;
    if (queue_id >= 0 && (size_t)queue_id < pair->count &&
        pair->queues[queue_id].queue_id == queue_id)
        return (size_t)queue_id;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (pair->queues[middle].queue_id < queue_id)
            low = middle + 1;
        else
            high = middle;
    }
    assert(low == high && low <= pair->count);
    return low;
}

static bool is_queue_at(const struct pair_offsets *pair, size_t place, int32_t queue_id)
{
    return place < pair->count && pair->queues[place].queue_id == queue_id;
}

static void insert_queue(struct pair_offsets *pair, size_t place, struct queue_progress queue)
{
    assert(pair->count < OFFSETS_QUEUES_MAX);
    assert(place == 0 || pair->queues[place - 1].queue_id < queue.queue_id);
    assert(place == pair->count || pair->queues[place].queue_id > queue.queue_id);
    MEMORY_GROW(pair->queues, pair->count, pair->cap, 4);
    memmove(&pair->queues[place + 1], &pair->queues[place],
            (pair->count - place) * sizeof *pair->queues);
    pair->queues[place] = queue;
    pair->count++;
}

/* ---- the table --------------------------------------------------------------------------- */

static void pair_free(struct pair_offsets *pair)
{
    free(pair->queues);
    free(pair);
}

static struct pair_offsets *pair_add(struct offsets *offsets, const struct pair_key *key,
                                     size_t topic_len)
{
    assert(topic_len < key->len);
    assert(key->bytes[topic_len] == '@');
    struct pair_offsets *pair = memory_zeroed(1, sizeof *pair + key->len);
    pair->topic_len = topic_len;
    pair->group_len = key->len - topic_len - 1;
    memcpy(pair->key, key->bytes, key->len);
    const void *old = map_put(&offsets->by_pair, pair_key_slice(key), pair);
    assert(old == NULL);
    return pair;
}

static struct slice pair_topic(const struct pair_offsets *pair)
{
    return slice_of(pair->key, pair->topic_len);
}

static struct slice pair_group(const struct pair_offsets *pair)
{
    return slice_of(pair->key + pair->topic_len + 1, pair->group_len);
}

/* False: the names are too long to be any, or the pair is full. */
static bool put(struct offsets *offsets, struct slice topic, struct slice group,
                struct queue_progress queue)
{
    struct pair_key key;
    if (!pair_key_make(&key, topic, group))
        return false;
    struct pair_offsets *pair = map_get(&offsets->by_pair, pair_key_slice(&key));
    if (pair == NULL)
        pair = pair_add(offsets, &key, topic.len);
    size_t place = queue_place(pair, queue.queue_id);
    if (is_queue_at(pair, place, queue.queue_id)) {
        pair->queues[place].queue_offset = queue.queue_offset;
        return true;
    }
    if (pair->count == OFFSETS_QUEUES_MAX)
        return false;
    insert_queue(pair, place, queue);
    return true;
}

static bool take_text(void *ctx, struct slice text)
{
    struct offsets *offsets = ctx;
    struct offset_table table;
    struct arena arena;
    arena_init(&arena);
    bool is_table = offset_table_decode(text, &arena, &table) == 0;
    if (is_table) {
        offsets->version = table.version;
        for (int i = 0; i < table.count; i++) {
            const struct consumer_offset *o = &table.offsets[i];
            put(offsets, o->topic, o->group,
                (struct queue_progress){ o->queue_id, o->queue_offset });
        }
    }
    arena_fini(&arena);
    return is_table;
}

int offsets_new(struct offsets **offsets)
{
    struct offsets *made = calloc(1, sizeof *made);
    if (made == NULL)
        return ERR_NO_MEMORY;
    map_init(&made->by_pair);
    *offsets = made;
    return 0;
}

int offsets_open(const char *path, struct offsets **opened)
{
    struct offsets *offsets;
    int err = offsets_new(&offsets);
    if (err != 0)
        return err;
    err = table_file_read(path, take_text, offsets);
    if (err != 0 && err != ERR_NOT_FOUND) {
        offsets_free(offsets);
        return err;
    }
    assert(!offsets->is_changed); /* it is as in the file */
    *opened = offsets;
    return 0;
}

void offsets_separate_light(struct offsets *offsets)
{
    offsets->separates_light = true;
}

void offsets_free(struct offsets *offsets)
{
    if (offsets == NULL)
        return;
    size_t cursor = 0;
    struct slice key;
    void *pair;
    while (map_next(&offsets->by_pair, &cursor, &key, &pair))
        pair_free(pair);
    map_fini(&offsets->by_pair);
    free(offsets);
}

static struct pair_offsets *pair_find(const struct offsets *offsets, struct slice topic,
                                      struct slice group)
{
    struct pair_key key;
    if (!pair_key_make(&key, topic, group))
        return NULL;
    return map_get(&offsets->by_pair, pair_key_slice(&key));
}

int64_t offsets_get(const struct offsets *offsets, struct slice topic, struct slice group,
                    int32_t queue_id)
{
    const struct pair_offsets *pair = pair_find(offsets, topic, group);
    if (pair == NULL)
        return -1;
    size_t place = queue_place(pair, queue_id);
    return is_queue_at(pair, place, queue_id) ? pair->queues[place].queue_offset : -1;
}

void offsets_put(struct offsets *offsets, struct slice topic, struct slice group, int32_t queue_id,
                 int64_t queue_offset, int64_t now_ms)
{
    if (!put(offsets, topic, group, (struct queue_progress){ queue_id, queue_offset }))
        return;
    offsets->is_changed = true;
    assert(offsets->updates < UPDATES_PER_VERSION);
    if (++offsets->updates == UPDATES_PER_VERSION) {
        offsets->updates = 0;
        data_version_next(&offsets->version, now_ms);
    }
}

static void pair_remove(struct offsets *offsets, struct pair_offsets *pair)
{
    const void *removed =
        map_remove(&offsets->by_pair, slice_of(pair->key, pair->topic_len + 1 + pair->group_len));
    assert(removed == pair);
    offsets->is_changed = true;
    pair_free(pair);
}

int64_t offsets_take(struct offsets *offsets, struct slice topic, struct slice group,
                     int32_t queue_id)
{
    struct pair_offsets *pair = pair_find(offsets, topic, group);
    size_t place = pair == NULL ? 0 : queue_place(pair, queue_id);
    if (pair == NULL || !is_queue_at(pair, place, queue_id))
        return -1;
    int64_t taken = pair->queues[place].queue_offset;
    assert(place < pair->count);
    pair->count--;
    memmove(&pair->queues[place], &pair->queues[place + 1],
            (pair->count - place) * sizeof *pair->queues);
    offsets->is_changed = true;
    if (pair->count == 0)
        pair_remove(offsets, pair);
    return taken;
}

int32_t offsets_next_queue(const struct offsets *offsets, struct slice topic, struct slice group,
                           size_t *cursor, int64_t *queue_offset)
{
    const struct pair_offsets *pair = pair_find(offsets, topic, group);
    if (pair == NULL || *cursor >= pair->count)
        return -1;
    const struct queue_progress *queue = &pair->queues[(*cursor)++];
    *queue_offset = queue->queue_offset;
    return queue->queue_id;
}

void offsets_clone(struct offsets *offsets, struct slice topic, struct slice from, struct slice to,
                   int64_t now_ms)
{
    const struct pair_offsets *source = pair_find(offsets, topic, from);
    if (source == NULL || slice_eq(from, to))
        return;
    struct pair_offsets *old = pair_find(offsets, topic, to);
    assert(old != source);
    if (old != NULL)
        pair_remove(offsets, old);
    for (size_t i = 0; i < source->count; i++)
        offsets_put(offsets, topic, to, source->queues[i].queue_id, source->queues[i].queue_offset,
                    now_ms);
}

bool offsets_are_empty(const struct offsets *offsets)
{
    return offsets->by_pair.count == 0;
}

/* Removes the pairs whose `part` (topic or group) is `name`. */
static void remove_where(struct offsets *offsets,
                         struct slice (*part)(const struct pair_offsets *pair), struct slice name)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&offsets->by_pair, &cursor, &key, &value)) {
        struct pair_offsets *pair = value;
        if (slice_eq(part(pair), name))
            pair_remove(offsets, pair);
    }
}

void offsets_remove_group(struct offsets *offsets, struct slice group)
{
    remove_where(offsets, pair_group, group);
}

void offsets_remove_topic(struct offsets *offsets, struct slice topic)
{
    remove_where(offsets, pair_topic, topic);
}

void offsets_begin_topics(struct offsets *offsets, const struct map *topics,
                          int64_t (*max_of)(void *ctx, struct slice topic, int32_t queue_id),
                          void *ctx)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&offsets->by_pair, &cursor, &key, &value)) {
        struct pair_offsets *pair = value;
        int64_t max = 0;
        if (map_get(topics, pair_topic(pair)) == NULL)
            continue;
        for (size_t i = 0; i < pair->count; i++) {
            struct queue_progress *queue = &pair->queues[i];
            int64_t queue_max = max_of(ctx, pair_topic(pair), queue->queue_id);
            if (queue->queue_offset > queue_max) {
                queue->queue_offset = 0;
                offsets->is_changed = true;
            }
            max = queue_max > max ? queue_max : max;
        }
        if (max == 0)
            pair_remove(offsets, pair);
    }
}

bool offsets_next(const struct offsets *offsets, size_t *cursor, struct slice *topic,
                  struct slice *group)
{
    struct slice key;
    void *pair;
    if (!map_next(&offsets->by_pair, cursor, &key, &pair))
        return false;
    *topic = pair_topic(pair);
    *group = pair_group(pair);
    return true;
}

bool offsets_changed(const struct offsets *offsets)
{
    return offsets->is_changed;
}

static struct consumer_offset offset_at(const struct pair_offsets *pair, size_t place)
{
    return (struct consumer_offset){ pair_topic(pair), pair_group(pair),
                                     pair->queues[place].queue_id,
                                     pair->queues[place].queue_offset };
}

/* Its first queue's offset stands in the table of light groups. */
static bool has_light_row(const struct offsets *offsets, const struct pair_offsets *pair)
{
    return offsets->separates_light && name_is_light(pair_group(pair)) && is_queue_at(pair, 0, 0);
}

static void add_pair(const struct offsets *offsets, const struct pair_offsets *pair,
                     struct json_out *j)
{
    size_t first = has_light_row(offsets, pair) ? 1 : 0;
    struct consumer_offset *rows = memory_resize(NULL, pair->count + 1, sizeof *rows);
    for (size_t i = first; i < pair->count; i++)
        rows[i - first] = offset_at(pair, i);
    if (pair->count > first)
        offset_table_add(rows, (int)(pair->count - first), j);
    free(rows);
}

static void add_light_row(const struct offsets *offsets, const struct pair_offsets *pair,
                          struct json_out *j)
{
    if (!has_light_row(offsets, pair))
        return;
    const struct consumer_offset offset = offset_at(pair, 0);
    assert(offset.queue_id == 0);
    offset_table_light_add(&offset, j);
}

/* The walk over the table came to its end. False: another follows, for the light groups. */
static bool ends_text(const struct offsets *offsets, bool is_second_walk, struct json_out *j)
{
    if (offsets->separates_light && !is_second_walk) {
        offset_table_light_begin(j);
        return false;
    }
    offset_table_end(j);
    return true;
}

bool offsets_text_step(struct offsets *offsets, struct table_text *text)
{
    struct slice key;
    void *pair;
    if (table_text_begins(text, &offsets->by_pair)) {
        offsets->is_changed = false;
        offset_table_begin(&offsets->version, &text->json);
    }
    assert(!text->is_second_walk || offsets->separates_light);
    for (int i = 0; i < TABLE_TEXT_STEP; i++) {
        if (map_next(&offsets->by_pair, &text->cursor, &key, &pair)) {
            if (text->is_second_walk)
                add_light_row(offsets, pair, &text->json);
            else
                add_pair(offsets, pair, &text->json);
            continue;
        }
        if (ends_text(offsets, text->is_second_walk, &text->json))
            return table_text_whole(text);
        text->is_second_walk = true;
        text->cursor = 0;
    }
    return false;
}

void offsets_body(const struct offsets *offsets, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    size_t cursor = 0;
    struct slice key;
    void *pair;
    json_object_begin(&j);
    offset_table_begin(&offsets->version, &j);
    while (map_next(&offsets->by_pair, &cursor, &key, &pair))
        add_pair(offsets, pair, &j);
    if (!ends_text(offsets, false, &j)) {
        cursor = 0;
        while (map_next(&offsets->by_pair, &cursor, &key, &pair))
            add_light_row(offsets, pair, &j);
        offset_table_end(&j);
    }
    json_object_end(&j);
}
