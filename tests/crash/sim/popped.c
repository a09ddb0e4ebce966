#include "popped.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"
#include "wire/properties.h"

enum { POPPED_MAX = 300, BODY_BYTES = 24 };

static struct {
    struct popped_message all[POPPED_MAX];
    int count;
    int64_t flushed;      /* the store said so in this life */
    int64_t retry_end;    /* of the retry queue, as far as was told */
    int64_t order_offset; /* of the queue in order, in a table whose write was acknowledged */
} knows;

static int64_t now_ms(void)
{
    return machine_now_ns() / 1000000;
}

/* True when nothing was done that may have cost what no promise covers. */
static bool has_promises(void)
{
    return history.has_promises && !history.sync_failed && !disk_had_sync_error;
}

void popped_reset(void)
{
    memset(&knows, 0, sizeof knows);
}

struct popped_message *popped_of(int id)
{
    return &knows.all[id];
}

/* ---- sending --------------------------------------------------------------------------------- */

void popped_send(struct store *store)
{
    const struct host host = { .address = { 127, 0, 0, 1 }, .port = 10911 };
    uint8_t body[BODY_BYTES];
    char properties[32];
    struct store_put_result result;
    if (knows.count == POPPED_MAX)
        return;
    int id = knows.count++;
    struct popped_message *message = &knows.all[id];
    *message = (struct popped_message){ .is_in_order = chance_one_in(4) };
    message->queue = (uint8_t)(message->is_in_order ? 0 : chance_below(POPPED_QUEUES));
    memset(body, 'p', sizeof body);
    put_be64(body, (uint64_t)id);
    snprintf(properties, sizeof properties, "UNIQ_KEY\001p%d\002", id);
    struct record record = { .queue_id = message->queue,
                             .born_timestamp = now_ms(),
                             .born_host = host,
                             .store_host = host,
                             .body = slice_of(body, sizeof body),
                             .topic = message->is_in_order ? SLICE(POPPED_ORDER_TOPIC)
                                                           : SLICE(POPPED_TOPIC),
                             .properties = slice_str(properties) };
    int err = store_put(store, &record, 1, now_ms(), &result, NULL);
    message->is_refused = err != 0;
    if (err != 0)
        return;
    message->is_stored = true;
    message->queue_offset = result.queue_offset;
    message->phy_offset = result.phy_offset;
    message->end_phy_offset = result.end_phy_offset;
    message->is_safe = knows.flushed >= result.end_phy_offset;
    if (chance_one_in(6))
        store_request_flush(store, result.end_phy_offset);
}

/* ---- what comes ------------------------------------------------------------------------------ */

static int id_of(const struct record *record)
{
    uint64_t number = record->body.len < 8 ? UINT64_MAX : get_be64(record->body.data);
    if (number >= (uint64_t)knows.count || record->body.len != BODY_BYTES ||
        record->body.data[BODY_BYTES - 1] != 'p')
        violation("a message of nobody was popped");
    return (int)number;
}

/* What is before it in the queue is acknowledged, or came with it. */
static void check_order(int id, const struct pop_taking *taking)
{
    const struct popped_message *message = &knows.all[id]; /* its put may not have returned */
    if (message->out_offset < knows.order_offset)
        violation("message %d in order came again behind its saved offset", id);
    for (int other = 0; other < knows.count; other++) {
        const struct popped_message *before = &knows.all[other];
        bool came_too = before->is_out && before->handle.key.pop_time_ms == taking->pop_time_ms;
        if (before->is_in_order && before->is_stored && !before->is_gone &&
            before->queue_offset < message->out_offset && before->fate == POPPED_OPEN && !came_too)
            violation("message %d in order came before message %d", id, other);
    }
}

void popped_came(const struct pop_taking *taking, int i, const struct record *record)
{
    int id = id_of(record);
    struct popped_message *message = &knows.all[id];
    bool is_strict = has_promises() && !message->may_double;
    say("popped %d: %.*s %d %lld + %lld", id, SLICE_FMT(taking->topic), taking->queue_id,
        (long long)taking->offsets[i], (long long)taking->invisible_ms);
    if (message->is_refused)
        violation("popped message %d was refused, and came", id);
    if (is_strict && message->fate == POPPED_DONE)
        violation("popped message %d was acknowledged, and came again", id);
    if (is_strict && message->is_out && message->out_until_ms > taking->pop_time_ms)
        violation("popped message %d came %lld ms early", id,
                  (long long)(message->out_until_ms - taking->pop_time_ms));
    if (message->fate == POPPED_UNSURE)
        message->fate = POPPED_OPEN;
    message->is_out = message->fate == POPPED_OPEN;
    message->handle = (struct popped){ { taking->topic, taking->group, taking->queue_id,
                                         taking->queue_offset, taking->pop_time_ms },
                                       taking->invisible_ms,
                                       taking->revive_queue_id };
    message->out_offset = taking->offsets[i];
    message->out_until_ms = taking->pop_time_ms + taking->invisible_ms;
    message->point_end = taking->end_phy_offset;
    if (message->is_in_order && has_promises())
        check_order(id, taking);
}

int popped_some_out(void)
{
    int found = -1;
    uint32_t seen = 0;
    for (int id = 0; id < knows.count; id++)
        if (knows.all[id].is_out && chance_one_in(++seen))
            found = id;
    return found;
}

static bool is_same_pop(const struct popped *a, const struct popped *b)
{
    return a->key.topic.data == b->key.topic.data && a->key.queue_id == b->key.queue_id &&
           a->key.start_offset == b->key.start_offset && a->key.pop_time_ms == b->key.pop_time_ms;
}

int popped_of_the_same_pop(int id, int ids[POP_CHECKPOINT_MESSAGES_MAX],
                           int64_t offsets[POP_CHECKPOINT_MESSAGES_MAX])
{
    int count = 0;
    for (int other = 0; other < knows.count && count < POP_CHECKPOINT_MESSAGES_MAX; other++) {
        const struct popped_message *message = &knows.all[other];
        if (!message->is_out || !is_same_pop(&message->handle, &knows.all[id].handle))
            continue;
        ids[count] = other;
        offsets[count++] = message->out_offset;
    }
    return count;
}

/* ---- what becomes of them -------------------------------------------------------------------- */

void popped_ack_begins(int id)
{
    knows.all[id].is_settling = true;
}

void popped_ack_ends(int id, int err, int64_t at_ms, int64_t end)
{
    struct popped_message *message = &knows.all[id];
    say("acked %d: %s, end %lld", id, err == 0 ? "" : err_name(err), (long long)end);
    message->is_settling = false;
    if (err != 0)
        return;
    message->is_out = false;
    message->fate = POPPED_UNSURE;
    if (at_ms >= message->out_until_ms) /* it may have been put again, and nobody told us */
        return;
    if (end == 0 && has_promises() && !message->may_double)
        violation("popped message %d is out, and its ack did nothing", id);
    message->fate = POPPED_DONE;
    message->ack_end = end;
}

void popped_acked_in_order(int id, bool is_taken)
{
    struct popped_message *message = &knows.all[id];
    bool is_in_time = now_ms() < message->out_until_ms;
    say("acked %d in order: %s", id, is_taken ? "" : "not taken");
    if (!is_taken && is_in_time && has_promises())
        violation("message %d in order is out, and its ack is refused", id);
    message->is_out = false;
    message->was_acked = message->was_acked || is_taken;
    message->fate = is_taken && is_in_time ? POPPED_DONE : POPPED_UNSURE;
}

void popped_change_begins(int id)
{
    knows.all[id].is_settling = true;
    knows.all[id].is_unlogged = true;
}

void popped_change_ends(int id, int err, int64_t at_ms, bool was_known,
                        const struct popped *changed, int64_t end)
{
    struct popped_message *message = &knows.all[id];
    message->is_settling = false;
    message->is_unlogged = false;
    say("changed %d: %s, + %lld, end %lld", id, err == 0 ? "" : err_name(err),
        (long long)changed->invisible_ms, (long long)end);
    if (err != 0 || (!was_known && at_ms >= message->out_until_ms))
        message->may_double = true; /* what was out and what was changed may both come */
    if (err != 0)
        return;
    message->handle = *changed;
    message->out_until_ms = changed->key.pop_time_ms + changed->invisible_ms;
    message->point_end = end;
    message->doubled_end = end;
}

/* ---- what the keeper writes ------------------------------------------------------------------ */

static int id_put_again(struct slice properties)
{
    int64_t id;
    struct slice key = property_get(properties, SLICE(PROPERTY_UNIQ_KEY));
    if (key.len < 2 || !slice_to_i64(slice_from(key, 1), &id) || id < 0 || id >= knows.count)
        violation("a message of nobody was put again");
    return (int)id;
}

void popped_put_again(struct slice properties, int64_t queue_offset)
{
    int id = id_put_again(properties);
    say("put again %d", id);
    knows.all[id].is_unlogged = true;
    /* Timers that a full disk did not take are delivered again by a restart, checkpoints too. */
    knows.all[id].may_double = knows.all[id].may_double || disk_was_full;
    knows.retry_end = queue_offset + 1;
}

bool popped_is_ack(const struct record *record)
{
    struct slice tag = property_get(record->properties, SLICE(PROPERTY_TAGS));
    return slice_eq(tag, SLICE(POP_TAG_ACK)) || slice_eq(tag, SLICE(POP_TAG_BATCH_ACK));
}

void popped_ack_logged(int64_t end)
{
    say("ack logged to %lld", (long long)end);
    for (int id = 0; id < knows.count; id++) {
        struct popped_message *message = &knows.all[id];
        if (!message->is_unlogged || message->is_settling)
            continue;
        message->is_unlogged = false;
        message->doubled_end = end;
        if (end < 0)
            message->may_double = true;
    }
}

/* ---- stops ----------------------------------------------------------------------------------- */

void popped_order_saved(int64_t consumer_offset)
{
    if (consumer_offset > knows.order_offset)
        knows.order_offset = consumer_offset;
}

void popped_note_flushed(int64_t upto)
{
    knows.flushed = upto;
    for (int id = 0; id < knows.count; id++) {
        struct popped_message *message = &knows.all[id];
        if (message->is_stored && message->end_phy_offset <= upto)
            message->is_safe = true;
        if (message->ack_end <= upto)
            message->ack_end = 0;
        if (message->point_end <= upto)
            message->point_end = 0;
        if (message->doubled_end <= upto)
            message->doubled_end = 0;
    }
}

static bool is_there(struct store *store, int id)
{
    struct buf bytes = BUF_INIT;
    struct record record;
    bool found = store_get_at(store, knows.all[id].phy_offset, &bytes) == 0 &&
                 record_decode(buf_slice(&bytes), RECORD_CHECK_BODY_CRC, &record) == 0 &&
                 record.body.len == BODY_BYTES && get_be64(record.body.data) == (uint64_t)id;
    buf_fini(&bytes);
    return found;
}

/* Tables tell of what is out of a queue in order, as of some seconds ago. What was acknowledged,
 * and came once more, may be passed over: a loss of power brings the table back that was before. */
static void forget_order(struct popped_message *message)
{
    message->is_out = false;
    if (message->was_acked && message->fate == POPPED_OPEN)
        message->fate = POPPED_UNSURE;
    if (message->out_offset >= knows.order_offset && message->fate == POPPED_DONE)
        message->fate = POPPED_UNSURE;
}

static void forget_what_may_be_lost(struct popped_message *message, bool keeps_all)
{
    if (message->is_unlogged || (!keeps_all && message->doubled_end > 0))
        message->may_double = true;
    if (message->is_settling)
        message->fate = POPPED_UNSURE;
    if (message->is_settling || (!keeps_all && message->point_end > 0))
        message->is_out = false;
    if (!keeps_all && message->fate == POPPED_DONE && message->ack_end > 0)
        message->fate = POPPED_UNSURE;
    message->is_unlogged = message->is_settling = false;
    if (!keeps_all) /* else they are in the page cache, and the power may go later */
        message->ack_end = message->point_end = message->doubled_end = 0;
}

/* The process died in the middle of a put: the message is there, and nobody was told. */
static void find_put_again(struct store *store)
{
    struct buf bytes = BUF_INIT;
    struct record record;
    struct store_queue_entry entry;
    int64_t end = store_queue_max(store, SLICE(POPPED_RETRY_TOPIC), 0);
    for (int64_t at = knows.retry_end; at < end; at++) {
        buf_clear(&bytes);
        if (store_queue_entry_at(store, SLICE(POPPED_RETRY_TOPIC), 0, at, &entry) == 0 &&
            store_get_at(store, entry.phy_offset, &bytes) == 0 &&
            record_decode(buf_slice(&bytes), RECORD_CHECK_BODY_CRC, &record) == 0)
            knows.all[id_put_again(record.properties)].is_unlogged = true;
    }
    knows.retry_end = end;
    buf_fini(&bytes);
}

void popped_look_at_losses(struct store *store, enum machine_end stop, bool sync_failed)
{
    bool keeps_all = stop != MACHINE_POWER_LOST && !sync_failed;
    knows.flushed = 0;
    find_put_again(store);
    for (int id = 0; id < knows.count; id++) {
        struct popped_message *message = &knows.all[id];
        if (message->is_in_order)
            forget_order(message);
        else
            forget_what_may_be_lost(message, keeps_all);
        if (!message->is_stored || message->is_gone || is_there(store, id))
            continue;
        if (has_promises() && (message->is_safe || keeps_all))
            violation("message %d to be popped is lost%s", id, message->is_safe ? " (safe)" : "");
        message->is_gone = true;
        message->is_out = false;
    }
}

/* ---- the end --------------------------------------------------------------------------------- */

int popped_to_be_acked(void)
{
    for (int id = 0; id < knows.count; id++)
        if (knows.all[id].is_out && knows.all[id].out_until_ms > now_ms())
            return id;
    return -1;
}

static bool must_come(const struct popped_message *message)
{
    return message->is_stored && !message->is_gone && message->fate == POPPED_OPEN;
}

int popped_count_left(void)
{
    int count = 0;
    for (int id = 0; id < knows.count; id++)
        count += must_come(&knows.all[id]);
    return count;
}

void popped_look_at_end(void)
{
    for (int id = 0; id < knows.count && has_promises(); id++)
        if (must_come(&knows.all[id]))
            violation("message %d was not acknowledged, and never came%s", id,
                      knows.all[id].is_in_order ? " (in order)" : "");
}
