/* consume_queue_file.c - the entries in the files of a queue: which file, read, written, brought to
 * the disk, removed when the log has gone on.
 *
 * The flusher moves entries from memory into the files in runs, then syncs. Of all the files of a
 * queue one is open, the one used last.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "store/consume_queue_internal.h"

/* ---- an entry -------------------------------------------------------------------------------- */

static void put_plain(uint8_t *at, const struct store_queue_entry *entry)
{
    assert(entry->phy_offset >= 0);
    assert(entry->bytes > 0);
    put_be64(at + CQ_PHY_OFFSET, (uint64_t)entry->phy_offset);
    put_be32(at + CQ_LENGTH, (uint32_t)entry->bytes);
    put_be64(at + CQ_TAG_HASH, (uint64_t)entry->tags_code);
}

void batch_entry_put(uint8_t *at, const struct store_queue_entry *entry)
{
    put_plain(at, entry);
    assert(entry->queue_offset >= 0);
    assert(entry->count > 0 && entry->count <= INT16_MAX);
    put_be64(at + BCQ_STORE_TIME, (uint64_t)entry->store_ms);
    put_be64(at + BCQ_QUEUE_OFFSET, (uint64_t)entry->queue_offset);
    put_be16(at + BCQ_COUNT, (uint16_t)entry->count);
    put_be32(at + BCQ_COMPACTED, UINT32_MAX);
    put_be32(at + BCQ_RESERVED, 0);
}

void queue_entry_put(const struct consume_queue *queue, uint8_t *at,
                     const struct store_queue_entry *entry)
{
    if (queue->is_batch)
        batch_entry_put(at, entry);
    else
        put_plain(at, entry);
}

struct store_queue_entry batch_entry_get(const uint8_t *at)
{
    return (struct store_queue_entry){ .phy_offset = (int64_t)get_be64(at + CQ_PHY_OFFSET),
                                       .bytes = (int32_t)get_be32(at + CQ_LENGTH),
                                       .tags_code = (int64_t)get_be64(at + CQ_TAG_HASH),
                                       .store_ms = (int64_t)get_be64(at + BCQ_STORE_TIME),
                                       .queue_offset = (int64_t)get_be64(at + BCQ_QUEUE_OFFSET),
                                       .count = (int16_t)get_be16(at + BCQ_COUNT) };
}

struct store_queue_entry queue_entry_get(const struct consume_queue *queue, const uint8_t *at,
                                         int64_t place)
{
    if (queue->is_batch)
        return batch_entry_get(at);
    return (struct store_queue_entry){ .phy_offset = (int64_t)get_be64(at + CQ_PHY_OFFSET),
                                       .bytes = (int32_t)get_be32(at + CQ_LENGTH),
                                       .tags_code = (int64_t)get_be64(at + CQ_TAG_HASH),
                                       .queue_offset = place,
                                       .count = 1 };
}

/* ---- files ----------------------------------------------------------------------------------- */

void consume_queue_dir(const struct consume_queue *queue, char path[DISK_PATH_MAX])
{
    int len = snprintf(path, DISK_PATH_MAX, "%s/%d", queue->topic_dir, queue->queue_id);
    assert(len < DISK_PATH_MAX);
}

int64_t queue_file_places(const struct consume_queue *queue)
{
    return queue->file_bytes / queue->entry_bytes;
}

int64_t queue_file_of(const struct consume_queue *queue, int64_t place)
{
    assert(place >= 0);
    return place / queue_file_places(queue) * queue->file_bytes;
}

void queue_file_close(struct consume_queue *queue)
{
    if (queue->fd < 0)
        return;
    disk_close(queue->fd);
    atomic_fetch_sub(&queue->files->open_count, 1);
    queue->fd = -1;
}

void queue_file_let_go(struct consume_queue *queue)
{
    if (atomic_load(&queue->files->open_count) > QUEUE_FILES_OPEN_MAX)
        queue_file_close(queue);
}

int queue_file_use(struct consume_queue *queue, int64_t place, bool create)
{
    int64_t file = queue_file_of(queue, place);
    if (queue->fd >= 0 && queue->fd_file == file)
        return 0;
    queue_file_close(queue);
    char dir[DISK_PATH_MAX];
    char path[DISK_PATH_MAX];
    consume_queue_dir(queue, dir);
    disk_numbered_path(path, dir, file);
    bool is_new = create && !disk_exists(path);
    int err = is_new ? disk_make_dirs(dir) : 0;
    if (err == 0)
        err = disk_open(path, create ? queue->file_bytes : 0, &queue->fd);
    if (err == 0 && is_new) {
        queue->has_new_names = true;
        atomic_fetch_add(&queue->files->count, 1);
    }
    if (err != 0)
        queue->fd = -1;
    else
        atomic_fetch_add(&queue->files->open_count, 1);
    queue->fd_file = file;
    assert(err != 0 || queue->fd >= 0);
    assert(queue->fd_file % queue->file_bytes == 0);
    return err;
}

int queue_file_read(struct consume_queue *queue, int64_t place, int count, bool may_block,
                    struct store_queue_entry *entries)
{
    uint8_t bytes[1024 * BCQ_ENTRY_BYTES];
    assert(count > 0);
    assert((size_t)count <= sizeof bytes / BCQ_ENTRY_BYTES);
    int err = queue_file_use(queue, place, false);
    if (err != 0)
        return err;
    int64_t at = place * queue->entry_bytes - queue->fd_file;
    assert(at >= 0);
    assert(at + (int64_t)count * queue->entry_bytes <= queue->file_bytes);
    err = disk_read(queue->fd, queue->topic_dir, bytes, (size_t)count * queue_entry_size(queue), at,
                    may_block);
    if (err != 0)
        return err;
    for (int i = 0; i < count; i++)
        entries[i] = queue_entry_get(queue, bytes + i * queue->entry_bytes, place + i);
    return 0;
}

int queue_file_zero_from(struct consume_queue *queue, int64_t place)
{
    static const uint8_t zeros[32768];
    uint8_t bytes[sizeof zeros];
    int err = queue_file_use(queue, place, false);
    if (err != 0)
        return err == ERR_NOT_FOUND ? 0 : err;
    int64_t from = place * queue->entry_bytes - queue->fd_file;
    assert(from >= 0);
    assert(from < queue->file_bytes);
    bool is_zero = true;
    for (int64_t at = from; err == 0 && is_zero && at < queue->file_bytes;) {
        at = disk_next_data(queue->fd, at); /* the files are sparse: mostly nothing follows */
        if (at < 0 || at >= queue->file_bytes)
            break;
        int64_t left = queue->file_bytes - at;
        size_t len = left < (int64_t)sizeof bytes ? (size_t)left : sizeof bytes;
        err = disk_read(queue->fd, queue->topic_dir, bytes, len, at, true);
        is_zero = memcmp(bytes, zeros, len) == 0;
        at += (int64_t)len;
    }
    if (err == 0 && !is_zero)
        err = disk_zero(queue->fd, queue->topic_dir, from, queue->file_bytes - from);
    if (err == 0 && !is_zero)
        err = disk_sync(queue->fd, queue->topic_dir);
    return err;
}

int queue_file_skip_fillers(struct consume_queue *queue, int64_t from, int64_t upto, int64_t *place,
                            struct store_queue_entry *entry)
{
    enum { RUN = 128 };
    struct store_queue_entry run[RUN];
    for (*place = from; *place < upto;) {
        int64_t end = queue_file_of(queue, *place) / queue->entry_bytes + queue_file_places(queue);
        int64_t most = (end < upto ? end : upto) - *place;
        int count = *place == from ? 1 : most < RUN ? (int)most : RUN; /* mostly it is none */
        int err = queue_file_read(queue, *place, count, true, run);
        if (err != 0)
            return err;
        for (int i = 0; i < count; i++, ++*place) {
            if (queue_entry_is_filler(&run[i]))
                continue;
            *entry = run[i];
            return 0;
        }
    }
    return 0;
}

int queue_file_find_min(struct consume_queue *queue, int64_t from, int64_t upto, int64_t log_min,
                        int64_t *found)
{
    assert(from >= 0);
    assert(from <= upto);
    while (from < upto) {
        int64_t middle = from + (upto - from) / 2;
        int64_t place;
        struct store_queue_entry entry;
        int err = queue_file_skip_fillers(queue, middle, upto, &place, &entry);
        if (err != 0)
            return err;
        if (place < upto && queue_entry_is_below(&entry, log_min))
            from = place + 1;
        else
            upto = middle;
    }
    *found = from;
    return 0;
}

struct batch_search {
    struct consume_queue *queue;
    queue_entry_reader *read;
    bool may_block;
    int64_t queue_offset;
};

/* 1: the entry holds queue_offset or lies behind it. */
static int is_past(const struct batch_search *search, int64_t place)
{
    struct store_queue_entry entry;
    int err = search->read(search->queue, place, search->may_block, &entry);
    return err != 0 ? err : entry.queue_offset + entry.count > search->queue_offset;
}

static int bisect_batch(const struct batch_search *search, int64_t from, int64_t upto,
                        int64_t *place)
{
    while (from < upto) {
        int64_t middle = from + (upto - from) / 2;
        int past = is_past(search, middle);
        if (past < 0)
            return past;
        if (past)
            upto = middle;
        else
            from = middle + 1;
    }
    *place = from;
    return 0;
}

/* 1: both places lie in [first, end), and is_past() is `wanted` of both. */
static int are_both(const struct batch_search *search, int64_t a, int64_t b, int64_t first,
                    int64_t end, int wanted)
{
    if (a < first || b < first || a >= end || b >= end)
        return 0;
    int past = is_past(search, a);
    if (past < 0 || past != wanted)
        return past < 0 ? past : 0;
    past = is_past(search, b);
    return past < 0 ? past : past == wanted;
}

int queue_find_batch(struct consume_queue *queue, queue_entry_reader *read, bool may_block,
                     int64_t queue_offset, int64_t from, int64_t upto, int64_t *place)
{
    const struct batch_search search = { queue, read, may_block, queue_offset };
    int64_t first = from;
    int64_t end = upto;
    for (int turns = 0; turns < 2; turns++) {
        int err = bisect_batch(&search, from, upto, place);
        if (err != 0)
            return err;
        /* Two that lie on the wrong side of the place found say that bisection met the third. */
        int behind = are_both(&search, *place + 1, *place + 2, first, end, 0);
        int before = are_both(&search, *place - 2, *place - 3, first, end, 1);
        if (behind < 0 || before < 0)
            return behind < 0 ? behind : before;
        if (behind == 0 && before == 0)
            return 0;
        from = behind == 1 ? *place + 3 : first;
        upto = behind == 1 ? end : *place - 3;
    }
    return 0;
}

/* ---- flusher --------------------------------------------------------------------------------- */

/* Under file_lock. */
static int write_run(struct consume_queue *queue, int64_t place, struct slice entries)
{
    assert(queue_lock_is_held(&queue->file_lock));
    assert(entries.len % queue_entry_size(queue) == 0);
    while (entries.len > 0) {
        int err = queue_file_use(queue, place, true);
        if (err != 0)
            return err;
        int64_t at = place * queue->entry_bytes - queue->fd_file;
        size_t room = (size_t)(queue->file_bytes - at);
        size_t n = entries.len < room ? entries.len : room;
        assert(n > 0);
        assert(n % queue_entry_size(queue) == 0);
        err = disk_write(queue->fd, queue->topic_dir, entries.data, n, at);
        if (err != 0)
            return err;
        entries = slice_from(entries, n);
        place += (int64_t)(n / queue_entry_size(queue));
    }
    return 0;
}

int consume_queue_write(struct consume_queue *queue, struct buf *scratch)
{
    atomic_store(&queue->is_dirty, false);
    pthread_mutex_lock(&queue->lock);
    buf_clear(scratch);
    buf_append(scratch, queue->tail, queue->tail_count * queue_entry_size(queue));
    int64_t from = queue->written;
    pthread_mutex_unlock(&queue->lock);
    pthread_mutex_lock(&queue->file_lock);
    int err = queue->is_deleted ? 0 : write_run(queue, from, buf_slice(scratch));
    queue_file_let_go(queue);
    pthread_mutex_unlock(&queue->file_lock);
    if (err != 0)
        return err;
    size_t count = scratch->len / queue_entry_size(queue);
    pthread_mutex_lock(&queue->lock);
    assert(queue->written == from);
    assert(queue->tail_count >= count);
    queue->written += (int64_t)count;
    queue->tail_count -= count;
    if (queue->tail_count == 0) {
        free(queue->tail);
        queue->tail = NULL;
        queue->tail_cap = 0;
    } else {
        memmove(queue->tail, queue->tail + count * queue_entry_size(queue),
                queue->tail_count * queue_entry_size(queue));
    }
    pthread_mutex_unlock(&queue->lock);
    return 0;
}

/* The file that holds place, with a descriptor of its own: -1 when it is gone. */
static int open_for_sync(struct consume_queue *queue, int64_t place, int *fd)
{
    *fd = -1;
    pthread_mutex_lock(&queue->file_lock);
    int err = queue->is_deleted ? ERR_NOT_FOUND : queue_file_use(queue, place, false);
    if (err == 0) { /* an idle queue keeps no file open */
        *fd = queue->fd;
        queue->fd = -1;
    }
    pthread_mutex_unlock(&queue->file_lock);
    return err == ERR_NOT_FOUND ? 0 : err;
}

/* Files that were made have names that survive the loss of power. */
static int sync_names(struct consume_queue *queue)
{
    pthread_mutex_lock(&queue->file_lock);
    bool is_needed = queue->has_new_names && !queue->is_deleted;
    queue->has_new_names = false;
    pthread_mutex_unlock(&queue->file_lock);
    if (!is_needed)
        return 0;
    char dir[DISK_PATH_MAX];
    consume_queue_dir(queue, dir);
    int err = disk_sync_dirs(dir, 2);      /* of the topic, of all queues */
    return err == ERR_NOT_FOUND ? 0 : err; /* deleted meanwhile */
}

void consume_queue_start_sync(struct consume_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    int64_t written = queue->written;
    pthread_mutex_unlock(&queue->lock);
    pthread_mutex_lock(&queue->file_lock);
    if (queue->synced < written && !queue->is_deleted &&
        queue_file_use(queue, queue->synced, false) == 0) {
        int64_t at = queue->synced * CQ_ENTRY_BYTES - queue->fd_file;
        int64_t bytes = (written - queue->synced) * CQ_ENTRY_BYTES;
        int64_t room = queue->file_bytes - at;
        disk_start_write_back(queue->fd, at, bytes < room ? bytes : room);
    }
    queue_file_let_go(queue);
    pthread_mutex_unlock(&queue->file_lock);
}

int consume_queue_sync(struct consume_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    int64_t written = queue->written;
    pthread_mutex_unlock(&queue->lock);
    int err = sync_names(queue);
    if (err != 0)
        return err;
    while (queue->synced < written) {
        int fd;
        err = open_for_sync(queue, queue->synced, &fd);
        if (err == 0 && fd >= 0) {
            err = disk_sync(fd, queue->topic_dir);
            disk_close(fd);
            atomic_fetch_sub(&queue->files->open_count, 1);
        }
        if (err != 0)
            return err;
        int64_t file_end =
            queue_file_of(queue, queue->synced) / queue->entry_bytes + queue_file_places(queue);
        assert(file_end > queue->synced);
        queue->synced = file_end < written ? file_end : written;
    }
    assert(queue->synced == written);
    return 0;
}

/* ---- retention ------------------------------------------------------------------------------- */

/* The first place whose record is at log_min or behind, and how many files lie below it whole; the
 * last one never does. Under file_lock. */
static int64_t find_start(struct consume_queue *queue, const int64_t *files, int count,
                          int64_t written, int64_t log_min, int *whole)
{
    int64_t min = atomic_load(&queue->min);
    for (*whole = 0; *whole < count; ++*whole) {
        int64_t from = files[*whole] / queue->entry_bytes;
        int64_t upto = from + queue_file_places(queue);
        int64_t found;
        if (upto > written)
            upto = written;
        if (from >= upto || queue_file_find_min(queue, from, upto, log_min, &found) != 0)
            break;
        min = found > min ? found : min;
        if (found != from + queue_file_places(queue) || *whole == count - 1)
            break;
    }
    return min;
}

static void move_min(struct consume_queue *queue, int64_t min)
{
    assert(min >= atomic_load(&queue->min));
    assert(min <= atomic_load(&queue->max));
    pthread_mutex_lock(&queue->lock);
    atomic_store(&queue->min, min);
    if (consume_queue_note_batch_bounds(queue) != 0)
        log_error("consume_queue_start_not_read topic=%.*s queue=%d", SLICE_FMT(queue->topic),
                  queue->queue_id);
    pthread_mutex_unlock(&queue->lock);
}

/* min moves first: whoever looks for an entry from there on meets no file that goes. */
void consume_queue_retain(struct consume_queue *queue, int64_t log_min)
{
    assert(log_min >= 0);
    int64_t *files = NULL;
    int count = 0;
    int whole;
    char dir[DISK_PATH_MAX];
    consume_queue_dir(queue, dir);
    if (disk_list_numbers(dir, &files, &count) != 0)
        return;
    pthread_mutex_lock(&queue->lock);
    int64_t written = queue->written;
    pthread_mutex_unlock(&queue->lock);
    pthread_mutex_lock(&queue->file_lock);
    move_min(queue, find_start(queue, files, count, written, log_min, &whole));
    for (int i = 0; i < whole; i++) {
        char path[DISK_PATH_MAX];
        queue_file_close(queue);
        disk_numbered_path(path, dir, files[i]);
        disk_remove_in_slices(path);
        atomic_fetch_sub(&queue->files->count, 1);
    }
    queue_file_let_go(queue);
    pthread_mutex_unlock(&queue->file_lock);
    free(files);
}
