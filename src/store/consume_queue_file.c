/* consume_queue_file.c - the entries in the files of a queue: which file, read, written, removed
 * when the log has gone on.
 *
 * Of all the files of a queue one is open, the one used last.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
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
    if (consume_queue_is_batch(queue))
        batch_entry_put(at, entry);
    else
        put_plain(at, entry);
}

struct store_queue_entry plain_entry_get(const uint8_t *at, int64_t place)
{
    return (struct store_queue_entry){ .phy_offset = (int64_t)get_be64(at + CQ_PHY_OFFSET),
                                       .bytes = (int32_t)get_be32(at + CQ_LENGTH),
                                       .tags_code = (int64_t)get_be64(at + CQ_TAG_HASH),
                                       .queue_offset = place,
                                       .count = 1 };
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
    struct store_queue_entry entry =
        consume_queue_is_batch(queue) ? batch_entry_get(at) : plain_entry_get(at, place);
    entry.place = place;
    return entry;
}

/* ---- files ----------------------------------------------------------------------------------- */

void queue_topic_dir(const struct queue_topic *topic, char path[DISK_PATH_MAX])
{
    int len = snprintf(path, DISK_PATH_MAX, "%s/%.*s", topic->kind->path, (int)topic->name_len,
                       (const char *)topic->name);
    assert(len < DISK_PATH_MAX);
}

void consume_queue_dir(const struct consume_queue *queue, char path[DISK_PATH_MAX])
{
    int len = snprintf(path, DISK_PATH_MAX, "%s/%.*s/%d", queue->of->kind->path,
                       SLICE_FMT(consume_queue_topic(queue)), queue->queue_id);
    assert(len < DISK_PATH_MAX);
}

int64_t queue_file_places(const struct consume_queue *queue)
{
    return queue->of->kind->file_bytes / queue->of->kind->entry_bytes;
}

int64_t queue_file_of(const struct consume_queue *queue, int64_t place)
{
    assert(place >= 0);
    return place / queue_file_places(queue) * queue->of->kind->file_bytes;
}

int queue_file_take(struct consume_queue *queue)
{
    int fd = queue->file->fd;
    free(queue->file);
    queue->file = NULL;
    return fd;
}

void queue_fd_close(const struct consume_queue *queue, int fd)
{
    disk_close(fd);
    atomic_fetch_sub(&queue->of->kind->files->open_count, 1);
}

void queue_file_close(struct consume_queue *queue)
{
    if (queue->file != NULL)
        queue_fd_close(queue, queue_file_take(queue));
}

void queue_file_let_go(struct consume_queue *queue)
{
    if (atomic_load(&queue->of->kind->files->open_count) > QUEUE_FILES_OPEN_MAX)
        queue_file_close(queue);
}

/* The file that holds `place`, where an entry is to be written. One that is not its first says that
 * the file is there, in full length. */
static int open_or_make(struct consume_queue *queue, const char *dir, const char *path,
                        int64_t place, int *fd)
{
    int err = place % queue_file_places(queue) == 0 ? ERR_NOT_FOUND : disk_open(path, 0, fd);
    if (err != ERR_NOT_FOUND)
        return err;
    bool is_new = !disk_exists(path);
    err = is_new ? disk_make_dirs(dir) : 0;
    if (err == 0)
        err = disk_open(path, queue->of->kind->file_bytes, fd);
    if (err == 0 && is_new) {
        queue->has_new_names = true;
        atomic_fetch_add(&queue->of->kind->files->count, 1);
    }
    return err;
}

int queue_file_use(struct consume_queue *queue, int64_t place, bool create)
{
    char dir[DISK_PATH_MAX];
    char path[DISK_PATH_MAX];
    int64_t start = queue_file_of(queue, place);
    int fd;
    if (queue->file != NULL && queue->file->start == start)
        return 0;
    queue_file_close(queue);
    consume_queue_dir(queue, dir);
    disk_numbered_path(path, dir, start);
    int err = create ? open_or_make(queue, dir, path, place, &fd) : disk_open(path, 0, &fd);
    if (err != 0)
        return err;
    queue->file = memory_take(sizeof *queue->file);
    *queue->file = (struct queue_file){ .fd = fd, .start = start };
    atomic_fetch_add(&queue->of->kind->files->open_count, 1);
    assert(start % queue->of->kind->file_bytes == 0);
    return 0;
}

int64_t queue_file_pos(const struct consume_queue *queue, int64_t place)
{
    int64_t at = place * queue->of->kind->entry_bytes - queue->file->start;
    assert(at >= 0);
    assert(at < queue->of->kind->file_bytes);
    return at;
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
    size_t size = queue_entry_size(queue);
    int64_t at = queue_file_pos(queue, place);
    assert(at + (int64_t)(count * size) <= queue->of->kind->file_bytes);
    err = disk_read(queue->file->fd, queue->of->kind->path, bytes, (size_t)count * size, at,
                    may_block);
    if (err == ERR_IO)
        log_error("consume_queue_not_read topic=%.*s queue=%d at=%lld",
                  SLICE_FMT(consume_queue_topic(queue)), queue->queue_id, (long long)at);
    if (err != 0)
        return err;
    for (int i = 0; i < count; i++)
        entries[i] = queue_entry_get(queue, bytes + (size_t)i * size, place + i);
    return 0;
}

int queue_file_write_entry(struct consume_queue *queue, int64_t place,
                           const struct store_queue_entry *entry)
{
    uint8_t bytes[BCQ_ENTRY_BYTES];
    char dir[DISK_PATH_MAX];
    int err = queue_file_use(queue, place, false);
    if (err != 0)
        return err;
    queue_entry_put(queue, bytes, entry);
    consume_queue_dir(queue, dir);
    return disk_write(queue->file->fd, dir, bytes, queue_entry_size(queue),
                      queue_file_pos(queue, place));
}

/* 1: the file has nothing but zeros from there on. */
static int is_zero_from(const struct consume_queue *queue, const char *dir, int64_t from)
{
    static const uint8_t zeros[32768];
    uint8_t bytes[sizeof zeros];
    int64_t file_bytes = queue->of->kind->file_bytes;
    int fd = queue->file->fd;
    /* The files are sparse: mostly nothing follows. */
    for (int64_t at = disk_next_data(fd, from); at >= 0 && at < file_bytes;) {
        size_t len =
            file_bytes - at < (int64_t)sizeof bytes ? (size_t)(file_bytes - at) : sizeof bytes;
        int err = disk_read(fd, dir, bytes, len, at, true);
        if (err != 0 || memcmp(bytes, zeros, len) != 0)
            return err;
        at = disk_next_data(fd, at + (int64_t)len);
    }
    return 1;
}

int queue_file_zero_from(struct consume_queue *queue, int64_t place)
{
    char dir[DISK_PATH_MAX];
    int err = queue_file_use(queue, place, false);
    if (err != 0)
        return err == ERR_NOT_FOUND ? 0 : err;
    int64_t from = queue_file_pos(queue, place);
    consume_queue_dir(queue, dir);
    int is_zero = is_zero_from(queue, dir, from);
    if (is_zero != 0)
        return is_zero < 0 ? is_zero : 0;
    err = disk_zero(queue->file->fd, dir, from, queue->of->kind->file_bytes - from);
    return err != 0 ? err : disk_sync(queue->file->fd, dir);
}

int queue_files_zero(struct consume_queue *queue, int64_t place, int64_t upto)
{
    int err = 0;
    assert(place >= 0);
    while (err == 0 && place < upto) {
        int64_t file_first = queue_file_of(queue, place) / queue->of->kind->entry_bytes;
        err = queue_file_zero_from(queue, place);
        place = file_first + queue_file_places(queue);
    }
    return err;
}

/* The first entry in [from, upto) that is no filler; *place is upto when there is none. */
static int skip_fillers(struct consume_queue *queue, int64_t from, int64_t upto, int64_t *place,
                        struct store_queue_entry *entry)
{
    enum { RUN = 128 };
    struct store_queue_entry run[RUN];
    for (*place = from; *place < upto;) {
        int64_t end =
            queue_file_of(queue, *place) / queue->of->kind->entry_bytes + queue_file_places(queue);
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

static int bisect_min(struct consume_queue *queue, int64_t from, int64_t upto, int64_t log_min,
                      int64_t *found)
{
    assert(from >= 0);
    assert(from <= upto);
    while (from < upto) {
        int64_t middle = from + (upto - from) / 2;
        int64_t place;
        struct store_queue_entry entry;
        int err = skip_fillers(queue, middle, upto, &place, &entry);
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

int queue_file_find_min(struct consume_queue *queue, int64_t from, int64_t upto, int64_t log_min,
                        int64_t *found)
{
    enum { PROBES = 8 }; /* entries looked at before what bisection found */
    int64_t end = upto;
    struct store_queue_entry entry;
    for (;;) {
        int64_t before = -1;
        int err = bisect_min(queue, from, upto, log_min, found);
        for (int64_t at = *found - 2; err == 0 && at >= from && at >= *found - PROBES; at--) {
            err = queue_file_read(queue, at, 1, true, &entry);
            if (err == 0 && !queue_entry_is_below(&entry, log_min))
                before = at;
        }
        if (err == 0 && before < 0) /* a queue that does not start at 0 begins with fillers */
            return skip_fillers(queue, *found, end, found, &entry);
        if (err != 0)
            return err;
        upto = before;
    }
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

int64_t queue_written_end(struct consume_queue *queue)
{
    struct lock *lock = &consume_queue_locks(queue)->lock;
    lock_take(lock);
    int64_t written = queue_written(queue);
    lock_release(lock);
    return written;
}

/* ---- retention ------------------------------------------------------------------------------- */

/* The first place whose record is at log_min or behind, and how many files lie below it whole; the
 * last one never does. Under file_lock. */
static int64_t find_start(struct consume_queue *queue, const int64_t *files, int count,
                          int64_t written, int64_t log_min, int *whole)
{
    assert(lock_is_held(&consume_queue_locks(queue)->file_lock));
    int64_t min = atomic_load(&queue->min);
    for (*whole = 0; *whole < count; ++*whole) {
        int64_t from = files[*whole] / queue->of->kind->entry_bytes;
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

/* A batch queue begins where its first entry says: that is compared with its record before. */
static int mend_start(struct consume_queue *queue, int64_t min, struct commit_log *log)
{
    struct log_reader reader;
    if (!consume_queue_is_batch(queue) || min == atomic_load(&queue->min) ||
        min >= queue_written(queue))
        return 0;
    log_reader_init_jumping(&reader, log);
    int err = queue_mend_batch_bound(queue, min, &reader);
    log_reader_fini(&reader);
    return err;
}

static void move_min(struct consume_queue *queue, int64_t min, struct commit_log *log)
{
    assert(min >= atomic_load(&queue->min));
    assert(min <= atomic_load(&queue->max));
    struct lock *lock = &consume_queue_locks(queue)->lock;
    lock_take(lock);
    int err = mend_start(queue, min, log);
    atomic_store(&queue->min, min);
    if (err == 0)
        err = consume_queue_note_batch_bounds(queue);
    if (err != 0)
        log_error("consume_queue_start_not_read topic=%.*s queue=%d",
                  SLICE_FMT(consume_queue_topic(queue)), queue->queue_id);
    lock_release(lock);
}

/* min moves first: whoever looks for an entry from there on meets no file that goes. */
void consume_queue_retain(struct consume_queue *queue, struct commit_log *log)
{
    int64_t *files = NULL;
    int count = 0;
    int whole;
    char dir[DISK_PATH_MAX];
    consume_queue_dir(queue, dir);
    if (disk_list_numbers(dir, &files, &count) != 0)
        return;
    struct lock *file_lock = &consume_queue_locks(queue)->file_lock;
    int64_t written = queue_written_end(queue);
    lock_take(file_lock);
    move_min(queue, find_start(queue, files, count, written, commit_log_min(log), &whole), log);
    for (int i = 0; i < whole; i++) {
        char path[DISK_PATH_MAX];
        queue_file_close(queue);
        disk_numbered_path(path, dir, files[i]);
        disk_remove_in_slices(path);
        atomic_fetch_sub(&queue->of->kind->files->count, 1);
    }
    queue_file_let_go(queue);
    lock_release(file_lock);
    free(files);
}
