/* compaction_file.c - one pair of files: records, and the entries that lead to them.
 *
 * Entries are written one after the other, behind them zeros or an end mark; the entry comes after
 * its record. Only the last pair is ever in doubt: its entries are believed up to the first that
 * leads to no whole record.
 */
#include "store/compaction_internal.h"

#include <assert.h>
#include <string.h>

#include "base/crc.h"
#include "base/log.h"

struct compaction_sizes compaction_sizes_of(int64_t log_file_bytes, int64_t queue_file_bytes)
{
    int64_t queue_bytes = queue_file_bytes / BCQ_ENTRY_BYTES * BCQ_ENTRY_BYTES;
    assert(queue_bytes > 0 && log_file_bytes > 0);
    int64_t times = log_file_bytes / queue_bytes;
    int64_t rest = log_file_bytes % queue_bytes;
    if (times < 5)
        times = 5;
    else if (rest == 0 || rest >= queue_bytes / 2)
        times++;
    return (struct compaction_sizes){ times * queue_bytes, queue_bytes };
}

/* ---- entries --------------------------------------------------------------------------------- */

/* 0 says that there is none. */
static uint16_t sum_of(uint32_t crc)
{
    uint16_t sum = (uint16_t)(crc ^ (crc >> 16));
    return sum == 0 ? UINT16_MAX : sum;
}

uint16_t compaction_record_sum(uint32_t crc)
{
    return sum_of(crc);
}

void compaction_entry_guard(uint8_t *entry, uint16_t record_sum)
{
    assert(record_sum != 0);
    put_be16(entry + BCQ_RESERVED, sum_of(crc32_update(0, slice_of(entry, BCQ_RESERVED))));
    put_be16(entry + BCQ_RESERVED + 2, record_sum);
}

/* One half that is 0 may be a flipped bit of an entry that has no sums. */
static struct compaction_entry entry_get(const uint8_t *bytes)
{
    struct compaction_entry entry = { .at = batch_entry_get(bytes) };
    uint16_t sum = get_be16(bytes + BCQ_RESERVED);
    uint16_t record_sum = get_be16(bytes + BCQ_RESERVED + 2);
    if (sum == 0 || record_sum == 0)
        return entry;
    entry.record_sum = record_sum;
    entry.is_damaged = sum != sum_of(crc32_update(0, slice_of(bytes, BCQ_RESERVED)));
    return entry;
}

bool compaction_entry_agrees(const struct compaction_entry *entry, struct slice bytes)
{
    struct record record;
    return !entry->is_damaged && record_decode(bytes, RECORD_CHECK_BODY_CRC, &record) == 0 &&
           record.total_bytes == entry->at.bytes && record.phy_offset == entry->at.phy_offset &&
           record.queue_offset == entry->at.queue_offset &&
           (entry->record_sum == 0 || entry->record_sum == sum_of(crc32_update(0, bytes)));
}

static bool is_written(const struct compaction_entry *entry)
{
    return entry->record_sum != 0 || (entry->at.phy_offset >= 0 && entry->at.bytes > 0 &&
                                      entry->at.queue_offset >= 0 && entry->at.count > 0);
}

/* ---- files ----------------------------------------------------------------------------------- */

void compaction_file_paths(const struct compaction_queue *queue, int64_t base,
                           char log_path[DISK_PATH_MAX], char queue_path[DISK_PATH_MAX])
{
    disk_numbered_path(log_path, queue->log_dir, base);
    disk_numbered_path(queue_path, queue->queue_dir, base);
}

int compaction_file_open(const struct compaction_queue *queue, int64_t base, bool create,
                         int *log_fd, int *queue_fd)
{
    char log_path[DISK_PATH_MAX];
    char queue_path[DISK_PATH_MAX];
    compaction_file_paths(queue, base, log_path, queue_path);
    *log_fd = *queue_fd = -1;
    int err = disk_open(log_path, create ? queue->sizes.log_file_bytes : 0, log_fd);
    if (err == 0)
        err = disk_open(queue_path, create ? queue->sizes.queue_file_bytes : 0, queue_fd);
    if (err != 0) {
        disk_close(*log_fd);
        *log_fd = -1;
    }
    return err;
}

int compaction_file_entries(const struct compaction_queue *queue, int queue_fd, int64_t place,
                            int count, struct compaction_entry *entries)
{
    uint8_t bytes[COMPACTION_ENTRIES_PER_READ * BCQ_ENTRY_BYTES];
    assert(count > 0 && count <= COMPACTION_ENTRIES_PER_READ);
    assert(place >= 0 && (place + count) * BCQ_ENTRY_BYTES <= queue->sizes.queue_file_bytes);
    int err = disk_read(queue_fd, queue->queue_dir, bytes, (size_t)count * BCQ_ENTRY_BYTES,
                        place * BCQ_ENTRY_BYTES, true);
    for (int i = 0; i < count && err == 0; i++)
        entries[i] = entry_get(bytes + i * BCQ_ENTRY_BYTES);
    return err;
}

static int bisect_end(const struct compaction_queue *queue, int queue_fd, int64_t from,
                      int64_t upto, int64_t *end)
{
    int err = 0;
    while (from < upto && err == 0) {
        int64_t middle = from + (upto - from) / 2;
        struct compaction_entry entry;
        err = compaction_file_entries(queue, queue_fd, middle, 1, &entry);
        if (err == 0 && is_written(&entry))
            from = middle + 1;
        else
            upto = middle;
    }
    *end = from;
    return err;
}

/* How many entries the file has: they are written one after the other, zeros or an end mark follow.
 * One that a flipped bit made look unwritten does not hide those behind it. */
static int count_entries(const struct compaction_queue *queue, struct compaction_file *file,
                         int queue_fd)
{
    enum { PROBES = 8 };
    int64_t places = queue->sizes.queue_file_bytes / BCQ_ENTRY_BYTES;
    assert(queue->sizes.queue_file_bytes % BCQ_ENTRY_BYTES == 0);
    int64_t from = 0;
    int err = bisect_end(queue, queue_fd, 0, places, &file->count);
    while (err == 0 && from < file->count + PROBES) {
        struct compaction_entry entry;
        from = from <= file->count ? file->count + 1 : from + 1;
        if (from >= places)
            break;
        err = compaction_file_entries(queue, queue_fd, from, 1, &entry);
        if (err == 0 && is_written(&entry)) {
            err = bisect_end(queue, queue_fd, from, places, &file->count);
            from = 0;
        }
    }
    return err;
}

/* The first entry from `place` on, by `step`, that can be believed. ERR_NOT_FOUND: none can. */
static int believed_entry(const struct compaction_queue *queue, const struct compaction_file *file,
                          int queue_fd, int64_t place, int step, struct compaction_entry *entry)
{
    int err = 0;
    for (; place >= 0 && place < file->count && err == 0; place += step) {
        err = compaction_file_entries(queue, queue_fd, place, 1, entry);
        if (err == 0 && !entry->is_damaged && is_written(entry))
            return 0;
    }
    return err == 0 ? ERR_NOT_FOUND : err;
}

/* What the entries of a file say of it. */
static int note_ends(const struct compaction_queue *queue, struct compaction_file *file,
                     int queue_fd)
{
    struct compaction_entry first, last, end;
    file->first_offset = file->last_offset = -1;
    file->used = file->next_offset = 0;
    if (file->count == 0)
        return 0;
    int err = believed_entry(queue, file, queue_fd, 0, 1, &first);
    if (err == 0)
        err = believed_entry(queue, file, queue_fd, file->count - 1, -1, &last);
    if (err == 0)
        err = compaction_file_entries(queue, queue_fd, file->count - 1, 1, &end);
    file->used = queue->sizes.log_file_bytes; /* where its last record ends, nobody can tell */
    if (err != 0)
        return err == ERR_NOT_FOUND ? 0 : err;
    file->first_offset = first.at.queue_offset;
    file->last_offset = last.at.queue_offset;
    file->next_offset = last.at.queue_offset + last.at.count;
    int64_t used = end.at.phy_offset - file->base + end.at.bytes;
    if (!end.is_damaged && used >= 0 && used < file->used)
        file->used = used;
    return 0;
}

static bool is_whole(const struct compaction_queue *queue, const struct compaction_file *file,
                     int log_fd, const struct compaction_entry *entry, struct buf *scratch)
{
    int64_t at = entry->at.phy_offset - file->base;
    if (entry->is_damaged || at < 0 || entry->at.bytes <= 0 ||
        at > queue->sizes.log_file_bytes - entry->at.bytes)
        return false;
    size_t len = (size_t)entry->at.bytes;
    buf_clear(scratch);
    uint8_t *into = buf_reserve(scratch, len);
    return disk_read(log_fd, queue->log_dir, into, len, at, true) == 0 &&
           compaction_entry_agrees(entry, slice_of(into, len));
}

/* Ends the file before its first entry that leads to no whole record. What was cut off comes again
 * from the commit log, which keeps what is not on the disk here. */
static int verify_file(struct compaction_queue *queue, struct compaction_file *file, int log_fd,
                       int queue_fd)
{
    struct buf scratch = BUF_INIT;
    int64_t whole = 0;
    int err = 0;
    for (; whole < file->count && err == 0; whole++) {
        struct compaction_entry entry;
        err = compaction_file_entries(queue, queue_fd, whole, 1, &entry);
        if (err == 0 && !is_whole(queue, file, log_fd, &entry, &scratch))
            break;
    }
    buf_fini(&scratch);
    if (err != 0 || whole == file->count)
        return err;
    log_warn("compaction_queue_cut topic=%.*s queue=%d file=%lld entries=%lld of=%lld",
             SLICE_FMT(queue->topic), queue->queue_id, (long long)file->base, (long long)whole,
             (long long)file->count);
    assert(whole < file->count);
    file->count = whole;
    return 0;
}

/* Nothing may stand behind the end that could be taken for an entry or a record. */
static int zero_behind(const struct compaction_queue *queue, const struct compaction_file *file,
                       int log_fd, int queue_fd)
{
    int64_t at = file->count * BCQ_ENTRY_BYTES;
    int err = 0;
    assert(at >= 0 && at <= queue->sizes.queue_file_bytes);
    assert(file->used >= 0 && file->used <= queue->sizes.log_file_bytes);
    if (at < queue->sizes.queue_file_bytes)
        err = disk_zero(queue_fd, queue->queue_dir, at, queue->sizes.queue_file_bytes - at);
    if (err == 0 && file->used < queue->sizes.log_file_bytes)
        err =
            disk_zero(log_fd, queue->log_dir, file->used, queue->sizes.log_file_bytes - file->used);
    return err;
}

static bool has_length(const char *path, int64_t expected)
{
    int64_t bytes = 0;
    if (disk_size(path, &bytes) == 0 && bytes == expected)
        return true;
    log_error("compaction_file_unfit path=%s bytes=%lld expected=%lld", path, (long long)bytes,
              (long long)expected);
    return false;
}

/* Nothing was ever written to it, or it is not there. */
static bool holds_nothing(const char *path)
{
    uint8_t head[BCQ_ENTRY_BYTES] = { 0 };
    static const uint8_t zeros[BCQ_ENTRY_BYTES];
    int64_t bytes;
    int fd;
    if (!disk_exists(path))
        return true;
    if (disk_size(path, &bytes) != 0 || disk_open(path, 0, &fd) != 0)
        return false;
    size_t len = bytes < BCQ_ENTRY_BYTES ? (size_t)bytes : sizeof head;
    int err = len == 0 ? 0 : disk_read(fd, path, head, len, 0, true);
    disk_close(fd);
    return err == 0 && memcmp(head, zeros, sizeof head) == 0;
}

/* The last pair may lack a file, or have one that is not made to its end, when the process died
 * while making it; nothing is in it then. */
static int drop_half_pair(struct compaction_queue *queue, int64_t base, bool is_last)
{
    char log_path[DISK_PATH_MAX];
    char queue_path[DISK_PATH_MAX];
    compaction_file_paths(queue, base, log_path, queue_path);
    bool is_log_fit = has_length(log_path, queue->sizes.log_file_bytes);
    bool is_queue_fit = has_length(queue_path, queue->sizes.queue_file_bytes);
    if (is_log_fit && is_queue_fit)
        return 1;
    if (!is_last || !holds_nothing(log_path) || !holds_nothing(queue_path))
        return ERR_CORRUPT;
    int err = disk_remove(log_path);
    return err != 0 ? err : disk_remove(queue_path);
}

int compaction_file_load(struct compaction_queue *queue, int64_t base, bool is_last, bool verify,
                         struct compaction_file *file)
{
    int log_fd, queue_fd;
    int err = drop_half_pair(queue, base, is_last);
    if (err != 1)
        return err;
    err = compaction_file_open(queue, base, false, &log_fd, &queue_fd);
    if (err != 0)
        return err;
    *file = compaction_file_empty(base);
    err = count_entries(queue, file, queue_fd);
    if (err == 0 && is_last && verify)
        err = verify_file(queue, file, log_fd, queue_fd);
    if (err == 0)
        err = note_ends(queue, file, queue_fd);
    if (err == 0 && is_last && verify)
        err = zero_behind(queue, file, log_fd, queue_fd);
    disk_close(log_fd);
    disk_close(queue_fd);
    return err == 0 ? 1 : err;
}

int compaction_file_cut(struct compaction_queue *queue, struct compaction_file *file,
                        int64_t queue_offset)
{
    int log_fd, queue_fd;
    int err = compaction_file_open(queue, file->base, false, &log_fd, &queue_fd);
    struct compaction_entry entry;
    if (err != 0)
        return err;
    while (file->count > 0 && err == 0) {
        err = compaction_file_entries(queue, queue_fd, file->count - 1, 1, &entry);
        if (err == 0 && !entry.is_damaged && entry.at.queue_offset < queue_offset)
            break;
        file->count--;
    }
    if (err == 0)
        err = note_ends(queue, file, queue_fd);
    if (err == 0)
        err = zero_behind(queue, file, log_fd, queue_fd);
    disk_close(log_fd);
    disk_close(queue_fd);
    return err;
}
