/* pop.c - popped messages that are not acknowledged yet.
 *
 * Checkpoints are found by key in a chained hash, are due in order of a heap, and stand in a list
 * per revive queue from the moment the log has brought them; a queue of a group is one struct that
 * all its checkpoints share, so a checkpoint of a single message takes about a hundred bytes.
 *
 * The log brings each checkpoint a second or two before it is due, and its acks when it is due:
 *
 *     put            brought                       due        acks brought
 *      │                │                           │              │
 *      ├─ in the table: its acks are known as they come ───────────┤   taken when due
 *      └─ of an earlier process ─ in the table from here ──────────┴─> taken when the acks are in
 *
 * Those of this process are due after so much time, not at a time: when the clock is set back the
 * heap's time goes on (set_back_ms), or its messages would not come before the clock gets there
 * again.
 *
 * A revive queue's committed offset stays before the first brought checkpoint that is not finished:
 * whoever reads from there finds all that is left to do.
 */
#include "base/memory.h"
#include "delivery/pop_early.h"

#include <assert.h>
#include <stdlib.h>

enum { BUCKETS_LEAST = 1024 };
enum { QUEUE_KEY_MAX = 1024 };
/* How long after its time a checkpoint may still come from the log. */
enum { EARLY_KEPT_MS = 60 * 1000 };
/* How soon to look again whether the log has brought the acks of what is due. */
enum { LOG_LOOK_MS = 100 };

/* Waits before another attempt, the reference's; the last one again and again. */
static const int put_again_seconds[] = { 10,  20,  30,  60,  120,  180,  240,  300, 360,
                                         420, 480, 540, 600, 1200, 1800, 3600, 7200 };
enum { PUT_AGAIN_COUNT = sizeof put_again_seconds / sizeof put_again_seconds[0] };

struct pop_table {
    struct pop_options options;
    int64_t newest_ms;   /* the latest pop time added */
    int64_t seen_ms;     /* the time, when it was last told */
    int64_t set_back_ms; /* by how much the clock was set back, all in all: `due` is ahead of it */
    struct map queues;   /* queue id, topic, group -> struct pop_queue */
    struct pop_point **buckets;
    uint32_t bucket_count; /* a power of two */
    uint32_t count;
    struct due_heap due;          /* of pop_point.due: popped by this process; + set_back_ms */
    struct due_heap due_from_log; /* popped by an earlier one */
    struct pop_early early;
    struct list brought[POP_REVIVE_QUEUES_MAX]; /* of pop_point.log_link, by log_offset */
};

/* ---- queues ---------------------------------------------------------------------------------- */

struct queue_key {
    uint8_t bytes[QUEUE_KEY_MAX];
};

/* False: longer than the names of any queue. */
static bool queue_key_make(struct queue_key *key, struct slice topic, struct slice group,
                           int32_t queue_id, struct slice *made)
{
    size_t len = 5 + topic.len + group.len;
    if (topic.len > UINT8_MAX || len > sizeof key->bytes)
        return false;
    put_be32(key->bytes, (uint32_t)queue_id);
    key->bytes[4] = (uint8_t)topic.len;
    if (topic.len > 0)
        memcpy(key->bytes + 5, topic.data, topic.len);
    if (group.len > 0)
        memcpy(key->bytes + 5 + topic.len, group.data, group.len);
    *made = slice_of(key->bytes, len);
    return true;
}

struct pop_queue *pop_queue_find(const struct pop_table *table, struct slice topic,
                                 struct slice group, int32_t queue_id)
{
    struct queue_key bytes;
    struct slice key;
    return queue_key_make(&bytes, topic, group, queue_id, &key) ? map_get(&table->queues, key)
                                                                : NULL;
}

/* With one holder more; NULL: the names are too long to be any. */
static struct pop_queue *queue_hold(struct pop_table *table, struct slice topic, struct slice group,
                                    int32_t queue_id)
{
    struct queue_key bytes;
    struct slice key;
    if (!queue_key_make(&bytes, topic, group, queue_id, &key))
        return NULL;
    struct pop_queue *queue = map_get(&table->queues, key);
    if (queue == NULL) {
        queue = memory_zeroed(1, sizeof *queue + topic.len + group.len);
        uint8_t *names = (uint8_t *)(queue + 1);
        memcpy(names, key.data + 5, topic.len + group.len);
        queue->topic = slice_of(names, topic.len);
        queue->group = slice_of(names + topic.len, group.len);
        queue->queue_id = queue_id;
        map_put(&table->queues, key, queue);
    }
    queue->holders++;
    return queue;
}

static void queue_let_go(struct pop_table *table, struct pop_queue *queue)
{
    struct queue_key bytes;
    struct slice key;
    assert(queue->holders > 0);
    if (--queue->holders > 0)
        return;
    assert(queue->unacked == 0 && !queue->is_read);
    bool is_key = queue_key_make(&bytes, queue->topic, queue->group, queue->queue_id, &key);
    assert(is_key);
    struct pop_queue *removed = map_remove(&table->queues, key);
    assert(removed == queue);
    free(queue);
}

bool pop_queue_claim(struct pop_table *table, struct slice topic, struct slice group,
                     int32_t queue_id, struct pop_queue **claimed)
{
    struct pop_queue *queue = queue_hold(table, topic, group, queue_id);
    if (queue == NULL)
        return false;
    if (queue->is_read) {
        queue_let_go(table, queue);
        return false;
    }
    queue->is_read = true;
    *claimed = queue;
    return true;
}

void pop_queue_release(struct pop_table *table, struct pop_queue *queue)
{
    assert(queue->is_read);
    queue->is_read = false;
    queue_let_go(table, queue);
}

/* ---- the hash -------------------------------------------------------------------------------- */

static uint64_t mixed(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)(a ^ 0x9E3779B97F4A7C15u) * (b ^ 0xE7037ED1A0B428DBu);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The queue's place in memory stands for its names, and for a seed nobody outside knows. */
static struct pop_point **bucket_of(const struct pop_table *table, const struct pop_queue *queue,
                                    int64_t start_offset, int64_t pop_time_ms)
{
    uint64_t hash =
        mixed((uint64_t)(uintptr_t)queue, mixed((uint64_t)start_offset, (uint64_t)pop_time_ms));
    return &table->buckets[hash & (table->bucket_count - 1)];
}

static void rehash(struct pop_table *table, uint32_t bucket_count)
{
    struct pop_point **old = table->buckets;
    uint32_t old_count = table->bucket_count;
    table->buckets = memory_zeroed(bucket_count, sizeof(struct pop_point *));
    table->bucket_count = bucket_count;
    for (uint32_t i = 0; i < old_count; i++) {
        for (struct pop_point *p = old[i], *next; p != NULL; p = next) {
            next = p->next_in_bucket;
            struct pop_point **bucket = bucket_of(table, p->queue, p->start_offset, p->pop_time_ms);
            p->next_in_bucket = *bucket;
            *bucket = p;
        }
    }
    free(old);
}

static struct pop_point *find_in(const struct pop_table *table, const struct pop_queue *queue,
                                 int64_t start_offset, int64_t pop_time_ms)
{
    struct pop_point *p = *bucket_of(table, queue, start_offset, pop_time_ms);
    while (p != NULL &&
           (p->queue != queue || p->start_offset != start_offset || p->pop_time_ms != pop_time_ms))
        p = p->next_in_bucket;
    return p;
}

struct pop_point *pop_find(const struct pop_table *table, const struct pop_key *key)
{
    const struct pop_queue *queue = pop_queue_find(table, key->topic, key->group, key->queue_id);
    return queue == NULL ? NULL : find_in(table, queue, key->start_offset, key->pop_time_ms);
}

/* ---- checkpoints ----------------------------------------------------------------------------- */

static struct due_heap *heap_of(struct pop_table *table, const struct pop_point *p)
{
    return p->is_from_log ? &table->due_from_log : &table->due;
}

static void notice_clock(struct pop_table *table, int64_t now_ms)
{
    if (now_ms < table->seen_ms)
        table->set_back_ms += table->seen_ms - now_ms;
    table->seen_ms = now_ms;
    assert(table->set_back_ms >= 0);
}

static void make_due(struct pop_table *table, struct pop_point *p, int64_t at_ms)
{
    due_heap_set(heap_of(table, p), &p->due, p->is_from_log ? at_ms : at_ms + table->set_back_ms);
}

static uint32_t all_bits(int count)
{
    return count >= 32 ? UINT32_MAX : (1u << count) - 1;
}

static int unacked_of(const struct pop_point *p)
{
    return p->count - __builtin_popcount(p->acked_bits);
}

static struct pop_point *point_new(const struct pop_checkpoint *c)
{
    bool has_distances = false;
    for (int i = 0; i < c->count; i++)
        has_distances = has_distances || c->distances[i] != i;
    size_t more = has_distances ? (size_t)c->count * sizeof(int32_t) : 0;
    struct pop_point *p = memory_zeroed(1, sizeof *p + more);
    int64_t invisible_ms = c->invisible_ms < 0 ? 0 : c->invisible_ms;
    p->start_offset = c->start_offset;
    p->pop_time_ms = c->pop_time_ms;
    p->invisible_ms =
        (uint32_t)(invisible_ms > POP_INVISIBLE_MAX_MS ? POP_INVISIBLE_MAX_MS : invisible_ms);
    p->acked_bits = c->acked_bits & all_bits(c->count);
    p->count = (uint8_t)c->count;
    p->log_offset = -1;
    p->tries =
        (uint8_t)(c->put_again_times > PUT_AGAIN_COUNT ? PUT_AGAIN_COUNT : c->put_again_times);
    p->has_distances = has_distances;
    if (has_distances)
        memcpy(p->distances, c->distances, more);
    list_init(&p->log_link);
    return p;
}

static void link_point(struct pop_table *table, struct pop_queue *queue, struct pop_point *p,
                       int64_t due_ms)
{
    if (table->count >= table->bucket_count)
        rehash(table, table->bucket_count * 2);
    struct pop_point **bucket = bucket_of(table, queue, p->start_offset, p->pop_time_ms);
    p->queue = queue;
    p->next_in_bucket = *bucket;
    *bucket = p;
    table->count++;
    queue->unacked += unacked_of(p);
    make_due(table, p, due_ms);
}

/* The checkpoint, in the table from now on, due not later than its time after `since_ms`.
 * ERR_INVALID: its names are none. */
static int add(struct pop_table *table, const struct pop_checkpoint *c, int32_t revive_queue_id,
               bool is_from_log, int64_t since_ms, struct pop_point **added)
{
    assert(c->count >= 0 && c->count <= POP_CHECKPOINT_MESSAGES_MAX);
    assert(revive_queue_id >= 0 && revive_queue_id < POP_REVIVE_QUEUES_MAX);
    struct pop_queue *queue = queue_hold(table, c->topic, c->group, c->queue_id);
    if (queue == NULL)
        return ERR_INVALID;
    int err = 0;
    if (find_in(table, queue, c->start_offset, c->pop_time_ms) != NULL)
        err = ERR_EXISTS;
    else if (table->count >= table->options.max_count)
        err = ERR_TOO_BIG;
    if (err != 0) {
        queue_let_go(table, queue);
        return err;
    }
    struct pop_point *p = point_new(c);
    p->revive_queue_id = (uint8_t)revive_queue_id;
    p->is_from_log = is_from_log;
    link_point(table, queue, p,
               since_ms < p->pop_time_ms ? since_ms + p->invisible_ms : pop_revive_ms(p));
    *added = p;
    return 0;
}

int pop_add(struct pop_table *table, const struct pop_checkpoint *checkpoint,
            int32_t revive_queue_id, int64_t now_ms)
{
    struct pop_point *added;
    notice_clock(table, now_ms);
    int err = add(table, checkpoint, revive_queue_id, false, now_ms, &added);
    if (err == ERR_TOO_BIG)
        pop_know_from(table, checkpoint->pop_time_ms + 1);
    if (checkpoint->pop_time_ms > table->newest_ms)
        table->newest_ms = checkpoint->pop_time_ms;
    return err;
}

int64_t pop_newest_ms(const struct pop_table *table)
{
    return table->newest_ms;
}

void pop_know_from(struct pop_table *table, int64_t from_ms)
{
    if (from_ms > table->options.known_from_ms)
        table->options.known_from_ms = from_ms;
}

bool pop_is_known(const struct pop_table *table, int64_t pop_time_ms)
{
    return pop_time_ms >= table->options.known_from_ms;
}

int pop_index_of(const struct pop_point *point, int64_t queue_offset)
{
    for (int i = 0; i < point->count; i++)
        if (pop_offset_at(point, i) == queue_offset)
            return i;
    return -1;
}

static void unlink_point(struct pop_table *table, struct pop_point *p)
{
    struct pop_point **at = bucket_of(table, p->queue, p->start_offset, p->pop_time_ms);
    while (*at != p) {
        assert(*at != NULL);
        at = &(*at)->next_in_bucket;
    }
    *at = p->next_in_bucket;
    due_heap_remove(heap_of(table, p), &p->due);
    list_remove(&p->log_link);
    table->count--;
    if (table->bucket_count > BUCKETS_LEAST && table->count < table->bucket_count / 8)
        rehash(table, table->bucket_count / 2);
}

void pop_finish(struct pop_table *table, struct pop_point *point)
{
    struct pop_queue *queue = point->queue;
    int unacked = unacked_of(point);
    assert(queue->unacked >= unacked);
    queue->unacked -= unacked;
    unlink_point(table, point);
    free(point);
    queue_let_go(table, queue);
}

void pop_mark(struct pop_table *table, struct pop_point *point, int index)
{
    assert(index >= 0 && index < point->count);
    if (!pop_is_acked(point, index)) {
        point->acked_bits |= 1u << index;
        point->queue->unacked--;
    }
    if (unacked_of(point) == 0)
        pop_finish(table, point);
}

static struct pop_point *point_of(struct due *due)
{
    return (struct pop_point *)((char *)due - offsetof(struct pop_point, due));
}

static struct pop_point *first_due(const struct due_heap *heap, int64_t now_ms)
{
    struct due *first = due_heap_first(heap);
    return first != NULL && first->at_ms <= now_ms ? point_of(first) : NULL;
}

struct pop_point *pop_take_due(struct pop_table *table, int64_t now_ms, int64_t log_time_ms)
{
    notice_clock(table, now_ms);
    struct pop_point *p = first_due(&table->due, now_ms + table->set_back_ms);
    pop_early_forget(&table->early, now_ms);
    if (p == NULL)
        p = first_due(&table->due_from_log, log_time_ms < now_ms ? log_time_ms : now_ms);
    if (p == NULL)
        return NULL;
    assert(!p->is_taken);
    due_heap_remove(heap_of(table, p), &p->due);
    p->is_taken = true;
    return p;
}

void pop_put_back(struct pop_table *table, struct pop_point *point, int64_t now_ms)
{
    assert(point->is_taken);
    int step = point->tries < PUT_AGAIN_COUNT ? point->tries : PUT_AGAIN_COUNT - 1;
    if (point->tries < PUT_AGAIN_COUNT)
        point->tries++;
    point->is_taken = false;
    make_due(table, point, now_ms + put_again_seconds[step] * 1000);
}

void pop_put_off(struct pop_table *table, struct pop_point *point, int64_t at_ms)
{
    assert(point->is_taken);
    point->is_taken = false;
    make_due(table, point, at_ms);
}

int64_t pop_next_due(const struct pop_table *table, int64_t now_ms, int64_t log_time_ms)
{
    const struct due *first = due_heap_first(&table->due);
    const struct due *from_log = due_heap_first(&table->due_from_log);
    int64_t set_back_ms = table->set_back_ms;
    if (now_ms < table->seen_ms)
        set_back_ms += table->seen_ms - now_ms;
    int64_t next = first != NULL ? first->at_ms - set_back_ms : INT64_MAX;
    if (from_log == NULL)
        return next;
    int64_t at_ms = from_log->at_ms;
    if (at_ms <= now_ms && at_ms > log_time_ms)
        at_ms = now_ms + LOG_LOOK_MS;
    return at_ms < next ? at_ms : next;
}

int pop_table_new(const struct pop_options *options, struct pop_table **table)
{
    struct pop_table *made = calloc(1, sizeof *made);
    if (made == NULL)
        return ERR_NO_MEMORY;
    made->options = *options;
    map_init(&made->queues);
    pop_early_init(&made->early);
    rehash(made, BUCKETS_LEAST);
    for (int i = 0; i < POP_REVIVE_QUEUES_MAX; i++)
        list_init(&made->brought[i]);
    *table = made;
    return 0;
}

void pop_table_free(struct pop_table *table)
{
    if (table == NULL)
        return;
    for (uint32_t i = 0; i < table->bucket_count; i++) {
        for (struct pop_point *p = table->buckets[i], *next; p != NULL; p = next) {
            next = p->next_in_bucket;
            free(p);
        }
    }
    size_t cursor = 0;
    struct slice key;
    void *queue;
    while (map_next(&table->queues, &cursor, &key, &queue))
        free(queue);
    map_fini(&table->queues);
    pop_early_fini(&table->early);
    due_heap_fini(&table->due);
    due_heap_fini(&table->due_from_log);
    free(table->buckets);
    free(table);
}

/* ---- the log, read back ------------------------------------------------------------------- */

void pop_ack_early(struct pop_table *table, const struct pop_key *key, int64_t revive_ms,
                   int64_t queue_offset)
{
    pop_early_note(&table->early, key, queue_offset, revive_ms + EARLY_KEPT_MS);
}

/* Takes off a checkpoint of an earlier process what was acknowledged in this one. */
static void apply_early(struct pop_table *table, const struct pop_key *key)
{
    int64_t queue_offsets[POP_CHECKPOINT_MESSAGES_MAX];
    int count = pop_early_get(&table->early, key, queue_offsets);
    struct pop_point *p;
    for (int i = 0; i < count && (p = pop_find(table, key)) != NULL; i++) {
        int index = pop_index_of(p, queue_offsets[i]);
        if (index >= 0)
            pop_mark(table, p, index);
    }
}

int pop_log_checkpoint(struct pop_table *table, const struct pop_checkpoint *checkpoint,
                       int32_t revive_queue_id, int64_t log_offset)
{
    struct pop_key key = { checkpoint->topic, checkpoint->group, checkpoint->queue_id,
                           checkpoint->start_offset, checkpoint->pop_time_ms };
    struct pop_point *p = pop_find(table, &key);
    if (p == NULL) {
        bool is_finished =
            pop_is_known(table, checkpoint->pop_time_ms) ||
            (checkpoint->acked_bits & all_bits(checkpoint->count)) == all_bits(checkpoint->count);
        int err = is_finished ? 0 : add(table, checkpoint, revive_queue_id, true, INT64_MAX, &p);
        if (is_finished || err == ERR_INVALID)
            return 0;
        if (err != 0)
            return err;
    }
    if (p->log_offset >= 0 || p->revive_queue_id != revive_queue_id)
        return 0; /* it stands in the log twice */
    p->log_offset = log_offset;
    list_append(&table->brought[revive_queue_id], &p->log_link);
    if (p->is_from_log)
        apply_early(table, &key);
    return 0;
}

void pop_log_ack(struct pop_table *table, const struct pop_log_ack *ack, int64_t now_ms)
{
    struct pop_key key = { ack->topic, ack->group, ack->queue_id, ack->start_offset,
                           ack->pop_time_ms };
    bool may_come_again = !pop_is_known(table, key.pop_time_ms);
    for (int i = 0; i < ack->count; i++) {
        struct pop_point *p = pop_find(table, &key);
        int index = p == NULL ? -1 : pop_index_of(p, ack->queue_offsets[i]);
        if (index >= 0)
            pop_mark(table, p, index);
        if (may_come_again)
            pop_early_note(&table->early, &key, ack->queue_offsets[i], now_ms + EARLY_KEPT_MS);
    }
}

int64_t pop_log_committed(const struct pop_table *table, int32_t revive_queue_id, int64_t next)
{
    const struct list *brought = &table->brought[revive_queue_id];
    if (list_empty(brought))
        return next - 1;
    return list_entry(brought->next, struct pop_point, log_link)->log_offset - 1;
}
