/* consume_queue.c - entries in files, and the newest ones in memory.
 *
 * An append is a store into memory; the flusher moves entries into the files in runs. What is in
 * memory only is lost with the process and built again from the log (recover.c), so nothing depends
 * on it.
 *
 * Where the queue ends in its files is not written anywhere: the files are zero behind the end, and
 * the first zero entry is found by bisection. A crash of the machine, or the reference (which cuts
 * a queue by moving a position only), may have left entries behind the true end; so the last
 * entries are compared with the records they lead to, and what does not fit is dropped and zeroed.
 */
#include "store/consume_queue.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

enum { TAIL_COUNT_LEAST = 16 };
/* A queue offset further than this behind its queue's end, or at all, is damage and not a gap. */
enum { GAP_MOST = 1000000 };
#define PLACE_MOST (INT64_MAX / 64)

static void put_entry(const struct consume_queue *queue, uint8_t *at,
                      const struct store_queue_entry *entry)
{
    assert(entry->phy_offset >= 0);
    assert(entry->bytes > 0);
    put_be64(at + CQ_PHY_OFFSET, (uint64_t)entry->phy_offset);
    put_be32(at + CQ_LENGTH, (uint32_t)entry->bytes);
    put_be64(at + CQ_TAG_HASH, (uint64_t)entry->tags_code);
    if (!queue->is_batch)
        return;
    assert(entry->queue_offset >= 0);
    assert(entry->count > 0 && entry->count <= INT16_MAX);
    put_be64(at + BCQ_STORE_TIME, (uint64_t)entry->store_ms);
    put_be64(at + BCQ_QUEUE_OFFSET, (uint64_t)entry->queue_offset);
    put_be16(at + BCQ_COUNT, (uint16_t)entry->count);
    put_be32(at + BCQ_COMPACTED, UINT32_MAX);
    put_be32(at + BCQ_RESERVED, 0);
}

static struct store_queue_entry get_entry(const struct consume_queue *queue, const uint8_t *at,
                                          int64_t place)
{
    struct store_queue_entry entry = { .phy_offset = (int64_t)get_be64(at + CQ_PHY_OFFSET),
                                       .bytes = (int32_t)get_be32(at + CQ_LENGTH),
                                       .tags_code = (int64_t)get_be64(at + CQ_TAG_HASH),
                                       .queue_offset = place,
                                       .count = 1 };
    if (queue->is_batch) {
        entry.store_ms = (int64_t)get_be64(at + BCQ_STORE_TIME);
        entry.queue_offset = (int64_t)get_be64(at + BCQ_QUEUE_OFFSET);
        entry.count = (int16_t)get_be16(at + BCQ_COUNT);
    }
    return entry;
}

static bool is_filler(const struct store_queue_entry *entry)
{
    return entry->phy_offset == 0 && entry->bytes == CQ_FILLER_LENGTH;
}

static bool is_written(const struct store_queue_entry *entry)
{
    return entry->bytes > 0 && entry->phy_offset >= 0 && entry->queue_offset >= 0 &&
           entry->count > 0;
}

/* True when the two may stand side by side: records of a queue lie in the log in its order. */
static bool are_in_order(const struct store_queue_entry *before,
                         const struct store_queue_entry *after)
{
    return is_filler(before) || is_filler(after) || before->phy_offset < after->phy_offset;
}

/* For assertions. Nobody holds one of these locks twice, so that a held one cannot be had. */
static bool is_held(pthread_mutex_t *lock)
{
    if (pthread_mutex_trylock(lock) != 0)
        return true;
    pthread_mutex_unlock(lock);
    return false;
}

static size_t entry_size(const struct consume_queue *queue)
{
    return (size_t)queue->entry_bytes;
}

/* ---- files ----------------------------------------------------------------------------------- */

static int64_t entries_per_file(const struct consume_queue *queue)
{
    return queue->file_bytes / queue->entry_bytes;
}

static int64_t file_of(const struct consume_queue *queue, int64_t place)
{
    assert(place >= 0);
    return place / entries_per_file(queue) * queue->file_bytes;
}

static void close_fd(struct consume_queue *queue)
{
    if (queue->fd < 0)
        return;
    disk_close(queue->fd);
    atomic_fetch_sub(&queue->files->open_count, 1);
    queue->fd = -1;
}

/* The file was used, and will be again if there are descriptors to spare. Under file_lock. */
static void let_go_of_file(struct consume_queue *queue)
{
    if (atomic_load(&queue->files->open_count) > QUEUE_FILES_OPEN_MAX)
        close_fd(queue);
}

/* Makes queue->fd the file that holds place. Under file_lock. */
static int use_file(struct consume_queue *queue, int64_t place, bool create)
{
    int64_t file = file_of(queue, place);
    if (queue->fd >= 0 && queue->fd_file == file)
        return 0;
    close_fd(queue);
    char path[DISK_PATH_MAX];
    disk_numbered_path(path, queue->dir, file);
    bool is_new = create && !disk_exists(path);
    int err = is_new ? disk_make_dirs(queue->dir) : 0;
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

/* Entries of one file, place .. +count. Under file_lock. */
static int read_file(struct consume_queue *queue, int64_t place, int count, bool may_block,
                     struct store_queue_entry *entries)
{
    uint8_t bytes[1024 * BCQ_ENTRY_BYTES];
    assert(count > 0);
    assert((size_t)count <= sizeof bytes / BCQ_ENTRY_BYTES);
    int err = use_file(queue, place, false);
    if (err != 0)
        return err;
    int64_t at = place * queue->entry_bytes - queue->fd_file;
    assert(at >= 0);
    assert(at + (int64_t)count * queue->entry_bytes <= queue->file_bytes);
    err = disk_read(queue->fd, queue->dir, bytes, (size_t)count * entry_size(queue), at, may_block);
    if (err != 0)
        return err;
    for (int i = 0; i < count; i++)
        entries[i] = get_entry(queue, bytes + i * queue->entry_bytes, place + i);
    return 0;
}

/* Zeroes the rest of the file that holds place, when anything stands there, and brings that
 * to the disk: nobody writes there for a while, and what comes back after a loss of power would be
 * taken for entries. */
static int zero_from(struct consume_queue *queue, int64_t place)
{
    static const uint8_t zeros[32768];
    uint8_t bytes[sizeof zeros];
    int err = use_file(queue, place, false);
    if (err != 0)
        return err == ERR_NOT_FOUND ? 0 : err;
    int64_t from = place * queue->entry_bytes - queue->fd_file;
    assert(from >= 0);
    assert(from < queue->file_bytes);
    bool is_zero = true;
    for (int64_t at = from; err == 0 && is_zero && at < queue->file_bytes;) {
        int64_t left = queue->file_bytes - at;
        size_t len = left < (int64_t)sizeof bytes ? (size_t)left : sizeof bytes;
        err = disk_read(queue->fd, queue->dir, bytes, len, at, true);
        is_zero = memcmp(bytes, zeros, len) == 0;
        at += (int64_t)len;
    }
    if (err == 0 && !is_zero)
        err = disk_zero(queue->fd, queue->dir, from, queue->file_bytes - from);
    if (err == 0 && !is_zero)
        err = disk_sync(queue->fd, queue->dir);
    return err;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* The first entry in [from, upto) that `is_before` does not hold for, by bisection. */
static int bisect(struct consume_queue *queue, int64_t from, int64_t upto,
                  bool (*is_before)(const struct store_queue_entry *entry, int64_t bound),
                  int64_t bound, int64_t *found)
{
    assert(from >= 0);
    assert(from <= upto);
    while (from < upto) {
        int64_t middle = from + (upto - from) / 2;
        struct store_queue_entry entry;
        int err = read_file(queue, middle, 1, true, &entry);
        if (err != 0)
            return err;
        if (is_before(&entry, bound))
            from = middle + 1;
        else
            upto = middle;
    }
    *found = from;
    return 0;
}

static bool entry_is_written(const struct store_queue_entry *entry, int64_t bound)
{
    (void)bound;
    return is_written(entry);
}

static bool entry_is_below(const struct store_queue_entry *entry, int64_t log_min)
{
    /* Zeros in between are newer entries that a loss of power took. */
    return is_filler(entry) || (is_written(entry) && entry->phy_offset < log_min);
}

/* 1 when the entry leads to the record that belongs there, 0 when not, or an error. What the log
 * cannot show any more (below its start) is taken for good. */
static int leads_to_its_record(const struct consume_queue *queue,
                               const struct store_queue_entry *entry, struct log_reader *reader)
{
    const struct commit_log *log = reader->log;
    if (is_filler(entry) || entry->phy_offset < commit_log_min(log))
        return 1;
    if (entry->phy_offset > commit_log_max(log) - entry->bytes)
        return 0;
    struct record record;
    int err = log_reader_record(reader, entry->phy_offset, RECORD_CHECK_LENGTHS, &record);
    if (err == ERR_IO)
        return err;
    return err == 0 && record.total_bytes == entry->bytes && record.queue_id == queue->queue_id &&
           record.queue_offset == entry->queue_offset && slice_eq(record.topic, queue->topic);
}

/* An entry that leads below the log cannot be compared with its record: with the entry before it.
 */
static int follows_on_entry(struct consume_queue *queue, int64_t place,
                            const struct store_queue_entry *entry)
{
    struct store_queue_entry before;
    int err = read_file(queue, place, 1, true, &before);
    return err != 0 ? err : !is_written(&before) || are_in_order(&before, entry);
}

static int drop_misfits(struct consume_queue *queue, int64_t first, int64_t *end,
                        struct commit_log *log)
{
    int64_t found = *end;
    struct log_reader reader;
    int fits = 0;
    log_reader_init(&reader, log);
    for (; *end > first && fits == 0; *end -= fits == 0) {
        struct store_queue_entry entry;
        fits = read_file(queue, *end - 1, 1, true, &entry);
        if (fits == 0)
            fits = leads_to_its_record(queue, &entry, &reader);
        if (fits == 1 && entry.phy_offset < commit_log_min(log) && *end - 1 > first)
            fits = follows_on_entry(queue, *end - 2, &entry);
    }
    log_reader_fini(&reader);
    if (fits >= 0 && *end != found)
        log_warn("consume_queue_stale_entries_dropped topic=%.*s queue=%d from=%lld count=%lld",
                 SLICE_FMT(queue->topic), queue->queue_id, (long long)*end,
                 (long long)(found - *end));
    return fits < 0 ? fits : 0;
}

enum { PROBES = 8 }; /* entries looked at beyond what bisection found */

/* The end of the entries in [from, upto). One entry that a flipped bit made look unwritten must not
 * hide those behind it. */
static int find_end(struct consume_queue *queue, int64_t from, int64_t upto, int64_t *end)
{
    for (;;) {
        int64_t next = -1;
        int err = bisect(queue, from, upto, entry_is_written, 0, end);
        for (int64_t at = *end + 1; err == 0 && at < upto && at <= *end + PROBES; at++) {
            struct store_queue_entry entry;
            err = read_file(queue, at, 1, true, &entry);
            if (err == 0 && is_written(&entry))
                next = at;
        }
        if (err != 0 || next < 0)
            return err;
        from = next;
    }
}

/* The first entry in [from, upto) that leads into the log; the same for one that seems not to. */
static int find_min(struct consume_queue *queue, int64_t from, int64_t upto, int64_t log_min,
                    int64_t *min)
{
    for (;;) {
        int64_t before = -1;
        int err = bisect(queue, from, upto, entry_is_below, log_min, min);
        for (int64_t at = *min - 2; err == 0 && at >= from && at >= *min - PROBES; at--) {
            struct store_queue_entry entry;
            err = read_file(queue, at, 1, true, &entry);
            if (err == 0 && !entry_is_below(&entry, log_min))
                before = at;
        }
        if (err != 0 || before < 0)
            return err;
        upto = before;
    }
}

/* ---- where a batch queue begins and ends, in queue offsets ------------------------------------
 */

static int read_one(struct consume_queue *queue, int64_t place, struct store_queue_entry *entry);

/* After min or max moved other than by an append. Under both locks, or while opening. */
static int note_batch_bounds(struct consume_queue *queue)
{
    struct store_queue_entry entry;
    int64_t min = atomic_load(&queue->min);
    int64_t max = atomic_load(&queue->max);
    int err = 0;
    if (!queue->is_batch)
        return 0;
    int64_t next = 0;
    if (max > 0) {
        err = read_one(queue, max - 1, &entry);
        next = err == 0 ? entry.queue_offset + entry.count : atomic_load(&queue->next_offset);
    }
    int64_t first = max > 0 ? next : -1;
    if (err == 0 && min < max) {
        err = read_one(queue, min, &entry);
        first = entry.queue_offset;
    }
    if (err != 0)
        return err == ERR_NOT_FOUND ? 0 : err;
    atomic_store(&queue->first_offset, first);
    atomic_store(&queue->next_offset, next);
    return 0;
}

/* Finds min and max in the files listed. */
static int find_bounds(struct consume_queue *queue, const int64_t *files, int count,
                       bool may_have_ghosts, struct commit_log *log)
{
    int64_t first = files[0] / queue->entry_bytes;
    int64_t end = first;
    int err = 0;
    for (int i = count - 1; i >= 0 && end == first && err == 0; i--) {
        int64_t from = files[i] / queue->entry_bytes;
        int64_t upto = from + entries_per_file(queue);
        err = find_end(queue, from, upto, &end);
        if (err == 0 && may_have_ghosts)
            err = drop_misfits(queue, from, &end, log);
        /* Also what lies behind a hole that a loss of power left. */
        if (err == 0 && may_have_ghosts && end < upto)
            err = zero_from(queue, end);
        if (end == from && i > 0)
            end = first; /* an empty file: the end is in an earlier one */
    }
    int64_t min = first;
    if (err == 0 && end > first) {
        int64_t upto = first + entries_per_file(queue);
        err = find_min(queue, first, upto < end ? upto : end, commit_log_min(log), &min);
    }
    assert(first <= min);
    assert(min <= end || err != 0);
    atomic_store(&queue->min, min);
    atomic_store(&queue->max, end);
    queue->written = end;
    queue->synced = end;
    return err;
}

int64_t consume_queue_min(const struct consume_queue *queue)
{
    return atomic_load(queue->is_batch ? &queue->first_offset : &queue->min);
}

int64_t consume_queue_max(const struct consume_queue *queue)
{
    return atomic_load_explicit(queue->is_batch ? &queue->next_offset : &queue->max,
                                memory_order_acquire);
}

static int check_sizes(const struct consume_queue *queue, const int64_t *files, int *count)
{
    for (int i = 0; i < *count; i++) {
        char path[DISK_PATH_MAX];
        int64_t bytes;
        disk_numbered_path(path, queue->dir, files[i]);
        int err = disk_size(path, &bytes);
        if (err != 0)
            return err;
        if (bytes == 0 && i == *count - 1) { /* the process died while making it */
            (*count)--;
            return disk_remove(path);
        }
        if (bytes != queue->file_bytes || files[i] % queue->file_bytes != 0) {
            log_error("consume_queue_file_unfit path=%s bytes=%lld expected=%lld", path,
                      (long long)bytes, (long long)queue->file_bytes);
            return ERR_CORRUPT;
        }
    }
    return 0;
}

int consume_queue_open(const char *dir, struct slice topic, int32_t queue_id, bool is_batch,
                       int64_t file_bytes, struct commit_log *log, struct queue_files *shared,
                       bool may_have_ghosts, struct consume_queue **opened)
{
    assert(topic.len > 0);
    assert(queue_id >= 0);
    assert(file_bytes > 0);
    assert(file_bytes % (is_batch ? BCQ_ENTRY_BYTES : CQ_ENTRY_BYTES) == 0);
    struct consume_queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL)
        return ERR_NO_MEMORY;
    queue->topic = topic;
    queue->queue_id = queue_id;
    queue->is_batch = is_batch;
    queue->entry_bytes = is_batch ? BCQ_ENTRY_BYTES : CQ_ENTRY_BYTES;
    queue->file_bytes = file_bytes;
    queue->first_offset = -1;
    queue->files = shared;
    queue->dir = strdup(dir);
    queue->fd = -1;
    pthread_mutex_init(&queue->file_lock, NULL);
    pthread_mutex_init(&queue->lock, NULL);
    list_init(&queue->unsynced_link);
    int64_t *files = NULL;
    int count = 0;
    int err = queue->dir == NULL ? ERR_NO_MEMORY : disk_list_numbers(dir, &files, &count);
    if (err == 0)
        err = check_sizes(queue, files, &count);
    if (err == 0 && count > 0)
        err = find_bounds(queue, files, count, may_have_ghosts, log);
    if (err == 0)
        err = note_batch_bounds(queue);
    free(files);
    if (err != 0) {
        consume_queue_free(queue);
        return err;
    }
    let_go_of_file(queue);
    *opened = queue;
    return 0;
}

void consume_queue_free(struct consume_queue *queue)
{
    close_fd(queue);
    pthread_mutex_destroy(&queue->lock);
    pthread_mutex_destroy(&queue->file_lock);
    free(queue->tail);
    free(queue->dir);
    free(queue);
}

/* ---- append ---------------------------------------------------------------------------------- */

/* Under the lock. */
static void tail_add(struct consume_queue *queue, const struct store_queue_entry *entry)
{
    if (queue->tail_count == queue->tail_cap) {
        size_t cap = queue->tail_cap == 0 ? TAIL_COUNT_LEAST : queue->tail_cap * 2;
        uint8_t *tail = realloc(queue->tail, cap * entry_size(queue));
        if (tail == NULL)
            abort();
        queue->tail = tail;
        queue->tail_cap = cap;
    }
    assert(queue->tail_count < queue->tail_cap);
    uint8_t *at = queue->tail + queue->tail_count * entry_size(queue);
    if (queue->tail_count > 0) {
        const struct store_queue_entry before = get_entry(queue, at - queue->entry_bytes, 0);
        assert(are_in_order(&before, entry));
    }
    put_entry(queue, at, entry);
    queue->tail_count++;
}

/* The bounds move under the lock, since retention moves them too. */
bool consume_queue_append(struct consume_queue *queue, const struct store_queue_entry *entry)
{
    pthread_mutex_lock(&queue->lock);
    tail_add(queue, entry);
    int64_t max = queue->written + (int64_t)queue->tail_count;
    assert(max > atomic_load_explicit(&queue->max, memory_order_relaxed));
    if (queue->is_batch && max - atomic_load(&queue->min) == 1)
        atomic_store(&queue->first_offset, entry->queue_offset);
    atomic_store_explicit(&queue->max, max, memory_order_release);
    if (queue->is_batch)
        atomic_store_explicit(&queue->next_offset, entry->queue_offset + entry->count,
                              memory_order_release);
    pthread_mutex_unlock(&queue->lock);
    return !atomic_exchange(&queue->is_dirty, true);
}

static void lock_both(struct consume_queue *queue)
{
    pthread_mutex_lock(&queue->file_lock);
    pthread_mutex_lock(&queue->lock);
}

static void unlock_both(struct consume_queue *queue)
{
    pthread_mutex_unlock(&queue->lock);
    let_go_of_file(queue);
    pthread_mutex_unlock(&queue->file_lock);
}

/* Drops every entry from place on. Under both locks. */
static int cut_at(struct consume_queue *queue, int64_t place)
{
    assert(is_held(&queue->file_lock));
    assert(is_held(&queue->lock));
    assert(place >= 0);
    if (place >= queue->written) {
        assert((size_t)(place - queue->written) <= queue->tail_count);
        queue->tail_count = (size_t)(place - queue->written);
    } else {
        int err = zero_from(queue, place);
        if (err != 0)
            return err;
        queue->tail_count = 0;
        queue->written = place;
        if (queue->synced > place)
            queue->synced = place;
    }
    assert(queue->written + (int64_t)queue->tail_count == place);
    atomic_store(&queue->max, place);
    if (atomic_load(&queue->min) > place)
        atomic_store(&queue->min, place);
    return note_batch_bounds(queue);
}

/* Under both locks, or while opening; place < max. */
static int read_one(struct consume_queue *queue, int64_t place, struct store_queue_entry *entry)
{
    assert(place >= 0);
    if (place < queue->written)
        return read_file(queue, place, 1, true, entry);
    assert((size_t)(place - queue->written) < queue->tail_count);
    *entry =
        get_entry(queue, queue->tail + (size_t)(place - queue->written) * entry_size(queue), place);
    assert(is_written(entry));
    return 0;
}

/* The log has none of the queue's records any more. Under both locks. */
static bool is_all_below(struct consume_queue *queue, int64_t log_min)
{
    struct store_queue_entry last;
    int64_t max = atomic_load(&queue->max);
    return max <= atomic_load(&queue->min) ||
           (read_one(queue, max - 1, &last) == 0 && entry_is_below(&last, log_min));
}

/* False: no queue is that long; the number in the record is damaged. Under both locks. */
static bool fill_gap(struct consume_queue *queue, int64_t place, int64_t log_min)
{
    assert(is_held(&queue->file_lock));
    assert(is_held(&queue->lock));
    const struct store_queue_entry filler = { .bytes = CQ_FILLER_LENGTH };
    assert(!queue->is_batch);
    int64_t max = atomic_load(&queue->max);
    if (place > PLACE_MOST || (max > 0 && place - max > GAP_MOST)) {
        log_error("queue_offset_beyond_reason topic=%.*s queue=%d queue_offset=%lld max=%lld",
                  SLICE_FMT(queue->topic), queue->queue_id, (long long)place, (long long)max);
        return false;
    }
    assert(place > max);
    if (max == 0) { /* its first files have expired: it starts in the middle of a file */
        assert(queue->tail_count == 0);
        queue->written = file_of(queue, place) / queue->entry_bytes;
        queue->synced = queue->written;
        atomic_store(&queue->min, place);
    } else if (is_all_below(queue, log_min)) { /* so is what the gap stands for */
        atomic_store(&queue->min, place);
    } else {
        log_warn("consume_queue_gap_filled topic=%.*s queue=%d from=%lld to=%lld",
                 SLICE_FMT(queue->topic), queue->queue_id, (long long)max, (long long)place);
    }
    while (queue->written + (int64_t)queue->tail_count < place)
        tail_add(queue, &filler);
    assert(queue->written + (int64_t)queue->tail_count == place);
    return true;
}

/* The place of the entry that holds queue_offset, or of the first behind it; where the queue ends
 * when there is none. Under both locks. */
static int find_place(struct consume_queue *queue, int64_t queue_offset, int64_t *place)
{
    int64_t from = atomic_load(&queue->min);
    int64_t upto = atomic_load(&queue->max);
    *place = queue_offset;
    if (!queue->is_batch)
        return 0;
    while (from < upto) {
        int64_t middle = from + (upto - from) / 2;
        struct store_queue_entry entry;
        int err = read_one(queue, middle, &entry);
        if (err != 0)
            return err;
        if (entry.queue_offset + entry.count <= queue_offset)
            from = middle + 1;
        else
            upto = middle;
    }
    *place = from;
    return 0;
}

static bool are_equal(const struct store_queue_entry *a, const struct store_queue_entry *b)
{
    return a->phy_offset == b->phy_offset && a->bytes == b->bytes && a->tags_code == b->tags_code &&
           a->queue_offset == b->queue_offset && a->count == b->count;
}

/* What stands in the place of a record: 1 when it may stay, 0 when it is to be dropped, or ERR_IO.
 * Another record that names the place too stays: one of the two is damaged, and the queue keeps
 * what it has. Under both locks. */
static int may_stay(struct consume_queue *queue, int64_t place,
                    const struct store_queue_entry *entry, struct log_reader *reader)
{
    struct store_queue_entry there;
    int err = read_one(queue, place, &there);
    if (err != 0)
        return err == ERR_NOT_FOUND ? 0 : err;
    if (there.phy_offset == entry->phy_offset)
        return are_equal(&there, entry);
    /* Half of an entry, torn at a sector's end, may look as if it led below the log. */
    if (is_filler(&there) || !is_written(&there) || there.phy_offset < commit_log_min(reader->log))
        return 0;
    int fits = leads_to_its_record(queue, &there, reader);
    if (fits == 1)
        log_error("queue_offset_claimed_twice topic=%.*s queue=%d queue_offset=%lld "
                  "phy_offset=%lld",
                  SLICE_FMT(queue->topic), queue->queue_id, (long long)there.queue_offset,
                  (long long)there.phy_offset);
    return fits;
}

/* Makes the queue end where the entry belongs. 1: it does; 0: the entry is there already, or cannot
 * be. Under both locks. */
static int make_place(struct consume_queue *queue, const struct store_queue_entry *entry,
                      struct log_reader *reader)
{
    int64_t max = atomic_load(&queue->max);
    int64_t place;
    int stays = 0;
    int err = find_place(queue, entry->queue_offset, &place);
    if (err != 0)
        return err;
    if (place < max && place >= atomic_load(&queue->min))
        stays = may_stay(queue, place, entry, reader);
    if (stays != 0)
        return stays < 0 ? stays : 0;
    if (place > max)
        return fill_gap(queue, place, commit_log_min(reader->log));
    err = place < max ? cut_at(queue, place) : 0;
    return err != 0 ? err : 1;
}

int consume_queue_place(struct consume_queue *queue, const struct store_queue_entry *entry,
                        struct log_reader *reader)
{
    struct store_queue_entry wanted = *entry;
    if (entry->queue_offset < 0) /* damaged, as in fill_gap() */
        return 0;
    if (!queue->is_batch) /* an inner batch that came to a simple queue is one message there */
        wanted.count = 1;
    lock_both(queue);
    int is_made = make_place(queue, &wanted, reader);
    unlock_both(queue);
    return is_made == 1 ? consume_queue_append(queue, entry) : is_made;
}

int consume_queue_rewrite(struct consume_queue *queue, int64_t queue_offset)
{
    uint8_t bytes[BCQ_ENTRY_BYTES];
    struct store_queue_entry entry;
    int64_t place;
    lock_both(queue);
    int err = find_place(queue, queue_offset, &place);
    if (err == 0 && !queue->is_deleted && place >= atomic_load(&queue->min) &&
        place < queue->written) {
        err = read_file(queue, place, 1, true, &entry);
        if (err == 0 && is_written(&entry)) {
            put_entry(queue, bytes, &entry);
            err = disk_write(queue->fd, queue->dir, bytes, entry_size(queue),
                             place * queue->entry_bytes - queue->fd_file);
            queue->synced = place < queue->synced ? place : queue->synced;
        }
        queue->has_new_names = true;
    }
    unlock_both(queue);
    return err == ERR_NOT_FOUND ? 0 : err; /* the file has expired */
}

/* Under both locks. */
static int mend_entry(struct consume_queue *queue, int64_t place,
                      const struct store_queue_entry *entry, struct log_reader *reader)
{
    uint8_t bytes[BCQ_ENTRY_BYTES];
    struct store_queue_entry there;
    int err = read_file(queue, place, 1, true, &there);
    if (err != 0)
        return err == ERR_NOT_FOUND ? 0 : err;
    if (are_equal(&there, entry) || is_filler(&there) ||
        (there.phy_offset != entry->phy_offset && is_written(&there) &&
         leads_to_its_record(queue, &there, reader) != 0))
        return 0;
    log_error("consume_queue_entry_mended topic=%.*s queue=%d queue_offset=%lld phy_offset=%lld",
              SLICE_FMT(queue->topic), queue->queue_id, (long long)entry->queue_offset,
              (long long)entry->phy_offset);
    put_entry(queue, bytes, entry);
    err = use_file(queue, place, false);
    if (err == 0)
        err = disk_write(queue->fd, queue->dir, bytes, entry_size(queue),
                         place * queue->entry_bytes - queue->fd_file);
    return err != 0 ? err : 1;
}

int consume_queue_mend(struct consume_queue *queue, const struct store_queue_entry *entry,
                       struct log_reader *reader)
{
    struct store_queue_entry wanted = *entry;
    int64_t place;
    if (!queue->is_batch)
        wanted.count = 1;
    lock_both(queue);
    int mended = find_place(queue, entry->queue_offset, &place);
    if (mended == 0 && !queue->is_deleted && place >= atomic_load(&queue->min) &&
        place < queue->written)
        mended = mend_entry(queue, place, &wanted, reader);
    unlock_both(queue);
    return mended;
}

int consume_queue_cut(struct consume_queue *queue, int64_t log_end)
{
    assert(log_end >= 0);
    lock_both(queue);
    int64_t end = atomic_load(&queue->max);
    int64_t min = atomic_load(&queue->min);
    int err = 0;
    for (; end > min; end--) {
        struct store_queue_entry entry;
        err = read_one(queue, end - 1, &entry);
        if (err != 0)
            break;
        bool is_hole = !is_written(&entry); /* of what a loss of power took */
        if (is_filler(&entry) || (!is_hole && entry.phy_offset <= log_end - entry.bytes))
            break;
    }
    assert(end >= min);
    if (err == 0 && end < atomic_load(&queue->max))
        err = cut_at(queue, end);
    unlock_both(queue);
    return err;
}

/* ---- read --------------------------------------------------------------------------------------
 */

/* Entries of the tail; none when place is below it. Returns where the tail begins. */
static int64_t read_tail(struct consume_queue *queue, int64_t place, int count,
                         struct store_queue_entry *entries, int *got)
{
    *got = 0;
    pthread_mutex_lock(&queue->lock);
    int64_t written = queue->written;
    int64_t max = written + (int64_t)queue->tail_count;
    for (; place >= written && place < max && *got < count; place++) {
        size_t at = (size_t)(place - written) * entry_size(queue);
        entries[(*got)++] = get_entry(queue, queue->tail + at, place);
        assert(is_written(&entries[*got - 1]));
    }
    assert(*got <= count);
    pthread_mutex_unlock(&queue->lock);
    return written;
}

/* Entries of one file, at most up to `written`. */
static int read_written(struct consume_queue *queue, int64_t place, int64_t written, int count,
                        bool may_block, struct store_queue_entry *entries, int *got)
{
    assert(place < written);
    assert(count > 0);
    int64_t upto = file_of(queue, place) / queue->entry_bytes + entries_per_file(queue);
    upto = upto < written ? upto : written;
    *got = upto - place < count ? (int)(upto - place) : count;
    assert(*got > 0);
    /* Who holds file_lock may be waiting for the disk. */
    if (may_block)
        pthread_mutex_lock(&queue->file_lock);
    else if (pthread_mutex_trylock(&queue->file_lock) != 0)
        return ERR_WOULD_BLOCK;
    int err = read_file(queue, place, *got, may_block, entries);
    let_go_of_file(queue);
    pthread_mutex_unlock(&queue->file_lock);
    return err;
}

static int read_places(struct consume_queue *queue, int64_t place, int count, bool may_block,
                       struct store_queue_entry *entries, int *got)
{
    *got = 0;
    while (*got < count) {
        int n;
        int64_t at = place + *got;
        int64_t written = read_tail(queue, at, count - *got, entries + *got, &n);
        if (at < written) {
            int err = read_written(queue, at, written, count - *got, may_block, entries + *got, &n);
            if (err != 0)
                return *got > 0 ? 0 : err;
        }
        if (n == 0)
            return 0;
        *got += n;
        assert(*got <= count);
    }
    return 0;
}

/* As find_place(), but for a reader, who holds no lock and may be unable to wait. */
static int seek_from(struct consume_queue *queue, int64_t queue_offset, bool may_block,
                     int64_t from, int64_t *place)
{
    int64_t upto = atomic_load_explicit(&queue->max, memory_order_acquire);
    while (from < upto) {
        int64_t middle = from + (upto - from) / 2;
        struct store_queue_entry entry;
        int got;
        int err = read_places(queue, middle, 1, may_block, &entry, &got);
        if (err != 0 || got == 0)
            return err != 0 ? err : ERR_NOT_FOUND;
        if (entry.queue_offset + entry.count <= queue_offset)
            from = middle + 1;
        else
            upto = middle;
    }
    *place = from;
    return 0;
}

static int seek(struct consume_queue *queue, int64_t queue_offset, bool may_block, int64_t *place)
{
    *place = queue_offset;
    if (!queue->is_batch)
        return 0;
    for (;;) {
        int64_t min = atomic_load(&queue->min);
        int err = seek_from(queue, queue_offset, may_block, min, place);
        if (err != ERR_NOT_FOUND || atomic_load(&queue->min) == min)
            return err;
        /* files have expired under us */
    }
}

int consume_queue_read(struct consume_queue *queue, int64_t queue_offset, int count, bool may_block,
                       struct store_queue_entry *entries, int *got)
{
    int64_t place;
    *got = 0;
    int err = seek(queue, queue_offset, may_block, &place);
    return err != 0 ? err : read_places(queue, place, count, may_block, entries, got);
}

int64_t consume_queue_reach(struct consume_queue *queue)
{
    struct store_queue_entry last;
    int got = 0;
    int64_t max = atomic_load(&queue->max);
    if (max == atomic_load(&queue->min) || read_places(queue, max - 1, 1, true, &last, &got) != 0 ||
        got == 0)
        return 0;
    bool leads_somewhere = is_written(&last) && !is_filler(&last);
    return leads_somewhere && last.phy_offset <= INT64_MAX - last.bytes
               ? last.phy_offset + last.bytes
               : 0;
}

/* ---- flusher -----------------------------------------------------------------------------------
 */

/* Under file_lock. */
static int write_run(struct consume_queue *queue, int64_t place, struct slice entries)
{
    assert(is_held(&queue->file_lock));
    assert(entries.len % entry_size(queue) == 0);
    while (entries.len > 0) {
        int err = use_file(queue, place, true);
        if (err != 0)
            return err;
        int64_t at = place * queue->entry_bytes - queue->fd_file;
        size_t room = (size_t)(queue->file_bytes - at);
        size_t n = entries.len < room ? entries.len : room;
        assert(n > 0);
        assert(n % entry_size(queue) == 0);
        err = disk_write(queue->fd, queue->dir, entries.data, n, at);
        if (err != 0)
            return err;
        entries = slice_from(entries, n);
        place += (int64_t)(n / entry_size(queue));
    }
    return 0;
}

int consume_queue_write(struct consume_queue *queue, struct buf *scratch)
{
    atomic_store(&queue->is_dirty, false);
    pthread_mutex_lock(&queue->lock);
    buf_clear(scratch);
    buf_append(scratch, queue->tail, queue->tail_count * entry_size(queue));
    int64_t from = queue->written;
    pthread_mutex_unlock(&queue->lock);
    pthread_mutex_lock(&queue->file_lock);
    int err = queue->is_deleted ? 0 : write_run(queue, from, buf_slice(scratch));
    let_go_of_file(queue);
    pthread_mutex_unlock(&queue->file_lock);
    if (err != 0)
        return err;
    size_t count = scratch->len / entry_size(queue);
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
        memmove(queue->tail, queue->tail + count * entry_size(queue),
                queue->tail_count * entry_size(queue));
    }
    pthread_mutex_unlock(&queue->lock);
    return 0;
}

/* The file that holds place, with a descriptor of its own: -1 when it is gone. */
static int open_for_sync(struct consume_queue *queue, int64_t place, int *fd)
{
    *fd = -1;
    pthread_mutex_lock(&queue->file_lock);
    int err = queue->is_deleted ? ERR_NOT_FOUND : use_file(queue, place, false);
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
    int err = disk_sync_dirs(queue->dir, 2); /* of the topic, of all queues */
    return err == ERR_NOT_FOUND ? 0 : err;   /* deleted meanwhile */
}

void consume_queue_start_sync(struct consume_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    int64_t written = queue->written;
    pthread_mutex_unlock(&queue->lock);
    pthread_mutex_lock(&queue->file_lock);
    if (queue->synced < written && !queue->is_deleted &&
        use_file(queue, queue->synced, false) == 0) {
        int64_t at = queue->synced * CQ_ENTRY_BYTES - queue->fd_file;
        int64_t bytes = (written - queue->synced) * CQ_ENTRY_BYTES;
        int64_t room = queue->file_bytes - at;
        disk_start_write_back(queue->fd, at, bytes < room ? bytes : room);
    }
    let_go_of_file(queue);
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
            err = disk_sync(fd, queue->dir);
            disk_close(fd);
            atomic_fetch_sub(&queue->files->open_count, 1);
        }
        if (err != 0)
            return err;
        int64_t file_end =
            file_of(queue, queue->synced) / queue->entry_bytes + entries_per_file(queue);
        assert(file_end > queue->synced);
        queue->synced = file_end < written ? file_end : written;
    }
    assert(queue->synced == written);
    return 0;
}

/* The first place whose record is at log_min or behind, and how many files lie below it whole; the
 * last one never does. Under file_lock. */
static int64_t find_start(struct consume_queue *queue, const int64_t *files, int count,
                          int64_t written, int64_t log_min, int *whole)
{
    int64_t min = atomic_load(&queue->min);
    for (*whole = 0; *whole < count; ++*whole) {
        int64_t from = files[*whole] / queue->entry_bytes;
        int64_t upto = from + entries_per_file(queue);
        int64_t found;
        if (upto > written)
            upto = written;
        if (from >= upto || bisect(queue, from, upto, entry_is_below, log_min, &found) != 0)
            break;
        min = found > min ? found : min;
        if (found != from + entries_per_file(queue) || *whole == count - 1)
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
    if (note_batch_bounds(queue) != 0)
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
    if (disk_list_numbers(queue->dir, &files, &count) != 0)
        return;
    pthread_mutex_lock(&queue->lock);
    int64_t written = queue->written;
    pthread_mutex_unlock(&queue->lock);
    pthread_mutex_lock(&queue->file_lock);
    move_min(queue, find_start(queue, files, count, written, log_min, &whole));
    for (int i = 0; i < whole; i++) {
        char path[DISK_PATH_MAX];
        close_fd(queue);
        disk_numbered_path(path, queue->dir, files[i]);
        disk_remove_in_slices(path);
        atomic_fetch_sub(&queue->files->count, 1);
    }
    let_go_of_file(queue);
    pthread_mutex_unlock(&queue->file_lock);
    free(files);
}
