/* flush_queues.c - the flusher's work on consume queues: their entries to the files, the files to
 * the disk.
 *
 * Queues may be many: who waits for the log is not to wait for all of them, so between two of them
 * it is looked whether somebody does. Some are synced at a time, as many as can be named in the
 * checkpoint's page (sync_list.h), with a rest in between: all of them in one go would take a third
 * of a core for seconds. The directory of a topic that has new queues is synced once,
 * and so is the one that holds all topics.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "store/log_reader.h"
#include "store/store_internal.h"
#include "store/sync_list.h"
#include "wire/multi_dispatch.h"

/* A queue with entries in its files that may not be on the disk. */
struct unsynced {
    struct consume_queue *queue;
    int64_t from; /* place */
};

static struct unsynced *unsynced_list(const struct store *store, size_t *count)
{
    *count = store->unsynced.len / sizeof(struct unsynced);
    return (struct unsynced *)(void *)store->unsynced.data;
}

static void note_unsynced(struct store *store, struct consume_queue *queue, int64_t from)
{
    const struct unsynced added = { queue, from };
    assert(from >= 0);
    buf_append(&store->unsynced, &added, sizeof added);
}

/* What a start has found in the log for queues that were not open. */
static int open_late_queues(struct store *store)
{
    struct late_walk walk = { 0 };
    int first_err = 0;
    for (int is_opened; (is_opened = queues_open_late(store->queues, &walk)) != 0;) {
        if (is_opened < 0) /* it waits on: the next round tries again */
            first_err = is_opened;
        store_flush_log_meanwhile(store);
    }
    return first_err;
}

int store_write_queues(struct store *store, struct buf *scratch)
{
    int first_err = open_late_queues(store);
    struct buf dirty = queues_take_dirty(store->queues);
    struct consume_queue **list = (struct consume_queue **)(void *)dirty.data;
    for (size_t i = 0; i < dirty.len / sizeof *list; i++) {
        struct consume_queue *queue = list[i];
        int64_t from;
        assert(atomic_load(&queue->is_dirty));
        int err = consume_queue_write(queue, scratch, &from);
        if (!queue->is_unsynced)
            note_unsynced(store, queue, from);
        queue->is_unsynced = true;
        if (err != 0) { /* stays in memory: the next round tries again */
            first_err = err;
            if (!atomic_exchange(&queue->is_dirty, true))
                queues_note_dirty(store->queues, queue);
        }
        store_flush_log_meanwhile(store);
    }
    queues_give_dirty_back(store->queues, &dirty);
    return first_err;
}

/* ---- sync ------------------------------------------------------------------------------------ */

static void note_new_names(struct buf *topics, struct queue_topic *topic)
{
    if (topic->is_new)
        return;
    topic->is_new = true;
    buf_append(topics, &topic, sizeof(struct queue_topic *));
}

/* Names of queues in the directories of these topics, and those of the topics. */
static int sync_new_names(struct store *store, const struct buf *list)
{
    struct queue_topic **topics = (struct queue_topic **)(void *)list->data;
    size_t count = list->len / sizeof(struct queue_topic *);
    const struct queue_kind *synced = NULL;
    int first_err = 0;
    for (size_t i = 0; i < count; i++) {
        char dir[DISK_PATH_MAX];
        queue_topic_dir(topics[i], dir);
        topics[i]->is_new = false;
        int err = disk_sync_dirs(dir, 0);
        if (err == ERR_NOT_FOUND) /* deleted meanwhile */
            err = 0;
        if (err == 0 && topics[i]->kind != synced)
            err = disk_sync_dirs(topics[i]->kind->path, 1);
        synced = topics[i]->kind;
        if (err != 0)
            first_err = err;
        store_flush_log_meanwhile(store);
    }
    return first_err;
}

/* Syncs those from *next on that the list in the checkpoint's page has room for. */
static int sync_some(struct store *store, size_t end, size_t *next, struct buf *new_topics)
{
    char path[DISK_PATH_MAX];
    struct sync_list at_stake;
    size_t count;
    size_t upto = *next;
    const struct unsynced *list = unsynced_list(store, &count);
    assert(end <= count);
    sync_list_clear(&at_stake);
    while (upto < end && sync_list_add(&at_stake, list[upto].queue, list[upto].from))
        upto++;
    assert(upto > *next);
    store_path(store, "checkpoint", path);
    if (sync_list_write(&at_stake, path) != 0)
        return ERR_WOULD_BLOCK;
    int err = 0;
    for (size_t i = *next; i < upto && err == 0; i++)
        err = consume_queue_start_sync(list[i].queue, list[i].from);
    for (; *next < upto && err == 0; *next += err == 0) {
        bool is_new;
        struct consume_queue *queue = list[*next].queue;
        err = consume_queue_sync(queue, list[*next].from, &is_new);
        if (is_new)
            note_new_names(new_topics, queue->of);
        queue->is_unsynced = err != 0;
        store_flush_log_meanwhile(store);
    }
    return err;
}

static void forget_synced(struct store *store, size_t count)
{
    size_t bytes = count * sizeof(struct unsynced);
    assert(bytes <= store->unsynced.len);
    store->unsynced.len -= bytes;
    if (store->unsynced.len == 0)
        buf_fini(&store->unsynced);
    else
        memmove(store->unsynced.data, store->unsynced.data + bytes, store->unsynced.len);
}

int store_sync_queues(struct store *store)
{
    size_t end;
    size_t next = 0;
    int err = 0;
    struct buf new_topics = BUF_INIT;
    (void)unsynced_list(store, &end); /* what is written meanwhile is the next time's */
    while (next < end && err == 0) {
        int64_t begin_ns = clock_thread_cpu_ns();
        err = sync_some(store, end, &next, &new_topics);
        int64_t cpu_ns = clock_thread_cpu_ns() - begin_ns;
        if (err == 0)
            store_write_meanwhile(store);
        if (err == 0 && next < end)
            store_rest_meanwhile(store, cpu_ns);
    }
    int names_err = sync_new_names(store, &new_topics);
    buf_fini(&new_topics);
    forget_synced(store, next);
    return err != 0 && err != ERR_WOULD_BLOCK ? err : names_err != 0 ? names_err : err;
}

/* ---- writing again --------------------------------------------------------------------------- */

/* One entry that was there when the store was opened. `again` knows where a queue stands in the
 * list for this, plus one. */
static int rewrite_entry(struct store *store, struct map *again, struct slice topic,
                         int32_t queue_id, int64_t queue_offset)
{
    struct consume_queue *queue;
    size_t count;
    int64_t place = -1;
    int err = queues_find(store->queues, topic, queue_id, true, &queue);
    if (err == 0)
        err = consume_queue_rewrite(queue, queue_offset, &place);
    if (err != 0 || place < 0)
        return err == ERR_NOT_FOUND ? 0 : err; /* its topic was deleted */
    const uint64_t key = (uintptr_t)queue;
    struct unsynced *list = unsynced_list(store, &count);
    size_t at = (uintptr_t)map_get(again, map_key_u64(&key));
    if (at > 0) {
        list[at - 1].from = place < list[at - 1].from ? place : list[at - 1].from;
        return 0;
    }
    note_unsynced(store, queue, place);
    map_put(again, map_key_u64(&key), (void *)(count + 1));
    return 0;
}

/* Those of one record. */
static int rewrite_entries_of(struct store *store, struct map *again, const struct record *record)
{
    struct store_queue_entry entry;
    struct multi_dispatch list;
    struct slice name;
    if (!store_entry_of(store, record, &entry))
        return 0;
    int err = rewrite_entry(store, again, record->topic, record->queue_id, record->queue_offset);
    if (err != 0 || !store_light_queues_of(store, record, &list))
        return err;
    while (err == 0 && multi_dispatch_next(&list, &name, &entry.queue_offset))
        err = rewrite_entry(store, again, name, 0, entry.queue_offset);
    return err;
}

int store_rewrite_entries(struct store *store)
{
    enum { RUN_BYTES = 64 << 20 };
    struct log_reader reader;
    int64_t file_bytes = commit_log_file_bytes(store->log);
    int64_t at = store->rewritten_queues;
    int64_t upto = at + RUN_BYTES;
    int err = 0;
    if (at >= store->doubtful_queues)
        return 0;
    struct map again;
    map_init(&again);
    log_reader_init(&reader, store->log);
    while (err == 0 && at < store->doubtful_queues && at < upto) {
        struct record record;
        if (at < commit_log_min(store->log)) /* expired meanwhile */
            at = commit_log_min(store->log);
        err = log_reader_record(&reader, at, RECORD_CHECK_LENGTHS, &record);
        if (err == 0)
            err = rewrite_entries_of(store, &again, &record);
        else if (err != ERR_IO) { /* the end mark, or damage: then what is derived ends there */
            at = (at / file_bytes + 1) * file_bytes;
            err = 0;
            continue;
        }
        if (err == 0)
            at += record.total_bytes;
    }
    log_reader_fini(&reader);
    map_fini(&again);
    store->rewritten_queues = at < store->doubtful_queues ? at : store->doubtful_queues;
    return err;
}
