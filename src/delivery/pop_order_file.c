/* pop_order_file.c - consumerOrderInfo.json: what is out of the queues popped in order.
 *
 *   {"table":{"topic@group":{QUEUE:{"a":"attempt","cm":BITS,"i":INVISIBLE,"l":LAST,
 *      "o":[OFFSET,DISTANCE,...],"oc":{OFFSET:TIMES},"ot":{OFFSET:VISIBLE},"popTime":TIME}}}}
 */
#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "delivery/pop_order_internal.h"
#include "meta/meta.h"

static int offsets_from_json(const json_t *array, struct order_set *set)
{
    size_t i;
    json_t *element;
    if (!json_is_array(array) || json_array_size(array) == 0 ||
        json_array_size(array) > ORDER_SET_MAX)
        return ERR_CORRUPT;
    json_array_foreach(array, i, element) {
        int64_t value = json_integer_value(element);
        if (!json_is_integer(element) || value < 0 || value > INT64_MAX / 2)
            return ERR_CORRUPT;
        set->offsets[i] = i == 0 ? value : set->offsets[0] + value;
        set->count = (int)i + 1;
    }
    assert(set->count > 0);
    assert(set->count <= ORDER_SET_MAX);
    return 0;
}

/* A member of a map keyed by queue offsets. */
static int64_t by_offset(const json_t *map, int64_t queue_offset, int64_t fallback)
{
    char key[24];
    snprintf(key, sizeof key, "%lld", (long long)queue_offset);
    return json_get_i64(map, key, fallback);
}

static int set_from_json(const json_t *json, struct order_set *set)
{
    struct slice attempt = json_get_str(json, "a");
    set->pop_time_ms = json_get_i64(json, "popTime", 0);
    set->invisible_ms = json_get_i64(json, "i", 0);
    set->last_ms = json_get_i64(json, "l", 0);
    set->acked_bits = (uint64_t)json_get_i64(json, "cm", 0);
    if (attempt.len <= sizeof set->attempt_id) {
        set->attempt_len = attempt.len;
        if (attempt.len > 0)
            memcpy(set->attempt_id, attempt.data, attempt.len);
    }
    int err = offsets_from_json(json_get(json, "o"), set);
    if (err != 0 || set->pop_time_ms < 0 || set->pop_time_ms > INT64_MAX / 2 ||
        set->invisible_ms < 0 || set->invisible_ms > INT64_MAX / 2)
        return ERR_CORRUPT;
    set->begin_offset = 0; /* the file does not tell where reading began */
    for (int i = 0; i < set->count; i++) {
        int64_t visible_ms = by_offset(json_get(json, "ot"), set->offsets[i], -1);
        set->has_own_visible[i] = visible_ms >= 0;
        set->visible_ms[i] = visible_ms >= 0 ? visible_ms : set->pop_time_ms + set->invisible_ms;
        set->counts[i] = (int32_t)by_offset(json_get(json, "oc"), set->offsets[i], 0);
    }
    return 0;
}

/* Sets that make no sense are left out: their messages come once more. */
static void add_set(struct pop_order *order, struct slice pair, const char *queue,
                    const json_t *json)
{
    struct order_set read = { 0 };
    int32_t queue_id;
    const uint8_t *at = memchr(pair.data, '@', pair.len);
    if (at == NULL || !slice_to_i32(slice_str(queue), &queue_id) || set_from_json(json, &read) != 0)
        return;
    size_t topic_len = (size_t)(at - pair.data);
    struct pop_order_queue name = { slice_of(pair.data, topic_len), slice_from(pair, topic_len + 1),
                                    queue_id };
    struct order_set *set = order_set_make(order, &name);
    if (set == NULL)
        return;
    read.queue = set->queue;
    *set = read;
    assert(set->queue.queue_id == queue_id);
    order_set_plan(order, set, 0);
}

bool order_take_text(void *order, struct slice text)
{
    json_t *json = json_read(text);
    json_t *table = json_get(json, "table");
    const char *pair;
    const char *queue;
    json_t *queues;
    json_t *set;
    bool is_table = json_is_object(json);
    json_object_foreach(table, pair, queues) {
        json_object_foreach(queues, queue, set) {
            add_set(order, slice_str(pair), queue, set);
        }
    }
    json_decref(json);
    return is_table;
}

int pop_order_open(const char *path, struct pop_order **order)
{
    struct pop_order *opened;
    int err = pop_order_new(&opened);
    if (err != 0)
        return err;
    err = table_file_read(path, order_take_text, opened);
    if (err != 0 && err != ERR_NOT_FOUND) {
        pop_order_free(opened);
        return err;
    }
    *order = opened;
    return 0;
}

/* ---- writing ------------------------------------------------------------------------------- */

static void counts_to_json(const struct order_set *set, struct json_out *j)
{
    json_key(j, SLICE("oc"));
    json_object_begin(j);
    for (int i = 0; i < set->count; i++) {
        if (set->counts[i] == 0)
            continue;
        json_key_i64(j, set->offsets[i]);
        json_i64(j, set->counts[i]);
    }
    json_object_end(j);
}

/* Left out when no message has a time of its own, as the reference does. */
static void visible_to_json(const struct order_set *set, struct json_out *j)
{
    bool is_begun = false;
    for (int i = 0; i < set->count; i++) {
        if (!set->has_own_visible[i])
            continue;
        if (!is_begun) {
            json_key(j, SLICE("ot"));
            json_object_begin(j);
            is_begun = true;
        }
        json_key_i64(j, set->offsets[i]);
        json_i64(j, set->visible_ms[i]);
    }
    if (is_begun)
        json_object_end(j);
}

static void set_to_json(const struct order_set *set, struct json_out *j)
{
    assert(set->count > 0);
    assert(set->count <= ORDER_SET_MAX);
    assert(set->attempt_len <= sizeof set->attempt_id);
    json_key_i64(j, set->queue.queue_id);
    json_object_begin(j);
    if (set->attempt_len > 0)
        json_member_str(j, "a", slice_of(set->attempt_id, set->attempt_len));
    json_member_i64(j, "cm", (int64_t)set->acked_bits);
    json_member_i64(j, "i", set->invisible_ms);
    json_member_i64(j, "l", set->last_ms);
    json_key(j, SLICE("o"));
    json_array_begin(j);
    for (int i = 0; i < set->count; i++)
        json_i64(j, i == 0 ? set->offsets[0] : set->offsets[i] - set->offsets[0]);
    json_array_end(j);
    counts_to_json(set, j);
    visible_to_json(set, j);
    json_member_i64(j, "popTime", set->pop_time_ms);
    json_object_end(j);
}

static int compare(const void *a, const void *b)
{
    const struct pop_order_queue *x = &(*(struct order_set *const *)a)->queue;
    const struct pop_order_queue *y = &(*(struct order_set *const *)b)->queue;
    int order = slice_order(x->topic, y->topic);
    if (order == 0)
        order = slice_order(x->group, y->group);
    return order != 0 ? order : (x->queue_id > y->queue_id) - (x->queue_id < y->queue_id);
}

/* All sets, those of a pair together; the caller frees the array. */
static struct order_set **sorted(const struct pop_order *order, size_t *count)
{
    struct order_set **sets =
        memory_resize(NULL, order->sets.count + 1, sizeof(struct order_set *));
    size_t cursor = 0;
    struct slice key;
    void *set;
    *count = 0;
    while (map_next(&order->sets, &cursor, &key, &set))
        sets[(*count)++] = set;
    assert(*count == order->sets.count);
    qsort(sets, *count, sizeof(struct order_set *), compare);
    return sets;
}

static bool is_same_pair(const struct order_set *a, const struct order_set *b)
{
    return slice_eq(a->queue.topic, b->queue.topic) && slice_eq(a->queue.group, b->queue.group);
}

void pop_order_text(struct pop_order *order, int64_t now_ms, struct buf *out)
{
    order_forget_old(order, now_ms);
    size_t count;
    struct order_set **sets = sorted(order, &count);
    struct json_out j = json_out_to(out, JSON_DIALECT);
    j.pretty = true;
    json_object_begin(&j);
    json_key(&j, SLICE("table"));
    json_object_begin(&j);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || !is_same_pair(sets[i], sets[i - 1])) {
            struct buf pair = BUF_INIT;
            buf_printf(&pair, "%.*s@%.*s", SLICE_FMT(sets[i]->queue.topic),
                       SLICE_FMT(sets[i]->queue.group));
            json_key(&j, buf_slice(&pair));
            json_object_begin(&j);
            buf_fini(&pair);
        }
        set_to_json(sets[i], &j);
        if (i + 1 == count || !is_same_pair(sets[i], sets[i + 1]))
            json_object_end(&j);
    }
    json_object_end(&j);
    json_object_end(&j);
    free(sets);
    order->is_changed = false;
}
