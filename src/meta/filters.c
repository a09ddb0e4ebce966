/* filters.c - the SQL filters of consumer groups, compiled once per version.
 *
 *     heartbeat ────────── filters_register: newer and different? ── compile ──> entry, or none
 *     last member gone ─── filters_unregister: dead, kept for those who come back
 *     pull, held pull ──── filters_get ──> entry.sql
 *
 * By group, then topic, since a heartbeat names a group and most groups have no filter at all; the
 * file has it the other way round.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "meta/meta.h"

/* Whoever is in a file at start has been silent for this long, it is assumed. */
enum { SILENT_BEFORE_START_MS = 30 * 1000 };

struct filters {
    struct map by_group; /* group -> struct group_filters */
    struct bloom_shape bloom;
    size_t bytes; /* of all entries */
    bool is_changed;
};

struct group_filters {
    struct map by_topic; /* topic -> struct entry */
};

struct entry {
    struct filter_entry data; /* first; points into the block behind the struct */
    size_t bytes;
};

static bool is_dead(const struct filter_entry *e)
{
    return e->dead_ms >= e->born_ms;
}

/* ---- entries ------------------------------------------------------------------------------- */

static struct slice carve(uint8_t **next, struct slice text)
{
    struct slice copy = slice_of(*next, text.len);
    if (text.len > 0)
        memcpy(*next, text.data, text.len);
    *next += text.len;
    return copy;
}

/* A block with everything `data` points to. The expression comes first: it is aligned. */
static struct entry *entry_new(const struct filter_entry *data)
{
    assert(data->sql != NULL);
    size_t sql_room =
        (sql_bytes(data->sql) + sizeof(int64_t) - 1) / sizeof(int64_t) * sizeof(int64_t);
    size_t bytes = sizeof(struct entry) + sql_room + data->topic.len + data->group.len +
                   data->expression.len + data->expression_type.len;
    struct entry *e = memory_take(bytes);
    uint8_t *next = (uint8_t *)(e + 1);
    e->bytes = bytes;
    e->data = *data;
    e->data.sql = memcpy(next, data->sql, sql_bytes(data->sql));
    next += sql_room;
    e->data.topic = carve(&next, data->topic);
    e->data.group = carve(&next, data->group);
    e->data.expression = carve(&next, data->expression);
    e->data.expression_type = carve(&next, data->expression_type);
    assert(next == (uint8_t *)e + bytes);
    return e;
}

static struct entry *find(const struct filters *f, struct slice topic, struct slice group)
{
    const struct group_filters *g = map_get(&f->by_group, group);
    return g == NULL ? NULL : map_get(&g->by_topic, topic);
}

static void entry_drop(struct filters *f, struct entry *e)
{
    assert(f->bytes >= e->bytes);
    f->bytes -= e->bytes;
    free(e);
}

static void remove_entry(struct filters *f, struct entry *e)
{
    struct group_filters *g = map_get(&f->by_group, e->data.group);
    assert(g != NULL);
    const void *removed = map_remove(&g->by_topic, e->data.topic);
    assert(removed == e);
    if (g->by_topic.count == 0) {
        map_remove(&f->by_group, e->data.group);
        map_fini(&g->by_topic);
        free(g);
    }
    entry_drop(f, e);
}

static void put_entry(struct filters *f, struct entry *e)
{
    struct group_filters *g = map_get(&f->by_group, e->data.group);
    if (g == NULL) {
        g = memory_zeroed(1, sizeof *g);
        map_init(&g->by_topic);
        map_put(&f->by_group, e->data.group, g);
    }
    struct entry *old = map_put(&g->by_topic, e->data.topic, e);
    f->bytes += e->bytes;
    if (old != NULL)
        entry_drop(f, old);
    assert(f->bytes <= FILTERS_BYTES_MAX);
}

/* Every entry, as far as *cursors say; removing the one just given is allowed. */
struct walk {
    size_t group_cursor;
    size_t topic_cursor;
    struct group_filters *group;
};

static struct entry *next_entry(const struct filters *f, struct walk *w)
{
    struct slice key;
    void *value;
    for (;;) {
        if (w->group != NULL && map_next(&w->group->by_topic, &w->topic_cursor, &key, &value))
            return value;
        if (!map_next(&f->by_group, &w->group_cursor, &key, &value))
            return NULL;
        w->group = value;
        w->topic_cursor = 0;
    }
}

/* ---- registering --------------------------------------------------------------------------- */

/* The entry for a subscription, NULL when there can be none. */
static struct entry *compiled(const struct filters *f, const struct filter_entry *wanted)
{
    struct filter_entry data = *wanted;
    struct sql_error error = { .text = "no such type" };
    struct arena arena;
    struct entry *e = NULL;
    arena_init(&arena);
    if (!expression_is_by_sql(data.expression_type) ||
        sql_compile(data.expression, &arena, &data.sql, &error) != 0)
        log_debug("filter_refused topic=%.*s group=%.*s reason=\"%s\"", SLICE_FMT(data.topic),
                  SLICE_FMT(data.group), error.text);
    else
        e = entry_new(&data);
    arena_fini(&arena);
    if (e == NULL || f->bytes + e->bytes <= FILTERS_BYTES_MAX)
        return e;
    log_warn("filter_refused topic=%.*s group=%.*s reason=\"all filters have %zu bytes\"",
             SLICE_FMT(data.topic), SLICE_FMT(data.group), f->bytes);
    free(e);
    return NULL;
}

static void register_one(struct filters *f, const struct filter_entry *wanted)
{
    struct entry *old = find(f, wanted->topic, wanted->group);
    bool is_same = old != NULL && slice_eq(old->data.expression, wanted->expression) &&
                   slice_eq(old->data.expression_type, wanted->expression_type);
    if (old != NULL && wanted->client_version < old->data.client_version)
        return;
    if (is_same || (old != NULL && wanted->client_version == old->data.client_version)) {
        f->is_changed |= is_dead(&old->data) || wanted->client_version > old->data.client_version;
        old->data.dead_ms = 0;
        old->data.client_version = wanted->client_version;
        return;
    }
    struct entry *made = compiled(f, wanted);
    if (made != NULL)
        put_entry(f, made);
    else if (old != NULL)
        remove_entry(f, old);
    f->is_changed |= made != NULL || old != NULL;
}

static bool is_subscribed(const struct subscription *subs, int count, struct slice topic)
{
    for (int i = 0; i < count; i++)
        if (slice_eq(subs[i].topic, topic))
            return true;
    return false;
}

static void let_die(struct filters *f, struct entry *e, int64_t now_ms)
{
    if (is_dead(&e->data))
        return;
    e->data.dead_ms = now_ms < e->data.born_ms ? e->data.born_ms : now_ms;
    assert(is_dead(&e->data));
    f->is_changed = true;
}

void filters_register(struct filters *f, struct slice group, const struct subscription *subs,
                      int count, int64_t now_ms)
{
    for (int i = 0; i < count; i++) {
        struct filter_entry wanted = {
            .topic = subs[i].topic,
            .group = group,
            .expression = subs[i].sub_string,
            .expression_type = subs[i].expression_type,
            .born_ms = now_ms,
            .client_version = subs[i].sub_version,
        };
        if (!expression_is_by_tag(wanted.expression_type) && wanted.expression.len > 0)
            register_one(f, &wanted);
    }
    size_t cursor = 0;
    const struct filter_entry *known;
    while (filters_next_of_group(f, group, &cursor, &known))
        if (!is_subscribed(subs, count, known->topic))
            let_die(f, find(f, known->topic, group), now_ms);
}

void filters_unregister(struct filters *f, struct slice group, int64_t now_ms)
{
    filters_register(f, group, NULL, 0, now_ms);
}

/* ---- looking up ---------------------------------------------------------------------------- */

const struct filter_entry *filters_get(const struct filters *f, struct slice topic,
                                       struct slice group)
{
    const struct entry *e = find(f, topic, group);
    return e == NULL ? NULL : &e->data;
}

bool filters_next_of_group(const struct filters *f, struct slice group, size_t *cursor,
                           const struct filter_entry **entry)
{
    const struct group_filters *g = map_get(&f->by_group, group);
    struct slice topic;
    void *value;
    if (g == NULL || !map_next(&g->by_topic, cursor, &topic, &value))
        return false;
    *entry = &((const struct entry *)value)->data;
    return true;
}

bool filters_changed(const struct filters *f)
{
    return f->is_changed;
}

/* ---- the file ------------------------------------------------------------------------------ */

static void drop_long_dead(struct filters *f, int64_t kept_dead_ms, int64_t now_ms)
{
    struct walk walk = { 0 };
    struct entry *e;
    while ((e = next_entry(f, &walk)) != NULL) {
        if (!is_dead(&e->data) || now_ms - e->data.dead_ms < kept_dead_ms)
            continue;
        if (walk.group->by_topic.count == 1)
            walk.group = NULL; /* goes with its last topic */
        remove_entry(f, e);
    }
}

static void put_bloom(const struct filters *f, const struct filter_entry *e, struct json_out *j)
{
    int32_t bits[BLOOM_HASHES_MAX];
    struct buf text = BUF_INIT;
    buf_printf(&text, "%.*s#%.*s", SLICE_FMT(e->group), SLICE_FMT(e->topic));
    bloom_bits(f->bloom, buf_slice(&text), bits);
    buf_clear(&text);
    for (int i = 0; i < f->bloom.hash_count; i++)
        buf_printf(&text, "%c%d", i == 0 ? '[' : ',', bits[i]);
    buf_append_u8(&text, ']');
    json_key(j, SLICE("bloomFilterData"));
    json_object_begin(j);
    json_member_i64(j, "bitNum", f->bloom.bit_count);
    json_key(j, SLICE("bitPos"));
    j->pretty = false; /* on one line, as the reference has it */
    json_raw(j, buf_slice(&text));
    j->pretty = true;
    json_object_end(j);
    buf_fini(&text);
}

static void put_filter(const struct filters *f, const struct filter_entry *e, struct json_out *j)
{
    json_key(j, e->group);
    json_object_begin(j);
    put_bloom(f, e, j);
    json_member_i64(j, "bornTime", e->born_ms);
    json_member_i64(j, "clientVersion", e->client_version);
    json_member_str(j, "consumerGroup", e->group);
    json_member_bool(j, "dead", is_dead(e));
    json_member_i64(j, "deadTime", e->dead_ms);
    json_member_str(j, "expression", e->expression);
    json_member_str(j, "expressionType", e->expression_type);
    json_member_str(j, "topic", e->topic);
    json_object_end(j);
}

static int by_topic_and_group(const void *a, const void *b)
{
    const struct filter_entry *left = *(const struct filter_entry *const *)a;
    const struct filter_entry *right = *(const struct filter_entry *const *)b;
    int order = slice_order(left->topic, right->topic);
    return order != 0 ? order : slice_order(left->group, right->group);
}

/* All entries, sorted; the caller frees. */
static const struct filter_entry **sorted_entries(const struct filters *f, size_t *count)
{
    struct walk walk = { 0 };
    const struct entry *e;
    size_t room = 0;
    while (next_entry(f, &walk) != NULL)
        room++;
    const struct filter_entry **all = memory_take((room + 1) * sizeof *all);
    walk = (struct walk){ 0 };
    *count = 0;
    while ((e = next_entry(f, &walk)) != NULL)
        all[(*count)++] = &e->data;
    assert(*count == room);
    qsort(all, room, sizeof *all, by_topic_and_group);
    return all;
}

void filters_text(struct filters *f, int64_t kept_dead_ms, int64_t now_ms, struct buf *out)
{
    drop_long_dead(f, kept_dead_ms, now_ms);
    size_t count;
    const struct filter_entry **all = sorted_entries(f, &count);
    struct json_out j = json_out_to(out, JSON_DIALECT);
    j.pretty = true;
    json_object_begin(&j);
    json_key(&j, SLICE("filterDataByTopic"));
    json_object_begin(&j);
    for (size_t i = 0; i < count;) {
        struct slice topic = all[i]->topic;
        json_key(&j, topic);
        json_object_begin(&j);
        json_key(&j, SLICE("groupFilterData"));
        json_object_begin(&j);
        for (; i < count && slice_eq(all[i]->topic, topic); i++)
            put_filter(f, all[i], &j);
        json_object_end(&j);
        json_member_str(&j, "topic", topic);
        json_object_end(&j);
    }
    json_object_end(&j);
    json_object_end(&j);
    free(all);
    f->is_changed = false;
}

struct reading {
    struct filters *filters;
    int64_t now_ms;
    bool is_other_bloom;
};

static void read_filter(struct reading *r, const json_t *json, struct arena *arena)
{
    struct filter_entry wanted = {
        .topic = json_copy_str(json, "topic", arena),
        .group = json_copy_str(json, "consumerGroup", arena),
        .expression = json_copy_str(json, "expression", arena),
        .expression_type = json_copy_str(json, "expressionType", arena),
        .born_ms = json_get_i64(json, "bornTime", 0),
        .dead_ms = json_get_i64(json, "deadTime", 0),
        .client_version = json_get_i64(json, "clientVersion", 0),
    };
    const json_t *bloom = json_get(json, "bloomFilterData");
    if (json_get_i32(bloom, "bitNum", -1) != r->filters->bloom.bit_count ||
        (int)json_array_size(json_get(bloom, "bitPos")) != r->filters->bloom.hash_count)
        r->is_other_bloom = true;
    if (wanted.dead_ms == 0) {
        wanted.dead_ms = r->now_ms - SILENT_BEFORE_START_MS;
        if (wanted.dead_ms < wanted.born_ms)
            wanted.dead_ms = wanted.born_ms;
    }
    struct entry *e = wanted.topic.data == NULL || wanted.group.data == NULL
                          ? NULL
                          : compiled(r->filters, &wanted);
    if (e != NULL)
        put_entry(r->filters, e);
}

static void drop_all(struct filters *f)
{
    struct walk walk = { 0 };
    struct entry *e;
    while ((e = next_entry(f, &walk)) != NULL) {
        if (walk.group->by_topic.count == 1)
            walk.group = NULL;
        remove_entry(f, e);
    }
    assert(f->bytes == 0);
    assert(f->by_group.count == 0);
}

static bool take_text(void *ctx, struct slice text)
{
    struct reading *r = ctx;
    struct arena arena;
    json_t *json = json_read(text);
    json_t *by_topic = json_get(json, "filterDataByTopic");
    const char *topic;
    const char *group;
    json_t *of_topic;
    json_t *filter;
    arena_init(&arena);
    json_object_foreach(by_topic, topic, of_topic)
        json_object_foreach(json_get(of_topic, "groupFilterData"), group, filter)
            read_filter(r, filter, &arena);
    arena_fini(&arena);
    bool is_table = json_is_object(json);
    json_decref(json);
    if (r->is_other_bloom) {
        log_info("filters_forgotten reason=\"made with another Bloom filter\"");
        drop_all(r->filters);
    }
    return is_table;
}

int filters_open(const char *path, struct bloom_shape bloom, int64_t now_ms,
                 struct filters **filters)
{
    struct filters *f = calloc(1, sizeof *f);
    if (f == NULL)
        return ERR_NO_MEMORY;
    map_init(&f->by_group);
    f->bloom = bloom;
    struct reading reading = { .filters = f, .now_ms = now_ms };
    int err = table_file_read(path, take_text, &reading);
    if (err != 0 && err != ERR_NOT_FOUND) {
        filters_free(f);
        return err;
    }
    *filters = f;
    return 0;
}

void filters_free(struct filters *f)
{
    if (f == NULL)
        return;
    drop_all(f);
    map_fini(&f->by_group);
    free(f);
}
