#include "console/answers.h"

#include <stdlib.h>

#include "wire/codes.h"

/* ---- brokers --------------------------------------------------------------------------------- */

static int place_order(const void *left, const void *right)
{
    const struct broker_place *a = left, *b = right;
    int order = slice_order(a->cluster, b->cluster);
    if (order == 0)
        order = slice_order(a->name, b->name);
    return order != 0 ? order : (a->id > b->id) - (a->id < b->id);
}

const struct broker_place *broker_places(const struct cluster_info *info, struct arena *arena,
                                         int *count)
{
    size_t most = 1;
    for (int i = 0; i < info->broker_count; i++)
        most += (size_t)info->brokers[i].addr_count;
    struct broker_place *places = arena_alloc(arena, most * sizeof *places);
    *count = 0;
    for (int i = 0; i < info->broker_count; i++) {
        const struct broker_data *group = &info->brokers[i];
        for (int k = 0; k < group->addr_count; k++)
            places[(*count)++] =
                (struct broker_place){ group->cluster, group->broker_name,
                                       group->addrs[k].broker_id, group->addrs[k].address };
    }
    qsort(places, (size_t)*count, sizeof *places, place_order);
    return places;
}

const struct broker_place *broker_places_find(const struct broker_place *places, int count,
                                              struct slice name, int64_t id)
{
    for (int i = 0; i < count; i++)
        if (places[i].id == id && slice_eq(places[i].name, name))
            return &places[i];
    return NULL;
}

static void place_to_json(struct json_out *j, const struct broker_place *place)
{
    json_object_begin(j);
    json_member_str(j, "cluster", place->cluster);
    json_member_str(j, "name", place->name);
    json_member_i64(j, "id", place->id);
    json_member_str(j, "address", place->address);
    json_object_end(j);
}

void answer_brokers(const struct broker_place *places, int count, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_STANDARD);
    json_array_begin(&j);
    for (int i = 0; i < count; i++)
        place_to_json(&j, &places[i]);
    json_array_end(&j);
}

/* ---- slow requests --------------------------------------------------------------------------- */

static void stage_to_json(struct json_out *j, const struct stage_summary *stage)
{
    json_object_begin(j);
    json_member_str(j, "name", stage->name);
    json_member_i64(j, "count", stage->count);
    json_member_i64(j, "p50Nanos", stage->p50_ns);
    json_member_i64(j, "p99Nanos", stage->p99_ns);
    json_member_i64(j, "p999Nanos", stage->p99_9_ns);
    json_member_i64(j, "maxNanos", stage->max_ns);
    json_object_end(j);
}

/* An array, since the order of the stages tells something and that of an object's members does not.
 */
static void numbers_to_json(struct json_out *j, const char *key, const char *value_key,
                            const struct named_number *numbers, int count)
{
    json_key(j, slice_str(key));
    json_array_begin(j);
    for (int i = 0; i < count; i++) {
        json_object_begin(j);
        json_member_str(j, "name", numbers[i].name);
        json_member_i64(j, value_key, numbers[i].value);
        json_object_end(j);
    }
    json_array_end(j);
}

static void request_to_json(struct json_out *j, const struct slow_request_entry *entry)
{
    json_object_begin(j);
    json_member_i64(j, "atMillis", entry->at_ms);
    json_member_str(j, "request", slice_str(request_code_name(entry->code)));
    json_member_i64(j, "code", entry->code);
    json_member_str(j, "peer", entry->peer);
    json_member_i64(j, "requestsInPass", entry->requests);
    json_member_i64(j, "totalMicros", entry->total_us);
    numbers_to_json(j, "stages", "micros", entry->stages, entry->stage_count);
    numbers_to_json(j, "kernel", "value", entry->kernel, entry->kernel_count);
    json_object_end(j);
}

void answer_slow(const struct broker_place *place, const struct slow_requests *body,
                 struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_STANDARD);
    json_object_begin(&j);
    json_key(&j, SLICE("broker"));
    place_to_json(&j, place);
    json_member_i64(&j, "thresholdMicros", body->threshold_us);
    json_key(&j, SLICE("stages"));
    json_array_begin(&j);
    for (int i = 0; i < body->stage_count; i++)
        stage_to_json(&j, &body->stages[i]);
    json_array_end(&j);
    json_key(&j, SLICE("requests"));
    json_array_begin(&j);
    for (int i = 0; i < body->slow_count; i++)
        request_to_json(&j, &body->slow[i]);
    json_array_end(&j);
    json_object_end(&j);
}
