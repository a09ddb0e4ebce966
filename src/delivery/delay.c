/* delay.c - delivers messages of the delay levels when they are due.
 *
 * Each level is a queue of the delay topic whose entries fall due in order, so all there is to know
 * about a level is its head: the next entry to deliver and when it is due. The head's due time is
 * looked up once and remembered; a run looks at all heads, delivers one message of each level that
 * is due, and goes round again until nothing is due or its budget is spent.
 *
 *   level 3   | done | done | head, due at 12:00:10 | ... |
 *                             ^ next (delayOffset.json)
 *
 * Never early: the due time is the entry's, compared with the wall clock of the caller. A due time
 * farther off than the level's whole delay means that the clock was set back since: it is cut to
 * the level's delay from now, the longest a message of the level is meant to wait. Never skipped:
 * the head moves only when its put succeeded. What cannot be put ever, because it has no readable
 * record or names no topic, is logged and passed over, or it would block its level. After a crash
 * the messages delivered since the last save of the offsets are delivered again.
 *
 * A record that is not in memory is fetched by a worker (delay_read_ahead) into `ahead`, together
 * with those behind it; meanwhile the caller does not run.
 */
#include "delivery/delay.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "delivery/bounds.h"
#include "delivery/real_place.h"
#include "wire/properties.h"

/* Values of level.due_ms beside times. */
#define DUE_NEVER INT64_MAX
#define DUE_UNKNOWN INT64_MIN

enum { READ_AHEAD_COUNT = 32, READ_AHEAD_BYTES = 256 * 1024 };

struct level {
    int64_t next;   /* queue offset of the head */
    int64_t due_ms; /* of the head; DUE_NEVER: the queue ends here; DUE_UNKNOWN: to be looked up */
    int64_t retry_ms; /* not before, after a failure; 0: none */
};

struct delay {
    struct delay_options options;
    const struct delay_levels *table; /* the store's */
    struct delay_offsets progress;
    struct level levels[DELAY_LEVELS_MAX + 1]; /* from 1 */
    int turn;                                  /* the level the next run begins with */
    struct buf record;                         /* the message at hand */
    struct arena arena;
    int cold_level;  /* whose head is to be fetched by delay_read_ahead(); 0: none */
    int ahead_level; /* whose records `ahead` holds; 0: none */
    struct buf ahead_records;
    struct slice ahead; /* what is left of ahead_records */
    int ahead_err;      /* what reading or decoding them met */
};

static int32_t queue_of(int level)
{
    assert(level >= 1 && level <= DELAY_LEVELS_MAX);
    return level - 1;
}

/* Or a queue that cannot be read passed for an empty one. */
static int open_queues(struct store *store)
{
    int err = 0;
    for (int level = 1; level <= store_delay_levels(store)->count && err == 0; level++)
        err = store_queue_open(store, SLICE(TOPIC_SCHEDULE), queue_of(level));
    return err;
}

/* Where a level goes on: what was saved, within what the queue still has. */
static int64_t first_offset(struct store *store, int level, int64_t saved)
{
    int64_t min = store_queue_min(store, SLICE(TOPIC_SCHEDULE), queue_of(level));
    int64_t max = store_queue_max(store, SLICE(TOPIC_SCHEDULE), queue_of(level));
    int64_t next = saved;
    if (next < min)
        next = min;
    if (next > max)
        next = max;
    assert(next >= min && next <= max);
    if (saved >= 0 && next != saved)
        log_warn("delay_offset_corrected level=%d saved=%lld next=%lld", level, (long long)saved,
                 (long long)next);
    return next;
}

int delay_new(const struct delay_options *options, struct delay **delay)
{
    assert(options->put != NULL);
    int err = open_queues(options->store);
    if (err != 0)
        return err;
    struct delay *d = calloc(1, sizeof *d);
    if (d == NULL)
        return ERR_NO_MEMORY;
    d->options = *options;
    d->table = store_delay_levels(options->store);
    assert(d->table->count >= 1 && d->table->count <= DELAY_LEVELS_MAX);
    d->progress = options->offsets;
    d->turn = 1;
    arena_init(&d->arena);
    for (int level = 1; level <= d->table->count; level++) {
        int64_t saved = options->offsets.next[level];
        d->levels[level].next = first_offset(options->store, level, saved);
        d->levels[level].due_ms = DUE_UNKNOWN;
        if (saved >= 0 ||
            store_queue_max(options->store, SLICE(TOPIC_SCHEDULE), queue_of(level)) > 0)
            d->progress.next[level] = d->levels[level].next;
    }
    *delay = d;
    return 0;
}

void delay_free(struct delay *delay)
{
    if (delay == NULL)
        return;
    buf_fini(&delay->record);
    buf_fini(&delay->ahead_records);
    arena_fini(&delay->arena);
    free(delay);
}

static void move_head(struct delay *d, int level, int64_t next)
{
    assert(next > d->levels[level].next);
    d->levels[level] = (struct level){ .next = next, .due_ms = DUE_UNKNOWN };
    d->progress.next[level] = next;
}

/* Finds out when the head is due. */
static void look_at_head(struct delay *d, int level, int64_t now_ms)
{
    struct level *l = &d->levels[level];
    struct store_queue_entry entry;
    int err = store_queue_entry_at(d->options.store, SLICE(TOPIC_SCHEDULE), queue_of(level),
                                   l->next, &entry);
    if (err == ERR_NOT_FOUND) {
        int64_t min = store_queue_min(d->options.store, SLICE(TOPIC_SCHEDULE), queue_of(level));
        if (min > l->next) {
            log_error("delayed_messages_expired level=%d from=%lld to=%lld", level,
                      (long long)l->next, (long long)min);
            move_head(d, level, min);
            err = store_queue_entry_at(d->options.store, SLICE(TOPIC_SCHEDULE), queue_of(level),
                                       l->next, &entry);
        }
    }
    if (err == 0) {
        int64_t latest = now_ms + d->table->ms[level];
        l->due_ms = entry.tags_code > latest ? latest : entry.tags_code;
    } else if (err == ERR_NOT_FOUND) {
        l->due_ms = DUE_NEVER;
    } else {
        l->retry_ms = now_ms + DELAY_RETRY_MS;
    }
}

/* The clock may have been set back since they were noted. */
static void bound_waits(struct delay *d, int level, int64_t now_ms)
{
    struct level *l = &d->levels[level];
    int64_t latest_ms = now_ms + d->table->ms[level];
    if (l->due_ms != DUE_NEVER && l->due_ms > latest_ms)
        l->due_ms = latest_ms;
    if (l->retry_ms > now_ms + DELAY_RETRY_MS)
        l->retry_ms = now_ms + DELAY_RETRY_MS;
}

/* When the level is to be looked at; DUE_NEVER while it waits for an arrival. */
static int64_t level_wake_ms(const struct level *l)
{
    if (l->due_ms == DUE_UNKNOWN)
        return l->retry_ms;
    return l->due_ms > l->retry_ms ? l->due_ms : l->retry_ms;
}

/* Takes the level's head out of what was read ahead. ERR_INCOMPLETE: it is not there; any other
 * error is what a read of the head met. */
static int take_read_ahead(struct delay *d, int level, struct record *record)
{
    if (d->ahead_level != level)
        return ERR_INCOMPLETE;
    while (d->ahead_err == 0 && d->ahead.len > 0) {
        d->ahead_err = record_decode(d->ahead, RECORD_CHECK_BODY_CRC, record);
        if (d->ahead_err != 0 || record->queue_offset > d->levels[level].next)
            break;
        d->ahead = slice_from(d->ahead, (size_t)record->total_bytes);
        if (record->queue_offset == d->levels[level].next)
            return 0;
    }
    d->ahead_level = 0;
    return d->ahead_err == 0 ? ERR_INCOMPLETE : d->ahead_err;
}

/* Reads the level's head. ERR_WOULD_BLOCK: it lies on disk. ERR_NOT_FOUND, ERR_CORRUPT: there is no
 * whole record. */
static int read_head(struct delay *d, int level, struct record *record)
{
    int err = take_read_ahead(d, level, record);
    if (err != ERR_INCOMPLETE)
        return err;
    struct store_get_request get = {
        .topic = SLICE(TOPIC_SCHEDULE),
        .queue_id = queue_of(level),
        .queue_offset = d->levels[level].next,
        .max_count = 1,
        .may_block = false,
    };
    struct store_get_result got;
    buf_clear(&d->record);
    err = store_get(d->options.store, &get, &d->record, &got);
    if (err != 0)
        return err;
    if (got.status != GET_FOUND || got.count != 1)
        return ERR_NOT_FOUND;
    err = record_decode(buf_slice(&d->record), RECORD_CHECK_BODY_CRC, record);
    return err == 0 && record->queue_offset != get.queue_offset ? ERR_NOT_FOUND : err;
}

/* Delivers the level's head, which is due. Returns what it takes of the budget; 0: nothing was put.
 */
static int deliver_head(struct delay *d, int level, int64_t now_ms)
{
    struct level *l = &d->levels[level];
    struct record record;
    assert(l->due_ms <= now_ms); /* never early */
    int err = read_head(d, level, &record);
    if (err == ERR_WOULD_BLOCK) {
        d->cold_level = level;
        return 0;
    }
    if (err == ERR_NOT_FOUND || err == ERR_CORRUPT || (err == 0 && !real_place_restore(&record))) {
        log_error("delayed_message_undeliverable level=%d queue_offset=%lld reason=%s", level,
                  (long long)l->next, err == 0 ? "no_real_topic" : err_name(err));
        move_head(d, level, l->next + 1);
        return 0;
    }
    if (err == 0) {
        assert(record.queue_offset == l->next); /* never skipped */
        err = d->options.put(d->options.ctx, &record, &d->arena);
        arena_reset(&d->arena);
    }
    if (err != 0) {
        l->retry_ms = now_ms + DELAY_RETRY_MS;
        return 0;
    }
    move_head(d, level, l->next + 1);
    return 1 + record.total_bytes / RUN_PIECE_BYTES;
}

/* One message of each level that is due, beginning with the level whose turn it is. Returns what
 * that takes of the budget; *moved tells whether anything changed, put or passed over. */
static int run_round(struct delay *d, int64_t now_ms, int budget, bool *moved)
{
    int count = d->table->count;
    int taken = 0;
    for (int i = 0; i < count && taken < budget; i++) {
        int level = d->turn;
        d->turn = level % count + 1;
        struct level *l = &d->levels[level];
        bound_waits(d, level, now_ms);
        if (l->due_ms == DUE_UNKNOWN && l->retry_ms <= now_ms)
            look_at_head(d, level, now_ms);
        if (l->due_ms == DUE_UNKNOWN || level_wake_ms(l) > now_ms || level == d->cold_level)
            continue;
        int64_t before = l->next;
        taken += deliver_head(d, level, now_ms);
        *moved = *moved || l->next != before;
    }
    return taken;
}

void delay_run(struct delay *delay, int64_t now_ms, int budget)
{
    assert(budget > 0);
    bool moved = true;
    delay->cold_level = 0; /* fetched by now, or asked for again */
    while (moved && budget > 0) {
        moved = false;
        budget -= run_round(delay, now_ms, budget, &moved);
    }
}

void delay_arrived(struct delay *delay, int32_t queue_id)
{
    if (queue_id < 0 || queue_id >= delay->table->count)
        return;
    struct level *l = &delay->levels[queue_id + 1];
    delay->progress.next[queue_id + 1] = l->next;
    if (l->due_ms == DUE_NEVER)
        l->due_ms = DUE_UNKNOWN;
}

int64_t delay_next_due(const struct delay *delay, int64_t now_ms)
{
    int64_t next = INT64_MAX;
    for (int level = 1; level <= delay->table->count; level++) {
        if (level == delay->cold_level)
            continue;
        int64_t wake_ms = level_wake_ms(&delay->levels[level]);
        if (wake_ms < next)
            next = wake_ms;
    }
    return next < now_ms ? now_ms : next;
}

bool delay_wants_read(const struct delay *delay)
{
    return delay->cold_level != 0;
}

void delay_read_ahead(struct delay *delay)
{
    assert(delay->cold_level != 0);
    int level = delay->cold_level;
    struct store_get_request get = {
        .topic = SLICE(TOPIC_SCHEDULE),
        .queue_id = queue_of(level),
        .queue_offset = delay->levels[level].next,
        .max_count = READ_AHEAD_COUNT,
        .max_bytes = READ_AHEAD_BYTES,
        .may_block = true,
    };
    struct store_get_result got;
    buf_clear(&delay->ahead_records);
    delay->ahead_level = level;
    delay->ahead_err = store_get(delay->options.store, &get, &delay->ahead_records, &got);
    delay->ahead = buf_slice(&delay->ahead_records);
}

const struct delay_offsets *delay_progress(const struct delay *delay)
{
    return &delay->progress;
}
