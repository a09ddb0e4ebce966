#include "delivery/topic_counts.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "meta/meta.h"
#include "wire/json.h"

struct topic_count {
    int64_t count;
    int64_t changed_ms;
};

static struct topic_count *count_of(struct topic_counts *counts, struct slice topic)
{
    struct topic_count *one = map_get(&counts->by_topic, topic);
    if (one != NULL || counts->by_topic.count >= TOPIC_COUNTS_MAX)
        return one;
    one = memory_zeroed(1, sizeof *one);
    map_put(&counts->by_topic, topic, one);
    assert(counts->by_topic.count <= TOPIC_COUNTS_MAX);
    return one;
}

static bool take_text(void *ctx, struct slice text)
{
    struct topic_counts *counts = ctx;
    json_t *json = json_read(text);
    const char *topic;
    json_t *value;
    if (!json_is_object(json)) {
        json_decref(json);
        return false;
    }
    counts->version = data_version_from_json(json_get(json, "dataVersion"));
    json_object_foreach(json_get(json, counts->member), topic, value) {
        struct topic_count *one = count_of(counts, slice_str(topic));
        if (one == NULL)
            break;
        one->count = json_get_i64(value, "count", 0);
        one->changed_ms = json_get_i64(value, "timeStamp", 0);
    }
    json_decref(json);
    return true;
}

void topic_counts_init(struct topic_counts *counts, const char *member)
{
    assert(member != NULL);
    *counts = (struct topic_counts){ .member = member };
    map_init(&counts->by_topic);
}

void topic_counts_open(struct topic_counts *counts, const char *member, const char *path)
{
    topic_counts_init(counts, member);
    int err = table_file_read(path, take_text, counts);
    if (err != 0 && err != ERR_NOT_FOUND)
        log_warn("topic_counts_unreadable path=%s error=%s", path, err_name(err));
}

void topic_counts_fini(struct topic_counts *counts)
{
    size_t cursor = 0;
    struct slice topic;
    void *one;
    while (map_next(&counts->by_topic, &cursor, &topic, &one))
        free(one);
    map_fini(&counts->by_topic);
}

void topic_counts_add(struct topic_counts *counts, struct slice topic, int64_t delta,
                      int64_t now_ms)
{
    struct topic_count *one = topic.len == 0 ? NULL : count_of(counts, topic);
    if (one == NULL)
        return;
    one->count += delta;
    one->changed_ms = now_ms;
    data_version_next(&counts->version, now_ms);
    counts->is_changed = true;
}

void topic_counts_text(struct topic_counts *counts, struct buf *out)
{
    assert(counts->member != NULL);
    struct json_out j = json_out_to(out, JSON_DIALECT);
    size_t cursor = 0;
    struct slice topic;
    void *value;
    json_object_begin(&j);
    json_key(&j, SLICE("dataVersion"));
    data_version_to_json(&counts->version, &j);
    json_key(&j, slice_str(counts->member));
    json_object_begin(&j);
    while (map_next(&counts->by_topic, &cursor, &topic, &value)) {
        const struct topic_count *one = value;
        json_key(&j, topic);
        json_object_begin(&j);
        json_member_i64(&j, "count", one->count);
        json_member_i64(&j, "timeStamp", one->changed_ms);
        json_object_end(&j);
    }
    json_object_end(&j);
    json_object_end(&j);
    counts->is_changed = false;
}
