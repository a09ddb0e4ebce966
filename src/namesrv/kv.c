#include "namesrv/kv.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "wire/text.h"

struct kv_value {
    size_t len;
    uint8_t bytes[];
};

void kv_init(struct kv *kv)
{
    map_init(&kv->namespaces);
    kv->entry_count = 0;
    kv->bytes = 0;
}

static void namespace_free(struct map *entries)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(entries, &cursor, &key, &value))
        free(value);
    map_fini(entries);
    free(entries);
}

void kv_fini(struct kv *kv)
{
    size_t cursor = 0;
    struct slice name;
    void *entries;
    while (map_next(&kv->namespaces, &cursor, &name, &entries))
        namespace_free(entries);
    map_fini(&kv->namespaces);
}

static const struct kv_value *find(const struct kv *kv, struct slice namespace, struct slice key)
{
    const struct map *entries = map_get(&kv->namespaces, namespace);
    return entries == NULL ? NULL : map_get(entries, key);
}

struct slice kv_get(const struct kv *kv, struct slice namespace, struct slice key)
{
    const struct kv_value *value = find(kv, namespace, key);
    return value == NULL ? (struct slice){ NULL, 0 } : slice_of(value->bytes, value->len);
}

static struct map *namespace_of(struct kv *kv, struct slice namespace)
{
    struct map *entries = map_get(&kv->namespaces, namespace);
    if (entries != NULL)
        return entries;
    entries = memory_take(sizeof *entries);
    map_init(entries);
    map_put(&kv->namespaces, namespace, entries);
    return entries;
}

static const char *refusal(const struct kv *kv, struct slice namespace, struct slice key,
                           struct slice value)
{
    bool is_new_space = map_get(&kv->namespaces, namespace) == NULL;
    bool is_new_key = find(kv, namespace, key) == NULL;
    if (!text_is_whole(namespace) || !text_is_whole(key) || !text_is_whole(value))
        return "a namespace, key or value is UTF-8 without U+0000";
    if (namespace.len > KV_KEY_BYTES_MAX || key.len > KV_KEY_BYTES_MAX)
        return "namespace or key is too long";
    if (value.len > KV_VALUE_BYTES_MAX)
        return "value is too long";
    if (is_new_space && kv->namespaces.count >= KV_NAMESPACES_MAX)
        return "too many namespaces";
    if ((is_new_key && kv->entry_count >= KV_ENTRIES_MAX) ||
        kv->bytes + key.len + value.len > KV_BYTES_MAX)
        return "too many keys and values";
    return NULL;
}

/* A value that left the table. */
static void drop_value(struct kv *kv, struct slice key, struct kv_value *value)
{
    if (value == NULL)
        return;
    assert(kv->entry_count > 0 && kv->bytes >= key.len + value->len);
    kv->entry_count--;
    kv->bytes -= key.len + value->len;
    free(value);
}

const char *kv_put(struct kv *kv, struct slice namespace, struct slice key, struct slice value)
{
    const char *why = refusal(kv, namespace, key, value);
    if (why != NULL)
        return why;
    struct kv_value *copy = memory_take(sizeof *copy + value.len);
    copy->len = value.len;
    if (value.len > 0)
        memcpy(copy->bytes, value.data, value.len);
    kv->entry_count++;
    kv->bytes += key.len + value.len;
    drop_value(kv, key, map_put(namespace_of(kv, namespace), key, copy));
    return NULL;
}

void kv_remove(struct kv *kv, struct slice namespace, struct slice key)
{
    struct map *entries = map_get(&kv->namespaces, namespace);
    if (entries != NULL)
        drop_value(kv, key, map_remove(entries, key));
}

bool kv_list(const struct kv *kv, struct slice namespace, struct arena *arena,
             struct kv_table *table)
{
    const struct map *entries = map_get(&kv->namespaces, namespace);
    if (entries == NULL)
        return false;
    struct pair *pairs = arena_alloc(arena, (entries->count + 1) * sizeof *pairs);
    size_t cursor = 0;
    struct slice key;
    void *value;
    *table = (struct kv_table){ .pairs = pairs };
    while (map_next(entries, &cursor, &key, &value)) {
        const struct kv_value *v = value;
        pairs[table->count++] = (struct pair){ key, slice_of(v->bytes, v->len) };
    }
    return true;
}

/* ---- the file ---------------------------------------------------------------------------- */

static void write_namespace(const struct map *entries, struct json_out *j)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    json_object_begin(j);
    while (map_next(entries, &cursor, &key, &value)) {
        const struct kv_value *v = value;
        json_key(j, key);
        json_str(j, slice_of(v->bytes, v->len));
    }
    json_object_end(j);
}

void kv_text(const struct kv *kv, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    size_t cursor = 0;
    struct slice name;
    void *entries;
    json_object_begin(&j);
    json_key(&j, SLICE("configTable"));
    json_object_begin(&j);
    while (map_next(&kv->namespaces, &cursor, &name, &entries)) {
        json_key(&j, name);
        write_namespace(entries, &j);
    }
    json_object_end(&j);
    json_object_end(&j);
}

static bool take_namespace(struct kv *kv, struct slice name, json_t *entries)
{
    const char *key;
    json_t *value;
    if (!json_is_object(entries))
        return false;
    namespace_of(kv, name);
    json_object_foreach(entries, key, value) {
        struct slice text = slice_of(json_string_value(value), json_string_length(value));
        if (!json_is_string(value) || kv_put(kv, name, slice_str(key), text) != NULL)
            return false;
    }
    return true;
}

bool kv_take_text(struct kv *kv, struct slice text)
{
    struct kv fresh;
    json_t *json = json_read(text);
    json_t *spaces = json_get(json, "configTable");
    const char *name;
    json_t *entries;
    kv_init(&fresh);
    bool is_good = json_is_object(json) && (spaces == NULL || json_is_object(spaces));
    json_object_foreach(spaces, name, entries)
        is_good = is_good && take_namespace(&fresh, slice_str(name), entries);
    json_decref(json);
    if (is_good) {
        kv_fini(kv);
        *kv = fresh;
    } else {
        kv_fini(&fresh);
    }
    return is_good;
}
