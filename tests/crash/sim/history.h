/* history.h - what was sent, what was promised, and whether the store has kept it.
 *
 * A message is sent, then stored (its put returned), then safe (the disk has it, as the store
 * said). After a stop the store may have any message that was sent, must have those it promised,
 * and must never again have one that it was found without.
 */
#ifndef TESTS_CRASH_SIM_HISTORY_H
#define TESTS_CRASH_SIM_HISTORY_H

#include "sim.h"
#include "store/store.h"

enum { MESSAGES_MAX = 6000, TOPICS_MAX = 24, QUEUES = 2, LIGHT_QUEUES = 2 };

enum message_state {
    MESSAGE_SENT,
    MESSAGE_STORED,
    MESSAGE_REFUSED, /* its put failed: it must never be seen */
    MESSAGE_LOST,    /* not promised, not there after a stop: it must never come back */
    MESSAGE_EXPIRED, /* went with the log's first files, or with its topic */
};

struct message {
    enum message_state state;
    bool is_safe;
    bool takes_no_place; /* a half message */
    bool was_seen;
    uint8_t light; /* bits: the light queues it also goes to */
    uint8_t light_seen;
    uint8_t topic;
    uint8_t queue;
    int topic_life;   /* which of the topic's lives it was sent to */
    int first_of_put; /* id */
    uint16_t body_bytes;
    int64_t queue_offset;
    int64_t phy_offset;
    int64_t end_phy_offset;
    bool was_put_again; /* it stands twice in the log: */
    int64_t
        original; /* the first time at this phy_offset, without its place, but in light queues */
};

struct topic {
    char name[32];
    bool is_deleted;
    int life; /* how often it was made again */
};

struct history {
    struct message messages[MESSAGES_MAX];
    int message_count;
    struct topic topics[TOPICS_MAX];
    int topic_count;
    int64_t flushed;   /* what the store said last */
    bool has_promises; /* false: bits were flipped; each may cost a message, none may be wrong */
    int flips;
    bool may_refuse;       /* to open: the log was damaged, or a sync failed */
    int64_t table_version; /* of the last table that was written whole; 0: none */
    bool has_light_queues;
    bool sync_failed; /* at some time in this history */
};
extern struct history history;

void history_reset(void);
int history_new_topic(void);
/* Registers `count` messages about to be sent to one queue; the id of the first. */
int history_send(int topic, int queue, int count, bool takes_no_place);
void history_record(int id, struct record *record, uint8_t *body, char *properties, size_t cap);
/* The put of these returned. */
void history_stored(int id, int count, const struct store_put_result *result,
                    const int64_t *phy_offsets);
/* The record was served: it must be a message of ours, unchanged. Gives its id. */
int history_check_served(const struct record *record);
/* The store says so. */
void history_note_flushed(int64_t upto);
/* The topic's messages may be gone from here on. */
void history_topic_deleted(int topic);
/* A topic of the same name: what is sent from here on is kept. */
void history_topic_made_again(int topic);
/* The message was sent to a topic that was deleted since: it may be there or not. */
bool history_is_deleted(const struct message *message);

/* Looks at the whole store after a stop of this kind and holds it against the promises. */
void history_verify(struct store *store, enum machine_end stop, bool sync_failed);

#endif
