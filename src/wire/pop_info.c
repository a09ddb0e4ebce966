#include "wire/pop_info.h"

#include "wire/names.h"

enum { SEPARATOR_V1 = '_', SEPARATOR_V2 = '+' };

static bool part_i64(struct slice *rest, int64_t *value)
{
    return slice_to_i64(slice_cut(rest, ' '), value);
}

static bool part_i32(struct slice *rest, int32_t *value)
{
    return slice_to_i32(slice_cut(rest, ' '), value);
}

static bool part_origin(struct slice *rest, enum pop_origin *origin)
{
    struct slice part = slice_cut(rest, ' ');
    if (part.len != 1 || part.data[0] < '0' || part.data[0] > '2')
        return false;
    *origin = (enum pop_origin)(part.data[0] - '0');
    return true;
}

static bool part_name(struct slice *rest, struct slice *name)
{
    *name = slice_cut(rest, ' ');
    for (size_t i = 0; i < name->len; i++)
        if (name->data[i] < ' ')
            return false;
    return name->len > 0;
}

/* The first six parts; NULL, or what is wrong. */
static const char *parse_head(struct slice *rest, struct receipt_handle *handle)
{
    if (!part_i64(rest, &handle->start_offset) || handle->start_offset < 0)
        return "the first part is no queue offset";
    if (!part_i64(rest, &handle->pop_time_ms) || handle->pop_time_ms < 0)
        return "the second part is no pop time";
    if (!part_i64(rest, &handle->invisible_ms) || handle->invisible_ms < 0)
        return "the third part is no invisible time";
    if (!part_i32(rest, &handle->revive_queue_id) || handle->revive_queue_id < 0)
        return "the fourth part is no revive queue id";
    if (!part_origin(rest, &handle->origin))
        return "the fifth part is none of 0, 1 and 2";
    if (!part_name(rest, &handle->broker_name))
        return "the sixth part is no broker name";
    return NULL;
}

/* What may follow. */
static const char *parse_tail(struct slice *rest, struct receipt_handle *handle)
{
    handle->queue_id = -1;
    handle->queue_offset = -1;
    if (rest->len > 0 && (!part_i32(rest, &handle->queue_id) || handle->queue_id < 0))
        return "the seventh part is no queue id";
    if (rest->len > 0 && (!part_i64(rest, &handle->queue_offset) || handle->queue_offset < 0))
        return "the eighth part is no queue offset";
    return NULL;
}

int receipt_handle_parse(struct slice text, struct receipt_handle *handle, const char **why)
{
    struct receipt_handle parsed;
    struct slice rest = text;
    const char *fault =
        text.len > RECEIPT_HANDLE_BYTES_MAX ? "it is too long" : parse_head(&rest, &parsed);
    if (fault == NULL)
        fault = parse_tail(&rest, &parsed);
    if (fault == NULL)
        *handle = parsed;
    else
        *why = fault;
    return fault == NULL ? 0 : ERR_INVALID;
}

void receipt_handle_text(const struct receipt_handle *handle, struct buf *out)
{
    buf_printf(out, "%lld %lld %lld %d %d %.*s %d", (long long)handle->start_offset,
               (long long)handle->pop_time_ms, (long long)handle->invisible_ms,
               handle->revive_queue_id, (int)handle->origin, SLICE_FMT(handle->broker_name),
               handle->queue_id);
    if (handle->queue_offset >= 0)
        buf_printf(out, " %lld", (long long)handle->queue_offset);
}

static const char *between(const struct buf *out)
{
    return out->len > 0 ? ";" : "";
}

void pop_start_offset_item(struct buf *out, enum pop_origin origin, int32_t queue_id,
                           int64_t start_offset)
{
    buf_printf(out, "%s%d %d %lld", between(out), (int)origin, queue_id, (long long)start_offset);
}

void pop_msg_offsets_item(struct buf *out, enum pop_origin origin, int32_t queue_id,
                          const int64_t *queue_offsets, int count)
{
    buf_printf(out, "%s%d %d ", between(out), (int)origin, queue_id);
    for (int i = 0; i < count; i++)
        buf_printf(out, "%s%lld", i == 0 ? "" : ",", (long long)queue_offsets[i]);
}

void pop_order_count_item(struct buf *out, enum pop_origin origin, int32_t queue_id,
                          int64_t queue_offset, int32_t count)
{
    buf_printf(out, "%s%d qo%d%%%lld %d", between(out), (int)origin, queue_id,
               (long long)queue_offset, count);
}

void pop_queue_count_item(struct buf *out, enum pop_origin origin, int32_t queue_id, int32_t count)
{
    buf_printf(out, "%s%d %d %d", between(out), (int)origin, queue_id, count);
}

struct slice pop_topic_name(struct slice topic, struct slice group, enum pop_origin origin,
                            struct arena *arena)
{
    if (origin == POP_OF_TOPIC)
        return topic;
    return arena_printf(arena, "%s%.*s%c%.*s", TOPIC_RETRY_PREFIX, SLICE_FMT(group),
                        origin == POP_OF_RETRY_V2 ? SEPARATOR_V2 : SEPARATOR_V1, SLICE_FMT(topic));
}

enum pop_origin pop_origin_of(struct slice topic)
{
    if (!topic_is_retry(topic))
        return POP_OF_TOPIC;
    return memchr(topic.data, SEPARATOR_V2, topic.len) != NULL ? POP_OF_RETRY_V2 : POP_OF_RETRY_V1;
}

struct slice pop_normal_topic(struct slice topic, struct slice group)
{
    size_t prefix = sizeof(TOPIC_RETRY_PREFIX) - 1;
    if (!topic_is_retry(topic))
        return topic;
    struct slice rest = slice_from(topic, prefix);
    if (!slice_starts_with(rest, group) || rest.len <= group.len + 1 ||
        (rest.data[group.len] != SEPARATOR_V1 && rest.data[group.len] != SEPARATOR_V2))
        return topic;
    return slice_from(rest, group.len + 1);
}
