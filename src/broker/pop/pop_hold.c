/* pop_hold.c - pops and notifications that wait for something to pop.
 *
 *   topics: "orders", "%RETRY%g_orders", "%RETRY%g+orders" ──> groups that wait for "orders"
 *   group (orders, g):  line (pop, -1)  line (pop, 3)  line (notification, -1) ...
 *
 * A group is known under its topic and both names of its retry topic, so an arrival is one look
 * into a hash. A line is there while someone waits in it; a group stays to the end of the pass, so
 * that who walks through groups and lines may wake.
 */
#include "broker/pop/pop_hold.h"

#include <assert.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/map.h"
#include "base/memory.h"
#include "wire/pop_info.h"

enum { TOPIC_NAMES = POP_OF_RETRY_V2 + 1 };
enum { KEY_MAX = 1024 };

struct held_group;

/* A group in the list of one of its topics. */
struct topic_place {
    struct list link; /* in held_topic.places */
    struct held_group *group;
    enum pop_origin origin;
};

struct held_group {
    struct list empty_link; /* in pop_hold.empty while it has no lines */
    struct map lines;       /* kind and queue id -> struct held_line */
    struct topic_place places[TOPIC_NAMES];
    struct slice names[TOPIC_NAMES]; /* of its topics; one block */
    struct slice key;                /* in pop_hold.groups, in the same block */
};

/* Who waits for the same: by deadline, the nearest first. */
struct held_line {
    struct list waiting; /* of held_pop.line_link */
    struct held_group *group;
    uint64_t key;
    int count;
    uint64_t filter_id; /* of whoever was the first in an empty line */
    int other_filters;  /* how many have another one */
};

struct held_topic {
    struct list places; /* of topic_place.link */
    size_t name_len;
    uint8_t name[];
};

struct pop_hold {
    struct pop_hold_options options;
    struct map groups; /* topic, group -> struct held_group */
    struct map topics; /* name -> struct held_topic */
    struct list woken; /* of held_pop.line_link */
    struct list empty; /* of held_group.empty_link: removed at the end of the pass */
    struct loop_deferred serve_woken;
    int count; /* waiting and woken */
    size_t filter_bytes;
};

static struct held_pop *pop_of(struct list *link)
{
    return list_entry(link, struct held_pop, line_link);
}

static uint64_t line_key(enum held_kind kind, int32_t queue_id)
{
    return (uint64_t)kind << 32 | (uint32_t)(queue_id < 0 ? -1 : queue_id);
}

/* ---- groups and their topics ----------------------------------------------------------------- */

/* data NULL: longer than the names of any group. */
static struct slice group_key(uint8_t key[KEY_MAX], struct slice topic, struct slice group)
{
    if (topic.len > UINT8_MAX || 1 + topic.len + group.len > KEY_MAX)
        return slice_of(NULL, 0);
    key[0] = (uint8_t)topic.len;
    if (topic.len > 0)
        memcpy(key + 1, topic.data, topic.len);
    if (group.len > 0)
        memcpy(key + 1 + topic.len, group.data, group.len);
    return slice_of(key, 1 + topic.len + group.len);
}

static struct held_group *group_find(const struct pop_hold *h, struct slice topic,
                                     struct slice group)
{
    uint8_t bytes[KEY_MAX];
    struct slice key = group_key(bytes, topic, group);
    return key.data == NULL ? NULL : map_get(&h->groups, key);
}

static void enter_topic(struct pop_hold *h, struct topic_place *place, struct slice name)
{
    struct held_topic *topic = map_get(&h->topics, name);
    if (topic == NULL) {
        topic = memory_take(sizeof *topic + name.len);
        list_init(&topic->places);
        topic->name_len = name.len;
        memcpy(topic->name, name.data, name.len);
        map_put(&h->topics, name, topic);
    }
    list_append(&topic->places, &place->link);
}

static void leave_topic(struct pop_hold *h, struct topic_place *place, struct slice name)
{
    struct held_topic *topic = map_get(&h->topics, name);
    assert(topic != NULL);
    list_remove(&place->link);
    if (!list_empty(&topic->places))
        return;
    map_remove(&h->topics, name);
    free(topic);
}

static struct slice put_text(uint8_t **out, struct slice text)
{
    uint8_t *start = *out;
    if (text.len > 0)
        memcpy(start, text.data, text.len);
    *out += text.len;
    return slice_of(start, text.len);
}

static struct held_group *group_make(struct pop_hold *h, struct slice topic, struct slice group,
                                     struct slice key)
{
    struct arena arena;
    struct slice names[TOPIC_NAMES];
    size_t bytes = key.len;
    arena_init(&arena);
    for (int i = 0; i < TOPIC_NAMES; i++) {
        names[i] = pop_topic_name(topic, group, (enum pop_origin)i, &arena);
        bytes += names[i].len;
    }
    struct held_group *made = memory_zeroed(1, sizeof *made + bytes);
    uint8_t *out = (uint8_t *)(made + 1);
    list_init(&made->empty_link);
    map_init(&made->lines);
    made->key = put_text(&out, key);
    for (int i = 0; i < TOPIC_NAMES; i++) {
        made->names[i] = put_text(&out, names[i]);
        made->places[i].group = made;
        made->places[i].origin = (enum pop_origin)i;
        enter_topic(h, &made->places[i], made->names[i]);
    }
    assert(out == (uint8_t *)(made + 1) + bytes);
    arena_fini(&arena);
    map_put(&h->groups, made->key, made);
    return made;
}

static void group_remove(struct pop_hold *h, struct held_group *group)
{
    assert(group->lines.count == 0);
    list_remove(&group->empty_link);
    for (int i = 0; i < TOPIC_NAMES; i++)
        leave_topic(h, &group->places[i], group->names[i]);
    const void *removed = map_remove(&h->groups, group->key);
    assert(removed == group);
    map_fini(&group->lines);
    free(group);
}

/* ---- lines ----------------------------------------------------------------------------------- */

static struct held_line *line_find(const struct held_group *group, enum held_kind kind,
                                   int32_t queue_id)
{
    uint64_t key = line_key(kind, queue_id);
    return map_get(&group->lines, map_key_u64(&key));
}

static struct held_line *line_make(struct held_group *group, enum held_kind kind, int32_t queue_id)
{
    struct held_line *line = memory_zeroed(1, sizeof *line);
    list_init(&line->waiting);
    line->group = group;
    line->key = line_key(kind, queue_id);
    map_put(&group->lines, map_key_u64(&line->key), line);
    return line;
}

/* Takes a request out of its line; the line goes with the last one. */
static void leave_line(struct held_pop *held)
{
    struct held_line *line = held->line;
    list_remove(&held->line_link);
    if (line == NULL)
        return;
    held->line = NULL;
    if (held->filter_id != line->filter_id)
        line->other_filters--;
    line->count--;
    assert(line->other_filters >= 0 && line->other_filters <= line->count);
    if (line->count > 0)
        return;
    assert(list_empty(&line->waiting));
    struct held_group *group = line->group;
    const void *removed = map_remove(&group->lines, map_key_u64(&line->key));
    assert(removed == line);
    free(line);
    if (group->lines.count > 0)
        return;
    list_append(&held->hold->empty, &group->empty_link);
    loop_defer(held->hold->options.loop, &held->hold->serve_woken);
}

/* In order of the deadlines. Clients wait equally long mostly, so the place is at the end. */
static void enter_line(struct held_line *line, struct held_pop *held)
{
    struct list *before = line->waiting.prev;
    while (before != &line->waiting && pop_of(before)->deadline.due_ns > held->deadline.due_ns)
        before = before->prev;
    if (line->count++ == 0)
        line->filter_id = held->filter_id;
    else if (held->filter_id != line->filter_id)
        line->other_filters++;
    held->line = line;
    list_append(before->next, &held->line_link); /* that is, behind `before` */
}

static void unpark(struct held_pop *held)
{
    leave_line(held);
    list_remove(&held->owner_link);
    loop_timer_stop(&held->deadline);
    assert(held->hold->count > 0);
    held->hold->count--;
    assert(held->hold->filter_bytes >= held->filter_bytes);
    held->hold->filter_bytes -= held->filter_bytes;
}

static void serve(struct held_pop *held)
{
    struct pop_hold *h = held->hold;
    unpark(held);
    h->options.serve(h->options.ctx, held);
}

static void deadline_passed(struct loop_timer *timer)
{
    serve((struct held_pop *)((char *)timer - offsetof(struct held_pop, deadline)));
}

static void remove_empty(struct pop_hold *h)
{
    while (!list_empty(&h->empty))
        group_remove(h, list_entry(h->empty.next, struct held_group, empty_link));
}

/* Serving may park again, but never among the woken. */
static void serve_woken(struct loop_deferred *deferred)
{
    struct pop_hold *h =
        (struct pop_hold *)((char *)deferred - offsetof(struct pop_hold, serve_woken));
    while (!list_empty(&h->woken))
        serve(pop_of(h->woken.next));
    remove_empty(h);
}

static void wake(struct held_pop *held)
{
    struct pop_hold *h = held->hold;
    assert(held->line != NULL); /* nobody is woken twice */
    leave_line(held);
    list_append(&h->woken, &held->line_link);
    loop_defer(h->options.loop, &h->serve_woken);
}

/* What an arrival tells; NULL: nothing is known, so that filters do not count. */
struct arrival {
    int64_t tags_code;
    struct slice properties;
};

static bool concerns(const struct held_pop *held, const struct arrival *arrival)
{
    return arrival == NULL || held->filter == NULL ||
           message_filter_takes(held->filter, arrival->tags_code, arrival->properties);
}

/* Wakes one of the line; false: the line is NULL, or the message is nobody's. */
static bool wake_one(struct held_line *line, const struct arrival *arrival)
{
    if (line == NULL)
        return false;
    bool is_last_first = line->key >> 32 == HELD_NOTIFICATION;
    struct list *link = is_last_first ? line->waiting.prev : line->waiting.next;
    for (int i = 0; i < line->count; i++) {
        struct held_pop *held = pop_of(link);
        link = is_last_first ? link->prev : link->next;
        if (concerns(held, arrival)) {
            wake(held);
            return true;
        }
        if (line->other_filters == 0)
            return false; /* all have this filter */
    }
    return false;
}

/* ---- the interface --------------------------------------------------------------------------- */

int pop_hold_park(struct pop_hold *hold, struct held_pop *held, struct slice topic,
                  struct slice group, int32_t queue_id, int64_t wait_ms, struct list *owner)
{
    uint8_t bytes[KEY_MAX];
    struct slice key = group_key(bytes, topic, group);
    size_t filter_bytes = held->filter == NULL ? 0 : message_filter_bytes(held->filter);
    if (key.data == NULL || hold->count >= *hold->options.max_count ||
        filter_bytes > hold->options.max_filter_bytes - hold->filter_bytes)
        return ERR_TOO_BIG;
    struct held_group *found = map_get(&hold->groups, key);
    struct held_line *line = found == NULL ? NULL : line_find(found, held->kind, queue_id);
    if (line != NULL && line->count > *hold->options.max_count_per_queue)
        return ERR_TOO_BIG;
    if (found == NULL)
        found = group_make(hold, topic, group, key);
    if (line == NULL)
        line = line_make(found, held->kind, queue_id);
    list_remove(&found->empty_link);
    held->hold = hold;
    held->filter_bytes = filter_bytes;
    hold->filter_bytes += filter_bytes;
    hold->count++;
    list_append(owner, &held->owner_link);
    loop_timer_init(&held->deadline, deadline_passed);
    loop_timer_start(hold->options.loop, &held->deadline, wait_ms);
    enter_line(line, held);
    return 0;
}

/* A message of the topic itself, or of one of its queues. */
static void arrived_at(struct held_group *group, int32_t queue_id, const struct arrival *arrival)
{
    struct held_line *lines[] = {
        line_find(group, HELD_POP, -1),
        line_find(group, HELD_POP, queue_id),
        line_find(group, HELD_NOTIFICATION, -1),
        line_find(group, HELD_NOTIFICATION, queue_id),
    };
    /* a line that is woken empty goes, and none but itself */
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        wake_one(lines[i], arrival);
}

/* Wakes one that waits for any queue, else one that waits for some queue. */
static void wake_any(struct held_group *group, enum held_kind kind, const struct arrival *arrival)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    if (wake_one(line_find(group, kind, -1), arrival))
        return;
    while (map_next(&group->lines, &cursor, &key, &value)) {
        struct held_line *line = value;
        if (line->key >> 32 == (uint64_t)kind && wake_one(line, arrival))
            return;
    }
}

void pop_hold_arrived(struct pop_hold *hold, struct slice topic, int32_t queue_id,
                      int64_t tags_code, struct slice properties)
{
    struct arrival arrival = { tags_code, properties };
    struct held_topic *found = hold->topics.count == 0 ? NULL : map_get(&hold->topics, topic);
    if (found == NULL)
        return;
    list_each(link, &found->places) {
        struct topic_place *place = list_entry(link, struct topic_place, link);
        if (place->origin == POP_OF_TOPIC) {
            arrived_at(place->group, queue_id, &arrival);
        } else {
            /* it was put again: whoever pops the topic may get it, for whatever queue */
            wake_any(place->group, HELD_POP, &arrival);
            wake_any(place->group, HELD_NOTIFICATION, &arrival);
        }
    }
}

void pop_hold_wake(struct pop_hold *hold, struct slice topic, struct slice group, int32_t queue_id)
{
    struct held_group *found = hold->groups.count == 0 ? NULL : group_find(hold, topic, group);
    if (found == NULL)
        return;
    for (enum held_kind kind = HELD_POP; kind <= HELD_NOTIFICATION; kind++) {
        if (queue_id < 0)
            wake_any(found, kind, NULL);
        else if (!wake_one(line_find(found, kind, -1), NULL))
            wake_one(line_find(found, kind, queue_id), NULL);
    }
}

int pop_hold_count_of(const struct pop_hold *hold, struct slice topic, struct slice group,
                      int32_t queue_id)
{
    const struct held_group *found = group_find(hold, topic, group);
    const struct held_line *line = found == NULL ? NULL : line_find(found, HELD_POP, queue_id);
    return line == NULL ? 0 : line->count;
}

int pop_hold_count(const struct pop_hold *hold)
{
    return hold->count;
}

void pop_hold_drop_owner(struct pop_hold *hold, struct list *owner)
{
    while (!list_empty(owner)) {
        struct held_pop *held = list_entry(owner->next, struct held_pop, owner_link);
        unpark(held);
        hold->options.drop(hold->options.ctx, held);
    }
}

void pop_hold_release_all(struct pop_hold *hold)
{
    size_t cursor = 0;
    struct slice key;
    void *group;
    while (map_next(&hold->groups, &cursor, &key, &group)) {
        size_t line_cursor = 0;
        void *line;
        while (map_next(&((struct held_group *)group)->lines, &line_cursor, &key, &line))
            for (int left = ((struct held_line *)line)->count; left > 0; left--)
                wake(pop_of(((struct held_line *)line)->waiting.next));
    }
    serve_woken(&hold->serve_woken);
}

int pop_hold_new(const struct pop_hold_options *options, struct pop_hold **hold)
{
    struct pop_hold *h = calloc(1, sizeof *h);
    if (h == NULL)
        return ERR_NO_MEMORY;
    h->options = *options;
    map_init(&h->groups);
    map_init(&h->topics);
    list_init(&h->woken);
    list_init(&h->empty);
    loop_deferred_init(&h->serve_woken, serve_woken);
    *hold = h;
    return 0;
}

void pop_hold_free(struct pop_hold *hold)
{
    if (hold == NULL)
        return;
    assert(hold->count == 0);
    assert(list_empty(&hold->woken));
    assert(hold->filter_bytes == 0);
    loop_undefer(&hold->serve_woken);
    remove_empty(hold);
    assert(hold->groups.count == 0 && hold->topics.count == 0);
    map_fini(&hold->groups);
    map_fini(&hold->topics);
    free(hold);
}
