/* topic_attributes.c - the attributes of a topic and how a request changes them. */
#include "broker/topic_attributes.h"

#include <assert.h>

struct attribute {
    const char *name;
    bool changeable;
    const char *values[8]; /* none: a number of at least `least` */
    int64_t least;
};

/* The values that stand for what this broker does not do (batch consume queues, compaction) are not
 * listed: a topic that says so would be kept otherwise. */
static const struct attribute attributes[] = {
    { "queue.type", false, { "SimpleCQ" }, 0 },
    { "cleanup.policy", false, { "DELETE" }, 0 },
    { "message.type", true, { "UNSPECIFIED", "NORMAL", "FIFO", "DELAY", "TRANSACTION" }, 0 },
    { "reserve.time", true, { NULL }, -1 },
};
enum { ATTRIBUTE_COUNT = sizeof attributes / sizeof attributes[0] };

/* Cuts up to the next `separator` off *rest. */
static struct slice cut(struct slice *rest, char separator)
{
    const uint8_t *end = rest->len == 0 ? NULL : memchr(rest->data, separator, rest->len);
    size_t len = end == NULL ? rest->len : (size_t)(end - rest->data);
    struct slice piece = { rest->data, len };
    *rest = end == NULL ? slice_of(NULL, 0) : slice_from(*rest, len + 1);
    return piece;
}

int topic_attributes_parse(struct slice text, struct arena *arena, const struct pair **changes,
                           int *count, struct slice *why)
{
    size_t most = 1;
    for (size_t i = 0; i < text.len; i++)
        most += text.data[i] == ',';
    struct pair *pairs = arena_alloc(arena, most * sizeof *pairs);
    int n = 0;
    while (text.len > 0) {
        struct slice piece = cut(&text, ',');
        struct slice value = piece;
        struct slice key = cut(&value, '=');
        bool sets = key.len > 1 && key.data[0] == '+' && value.len > 0;
        bool removes = key.len > 1 && key.data[0] == '-' && key.len == piece.len;
        if (!sets && !removes) {
            *why = arena_printf(arena, "attribute \"%.*s\": +name=value or -name is expected",
                                SLICE_FMT(piece));
            return ERR_INVALID;
        }
        pairs[n++] = (struct pair){ key, value };
    }
    *changes = pairs;
    *count = n;
    return 0;
}

static const struct attribute *attribute_find(struct slice name)
{
    for (int i = 0; i < ATTRIBUTE_COUNT; i++)
        if (slice_eq(name, slice_str(attributes[i].name)))
            return &attributes[i];
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

static int pair_index(const struct pair *pairs, int count, struct slice key)
{
    for (int i = 0; i < count; i++)
        if (slice_eq(pairs[i].key, key))
            return i;
    return -1;
}

/* What is wrong with one change of `name`, or NULL. */
static const char *change_fault(const struct topic_config *before, const struct pair *change,
                                struct slice name)
{
    const struct attribute *attribute = attribute_find(name);
    bool sets = change->key.data[0] == '+';
    int at = before == NULL ? -1 : pair_index(before->attributes, before->attribute_count, name);
    if (attribute == NULL)
        return "unsupported key";
    if (!sets && before == NULL)
        return "only add attribute is supported while creating topic";
    if (!sets && at < 0)
        return "attempt to delete a nonexistent key";
    bool same = sets && at >= 0 && slice_eq(before->attributes[at].value, change->value);
    if (before != NULL && !attribute->changeable && !same)
        return "attempt to update an unchangeable attribute";
    if (sets && !value_allowed(attribute, change->value))
        return "value is not supported";
    return NULL;
}

static int check_changes(const struct topic_config *before, const struct pair *changes, int count,
                         struct arena *arena, struct slice *why)
{
    for (int i = 0; i < count; i++) {
        struct slice key = changes[i].key;
        const char *fault = NULL;
        if (key.len < 2 || (key.data[0] != '+' && key.data[0] != '-'))
            fault = "wrong format key";
        for (int k = 0; k < i && fault == NULL; k++)
            if (slice_eq(slice_from(changes[k].key, 1), slice_from(key, 1)))
                fault = "key duplication";
        if (fault == NULL)
            fault = change_fault(before, &changes[i], slice_from(key, 1));
        if (fault != NULL) {
            *why = arena_printf(arena, "%s. key: %.*s", fault, SLICE_FMT(key));
            return ERR_INVALID;
        }
    }
    return 0;
}

int topic_attributes_apply(const struct topic_config *before, const struct pair *changes, int count,
                           struct arena *arena, struct topic_config *config, struct slice *why)
{
    int err = check_changes(before, changes, count, arena, why);
    if (err != 0)
        return err;
    int old_count = before == NULL ? 0 : before->attribute_count;
    struct pair *pairs = arena_alloc(arena, (size_t)(old_count + count + 1) * sizeof *pairs);
    int n = 0;
    for (int i = 0; i < old_count; i++) /* copied: the table's own go when the topic is replaced */
        pairs[n++] = (struct pair){ arena_copy(arena, before->attributes[i].key),
                                    arena_copy(arena, before->attributes[i].value) };
    for (int i = 0; i < count; i++) {
        struct slice name = slice_from(changes[i].key, 1);
        int at = pair_index(pairs, n, name);
        if (changes[i].key.data[0] == '-')
            pairs[at] = pairs[--n];
        else
            pairs[at >= 0 ? at : n++] = (struct pair){ name, changes[i].value };
    }
    assert(n <= old_count + count);
    config->attributes = pairs;
    config->attribute_count = n;
    return 0;
}
