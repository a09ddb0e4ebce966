/* consume_queue_open.c - where a queue begins and ends, found in its files when it is opened.
 *
 * The files are zero behind the end, which is looked for by bisection; the last entries are
 * compared with the records they lead to where there may be entries behind the true end
 * (consume_queue.c).
 */
#include <stdlib.h>

#include "base/log.h"
#include "store/consume_queue_internal.h"
#include "wire/multi_dispatch.h"
#include "wire/properties.h"

int queue_entry_leads_home(const struct consume_queue *queue, const struct store_queue_entry *entry,
                           struct log_reader *reader)
{
    const struct commit_log *log = reader->log;
    if (!queue_entry_is_written(entry))
        return 0;
    if (queue_entry_is_filler(entry) || entry->phy_offset < commit_log_min(log))
        return 1;
    if (entry->phy_offset > commit_log_max(log) - entry->bytes)
        return 0;
    struct record record;
    int err = log_reader_record(reader, entry->phy_offset, RECORD_CHECK_LENGTHS, &record);
    if (err == ERR_IO)
        return err;
    return err == 0 && record.total_bytes == entry->bytes &&
           consume_queue_place_of(queue, &record) == entry->queue_offset;
}

int32_t consume_queue_count_of(const struct record *record)
{
    int32_t count;
    if ((record->sys_flag & SYS_FLAG_INNER_BATCH) == 0 ||
        !slice_to_i32(property_get(record->properties, SLICE(PROPERTY_INNER_NUM)), &count) ||
        count < 1 || count > INT16_MAX)
        return 1;
    return count;
}

bool consume_queue_agrees_with_itself(const struct record *record)
{
    int64_t base;
    return (record->sys_flag & SYS_FLAG_INNER_BATCH) == 0 ||
           (slice_to_i64(property_get(record->properties, SLICE(PROPERTY_INNER_BASE)), &base) &&
            base == record->queue_offset);
}

int64_t consume_queue_place_of(const struct consume_queue *queue, const struct record *record)
{
    if (record->queue_id == queue->queue_id && slice_eq(record->topic, consume_queue_topic(queue)))
        return record->queue_offset;
    return consume_queue_is_light(queue) ? multi_dispatch_offset(record->topic, record->properties,
                                                                 consume_queue_topic(queue))
                                         : -1;
}

/* An entry that leads below the log cannot be compared with its record: with the entry before it.
 * Nothing stands there: a hole that a loss of power left, and this is half of an entry, torn at a
 * sector's end. Entries of what has expired were on the disk long before. */
static int follows_on_entry(struct consume_queue *queue, int64_t place,
                            const struct store_queue_entry *entry)
{
    struct store_queue_entry before;
    int err = queue_file_read(queue, place, 1, true, &before);
    if (err != 0)
        return err;
    return queue_entry_is_taken(&before) &&
           (!queue_entry_is_written(&before) || queue_entries_are_in_order(&before, entry));
}

static int drop_misfits(struct consume_queue *queue, int64_t first, int64_t *end,
                        struct commit_log *log)
{
    int64_t found = *end;
    struct log_reader reader;
    int fits = 0;
    log_reader_init_jumping(&reader, log);
    for (; *end > first && fits == 0; *end -= fits == 0) {
        struct store_queue_entry entry;
        fits = queue_file_read(queue, *end - 1, 1, true, &entry);
        if (fits == 0)
            fits = queue_entry_leads_home(queue, &entry, &reader);
        if (fits == 1 && entry.phy_offset < commit_log_min(log) && *end - 1 > first)
            fits = follows_on_entry(queue, *end - 2, &entry);
    }
    log_reader_fini(&reader);
    if (fits >= 0 && *end != found)
        log_warn("consume_queue_stale_entries_dropped topic=%.*s queue=%d from=%lld count=%lld",
                 SLICE_FMT(consume_queue_topic(queue)), queue->queue_id, (long long)*end,
                 (long long)(found - *end));
    return fits < 0 ? fits : 0;
}

/* 1: the record of this entry, and with it those of all before, lies below doubtful_from. Half of
 * an entry, torn at a sector's end, may look as if it did. */
static int is_certain(struct consume_queue *queue, int64_t place, int64_t first,
                      const struct store_queue_entry *entry, int64_t doubtful_from,
                      struct log_reader *reader)
{
    if (entry->phy_offset >= doubtful_from)
        return 0;
    if (entry->phy_offset < commit_log_min(reader->log))
        return place > first ? follows_on_entry(queue, place - 1, entry) : 1;
    return queue_entry_leads_home(queue, entry, reader);
}

/* A loss of power may have taken entries and left those behind them, in a file before the last one
 * too. Bisection in a batch queue bears no hole: the queue ends in front of it, and what followed
 * is built again, for its records lie behind doubtful_from as that of the hole does. */
static int drop_behind_hole(struct consume_queue *queue, int64_t first, int64_t *end,
                            int64_t doubtful_from, struct commit_log *log)
{
    int64_t found = *end;
    struct log_reader reader;
    int is_over = 0;
    log_reader_init_jumping(&reader, log);
    for (int64_t place = found - 1; place >= first && is_over == 0; place--) {
        struct store_queue_entry entry;
        is_over = queue_file_read(queue, place, 1, true, &entry);
        if (is_over == 0 && !queue_entry_is_written(&entry))
            *end = place;
        else if (is_over == 0)
            is_over = is_certain(queue, place, first, &entry, doubtful_from, &reader);
    }
    log_reader_fini(&reader);
    if (is_over < 0 || *end == found)
        return is_over < 0 ? is_over : 0;
    log_warn("consume_queue_hole_found topic=%.*s queue=%d from=%lld count=%lld: built again",
             SLICE_FMT(consume_queue_topic(queue)), queue->queue_id, (long long)*end,
             (long long)(found - *end));
    return queue_files_zero(queue, *end, found);
}

enum { PROBES = 8 }; /* entries looked at beyond what bisection found */

/* The first place in [from, upto) that is not taken, by bisection. */
static int bisect_end(struct consume_queue *queue, int64_t from, int64_t upto, int64_t *end)
{
    assert(from >= 0);
    assert(from <= upto);
    while (from < upto) {
        int64_t middle = from + (upto - from) / 2;
        struct store_queue_entry entry;
        int err = queue_file_read(queue, middle, 1, true, &entry);
        if (err != 0)
            return err;
        if (queue_entry_is_taken(&entry))
            from = middle + 1;
        else
            upto = middle;
    }
    *end = from;
    return 0;
}

/* A place that nothing in the file lies at or behind: files are sparse, and reading where nothing
 * was written fills the page cache with zeros. upto, when the file system cannot tell. Under
 * file_lock. */
static int bound_data(struct consume_queue *queue, int64_t from, int64_t upto, int64_t *bound)
{
    enum { STEP_BYTES = 4096, STEPS_GROW = 4 };
    int64_t step = STEP_BYTES / queue->of->kind->entry_bytes + 1;
    int err = queue_file_use(queue, from, false);
    for (*bound = from + step; err == 0 && *bound < upto; step *= STEPS_GROW, *bound = from + step)
        if (disk_next_data(queue->file->fd, queue_file_pos(queue, *bound)) < 0)
            return 0;
    *bound = upto;
    return err;
}

/* As bisect_end(), which is believed when the file system says that nothing lies behind, and
 * the entries end in front of that. */
static int find_first_free(struct consume_queue *queue, int64_t from, int64_t upto, int64_t *end)
{
    int64_t bound = from;
    *end = from;
    int err = from < upto ? bound_data(queue, from, upto, &bound) : 0;
    if (err == 0)
        err = bisect_end(queue, from, bound, end);
    return err == 0 && *end == bound && bound < upto ? bisect_end(queue, bound, upto, end) : err;
}

/* The end of the entries in [from, upto). One that a flipped bit made look unwritten must not hide
 * those behind it, and one that a flipped bit made of nothing is none. */
static int find_end(struct consume_queue *queue, int64_t from, int64_t upto, int64_t *end)
{
    for (;;) {
        struct store_queue_entry beyond[PROBES];
        int64_t next = -1;
        int err = find_first_free(queue, from, upto, end);
        int64_t count = upto - *end - 1 < PROBES ? upto - *end - 1 : PROBES;
        if (err == 0 && count > 0)
            err = queue_file_read(queue, *end + 1, (int)count, true, beyond);
        for (int64_t i = 0; err == 0 && i < count; i++)
            if (queue_entry_is_taken(&beyond[i]))
                next = *end + 1 + i;
        if (err != 0 || next < 0)
            return err;
        from = next;
    }
}

int consume_queue_note_batch_bounds(struct consume_queue *queue)
{
    struct store_queue_entry entry;
    int64_t min = atomic_load(&queue->min);
    int64_t max = atomic_load(&queue->max);
    int err = 0;
    if (!consume_queue_is_batch(queue))
        return 0;
    struct batch_queue *batch = queue_as_batch(queue);
    int64_t next = 0;
    if (max > 0) {
        err = consume_queue_read_one(queue, max - 1, &entry);
        next = err == 0 ? entry.queue_offset + entry.count : atomic_load(&batch->next_offset);
    }
    int64_t first = max > 0 ? next : -1;
    if (err == 0 && min < max) {
        err = consume_queue_read_one(queue, min, &entry);
        first = entry.queue_offset;
    }
    if (err != 0)
        return err == ERR_NOT_FOUND ? 0 : err;
    atomic_store(&batch->first_offset, first);
    atomic_store(&batch->next_offset, next);
    return 0;
}

int queue_mend_batch_bound(struct consume_queue *queue, int64_t place, struct log_reader *reader)
{
    struct store_queue_entry entry;
    struct record record;
    int err = queue_file_read(queue, place, 1, true, &entry);
    if (err != 0)
        return err;
    if (entry.phy_offset < 0 ||
        log_reader_record(reader, entry.phy_offset, RECORD_CHECK_ALL, &record) != 0 ||
        consume_queue_place_of(queue, &record) < 0 || !consume_queue_agrees_with_itself(&record))
        return 0;
    int32_t count = consume_queue_count_of(&record);
    if (entry.queue_offset == record.queue_offset && entry.count == count &&
        entry.bytes == record.total_bytes)
        return 0;
    log_error("consume_queue_entry_mended topic=%.*s queue=%d queue_offset=%lld phy_offset=%lld",
              SLICE_FMT(consume_queue_topic(queue)), queue->queue_id,
              (long long)record.queue_offset, (long long)entry.phy_offset);
    entry.bytes = record.total_bytes;
    entry.queue_offset = record.queue_offset;
    entry.count = count;
    return queue_file_write_entry(queue, place, &entry);
}

static int mend_batch_bounds(struct consume_queue *queue, struct commit_log *log)
{
    int64_t min = atomic_load(&queue->min);
    int64_t max = atomic_load(&queue->max);
    struct log_reader reader;
    if (!consume_queue_is_batch(queue) || min == max)
        return 0;
    log_reader_init_jumping(&reader, log);
    int err = queue_mend_batch_bound(queue, max - 1, &reader);
    if (err == 0)
        err = queue_mend_batch_bound(queue, min, &reader);
    log_reader_fini(&reader);
    return err == ERR_NOT_FOUND ? 0 : err;
}

/* The first entry that leads into the log; one behind the last, `end`, when there is none. */
static int find_start(struct consume_queue *queue, const int64_t *files, int count, int64_t end,
                      int64_t log_min, int64_t *min)
{
    int err = 0;
    /* More than the first file lies below the log when nobody came to remove them. */
    for (int i = 0; i < count && err == 0; i++) {
        int64_t from = files[i] / queue->of->kind->entry_bytes;
        int64_t upto = from + queue_file_places(queue);
        upto = upto < end ? upto : end;
        if (from >= end)
            break;
        err = queue_file_find_min(queue, from, upto, log_min, min);
        if (*min < upto)
            break;
    }
    return err;
}

/* Finds min and max in the files listed. */
static int find_bounds(struct consume_queue *queue, const int64_t *files, int count,
                       int64_t doubtful_from, struct commit_log *log)
{
    bool may_have_ghosts = doubtful_from != QUEUE_CERTAIN;
    int32_t entry_bytes = queue->of->kind->entry_bytes;
    int64_t first = files[0] / entry_bytes;
    int64_t end = first;
    int err = 0;
    for (int i = count - 1; i >= 0 && end == first && err == 0; i--) {
        int64_t from = files[i] / entry_bytes;
        int64_t upto = from + queue_file_places(queue);
        err = find_end(queue, from, upto, &end);
        if (err == 0 && may_have_ghosts)
            err = drop_misfits(queue, from, &end, log);
        /* Also what lies behind a hole that a loss of power left. */
        if (err == 0 && may_have_ghosts && end < upto)
            err = queue_file_zero_from(queue, end);
        if (end == from && i > 0)
            end = first; /* an empty file: the end is in an earlier one */
    }
    if (err == 0 && may_have_ghosts && consume_queue_is_batch(queue))
        err = drop_behind_hole(queue, first, &end, doubtful_from, log);
    int64_t min = first;
    if (err == 0)
        err = find_start(queue, files, count, end, commit_log_min(log), &min);
    assert(first <= min);
    assert(min <= end || err != 0);
    atomic_store(&queue->min, min);
    atomic_store(&queue->max, end);
    return err;
}

static int check_sizes(const struct consume_queue *queue, const char *dir, const int64_t *files,
                       int *count)
{
    for (int i = 0; i < *count; i++) {
        char path[DISK_PATH_MAX];
        int64_t bytes;
        disk_numbered_path(path, dir, files[i]);
        int err = disk_size(path, &bytes);
        if (err != 0)
            return err;
        if (bytes == 0 && i == *count - 1) { /* the process died while making it */
            (*count)--;
            return disk_remove(path);
        }
        if (bytes != queue->of->kind->file_bytes || files[i] % queue->of->kind->file_bytes != 0) {
            log_error("consume_queue_file_unfit path=%s bytes=%lld expected=%lld", path,
                      (long long)bytes, (long long)queue->of->kind->file_bytes);
            return ERR_CORRUPT;
        }
    }
    return 0;
}

/* Entries of a batch queue are found by bisection, which bears no hole: what follows on one is
 * built again. */
static int count_without_gap(const struct consume_queue *queue, const int64_t *files, int count)
{
    for (int i = 1; i < count; i++)
        if (files[i] != files[i - 1] + queue->of->kind->file_bytes)
            return i;
    return count;
}

static int find_in_files(struct consume_queue *queue, struct commit_log *log, int64_t doubtful_from)
{
    int64_t *files = NULL;
    int count = 0;
    char dir[DISK_PATH_MAX];
    consume_queue_dir(queue, dir);
    int err = disk_list_numbers(dir, &files, &count);
    if (err == 0)
        err = check_sizes(queue, dir, files, &count);
    if (err == 0 && consume_queue_is_batch(queue))
        count = count_without_gap(queue, files, count);
    if (err == 0 && count > 0)
        err = find_bounds(queue, files, count, doubtful_from, log);
    free(files);
    return err;
}

int consume_queue_open(struct queue_topic *of, int32_t queue_id, struct commit_log *log,
                       int64_t doubtful_from, struct consume_queue *queue)
{
    assert(of->kind->file_bytes > 0);
    assert(of->kind->file_bytes % of->kind->entry_bytes == 0);
    assert(queue_id >= 0 && queue_id <= UINT16_MAX);
    assert(queue->of == NULL);
    queue->of = of;
    queue->queue_id = (uint16_t)queue_id;
    if (of->kind->is_batch)
        atomic_store(&queue_as_batch(queue)->first_offset, -1);
    int err = find_in_files(queue, log, doubtful_from);
    if (err == 0)
        err = mend_batch_bounds(queue, log);
    if (err == 0)
        err = consume_queue_note_batch_bounds(queue);
    if (err == 0)
        queue_file_let_go(queue);
    else
        consume_queue_close(queue);
    return err;
}

void consume_queue_close(struct consume_queue *queue)
{
    bool is_batch = consume_queue_is_batch(queue);
    queue_file_close(queue);
    queue_tail_free(queue, queue->tail);
    memset(queue, 0, is_batch ? sizeof(struct batch_queue) : sizeof *queue);
}
