/* queues_late.c - a start after a kill finds entries in the log for many thousand queues, and opens
 * none of them: opening one takes longer than looking at its records. Its entries wait here, in the
 * order of the log, and are put in their places before anybody gets the queue:
 *
 *   topic -> late: | first, last | ...      one for each queue id
 *                      |
 *   entries  | e |     e -> e    | e | ...  those of a queue are chained; all go with the last queue
 *
 * The flusher opens those that nobody asks for (flush_queues.c). Until all are open nothing new is
 * said to have its entry in a file, so a process that is killed meanwhile leaves what it found.
 *
 * Only where the files are certain: entries that may lead nowhere are looked for at the start.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "store/queues_internal.h"

/* Of the entries of one queue. */
struct late_queue {
    uint32_t first; /* number in `entries` plus one; 0: none waits */
    uint32_t last;
};

struct late_entry {
    struct store_queue_entry entry;
    uint32_t next; /* as late_queue.first */
};

static struct late_entry *entry_at(const struct queues *queues, uint32_t number)
{
    assert(number > 0);
    assert(number <= queues->late.entries.len / sizeof(struct late_entry));
    return (struct late_entry *)(void *)queues->late.entries.data + (number - 1);
}

static struct queue_topic *topic_at(const struct queues *queues, size_t at)
{
    return ((struct queue_topic **)(void *)queues->late.topics.data)[at];
}

/* NULL: nothing waits for it. */
static struct late_queue *late_of(const struct queue_topic *topic, int32_t queue_id)
{
    if (queue_id < 0 || (uint32_t)queue_id >= topic->late_count || topic->late[queue_id].first == 0)
        return NULL;
    return &topic->late[queue_id];
}

bool queue_is_late(const struct queues *queues, const struct queue_topic *topic, int32_t queue_id)
{
    assert(lock_is_held(&queues->lock));
    return queues->late.queue_count > 0 && late_of(topic, queue_id) != NULL;
}

/* ---- the start ------------------------------------------------------------------------------- */

void queues_allow_late(struct queues *queues, int64_t bytes_most)
{
    assert(queues->doubtful_from == QUEUE_CERTAIN);
    queues->late.entries_most = (size_t)bytes_most / sizeof(struct late_entry);
    if (queues->late.entries_most > UINT32_MAX - 1)
        queues->late.entries_most = UINT32_MAX - 1;
}

void queues_end_late(struct queues *queues, int64_t log_end)
{
    assert(log_end >= 0);
    queues->late.entries_most = 0;
    queues->late.log_end = log_end;
}

static struct late_queue *make_late(struct queues *queues, struct queue_topic *topic,
                                    int32_t queue_id)
{
    enum { IDS_FIRST = 8 };
    uint32_t count = topic->late_count;
    if ((uint32_t)queue_id >= count) {
        if (count == 0)
            buf_append(&queues->late.topics, &topic, sizeof(struct queue_topic *));
        while ((uint32_t)queue_id >= count)
            count = count == 0 ? IDS_FIRST : 2 * count;
        topic->late = memory_resize(topic->late, count, sizeof *topic->late);
        memset(topic->late + topic->late_count, 0,
               (count - topic->late_count) * sizeof *topic->late);
        topic->late_count = count;
    }
    return &topic->late[queue_id];
}

static void add_late(struct queues *queues, struct late_queue *late,
                     const struct store_queue_entry *entry)
{
    const struct late_entry added = { *entry, 0 };
    buf_append(&queues->late.entries, &added, sizeof added);
    uint32_t number = (uint32_t)(queues->late.entries.len / sizeof added);
    if (late->first == 0) {
        late->first = number;
        queues->late.queue_count++;
    } else {
        entry_at(queues, late->last)->next = number;
    }
    late->last = number;
}

bool queues_place_late(struct queues *queues, struct slice name, int32_t queue_id,
                       const struct store_queue_entry *entry)
{
    bool has_room =
        queues->late.entries.len / sizeof(struct late_entry) < queues->late.entries_most;
    if (!has_room || queue_id < 0 || queue_id > QUEUE_ID_MAX || name.len == 0)
        return false;
    lock_take(&queues->lock);
    struct queue_topic *topic = queue_topic_get(queues, name);
    const struct consume_queue *queue = topic == NULL ? NULL : queue_topic_at(topic, queue_id);
    bool is_late = topic != NULL && (queue == NULL || queue->of == NULL);
    if (is_late)
        add_late(queues, make_late(queues, topic, queue_id), entry);
    lock_release(&queues->lock);
    return is_late;
}

/* ---- behind it (under the lock) -------------------------------------------------------------- */

static void forget_all(struct queues *queues)
{
    for (size_t i = 0; i < queues->late.topics.len / sizeof(struct queue_topic *); i++)
        queue_topic_drop_late(queues, topic_at(queues, i));
    buf_fini(&queues->late.topics);
    buf_fini(&queues->late.entries);
}

static void ended(struct queues *queues)
{
    assert(queues->late.queue_count > 0);
    if (--queues->late.queue_count == 0)
        forget_all(queues);
}

void queue_topic_drop_late(struct queues *queues, struct queue_topic *topic)
{
    uint32_t count = topic->late_count;
    struct late_queue *late = topic->late;
    topic->late = NULL;
    topic->late_count = 0;
    for (uint32_t i = 0; i < count; i++)
        if (late[i].first != 0)
            ended(queues);
    free(late);
}

int queue_place_late(struct queues *queues, struct consume_queue *queue)
{
    assert(lock_is_held(&queues->lock));
    struct late_queue *late = late_of(queue->of, queue->queue_id);
    int placed = 0;
    if (late == NULL)
        return 0;
    struct log_reader reader;
    log_reader_init_jumping(&reader, queues->log);
    for (uint32_t at = late->first; placed >= 0 && at != 0;) {
        const struct late_entry *next = entry_at(queues, at);
        placed = consume_queue_place(queue, &next->entry, &reader);
        if (placed == 1)
            queues_note_dirty(queues, queue);
        at = next->next;
    }
    /* Behind them, as after a scan: an entry that others follow does not lead behind the log's end,
     * a bit has turned in it. Before log_end is known, whoever looks for it cuts the queue. */
    if (placed >= 0 && queues->late.log_end >= 0)
        placed = consume_queue_cut(queue, queues->late.log_end, &reader);
    log_reader_fini(&reader);
    if (placed >= 0) { /* else all of it is done again: what is in its place stays */
        late->first = 0;
        ended(queues);
    }
    return placed < 0 ? placed : 0;
}

/* ---- those nobody asks for ------------------------------------------------------------------- */

/* The next queue that waits; false: there is none from *walk on. */
static bool next_late(const struct queues *queues, struct late_walk *walk,
                      struct queue_topic **topic, int32_t *queue_id)
{
    assert(lock_is_held(&queues->lock));
    for (; walk->topic < queues->late.topics.len / sizeof(struct queue_topic *); walk->topic++) {
        *topic = topic_at(queues, walk->topic);
        while (walk->queue_id < (*topic)->late_count) {
            *queue_id = (int32_t)walk->queue_id++;
            if (late_of(*topic, *queue_id) != NULL)
                return true;
        }
        walk->queue_id = 0;
    }
    return false;
}

int queues_open_late(struct queues *queues, struct late_walk *walk)
{
    struct queue_topic *topic;
    int32_t queue_id;
    int is_opened = 0;
    lock_take(&queues->lock);
    if (queues->late.queue_count > 0 && next_late(queues, walk, &topic, &queue_id)) {
        struct consume_queue *queue;
        int err =
            queue_get_locked(queues, slice_of(topic->name, topic->name_len), queue_id, &queue);
        is_opened = err != 0 ? err : 1;
    }
    lock_release(&queues->lock);
    return is_opened;
}

int queues_open_all_late(struct queues *queues)
{
    struct late_walk walk = { 0 };
    int first_err = 0;
    for (int is_opened; (is_opened = queues_open_late(queues, &walk)) != 0;)
        if (is_opened < 0 && first_err == 0)
            first_err = is_opened;
    return first_err;
}
