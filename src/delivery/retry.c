/* retry.c - a message that a consumer could not handle: again later, or never. */
#include "delivery/retry.h"

#include <assert.h>

#include "wire/properties.h"

/* A retry waits longer each time: the first one on this level. */
enum { FIRST_RETRY_LEVEL = 3 };
enum { VERSION_3_4_9 = 121 };

int32_t retry_times_max(const struct group_config *group, int32_t client_version, int32_t asked)
{
    return client_version >= VERSION_3_4_9 && asked >= 0 ? asked : group->retry_max_times;
}

struct retry_decision retry_decide(int32_t reconsume_times, int32_t max_reconsume_times,
                                   int32_t asked_level)
{
    if (asked_level < 0 || reconsume_times >= max_reconsume_times)
        return (struct retry_decision){ RETRY_DEAD, 0 };
    if (asked_level > 0)
        return (struct retry_decision){ RETRY_LATER, asked_level };
    int64_t level =
        (int64_t)FIRST_RETRY_LEVEL + reconsume_times; /* 64 bits: the count is a client's */
    if (level < 1)
        level = 1;
    if (level > DELAY_LEVELS_MAX)
        level = DELAY_LEVELS_MAX;
    return (struct retry_decision){ RETRY_LATER, (int32_t)level };
}

int retry_prepare(struct record *record, struct slice topic, int32_t queue_id, int32_t delay_level,
                  struct slice message_id, struct arena *arena)
{
    assert(delay_level >= 0);
    struct property_change changes[4];
    int count = 0;
    struct slice level_text = arena_printf(arena, "%d", delay_level);
    changes[count++] = (struct property_change){ SLICE(PROPERTY_DELAY), level_text };
    changes[count++] = (struct property_change){ SLICE(PROPERTY_WAIT), SLICE("false") };
    if (property_get(record->properties, SLICE(PROPERTY_RETRY_TOPIC)).data == NULL)
        changes[count++] = (struct property_change){ SLICE(PROPERTY_RETRY_TOPIC), record->topic };
    if (property_get(record->properties, SLICE(PROPERTY_ORIGIN_MESSAGE_ID)).data == NULL)
        changes[count++] =
            (struct property_change){ SLICE(PROPERTY_ORIGIN_MESSAGE_ID), message_id };
    struct slice properties = properties_edit(record->properties, changes, count, arena);
    if (properties.len > RECORD_PROPERTIES_MAX)
        return ERR_TOO_BIG;
    record->properties = properties;
    record->topic = topic;
    record->queue_id = queue_id;
    if (record->reconsume_times < INT32_MAX) /* a sender may name any number */
        record->reconsume_times++;
    record->prepared_transaction_offset = 0;
    return 0;
}
