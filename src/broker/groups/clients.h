/* clients.h - who is connected: producers and consumers by group, known from their heartbeats.
 *
 * A member is one connection's place in one group. A group exists while it has members; a consumer
 * group also holds the subscriptions its members sent last.
 *
 * Ownership  the registry owns groups and members; pointers it gives stay valid until the next
 *            call that adds or removes. It keeps a reference to the peer of each member.
 * Threads    the broker's loop.
 * Bounds     max_bytes for all of it together: names, ids and subscriptions come from clients, and
 *            an id is kept with each of the client's groups. Who is known stays known.
 * Time       a member that was silent for `expire_ms` is removed and its connection closed; one
 *            timer looks for such, and only while there are members.
 * Errors     clients_new(): ERR_NO_MEMORY.
 */
#ifndef BROKER_CLIENTS_H
#define BROKER_CLIENTS_H

#include "base/map.h"
#include "filter/tags.h"
#include "remoting/remoting.h"
#include "wire/body_heartbeat.h"

struct client_group;

struct client_member {
    struct list group_link;
    struct list session_link;
    struct list id_link; /* of producers: all with this client id, the newest last */
    struct client_group *group;
    struct peer *peer;
    struct slice client_id;
    enum language language;
    int32_t version;
    int64_t seen_ms; /* wall clock: latest heartbeat */
};

/* A subscription as the broker uses it. */
struct client_subscription {
    struct subscription data;
    struct tag_filter filter; /* for expression type TAG */
};

struct client_group {
    struct slice name;
    bool is_consumer;
    struct list members; /* of client_member.group_link, at least one */
    int member_count;
    /* of consumer groups */
    enum consume_type consume_type;
    enum message_model message_model;
    enum consume_from consume_from;
    struct map subscriptions; /* topic -> struct client_subscription */
    int32_t fingerprint;      /* of the latest V2 heartbeat; 0: none yet */
};

struct clients_options {
    struct loop *loop;
    const int64_t *expire_ms; /* channelExpiredTimeout; may change at run time */
    size_t max_bytes;
    /* The members of a consumer group or its topics are others now, and clients are to be told. */
    void (*on_changed)(void *ctx, struct client_group *group);
    /* The last member of a consumer group has left. May be NULL. */
    void (*on_gone)(void *ctx, struct slice group);
    void *ctx;
};

struct clients;

MUST_CHECK int clients_new(const struct clients_options *options, struct clients **clients);
void clients_free(struct clients *clients);

/* A heartbeat names `group` as one its sender produces for. `members` is the list of the sender's
 * session. ERR_TOO_BIG: it is new, and there is no room. */
MUST_CHECK int clients_add_producer(struct clients *clients, const struct request *req,
                                    struct list *members, struct slice client_id,
                                    struct slice group);

/* The same for a consumer. without_subscriptions: those known stay. `notify`: on_changed is wanted
 * for this group. ERR_TOO_BIG: it is new, or one of its subscriptions is, and there is no room;
 * what was known before stands. */
MUST_CHECK int clients_add_consumer(struct clients *clients, const struct request *req,
                                    struct list *members, struct slice client_id,
                                    const struct heartbeat_consumer *consumer,
                                    bool without_subscriptions, bool notify);

/* V2 heartbeats, after clients_add_consumer(): remembers the fingerprint. True when the group
 * showed another one before or its subscriptions are not known: the client is to send them again.
 */
bool clients_fingerprint_changed(struct clients *clients, struct slice consumer_group,
                                 int32_t fingerprint);

/* The connection leaves the group. */
void clients_remove_producer(struct clients *clients, struct list *members, struct slice group);
void clients_remove_consumer(struct clients *clients, struct list *members, struct slice group,
                             bool notify);
/* The connection is gone: it leaves all its groups. */
void clients_remove_all(struct clients *clients, struct list *members);

/* The producer with this client id, of any group, the latest to come when there are several; NULL:
 * none is online. */
struct client_member *clients_producer(const struct clients *clients, struct slice client_id);

/* NULL: nobody of that group is online. */
struct client_group *clients_consumer_group(const struct clients *clients, struct slice name);
struct client_group *clients_producer_group(const struct clients *clients, struct slice name);
bool clients_next_consumer_group(const struct clients *clients, size_t *cursor,
                                 struct client_group **group);
bool clients_next_producer_group(const struct clients *clients, size_t *cursor,
                                 struct client_group **group);

/* NULL: the group does not subscribe to the topic. */
const struct client_subscription *client_group_subscription(const struct client_group *group,
                                                            struct slice topic);

#endif
