#include "wire/multi_dispatch.h"

#include "base/map.h"
#include "wire/names.h"
#include "wire/properties.h"

bool name_is_light(struct slice name)
{
    return slice_starts_with(name, SLICE(TOPIC_LMQ_PREFIX));
}

/* The reference's rule: it numbers these messages, and finds them again by it. */
static bool topic_may_go_to_light_queues(struct slice topic)
{
    return !slice_starts_with(topic, SLICE(TOPIC_RETRY_PREFIX)) &&
           !slice_starts_with(topic, SLICE(TOPIC_SYSTEM_PREFIX)) &&
           !slice_eq(topic, SLICE(TOPIC_SCHEDULE));
}

bool topic_goes_to_light_queues(struct slice topic)
{
    return topic_may_go_to_light_queues(topic) &&
           !slice_starts_with(topic, SLICE(TOPIC_DLQ_PREFIX)) &&
           !slice_eq(topic, SLICE(TOPIC_TRANS_HALF)) &&
           !slice_eq(topic, SLICE(TOPIC_TRANS_OP_HALF));
}

static bool is_blank(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] > ' ')
            return false;
    return true;
}

static struct slice without_commas_behind(struct slice text)
{
    while (text.len > 0 && text.data[text.len - 1] == ',')
        text.len--;
    return text;
}

static int count_pieces(struct slice text)
{
    int count = text.len == 0 ? 0 : 1;
    for (size_t i = 0; i < text.len; i++)
        count += text.data[i] == ',';
    return count;
}

bool multi_dispatch_next_name(struct slice *rest, struct slice *name)
{
    *rest = without_commas_behind(*rest);
    if (rest->len == 0)
        return false;
    *name = slice_cut(rest, ',');
    return true;
}

const char *light_name_fault(struct slice name)
{
    if (name.len > RECORD_TOPIC_MAX)
        return "has a name that is longer than 255 bytes";
    if (memchr(name.data, '/', name.len) != NULL || memchr(name.data, 0, name.len) != NULL)
        return "has a name with a character that no file can have";
    return NULL;
}

static const char *name_fault(struct slice name, struct map *seen)
{
    if (!name_is_light(name) || name.len == strlen(TOPIC_LMQ_PREFIX))
        return "names a queue that does not begin with %LMQ%";
    const char *fault = light_name_fault(name);
    if (fault == NULL && map_put(seen, name, seen) != NULL)
        return "names a queue twice, or the message's own";
    return fault;
}

const char *multi_dispatch_fault(struct slice topic, struct slice names, int *count)
{
    struct map seen;
    struct slice name;
    const char *fault = NULL;
    *count = 0;
    if (is_blank(names))
        return NULL;
    map_init(&seen);
    map_put(&seen, topic, &seen); /* it goes there anyhow */
    while (fault == NULL && multi_dispatch_next_name(&names, &name)) {
        fault =
            ++*count > MULTI_DISPATCH_MAX ? "names more than 1024 queues" : name_fault(name, &seen);
    }
    map_fini(&seen);
    return fault;
}

bool properties_may_multi_dispatch(struct slice properties)
{
    static const char start[] = "INNER_MULTI_";
    return properties.len > sizeof start &&
           memmem(properties.data, properties.len, start, sizeof start - 1) != NULL;
}

bool multi_dispatch_of(struct slice topic, struct slice properties, struct multi_dispatch *list)
{
    if (!properties_may_multi_dispatch(properties) || !topic_may_go_to_light_queues(topic))
        return false;
    struct slice names = property_get(properties, SLICE(PROPERTY_MULTI_DISPATCH));
    struct slice offsets = property_get(properties, SLICE(PROPERTY_MULTI_QUEUE_OFFSET));
    if (is_blank(names) || is_blank(offsets))
        return false;
    list->names = without_commas_behind(names);
    list->offsets = without_commas_behind(offsets);
    return count_pieces(list->names) == count_pieces(list->offsets);
}

bool multi_dispatch_next(struct multi_dispatch *list, struct slice *name, int64_t *queue_offset)
{
    while (list->names.len > 0) {
        *name = slice_cut(&list->names, ',');
        struct slice offset = slice_cut(&list->offsets, ',');
        if (name_is_light(*name) && slice_to_i64(offset, queue_offset) && *queue_offset >= 0)
            return true;
    }
    return false;
}

int64_t multi_dispatch_offset(struct slice topic, struct slice properties, struct slice name)
{
    struct multi_dispatch list;
    struct slice at_name;
    int64_t queue_offset;
    if (!multi_dispatch_of(topic, properties, &list))
        return -1;
    while (multi_dispatch_next(&list, &at_name, &queue_offset))
        if (slice_eq(at_name, name))
            return queue_offset;
    return -1;
}

int64_t multi_dispatch_place(const struct record *record, struct slice topic)
{
    if (slice_eq(record->topic, topic) || !name_is_light(topic))
        return record->queue_offset;
    return multi_dispatch_offset(record->topic, record->properties, topic);
}
