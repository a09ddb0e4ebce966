/* pop_records.c - the records that pops leave: of the revive log, and of messages put again. */
#include <assert.h>

#include "delivery/pop.h"
#include "wire/properties.h"

static struct record log_record(const struct pop_log_place *place)
{
    return (struct record){
        .queue_id = place->queue_id,
        .born_timestamp = place->now_ms,
        .born_host = place->self,
        .store_host = place->self,
        .topic = place->topic,
    };
}

/* A body that was built in a buf, in the arena. */
static struct slice taken_body(struct buf *body, struct arena *arena)
{
    struct slice copy = arena_copy(arena, buf_slice(body));
    buf_fini(body);
    return copy;
}

void pop_checkpoint_record(const struct pop_checkpoint *checkpoint,
                           const struct pop_log_place *place, int64_t next_offset,
                           struct arena *arena, struct record *record)
{
    struct buf body = BUF_INIT;
    pop_checkpoint_encode(checkpoint, &body);
    int64_t due_ms = checkpoint->pop_time_ms + checkpoint->invisible_ms - POP_CHECKPOINT_AHEAD_MS;
    struct property_change properties[] = {
        { SLICE(PROPERTY_TAGS), SLICE(POP_TAG_CHECKPOINT) },
        { SLICE(PROPERTY_TIMER_DELIVER_MS), arena_printf(arena, "%lld", (long long)due_ms) },
        { SLICE(PROPERTY_UNIQ_KEY),
          arena_printf(arena, "%.*s@%d@%lld@%.*s@%lld@%.*s@%s", SLICE_FMT(checkpoint->topic),
                       checkpoint->queue_id, (long long)checkpoint->start_offset,
                       SLICE_FMT(checkpoint->group), (long long)checkpoint->pop_time_ms,
                       SLICE_FMT(checkpoint->broker_name), POP_TAG_CHECKPOINT) },
        { SLICE(PROPERTY_POP_NEXT), next_offset < 0
                                        ? slice_of(NULL, 0)
                                        : arena_printf(arena, "%lld", (long long)next_offset) },
    };
    *record = log_record(place);
    record->body = taken_body(&body, arena);
    record->properties = properties_edit(slice_of(NULL, 0), properties,
                                         sizeof properties / sizeof properties[0], arena);
}

void pop_ack_record(const struct pop_log_ack *ack, const struct pop_log_place *place,
                    int64_t due_ms, struct arena *arena, struct record *record)
{
    struct buf body = BUF_INIT;
    pop_log_ack_encode(ack, &body);
    const char *tag = ack->is_batch ? POP_TAG_BATCH_ACK : POP_TAG_ACK;
    int64_t offset = ack->is_batch ? -1 : ack->queue_offsets[0];
    struct property_change properties[] = {
        { SLICE(PROPERTY_TAGS), slice_str(tag) },
        { SLICE(PROPERTY_TIMER_DELIVER_MS),
          due_ms == 0 ? slice_of(NULL, 0) : arena_printf(arena, "%lld", (long long)due_ms) },
        { SLICE(PROPERTY_UNIQ_KEY),
          arena_printf(arena, "%.*s@%d@%lld@%.*s@%lld@%.*s@%s", SLICE_FMT(ack->topic),
                       ack->queue_id, (long long)offset, SLICE_FMT(ack->group),
                       (long long)ack->pop_time_ms, SLICE_FMT(ack->broker_name), POP_TAG_ACK) },
    };
    *record = log_record(place);
    record->body = taken_body(&body, arena);
    record->properties = properties_edit(slice_of(NULL, 0), properties,
                                         sizeof properties / sizeof properties[0], arena);
}

void pop_retry_record(struct record *record, struct slice retry_topic, int64_t pop_time_ms,
                      const struct host *self, struct arena *arena)
{
    assert(retry_topic.len > 0 && retry_topic.len <= RECORD_TOPIC_MAX);
    struct slice first_pop = property_get(record->properties, SLICE(PROPERTY_FIRST_POP_TIME));
    if (record->reconsume_times == 0 || first_pop.data == NULL) {
        struct property_change change = { SLICE(PROPERTY_FIRST_POP_TIME),
                                          arena_printf(arena, "%lld", (long long)pop_time_ms) };
        struct slice properties = properties_edit(record->properties, &change, 1, arena);
        if (properties.len <= RECORD_PROPERTIES_MAX)
            record->properties = properties;
    }
    record->topic = retry_topic;
    record->queue_id = 0;
    if (record->reconsume_times < INT32_MAX) /* a sender may name any number */
        record->reconsume_times++;
    record->born_host = *self;
    record->store_host = *self;
    record->prepared_transaction_offset = 0;
}
