#include "delivery/timer_metrics.h"

#include <stdlib.h>

#include "base/log.h"
#include "meta/meta.h"
#include "wire/json.h"

struct timing {
    int64_t count;
    int64_t changed_ms;
};

static struct timing *timing_of(struct timer_metrics *metrics, struct slice topic)
{
    struct timing *timing = map_get(&metrics->by_topic, topic);
    if (timing != NULL || metrics->by_topic.count >= TIMER_METRICS_MAX)
        return timing;
    timing = calloc(1, sizeof *timing);
    if (timing == NULL)
        abort();
    map_put(&metrics->by_topic, topic, timing);
    return timing;
}

static bool take_text(void *ctx, struct slice text)
{
    struct timer_metrics *metrics = ctx;
    json_t *json = json_read(text, NULL);
    const char *topic;
    json_t *value;
    if (!json_is_object(json)) {
        json_decref(json);
        return false;
    }
    metrics->version = data_version_from_json(json_get(json, "dataVersion"));
    json_object_foreach(json_get(json, "timingCount"), topic, value) {
        struct timing *timing = timing_of(metrics, slice_str(topic));
        if (timing == NULL)
            break;
        timing->count = json_get_i64(value, "count", 0);
        timing->changed_ms = json_get_i64(value, "timeStamp", 0);
    }
    json_decref(json);
    return true;
}

void timer_metrics_open(struct timer_metrics *metrics, const char *path)
{
    *metrics = (struct timer_metrics){ 0 };
    map_init(&metrics->by_topic);
    int err = table_file_read(path, take_text, metrics);
    if (err != 0 && err != ERR_NOT_FOUND)
        log_warn("timer_metrics_unreadable path=%s error=%s", path, err_name(err));
}

void timer_metrics_close(struct timer_metrics *metrics)
{
    size_t cursor = 0;
    struct slice topic;
    void *timing;
    while (map_next(&metrics->by_topic, &cursor, &topic, &timing))
        free(timing);
    map_fini(&metrics->by_topic);
}

void timer_metrics_add(struct timer_metrics *metrics, struct slice topic, int64_t delta,
                       int64_t now_ms)
{
    struct timing *timing = topic.len == 0 ? NULL : timing_of(metrics, topic);
    if (timing == NULL)
        return;
    timing->count += delta;
    timing->changed_ms = now_ms;
    data_version_next(&metrics->version, now_ms);
    metrics->is_changed = true;
}

int64_t timer_metrics_of(const struct timer_metrics *metrics, struct slice topic)
{
    const struct timing *timing = map_get(&metrics->by_topic, topic);
    return timing == NULL ? 0 : timing->count;
}

void timer_metrics_text(struct timer_metrics *metrics, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    size_t cursor = 0;
    struct slice topic;
    void *value;
    json_object_begin(&j);
    json_key(&j, SLICE("dataVersion"));
    data_version_to_json(&metrics->version, &j);
    json_key(&j, SLICE("timingCount"));
    json_object_begin(&j);
    while (map_next(&metrics->by_topic, &cursor, &topic, &value)) {
        const struct timing *timing = value;
        json_key(&j, topic);
        json_object_begin(&j);
        json_member_i64(&j, "count", timing->count);
        json_member_i64(&j, "timeStamp", timing->changed_ms);
        json_object_end(&j);
    }
    json_object_end(&j);
    json_object_end(&j);
    metrics->is_changed = false;
}
