/* topic_attributes.c - the attributes of a topic and how a request changes them. */
#include "broker/topic_attributes.h"

#include <assert.h>

struct attribute {
    const char *name;
    bool changeable;
    const char *values[8]; /* none: a number of at least `least` */
    int64_t least;
};

static const struct attribute attributes[] = {
    { "queue.type", false, { "SimpleCQ", "BatchCQ" }, 0 },
    { "cleanup.policy", false, { "DELETE", "COMPACTION" }, 0 },
    { "message.type",
      true,
      { "UNSPECIFIED", "NORMAL", "FIFO", "DELAY", "TRANSACTION", "MIXED" },
      0 },
    { "reserve.time", true, { NULL }, -1 },
};
enum { ATTRIBUTE_COUNT = sizeof attributes / sizeof attributes[0] };

/* What is wrong with a piece of "+name=value,-name", or NULL. */
static const char *piece_fault(struct slice key, struct slice value, bool has_value)
{
    if (!has_value)
        return memchr(key.data, '-', key.len) == NULL ? "delete attribute format is wrong: " : NULL;
    if (key.len == 0 || memchr(key.data, '+', key.len) == NULL)
        return "add/alter attribute format is wrong: ";
    return value.len == 0 ? "a value is missing: " : NULL;
}

int topic_attributes_parse(struct slice text, struct arena *arena, const struct pair **changes,
                           int *count, struct slice *why)
{
    size_t most = 1;
    for (size_t i = 0; i < text.len; i++)
        most += text.data[i] == ',';
    struct pair *pairs = arena_alloc(arena, most * sizeof *pairs);
    int n = 0;
    while (text.len > 0 && text.data[text.len - 1] == ',')
        text.len--; /* the reference's way of splitting loses them */
    while (text.len > 0) {
        struct slice piece = slice_cut(&text, ',');
        struct slice value = piece;
        struct slice key = slice_cut(&value, '=');
        const char *fault =
            piece.len == 0 ? "a name is missing: " : piece_fault(key, value, key.len < piece.len);
        if (fault != NULL) {
            *why = arena_printf(arena, "%s%.*s", fault, SLICE_FMT(key));
            return ERR_INVALID;
        }
        pairs[n++] = (struct pair){ key, value };
    }
    *changes = pairs;
    *count = n;
    return 0;
}

struct attribute_table {
    const struct attribute *rows;
    int count;
};
static const struct attribute_table topic_table = { attributes, ATTRIBUTE_COUNT };
/* No attribute of a group is known to this release. */
static const struct attribute_table group_table = { NULL, 0 };

static const struct attribute *attribute_find(const struct attribute_table *table,
                                              struct slice name)
{
    for (int i = 0; i < table->count; i++)
        if (slice_eq(name, slice_str(table->rows[i].name)))
            return &table->rows[i];
    return NULL;
}

static bool value_allowed(const struct attribute *attribute, struct slice value)
{
    if (attribute->values[0] == NULL) {
        int64_t number;
        return slice_to_i64(value, &number) && number >= attribute->least;
    }
    for (int i = 0; attribute->values[i] != NULL; i++)
        if (slice_eq(value, slice_str(attribute->values[i])))
            return true;
    return false;
}

static struct slice value_fault(const struct attribute *attribute, struct arena *arena)
{
    if (attribute->values[0] == NULL)
        return arena_printf(arena, "value is not in range(%lld, %lld)", (long long)attribute->least,
                            (long long)INT64_MAX);
    struct slice list = SLICE("");
    for (int i = 0; attribute->values[i] != NULL; i++)
        list = arena_printf(arena, "%.*s%s%s", SLICE_FMT(list), i == 0 ? "" : ", ",
                            attribute->values[i]);
    return arena_printf(arena, "value is not in set: [%.*s]", SLICE_FMT(list));
}

static int pair_index(const struct pair *pairs, int count, struct slice key)
{
    for (int i = 0; i < count; i++)
        if (slice_eq(pairs[i].key, key))
            return i;
    return -1;
}

/* What there was before a change. */
struct attributes_before {
    const struct pair *pairs;
    int count;
    bool is_new; /* the topic or group that is to have them */
};

/* What is wrong with one change; data NULL: nothing. */
static struct slice change_fault(const struct attribute_table *table,
                                 const struct attributes_before *before, const struct pair *change,
                                 struct arena *arena)
{
    struct slice name = slice_from(change->key, 1);
    if (name.len == 0 || memchr(name.data, '+', name.len) != NULL ||
        memchr(name.data, '-', name.len) != NULL)
        return SLICE("kv string format wrong.");
    const struct attribute *attribute = attribute_find(table, name);
    bool sets = change->key.data[0] == '+';
    bool removes = change->key.data[0] == '-';
    const char *fault = NULL;
    if (before->is_new && !sets)
        fault = "only add attribute is supported while creating topic. key: ";
    else if (!sets && !removes)
        fault = "wrong format key: ";
    else if (removes && pair_index(before->pairs, before->count, name) < 0)
        fault = "attempt to delete a nonexistent key: ";
    else if (attribute == NULL)
        fault = "unsupported key: ";
    else if (!before->is_new && !attribute->changeable)
        fault = "attempt to update an unchangeable attribute. key: ";
    if (fault != NULL)
        return arena_printf(arena, "%s%.*s", fault, SLICE_FMT(name));
    return sets && !value_allowed(attribute, change->value) ? value_fault(attribute, arena)
                                                            : slice_of(NULL, 0);
}

static int check_changes(const struct attribute_table *table,
                         const struct attributes_before *before, const struct pair *changes,
                         int count, struct arena *arena, struct slice *why)
{
    for (int i = 0; i < count; i++) {
        struct slice key = changes[i].key;
        struct slice fault = change_fault(table, before, &changes[i], arena);
        for (int k = 0; k < i && fault.data == NULL; k++)
            if (slice_eq(slice_from(changes[k].key, 1), slice_from(key, 1)))
                fault = arena_printf(arena, "key duplication: %.*s", SLICE_FMT(key));
        if (fault.data == NULL)
            continue;
        *why = fault;
        return ERR_INVALID;
    }
    return 0;
}

/* The pairs after the changes, in the arena: the table's own go when its entry is replaced. */
static const struct pair *changed_pairs(const struct attributes_before *before,
                                        const struct pair *changes, int count, struct arena *arena,
                                        int *n)
{
    struct pair *pairs = arena_alloc(arena, (size_t)(before->count + count + 1) * sizeof *pairs);
    *n = 0;
    for (int i = 0; i < before->count; i++)
        pairs[(*n)++] = (struct pair){ arena_copy(arena, before->pairs[i].key),
                                       arena_copy(arena, before->pairs[i].value) };
    for (int i = 0; i < count; i++) {
        struct slice name = slice_from(changes[i].key, 1);
        int at = pair_index(pairs, *n, name);
        assert(at >= 0 || changes[i].key.data[0] == '+');
        if (changes[i].key.data[0] == '-')
            pairs[at] = pairs[--*n];
        else
            pairs[at >= 0 ? at : (*n)++] = (struct pair){ name, changes[i].value };
    }
    assert(*n <= before->count + count);
    return pairs;
}

int topic_attributes_apply(const struct topic_config *before, const struct pair *changes, int count,
                           struct arena *arena, struct topic_config *config, struct slice *why)
{
    struct attributes_before old = { .is_new = before == NULL };
    if (before != NULL) {
        old.pairs = before->attributes;
        old.count = before->attribute_count;
    }
    int err = check_changes(&topic_table, &old, changes, count, arena, why);
    if (err == 0)
        config->attributes = changed_pairs(&old, changes, count, arena, &config->attribute_count);
    return err;
}

int group_attributes_apply(const struct group_config *before, struct arena *arena,
                           struct group_config *config, struct slice *why)
{
    struct attributes_before old = { .is_new = before == NULL };
    if (before != NULL) {
        old.pairs = before->attributes;
        old.count = before->attribute_count;
    }
    const struct pair *changes = config->attributes;
    int count = config->attribute_count;
    int err = check_changes(&group_table, &old, changes, count, arena, why);
    if (err == 0)
        config->attributes = changed_pairs(&old, changes, count, arena, &config->attribute_count);
    return err;
}

static bool attribute_is(const struct topic_config *topic, struct slice key, struct slice value)
{
    for (int i = 0; i < topic->attribute_count; i++)
        if (slice_eq(topic->attributes[i].key, key))
            return slice_eq(topic->attributes[i].value, value);
    return false;
}

bool topic_is_compacted(const struct topic_config *topic)
{
    return attribute_is(topic, SLICE("cleanup.policy"), SLICE("COMPACTION"));
}

bool topic_has_batch_queues(const struct topic_config *topic)
{
    return attribute_is(topic, SLICE("queue.type"), SLICE("BatchCQ"));
}
