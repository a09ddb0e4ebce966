#include "delivery/real_place.h"

#include "wire/names.h"
#include "wire/properties.h"

bool real_place_of(const struct record *record, struct slice *topic, int32_t *queue_id)
{
    *topic = property_get(record->properties, SLICE(PROPERTY_REAL_TOPIC));
    struct slice queue = property_get(record->properties, SLICE(PROPERTY_REAL_QUEUE_ID));
    return topic->len > 0 && topic->len <= RECORD_TOPIC_MAX && slice_to_i32(queue, queue_id) &&
           *queue_id >= 0 && !slice_eq(*topic, SLICE(TOPIC_TRANS_HALF));
}

bool real_place_restore(struct record *record)
{
    struct slice topic;
    int32_t queue_id;
    if (!real_place_of(record, &topic, &queue_id))
        return false;
    record->topic = topic;
    record->queue_id = queue_id;
    record->prepared_transaction_offset = 0;
    return true;
}
