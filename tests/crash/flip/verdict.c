/* verdict.c - may a directory that holds this look like that after one damage?
 *
 * Asked of every case: does it start, or refuse with the bytes and the file; is everything that is
 * served what was stored; is nothing missing but what lay in the damaged bytes, and does something
 * tell of that; do queues end where they ended, so that no number is given twice; do tables say
 * what they said, or what their .bak says. Then: can it be written to, and is it whole after
 * another start. What was refused is repaired, and asked the same.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "world.h"

enum { QUERIES = 24 };

struct asking {
    const struct original *original;
    const struct damage *damage;
    const char *root;
    struct picture now;
    struct store *store;
    int64_t log_from; /* damaged bytes of the log: phy_offsets; -1: none */
    int64_t log_upto;
    bool was_killed;
    bool has_scrubbed;
    bool was_repaired;
    bool is_missing_some;
    int missing_copies;
};

static bool is_kind(const struct asking *a, const char *kind)
{
    return strcmp(a->damage->file->kind, kind) == 0;
}

static bool is_there(const char *root, const char *name)
{
    char path[2 * PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return access(path, F_OK) == 0;
}

static bool is_damaged(const struct asking *a, const struct message_seen *message)
{
    return a->log_from >= 0 && message->phy_offset < a->log_upto &&
           message->phy_offset + message->log_bytes > a->log_from;
}

/* The damage lies in this record of the reference, where nothing guards it: its head, topic or
 * properties. What it says of itself is believed then, and may be another place. */
static bool may_say_anything(const struct asking *a, const struct message_seen *message)
{
    return a->damage->kind == DAMAGE_FLIP && is_damaged(a, message) && !message->is_guarded;
}

static const struct message_seen *message_at(const struct asking *a, int64_t phy_offset)
{
    const struct picture *original = &a->original->picture;
    for (int i = 0; i < original->message_count; i++)
        if (original->messages[i].phy_offset == phy_offset)
            return &original->messages[i];
    return NULL;
}

/* ---- messages -------------------------------------------------------------------------------- */

/* The n-th record of its queue stands in the damaged bytes of the queue's file. */
static bool has_damaged_entry(const struct asking *a, const struct queue_seen *queue, int ordinal)
{
    const struct damage *damage = a->damage;
    bool is_batch = is_kind(a, "batchconsumequeue");
    int64_t entry_bytes = is_batch ? 46 : 20;
    char dir[PATH_BYTES];
    int len = snprintf(dir, sizeof dir, "%sconsumequeue/%s/%d/", is_batch ? "batch" : "",
                       queue->topic, queue->queue_id);
    if (strncmp(damage->file->path, dir, (size_t)len) != 0)
        return false;
    int64_t start = strtoll(damage->file->path + len, NULL, 10);
    int64_t place =
        is_batch ? ordinal : a->original->picture.messages[queue->first + ordinal].queue_offset;
    return place * entry_bytes < start + damage->upto &&
           (place + 1) * entry_bytes > start + damage->from;
}

/* The newest file of the log was emptied or removed after a kill, as if it had just been made or
 * not yet: two failures at once. */
static bool was_taken_for_new(const struct asking *a)
{
    return log_lines_find("commit_log_file_empty", NULL, NULL) != NULL ||
           (a->damage->kind == DAMAGE_REMOVE && is_kind(a, "commitlog") &&
            a->log_upto > a->original->log_max);
}

/* The oldest file of the log is gone, as if it had expired. */
static bool was_taken_for_expired(const struct asking *a)
{
    return a->damage->kind == DAMAGE_REMOVE && is_kind(a, "commitlog") &&
           a->log_from == a->original->log_min;
}

/* The note of a swap of compacted pairs that a kill interrupted is gone, as if there had been none:
 * two failures at once. */
static bool was_swap_forgotten(const struct asking *a)
{
    return a->damage->kind == DAMAGE_REMOVE &&
           strstr(a->damage->file->path, "/compacting/swap") != NULL;
}

/* Something tells of it: a count, and a line with file and position. */
static void expect_evidence(const struct asking *a, const struct message_seen *message)
{
    struct store_state state;
    store_state(a->store, &state);
    if (a->was_repaired || was_taken_for_new(a) || was_taken_for_expired(a) ||
        was_swap_forgotten(a))
        return;
    if (state.damaged_records == 0)
        violation("message at phy_offset %lld is passed over, and not counted",
                  (long long)message->phy_offset);
    if (log_lines_find("record_damaged path=", " at=", NULL) == NULL &&
        log_lines_find("entry_damaged path=", " at=", NULL) == NULL)
        violation("message at phy_offset %lld is passed over, and no line says so",
                  (long long)message->phy_offset);
}

/* The damage lies in the copies of the queue. */
static bool is_copy_damaged(const struct asking *a, const struct queue_seen *queue)
{
    static const char *const dirs[] = { "compactionLog", "compactionCq" };
    char dir[PATH_BYTES];
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        int len = snprintf(dir, sizeof dir, "compaction/%s/%s/%d/", dirs[i], queue->topic,
                           queue->queue_id);
        if (strncmp(a->damage->file->path, dir, (size_t)len) == 0)
            return true;
    }
    return false;
}

/* One flipped bit costs one copy, where copies have sums. */
static bool may_miss_copy(struct asking *a, const struct queue_seen *queue,
                          const struct message_seen *message)
{
    if (!message->is_compacted || !is_copy_damaged(a, queue))
        return false;
    a->missing_copies++;
    return a->missing_copies == 1 || !message->has_sums || a->damage->kind != DAMAGE_FLIP;
}

/* The log ends before it after a loss of power, and what was there is kept. */
static bool is_set_aside(const struct message_seen *message)
{
    const char *line = log_lines_find("commit_log_end_set_aside", NULL, NULL);
    return line != NULL && message->phy_offset >= log_line_number(line, "phy_offset");
}

/* A flipped bit of an entry hides none: the log tells where it led. With the power lost as well it
 * may be taken for one that never was. */
static bool may_hide_message(const struct asking *a)
{
    return !a->has_scrubbed && (a->damage->kind != DAMAGE_FLIP || world_has_lost_power());
}

static void expect_may_miss(struct asking *a, const struct queue_seen *queue, int ordinal)
{
    const struct message_seen *message = &a->original->picture.messages[queue->first + ordinal];
    bool by_log = is_damaged(a, message);
    bool by_queue = may_hide_message(a) && has_damaged_entry(a, queue, ordinal);
    if (is_set_aside(message))
        return;
    if (!by_log && !by_queue && !may_miss_copy(a, queue, message))
        violation("message %s/%d %lld at phy_offset %lld is not served", queue->topic,
                  queue->queue_id, (long long)message->queue_offset,
                  (long long)message->phy_offset);
    if (!may_say_anything(a, message))
        expect_evidence(a, message);
    a->is_missing_some = true;
}

static void expect_same_message(const struct asking *a, const struct queue_seen *queue,
                                const struct message_seen *was, const struct message_seen *is)
{
    bool is_unguarded =
        (is_damaged(a, was) && !was->is_guarded) || (is_copy_damaged(a, queue) && !was->has_sums);
    if (is->body_crc != was->body_crc)
        violation("message %s/%d %lld is served with another body", queue->topic, queue->queue_id,
                  (long long)was->queue_offset);
    if (is->crc != was->crc && !is_unguarded)
        violation("message %s/%d %lld is served with other bytes", queue->topic, queue->queue_id,
                  (long long)was->queue_offset);
    if (is->phy_offset != was->phy_offset && !was->is_compacted)
        violation("message %s/%d %lld is served from elsewhere", queue->topic, queue->queue_id,
                  (long long)was->queue_offset);
    if (a->has_scrubbed && !is_damaged(a, was) &&
        (is->tags_hash != was->tags_hash || is->log_bytes != was->log_bytes))
        violation("entry of %s/%d %lld is another after the scrubber's round", queue->topic,
                  queue->queue_id, (long long)was->queue_offset);
}

/* The message that stood at this place, or whose copy stands there: another has its number. */
static const struct message_seen *came_from(const struct asking *a, int64_t phy_offset)
{
    const char *line = log_lines_find("record_put_again", NULL, NULL);
    if (phy_offset >= a->original->log_max && line != NULL)
        phy_offset = log_line_number(line, "phy_offset");
    return message_at(a, phy_offset);
}

/* A record that says another place than it had, for nothing guards it; with its own body. */
static bool is_elsewhere(const struct asking *a, const struct message_seen *is)
{
    const struct message_seen *was = came_from(a, is->phy_offset);
    return was != NULL && may_say_anything(a, was) && was->body_crc == is->body_crc;
}

static bool is_same_place(const struct message_seen *is, const struct message_seen *was)
{
    return is->queue_offset == was->queue_offset &&
           (is->phy_offset == was->phy_offset || was->is_compacted);
}

static void compare_queue(struct asking *a, const struct queue_seen *was,
                          const struct queue_seen *is)
{
    const struct message_seen *old = &a->original->picture.messages[was->first];
    const struct message_seen *new = &a->now.messages[is->first];
    /* What the swap would have dropped is still there. */
    bool is_kept = was_swap_forgotten(a) && is_copy_damaged(a, was);
    int at = 0;
    for (int i = 0; i < was->count; i++) {
        while (is_kept && at < is->count && new[at].queue_offset < old[i].queue_offset)
            at++;
        if (at < is->count && is_same_place(&new[at], &old[i]))
            expect_same_message(a, was, &old[i], &new[at++]);
        else
            expect_may_miss(a, was, i);
    }
    if (at < is->count && is_elsewhere(a, &new[at]))
        at++;
    if (at < is->count && !is_kept)
        violation("%s/%d serves %lld, which was not there", was->topic, was->queue_id,
                  (long long)new[at].queue_offset);
}

/* The last message has gone elsewhere, or come from elsewhere: is_elsewhere(). */
static bool is_moved(const struct asking *a, const struct queue_seen *was,
                     const struct queue_seen *is)
{
    const struct message_seen *old = &a->original->picture.messages[was->first];
    const struct message_seen *new = &a->now.messages[is->first];
    return (was->count > 0 && may_say_anything(a, &old[was->count - 1])) ||
           (is->count > 0 && is_elsewhere(a, &new[is->count - 1]));
}

/* The first or last message may be the damaged one only where it was taken out. */
static void compare_bounds(const struct asking *a, const struct queue_seen *was,
                           const struct queue_seen *is)
{
    const struct message_seen *messages = &a->original->picture.messages[was->first];
    bool is_out = a->was_repaired || was_taken_for_new(a) || was_taken_for_expired(a);
    bool may_end_before = was->count > 0 && ((is_out && is_damaged(a, &messages[was->count - 1])) ||
                                             is_set_aside(&messages[was->count - 1]));
    /* of a compacted queue, what it began with may have been replaced */
    bool may_begin_later =
        is_out && was->count > 0 && (is_damaged(a, &messages[0]) || messages[0].is_compacted);
    if (is_moved(a, was, is))
        return;
    if (is->max != was->max && !(may_end_before && is->max < was->max))
        violation("queue %s/%d ends at %lld, it ended at %lld", was->topic, was->queue_id,
                  (long long)is->max, (long long)was->max);
    if (is->min != was->min && !(may_begin_later && is->min > was->min) &&
        !(may_end_before && is->max <= was->min))
        violation("queue %s/%d begins at %lld, it began at %lld", was->topic, was->queue_id,
                  (long long)is->min, (long long)was->min);
}

/* The index is filled behind the log. */
static void await_index(const struct asking *a)
{
    enum { TURNS = 60000 };
    struct store_state state;
    for (int turn = 0; turn < TURNS; turn++) {
        store_state(a->store, &state);
        if (state.indexed_phy_offset >= state.max_phy_offset)
            return;
        world_sleep_ms(1);
    }
    violation("the index ends at %lld, the log at %lld, for a minute",
              (long long)state.indexed_phy_offset, (long long)state.max_phy_offset);
}

static void compare_keys(const struct asking *a)
{
    await_index(a);
    const struct picture *original = &a->original->picture;
    for (int i = 0; i < QUERIES && original->message_count > 0; i++) {
        const struct message_seen *message =
            &original->messages[dice_below(original->message_count)];
        if (message->key[0] == 0 || is_damaged(a, message))
            continue;
        int hits = picture_query(original, a->store, message);
        /* An index file has no checksum, and nobody knows how many there were: a query may miss,
         * and shows nothing wrong. After the reference each must go on where the one before ended.
         */
        bool may_miss = is_kind(a, "index") &&
                        (a->damage->kind == DAMAGE_FLIP ||
                         (a->damage->kind == DAMAGE_REMOVE && !is_there(a->root, "abort.bak")));
        if (hits < 0 && a->log_from < 0)
            violation("a query for %s serves other bytes", message->key);
        if (hits > 1 || (hits == 0 && !may_miss && !is_set_aside(message)))
            violation("message at phy_offset %lld is found %d times by its key %s",
                      (long long)message->phy_offset, hits, message->key);
    }
}

static void compare(struct asking *a)
{
    const struct picture *original = &a->original->picture;
    picture_take(&a->now, a->store, a->root, original);
    for (int i = 0; i < original->queue_count; i++) {
        compare_queue(a, &original->queues[i], &a->now.queues[i]);
        compare_bounds(a, &original->queues[i], &a->now.queues[i]);
    }
    compare_keys(a);
}

/* ---- writing on ------------------------------------------------------------------------------ */

static void put_one(struct asking *a, const struct queue_seen *queue, int64_t now_ms)
{
    struct store_put_result result;
    const struct record record = { .queue_id = queue->queue_id,
                                   .born_timestamp = now_ms,
                                   .body = SLICE("after the damage"),
                                   .topic = slice_str(queue->topic),
                                   .properties = SLICE("KEYS\001after\002") };
    int64_t max = store_queue_max(a->store, record.topic, queue->queue_id);
    int err = store_put(a->store, &record, 1, now_ms, &result, NULL);
    if (err != 0)
        violation("a put to %s/%d is refused: %s", queue->topic, queue->queue_id, err_name(err));
    if (result.queue_offset != max)
        violation("a put to %s/%d gets %lld, the queue ended at %lld", queue->topic,
                  queue->queue_id, (long long)result.queue_offset, (long long)max);
}

/* One message to each queue; then everything is where it was, with one more each. */
static void write_on(struct asking *a)
{
    static struct picture before; /* large */
    before.queue_count = a->now.queue_count;
    memcpy(before.queues, a->now.queues, sizeof before.queues);
    for (int i = 0; i < before.queue_count; i++)
        if (before.queues[i].max > 0)
            put_one(a, &before.queues[i], clock_wall_ms());
    if (store_close(a->store) != 0)
        violation("the store does not close");
    int err = picture_open(a->root, false, &a->store);
    if (err != 0)
        violation("the next start fails: %s", err_name(err));
    picture_take(&a->now, a->store, a->root, &before);
    for (int i = 0; i < before.queue_count; i++) {
        const struct queue_seen *was = &before.queues[i];
        const struct queue_seen *is = &a->now.queues[i];
        bool was_there = was->max > 0;
        if (is->max != was->max + was_there)
            violation("queue %s/%d ended at %lld, got one more, and ends at %lld", was->topic,
                      was->queue_id, (long long)was->max, (long long)is->max);
        /* a damaged record is passed over again */
        if (is->count < was->count + was_there)
            violation("queue %s/%d served %d messages, got one more, and serves %d", was->topic,
                      was->queue_id, was->count, is->count);
    }
    if (store_close(a->store) != 0)
        violation("the store does not close a second time");
}

/* ---- starting -------------------------------------------------------------------------------- */

/* Where a start that finishes a swap of compacted pairs puts the file before it looks at it. */
static const char *place_of(const char *path)
{
    static const char waiting[] = "compacting/";
    static char place[512];
    const char *found = strstr(path, waiting);
    if (found == NULL)
        return path;
    snprintf(place, sizeof place, "%.*s%s", (int)(found - path), path, found + strlen(waiting));
    return place;
}

/* The line of a refusal names the file, and bytes that the damage lies in. */
static void expect_precise(const struct asking *a)
{
    const struct damage *damage = a->damage;
    const char *line = log_lines_find(place_of(damage->file->path), "bytes=", "expected=");
    if (log_lines_find("compaction_swap_unreadable", damage->file->path, NULL) != NULL)
        return; /* the process died in the middle of a swap; what it was about is in that file */
    if (damage->kind != DAMAGE_FLIP) {
        if (line == NULL && damage->kind == DAMAGE_REMOVE)
            line = log_lines_find("commit_log_file_unfit", "follows=0", NULL);
        if (line == NULL)
            line = log_lines_find("commit_log_damaged", damage->file->path, " at=");
        if (line == NULL)
            violation("refused, and no line says which file and how long it is");
        return;
    }
    line = log_lines_find("commit_log_damaged", damage->file->path, " at=");
    if (line == NULL)
        violation("refused, and no line names the damaged file");
    int64_t at = log_line_number(line, "at");
    int64_t record_bytes = 0;
    const struct picture *original = &a->original->picture;
    for (int i = 0; i < original->message_count; i++)
        if (is_damaged(a, &original->messages[i]))
            record_bytes = original->messages[i].log_bytes;
    if (at > damage->from || (record_bytes > 0 && at + record_bytes <= damage->from))
        violation("refused at %lld, the damage is at %lld", (long long)at, (long long)damage->from);
}

static void say(void *ctx, const char *line)
{
    (void)ctx;
    (void)line;
}

/* Finds it and sets it aside, so that the next start comes up. */
static void repair(struct asking *a)
{
    struct store_offline_options options = { .root_dir = a->root,
                                             .say = say,
                                             .commit_log_file_bytes = geometry.log_file_bytes };
    struct store_check_result found;
    struct store_repair_result done;
    int err = store_check(&options, &found);
    if (err != 0)
        violation("`store check` of what was refused: %s", err_name(err));
    if (found.problems == 0)
        violation("refused, and `store check` finds nothing");
    err = store_repair(&options, &done);
    if (err != 0)
        violation("`store repair`: %s", err_name(err));
    a->was_repaired = true;
}

static void find_log_range(struct asking *a)
{
    a->log_from = -1;
    if (!is_kind(a, "commitlog"))
        return;
    int64_t start = strtoll(strrchr(a->damage->file->path, '/') + 1, NULL, 10);
    a->log_from = start + a->damage->from;
    a->log_upto = start + a->damage->upto;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static bool is_same_text(const struct buf *a, const struct buf *b)
{
    return b->data != NULL && a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* The reference's tables have no checksum: where it wrote last, a flip that leaves one JSON is
 * taken as it is, and one that is gone, without another version, for one that never was. */
static bool is_unguarded(const struct asking *a, const char *path, int table)
{
    char sum[2 * PATH_BYTES + 8];
    snprintf(sum, sizeof sum, "%s.sum", path);
    return access(sum, F_OK) != 0 &&
           (a->damage->kind == DAMAGE_FLIP || a->original->backups[table].data == NULL);
}

static enum outcome ask_table(const struct asking *a, int table)
{
    char name[PATH_BYTES];
    char path[2 * PATH_BYTES];
    struct buf text = BUF_INIT;
    enum outcome outcome = OUTCOME_SAME;
    snprintf(name, sizeof name, "config/%s", table_names[table]);
    snprintf(path, sizeof path, "%s/%s", a->root, name);
    bool is_hit = strcmp(a->damage->file->path, name) == 0;
    int err = picture_table(table, path, &text);
    if (err != 0) {
        if (!is_hit || a->original->backups[table].data != NULL)
            violation("%s is refused: %s", name, err_name(err));
        if (log_lines_find("table_file_", name, NULL) == NULL)
            violation("%s is refused, and no line says so", name);
        outcome = OUTCOME_REFUSED;
    } else if (!is_same_text(&text, &a->original->tables[table])) {
        if (!is_hit)
            violation("%s says something else", name);
        if (is_unguarded(a, path, table))
            goto done;
        /* Counts for people: without another version they begin anew, and a line says why. */
        if (strcmp(table_names[table], "timermetrics") == 0 &&
            a->original->backups[table].data == NULL && log_lines_find("table_file_", name, NULL)) {
            outcome = OUTCOME_MENDED;
            goto done;
        }
        if (!is_same_text(&text, &a->original->backups[table]) ||
            (log_lines_find("table_file_read_from_backup", name, NULL) == NULL))
            violation("%s says what neither it nor its .bak said", name);
        outcome = OUTCOME_MENDED;
    }
done:
    buf_fini(&text);
    return outcome;
}

static enum outcome ask_tables(const struct asking *a)
{
    enum outcome outcome = OUTCOME_SAME;
    for (int table = 0; table < TABLES; table++) {
        enum outcome one = ask_table(a, table);
        outcome = one > outcome ? one : outcome;
    }
    return outcome;
}

/* ---- timers ---------------------------------------------------------------------------------- */

static bool has_timed(const struct timed_set *set, const struct timed *wanted, const char *topic)
{
    for (int i = 0; i < set->count; i++)
        if (set->list[i].body_crc == wanted->body_crc && strcmp(set->list[i].topic, topic) == 0 &&
            strcmp(set->list[i].key, wanted->key) == 0)
            return true;
    return false;
}

/* At once, or by way of the timer topic once more: a bit of its unit says that it rolls. */
static bool is_delivered(const struct timed_set *set, const struct timed *wanted)
{
    return has_timed(set, wanted, wanted->topic) || has_timed(set, wanted, "rmq_sys_wheel_timer");
}

static bool is_timer_file(const struct asking *a)
{
    return strstr(a->damage->file->kind, "timer") != NULL;
}

/* The log or the timer topic's queue has lost the message, or may say anything of it. Or what
 * turned is a position of the check point, or a slot, which nothing guards; or, after a kill, a
 * unit that no slot leads to yet. The oldest file of the timer log is missing, as if it had been
 * removed. */
static bool may_lose_timers(const struct asking *a)
{
    bool is_unguarded = a->damage->kind == DAMAGE_FLIP &&
                        (is_kind(a, "config/timercheck") || is_kind(a, "timerwheel") ||
                         (is_kind(a, "timerlog") && a->was_killed));
    bool is_first_gone = a->damage->kind == DAMAGE_REMOVE &&
                         strcmp(a->damage->file->path, "timerlog/00000000000000000000") == 0;
    return is_unguarded || is_first_gone || a->log_from >= 0 || a->was_repaired ||
           (!a->has_scrubbed && strstr(a->damage->file->path, "rmq_sys_wheel_timer") != NULL);
}

/* What was delivered once may come again when files of the timers are damaged. */
static bool was_waiting_once(const struct asking *a, const struct timed *timed)
{
    const struct picture *original = &a->original->picture;
    for (int i = 0; i < original->message_count; i++)
        if (original->messages[i].body_crc == timed->body_crc &&
            strcmp(original->messages[i].topic, "rmq_sys_wheel_timer") == 0)
            return is_timer_file(a);
    return false;
}

/* A file of the timers has the wrong length; or is empty, or missing, and was on the disk. */
static bool is_refused_precisely(const struct asking *a)
{
    const char *path = a->damage->file->path;
    return is_timer_file(a) && a->damage->kind != DAMAGE_FLIP &&
           (log_lines_find("timer_file_length", path, " expected=") != NULL ||
            log_lines_find("timer_log_gap", path, " certain=") != NULL);
}

static enum outcome ask_timers(struct asking *a)
{
    static struct timed_set now; /* large */
    const struct timed_set *was = &a->original->timers;
    int err = timers_take(a->store, a->root, &now);
    if (err != 0 && is_refused_precisely(a))
        return OUTCOME_REFUSED;
    if (err != 0)
        violation("the timers do not open: %s", err_name(err));
    for (int i = 0; i < now.count; i++)
        if (!has_timed(was, &now.list[i], now.list[i].topic) &&
            !was_waiting_once(a, &now.list[i]) && a->log_from < 0)
            violation("a timer of %s with key %s is delivered, which was not waiting",
                      now.list[i].topic, now.list[i].key);
    for (int i = 0; i < was->count; i++)
        if (!is_delivered(&now, &was->list[i]) && !may_lose_timers(a))
            violation("the timer of %s with key %s is not delivered", was->list[i].topic,
                      was->list[i].key);
    return OUTCOME_SAME;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static bool is_empty(const char *path)
{
    struct stat state;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return true;
    int err = fstat(fd, &state);
    close(fd);
    return err != 0 || state.st_size == 0;
}

/* The reference writes it in place, and leaves none when it is killed meanwhile: an empty file, or
 * a part of one. */
static void take_backup(struct original *original, int table, char path[2 * PATH_BYTES], int len)
{
    struct buf *text = &original->backups[table];
    snprintf(path + len, 2 * PATH_BYTES - (size_t)len, ".bak");
    if (is_empty(path) || picture_table(table, path, text) == 0)
        return;
    snprintf(path + len, 2 * PATH_BYTES - (size_t)len, ".sum");
    if (access(path, F_OK) == 0)
        violation("the undamaged %s.bak is refused", table_names[table]);
    buf_fini(text);
    *text = (struct buf)BUF_INIT;
}

void original_take(struct original *original, const char *root)
{
    struct store *store;
    for (int table = 0; table < TABLES; table++) {
        char path[2 * PATH_BYTES];
        int len = snprintf(path, sizeof path, "%s/config/%s", root, table_names[table]);
        if (picture_table(table, path, &original->tables[table]) != 0)
            violation("the undamaged %s is refused", table_names[table]);
        take_backup(original, table, path, len);
    }
    int err = picture_open(root, false, &store);
    if (err != 0)
        violation("the undamaged store is refused: %s", err_name(err));
    picture_take(&original->picture, store, root, NULL);
    struct store_state state;
    store_state(store, &state);
    original->log_min = state.min_phy_offset;
    original->log_max = state.max_phy_offset;
    if (timers_take(store, root, &original->timers) != 0)
        violation("the undamaged timers do not open");
    if (store_close(store) != 0)
        violation("the undamaged store does not close");
}

static void keep(struct buf *text)
{
    struct buf kept = BUF_INIT;
    if (text->data != NULL)
        buf_append(&kept, text->data, text->len);
    *text = kept;
}

void original_keep(struct original *original)
{
    for (int table = 0; table < TABLES; table++) {
        keep(&original->tables[table]);
        keep(&original->backups[table]);
    }
}

static bool was_mended(void)
{
    static const char *const signs[] = { "set_aside",  "missing",   "entry_mended", "unfit",
                                         "index_file", "cut_short", "not_believed" };
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
        if (log_lines_find(signs[i], NULL, NULL) != NULL)
            return true;
    return false;
}

/* What cannot be touched by the damage is looked at now and then. */
static bool is_asked_now_and_then(void)
{
    enum { ONE_IN = 16 };
    return dice_below(ONE_IN) == 0;
}

/* Tables are no business of the store, and most of them none of the timers. */
static bool may_touch_store(const struct damage *damage)
{
    return strncmp(damage->file->kind, "config/", strlen("config/")) != 0 ||
           strstr(damage->file->kind, "timer") != NULL;
}

static bool may_touch_timers(const struct damage *damage)
{
    return strstr(damage->file->path, "timer") != NULL ||
           strcmp(damage->file->kind, "commitlog") == 0 ||
           strcmp(damage->file->kind, "checkpoint") == 0;
}

enum outcome verdict(const struct original *original, const struct damage *damage, const char *root)
{
    static struct asking a; /* large, and nothing is asked twice in a process */
    a.original = original;
    a.damage = damage;
    a.root = root;
    enum outcome outcome = ask_tables(&a);
    if (!may_touch_store(damage) && !is_asked_now_and_then())
        return outcome;
    find_log_range(&a);
    a.was_killed = is_there(root, "abort");
    bool scrubs = dice_below(2) == 0;
    int err = picture_open(root, scrubs, &a.store);
    if (err != 0) {
        expect_precise(&a);
        if (strncmp(damage->file->kind, "compaction/", strlen("compaction/")) == 0)
            return OUTCOME_REFUSED; /* who restores the file, has everything */
        repair(&a);
        scrubs = false;
        outcome = OUTCOME_REFUSED;
        err = picture_open(root, false, &a.store);
    }
    if (err != 0)
        violation("after a repair it is still refused: %s", err_name(err));
    if (scrubs && !log_lines_await("scrub_done"))
        violation("the scrubber does not come to an end");
    /* a round goes as far as everything is on the disk: after a kill not to the end */
    a.has_scrubbed = scrubs && !a.was_killed;
    compare(&a);
    enum outcome timers =
        may_touch_timers(damage) || is_asked_now_and_then() ? ask_timers(&a) : OUTCOME_SAME;
    outcome = timers > outcome ? timers : outcome;
    write_on(&a);
    if (outcome == OUTCOME_SAME && a.is_missing_some)
        outcome = OUTCOME_SKIPPED;
    return outcome == OUTCOME_SAME && was_mended() ? OUTCOME_MENDED : outcome;
}
