/* clients.c - producers and consumers that are connected, by group. */
#include "broker/groups/clients.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"

enum { EXPIRY_SCAN_MS = 10000 };

struct clients {
    struct clients_options options;
    struct map producers; /* name -> struct client_group */
    struct map consumers;
    struct map producer_ids; /* client id -> struct list of client_member.id_link */
    int member_count;
    size_t bytes; /* of all that is kept */
    struct log_limit full;
    struct loop_timer expiry; /* armed while there are members */
};

/* ---- what is kept --------------------------------------------------------------------------- */

/* A place in a map beside its key. */
enum { PLACE_BYTES = 64 };

static size_t group_bytes(struct slice name)
{
    return sizeof(struct client_group) + PLACE_BYTES + 2 * name.len;
}

/* Of producers the id is a key too. */
static size_t member_bytes(struct slice client_id)
{
    return sizeof(struct client_member) + sizeof(struct list) + PLACE_BYTES + 2 * client_id.len;
}

static bool has_room(struct clients *c, size_t bytes)
{
    if (bytes <= c->options.max_bytes && c->bytes <= c->options.max_bytes - bytes)
        return true;
    uint32_t held;
    if (log_limit_pass(&c->full, loop_now_ns(c->options.loop), &held))
        log_warn("clients_full bytes=%zu held_back=%u: what is new is not taken", c->bytes, held);
    return false;
}

static void give_room_back(struct clients *c, size_t bytes)
{
    assert(c->bytes >= bytes);
    c->bytes -= bytes;
}

/* ---- subscriptions -------------------------------------------------------------------------- */

/* Memory of one block, handed out piece by piece. */
static struct slice carve(uint8_t **next, struct slice text)
{
    if (text.data == NULL)
        return text;
    struct slice copy = slice_of(*next, text.len);
    memcpy(*next, text.data, text.len);
    *next += text.len;
    return copy;
}

static size_t subscription_bytes(const struct subscription *s)
{
    size_t bytes = sizeof(struct client_subscription) + s->topic.len + s->sub_string.len +
                   s->expression_type.len + (size_t)s->code_count * sizeof(int32_t) +
                   (size_t)s->tag_count * sizeof(struct slice);
    for (int i = 0; i < s->tag_count; i++)
        bytes += s->tags[i].len;
    return bytes;
}

static size_t subscription_kept(const struct subscription *s)
{
    return subscription_bytes(s) + PLACE_BYTES + s->topic.len;
}

static bool takes_all(const struct subscription *s)
{
    return s->code_count == 0 || s->class_filter_mode || s->sub_string.len == 0 ||
           slice_eq(s->sub_string, SLICE("*"));
}

/* A copy with everything it points to, in one block. */
static struct client_subscription *subscription_clone(const struct subscription *s)
{
    struct client_subscription *copy = memory_take(subscription_bytes(s));
    struct slice *tags = (struct slice *)(copy + 1);
    int32_t *codes = (int32_t *)(tags + s->tag_count);
    uint8_t *next = (uint8_t *)(codes + s->code_count);
    copy->data = *s;
    for (int i = 0; i < s->tag_count; i++)
        tags[i] = carve(&next, s->tags[i]);
    if (s->code_count > 0)
        memcpy(codes, s->codes, (size_t)s->code_count * sizeof *codes);
    copy->data.tags = tags;
    copy->data.codes = codes;
    copy->data.topic = carve(&next, s->topic);
    copy->data.sub_string = carve(&next, s->sub_string);
    copy->data.expression_type = carve(&next, s->expression_type);
    assert(next == (uint8_t *)copy + subscription_bytes(s));
    copy->filter =
        (struct tag_filter){ .all = takes_all(s), .codes = codes, .count = s->code_count };
    return copy;
}

static bool heartbeat_has_topic(const struct heartbeat_consumer *consumer, struct slice topic)
{
    for (int i = 0; i < consumer->subscription_count; i++)
        if (slice_eq(consumer->subscriptions[i].topic, topic))
            return true;
    return false;
}

/* NULL is none. */
static void subscription_free(struct clients *c, struct client_subscription *subscription)
{
    if (subscription != NULL)
        give_room_back(c, subscription_kept(&subscription->data));
    free(subscription);
}

/* A known topic is replaced by a newer version only. *changed: topics came or went; a changed
 * expression does not count, as clients need not rebalance for it. ERR_TOO_BIG: there was no room
 * for one. */
static int update_subscriptions(struct clients *c, struct client_group *group,
                                const struct heartbeat_consumer *consumer, bool *changed)
{
    int err = 0;
    for (int i = 0; i < consumer->subscription_count; i++) {
        const struct subscription *s = &consumer->subscriptions[i];
        const struct client_subscription *old = client_group_subscription(group, s->topic);
        if (old != NULL && s->sub_version <= old->data.sub_version)
            continue;
        if (!has_room(c, subscription_kept(s))) {
            err = ERR_TOO_BIG;
            continue;
        }
        *changed |= old == NULL;
        c->bytes += subscription_kept(s);
        subscription_free(c, map_put(&group->subscriptions, s->topic, subscription_clone(s)));
    }
    size_t cursor = 0;
    struct slice topic;
    void *value;
    while (map_next(&group->subscriptions, &cursor, &topic, &value)) {
        if (heartbeat_has_topic(consumer, topic))
            continue;
        map_remove(&group->subscriptions, topic);
        subscription_free(c, value);
        *changed = true;
    }
    return err;
}

/* ---- groups and members --------------------------------------------------------------------- */

static struct map *groups_of(struct clients *c, bool is_consumer)
{
    return is_consumer ? &c->consumers : &c->producers;
}

static struct client_group *group_new(struct clients *c, struct slice name, bool is_consumer)
{
    struct client_group *group = memory_zeroed(1, sizeof *group + name.len);
    memcpy(group + 1, name.data, name.len);
    group->name = slice_of(group + 1, name.len);
    group->is_consumer = is_consumer;
    list_init(&group->members);
    map_init(&group->subscriptions);
    c->bytes += group_bytes(name);
    const void *old = map_put(groups_of(c, is_consumer), name, group);
    assert(old == NULL);
    return group;
}

static void group_free(struct clients *c, struct client_group *group)
{
    assert(group->member_count == 0 && list_empty(&group->members));
    size_t cursor = 0;
    struct slice topic;
    void *subscription;
    while (map_next(&group->subscriptions, &cursor, &topic, &subscription))
        subscription_free(c, subscription);
    map_fini(&group->subscriptions);
    give_room_back(c, group_bytes(group->name));
    const void *removed = map_remove(groups_of(c, group->is_consumer), group->name);
    assert(removed == group);
    free(group);
}

static struct client_member *find_member(const struct list *members,
                                         const struct client_group *group)
{
    list_each(link, members) {
        struct client_member *m = list_entry(link, struct client_member, session_link);
        if (m->group == group)
            return m;
    }
    return NULL;
}

/* ---- producers by client id ------------------------------------------------------------------ */

static void add_id(struct clients *c, struct client_member *m)
{
    struct list *same = map_get(&c->producer_ids, m->client_id);
    if (same == NULL) {
        same = memory_take(sizeof *same);
        list_init(same);
        map_put(&c->producer_ids, m->client_id, same);
    }
    list_append(same, &m->id_link);
}

static void remove_id(struct clients *c, struct client_member *m)
{
    struct list *same = map_get(&c->producer_ids, m->client_id);
    assert(same != NULL);
    list_remove(&m->id_link);
    if (list_empty(same)) {
        map_remove(&c->producer_ids, m->client_id);
        free(same);
    }
}

struct client_member *clients_producer(const struct clients *clients, struct slice client_id)
{
    const struct list *same = map_get(&clients->producer_ids, client_id);
    return same == NULL ? NULL : list_entry(same->prev, struct client_member, id_link);
}

static struct client_member *member_new(struct clients *c, struct client_group *group,
                                        struct list *members, struct peer *peer,
                                        struct slice client_id)
{
    struct client_member *m = memory_zeroed(1, sizeof *m + client_id.len);
    if (client_id.len > 0)
        memcpy(m + 1, client_id.data, client_id.len);
    m->client_id = slice_of(m + 1, client_id.len);
    m->group = group;
    m->peer = peer_ref(peer);
    list_append(&group->members, &m->group_link);
    list_append(members, &m->session_link);
    c->bytes += member_bytes(client_id);
    if (!group->is_consumer)
        add_id(c, m);
    group->member_count++;
    if (c->member_count++ == 0)
        loop_timer_start(c->options.loop, &c->expiry, EXPIRY_SCAN_MS);
    return m;
}

/* The group goes with its last member; then NULL is returned. */
static struct client_group *member_free(struct clients *c, struct client_member *m)
{
    struct client_group *group = m->group;
    assert(group->member_count > 0 && c->member_count >= group->member_count);
    list_remove(&m->group_link);
    list_remove(&m->session_link);
    if (!group->is_consumer)
        remove_id(c, m);
    peer_unref(m->peer);
    give_room_back(c, member_bytes(m->client_id));
    free(m);
    group->member_count--;
    if (--c->member_count == 0)
        loop_timer_stop(&c->expiry);
    if (group->member_count > 0)
        return group;
    if (group->is_consumer && c->options.on_gone != NULL)
        c->options.on_gone(c->options.ctx, group->name);
    group_free(c, group);
    return NULL;
}

/* The sender's place in the group, and its news; *group NULL: nobody is in the group yet. What is
 * new is made, when there is room. */
static int member_seen(struct clients *c, struct client_group **group, struct slice name,
                       bool is_consumer, const struct request *req, struct list *members,
                       struct slice client_id, bool *is_new)
{
    struct client_member *m = *group == NULL ? NULL : find_member(members, *group);
    bool is_renamed = m != NULL && !slice_eq(m->client_id, client_id);
    *is_new = m == NULL;
    if ((*is_new || is_renamed) &&
        !has_room(c, member_bytes(client_id) + (*group == NULL ? group_bytes(name) : 0)))
        return ERR_TOO_BIG;
    if (*group == NULL)
        *group = group_new(c, name, is_consumer);
    if (*is_new || is_renamed) {
        struct client_member *made = member_new(c, *group, members, req->peer, client_id);
        if (is_renamed)
            member_free(c, m);
        m = made;
    }
    m->language = req->header.language;
    m->version = req->header.version;
    m->seen_ms = loop_now_ms(c->options.loop);
    return 0;
}

static void tell_changed(struct clients *c, struct client_group *group)
{
    if (group->message_model != MESSAGE_MODEL_BROADCASTING)
        c->options.on_changed(c->options.ctx, group);
}

/* ---- heartbeats ----------------------------------------------------------------------------- */

int clients_add_producer(struct clients *clients, const struct request *req, struct list *members,
                         struct slice client_id, struct slice group_name)
{
    bool is_new;
    struct client_group *group = clients_producer_group(clients, group_name);
    return member_seen(clients, &group, group_name, false, req, members, client_id, &is_new);
}

int clients_add_consumer(struct clients *clients, const struct request *req, struct list *members,
                         struct slice client_id, const struct heartbeat_consumer *consumer,
                         bool without_subscriptions, bool notify)
{
    struct client_group *group = clients_consumer_group(clients, consumer->group);
    bool changed;
    int err =
        member_seen(clients, &group, consumer->group, true, req, members, client_id, &changed);
    if (err != 0)
        return err;
    group->consume_type = consumer->consume_type;
    group->message_model = consumer->message_model;
    group->consume_from = consumer->consume_from;
    if (!without_subscriptions)
        err = update_subscriptions(clients, group, consumer, &changed);
    if (changed && notify)
        tell_changed(clients, group);
    return err;
}

bool clients_fingerprint_changed(struct clients *clients, struct slice consumer_group,
                                 int32_t fingerprint)
{
    struct client_group *group = clients_consumer_group(clients, consumer_group);
    assert(group != NULL);
    bool changed = (group->fingerprint != 0 && group->fingerprint != fingerprint) ||
                   group->subscriptions.count == 0;
    group->fingerprint = fingerprint;
    return changed;
}

/* ---- leaving -------------------------------------------------------------------------------- */

void clients_remove_producer(struct clients *clients, struct list *members, struct slice group)
{
    struct client_group *found = clients_producer_group(clients, group);
    struct client_member *m = found == NULL ? NULL : find_member(members, found);
    if (m != NULL)
        member_free(clients, m);
}

void clients_remove_consumer(struct clients *clients, struct list *members, struct slice group,
                             bool notify)
{
    struct client_group *found = clients_consumer_group(clients, group);
    struct client_member *m = found == NULL ? NULL : find_member(members, found);
    if (m == NULL)
        return;
    struct client_group *left = member_free(clients, m);
    if (left != NULL && notify)
        tell_changed(clients, left);
}

void clients_remove_all(struct clients *clients, struct list *members)
{
    while (!list_empty(members)) {
        struct client_member *m = list_entry(members->next, struct client_member, session_link);
        struct client_group *left = member_free(clients, m);
        if (left != NULL && left->is_consumer)
            tell_changed(clients, left);
    }
}

/* One member of the map's groups that was silent for too long. */
static struct client_member *find_expired(const struct map *groups, int64_t seen_before_ms)
{
    size_t cursor = 0;
    struct slice name;
    void *value;
    while (map_next(groups, &cursor, &name, &value)) {
        struct client_group *group = value;
        list_each(link, &group->members) {
            struct client_member *m = list_entry(link, struct client_member, group_link);
            if (m->seen_ms < seen_before_ms)
                return m;
        }
    }
    return NULL;
}

/* Closing a peer removes its members from several groups, so the search begins anew each time. */
static void expire(struct loop_timer *timer)
{
    struct clients *c = (struct clients *)((char *)timer - offsetof(struct clients, expiry));
    int64_t seen_before_ms = loop_now_ms(c->options.loop) - *c->options.expire_ms;
    struct client_member *m;
    while ((m = find_expired(&c->consumers, seen_before_ms)) != NULL ||
           (m = find_expired(&c->producers, seen_before_ms)) != NULL) {
        struct peer *peer = peer_ref(m->peer);
        log_info("client_expired group=%.*s peer=%s", SLICE_FMT(m->group->name),
                 peer_address(peer)->text);
        struct client_group *left = member_free(c, m);
        if (left != NULL && left->is_consumer)
            tell_changed(c, left);
        peer_close(peer, "no heartbeat");
        peer_unref(peer);
    }
    if (c->member_count > 0)
        loop_timer_start(c->options.loop, &c->expiry, EXPIRY_SCAN_MS);
}

/* ---- looking up ----------------------------------------------------------------------------- */

struct client_group *clients_consumer_group(const struct clients *clients, struct slice name)
{
    return map_get(&clients->consumers, name);
}

struct client_group *clients_producer_group(const struct clients *clients, struct slice name)
{
    return map_get(&clients->producers, name);
}

static bool next_group(const struct map *groups, size_t *cursor, struct client_group **group)
{
    struct slice name;
    void *value;
    if (!map_next(groups, cursor, &name, &value))
        return false;
    *group = value;
    return true;
}

bool clients_next_consumer_group(const struct clients *clients, size_t *cursor,
                                 struct client_group **group)
{
    return next_group(&clients->consumers, cursor, group);
}

bool clients_next_producer_group(const struct clients *clients, size_t *cursor,
                                 struct client_group **group)
{
    return next_group(&clients->producers, cursor, group);
}

const struct client_subscription *client_group_subscription(const struct client_group *group,
                                                            struct slice topic)
{
    return map_get(&group->subscriptions, topic);
}

int clients_new(const struct clients_options *options, struct clients **clients)
{
    struct clients *c = calloc(1, sizeof *c);
    if (c == NULL)
        return ERR_NO_MEMORY;
    c->options = *options;
    map_init(&c->producers);
    map_init(&c->consumers);
    map_init(&c->producer_ids);
    loop_timer_init(&c->expiry, expire);
    *clients = c;
    return 0;
}

void clients_free(struct clients *clients)
{
    if (clients == NULL)
        return;
    assert(clients->member_count == 0);
    assert(clients->producers.count == 0 && clients->consumers.count == 0);
    assert(clients->producer_ids.count == 0);
    assert(clients->bytes == 0);
    loop_timer_stop(&clients->expiry);
    map_fini(&clients->producers);
    map_fini(&clients->consumers);
    map_fini(&clients->producer_ids);
    free(clients);
}
