/* commit_log.c - files of equal size, mapped shared, appended at one place.
 *
 * A record is copied into the mapping of the head file, at a place that has its page and its blocks
 * already (commit_log_room.c), and is read from there or from the file. An append that finds no
 * room allocates for itself.
 */
#include "store/commit_log_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "wire/record.h"

enum {
    LET_GO_LEAST = 8 * PAGE_BYTES,
    SYNCS_AVERAGED = 16,
};

int commit_log_open(const char *dir, int64_t file_bytes, bool sync_flush, int64_t memory_bytes,
                    struct commit_log **opened)
{
    assert(file_bytes > 0);
    assert(file_bytes % PAGE_BYTES == 0);
    struct commit_log *log = calloc(1, sizeof *log);
    if (log == NULL)
        return ERR_NO_MEMORY;
    snprintf(log->dir, sizeof log->dir, "%s", dir);
    log->file_bytes = file_bytes;
    log_room_init(&log->room, sync_flush, file_bytes, memory_bytes);
    lock_init(&log->files_lock, LOCK_LOG_FILES);
    lock_init(&log->making, LOCK_LEAF);
    int err = disk_make_dirs(dir);
    if (err == 0) /* also for who died before it came to that */
        err = disk_sync_dirs(dir, 2);
    if (err == 0)
        err = log_files_open(log);
    if (err != 0) {
        commit_log_close(log);
        return err;
    }
    atomic_store(&log->max, commit_log_files_end(log));
    *opened = log;
    return 0;
}

void commit_log_close(struct commit_log *log)
{
    log_room_stop(log);
    log_files_close(log);
    log_room_fini(&log->room);
    lock_fini(&log->files_lock);
    lock_fini(&log->making);
    free(log);
}

int64_t commit_log_max(const struct commit_log *log)
{
    return atomic_load_explicit(&log->max, memory_order_acquire);
}

int64_t commit_log_near_start(const struct commit_log *log)
{
    return commit_log_max(log) - log->room.hot_bytes / 2;
}

int64_t commit_log_file_bytes(const struct commit_log *log)
{
    return log->file_bytes;
}

/* ---- the end --------------------------------------------------------------------------------- */

int commit_log_set_end(struct commit_log *log, int64_t end, bool durably)
{
    assert(!log->room.has_allocator);
    assert(end >= commit_log_min(log));
    assert(end <= commit_log_files_end(log));
    int before_count = log->file_count;
    int err = log_files_cut(log, end);
    /* or a loss of power brings records back behind a log that was closed in peace */
    if (err == 0 && durably && log->file_count < before_count)
        err = disk_sync_dirs(log->dir, 0);
    if (err != 0)
        return err;
    if (log->file_count == 0 || commit_log_files_end(log) == end) {
        struct log_file *file;
        err = log_file_open(log, end - end % log->file_bytes, true, &file);
        if (err != 0)
            return err;
        log_files_append(log, file);
    }
    log->head = log->files[log->file_count - 1];
    int64_t pos = end - log->head->start;
    assert(pos >= 0);
    assert(pos < log->file_bytes);
    err = disk_zero(log->head->fd, log->head->path, pos, log->file_bytes - pos);
    if (err == 0 && durably)
        err = disk_sync(log->head->fd, log->head->path);
    if (err == 0)
        err = log_file_allocate(log, log->head, pos + min64(ALLOCATE_STEP, log->file_bytes - pos));
    if (err != 0 && err != ERR_DISK_FULL)
        return err;
    log->head->released = pos / PAGE_BYTES * PAGE_BYTES;
    log->head->populated = log->head->released;
    atomic_store(&log->head->storable, (pos + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES);
    log->reserved_end = end;
    atomic_store_explicit(&log->max, end, memory_order_release);
    return log_room_start(log);
}

/* ---- append ---------------------------------------------------------------------------------- */

static int ensure_storable(struct commit_log *log, struct log_file *file, int64_t upto)
{
    if (atomic_load_explicit(&file->storable, memory_order_acquire) >= upto)
        return 0;
    return log_file_open_up(log, file, upto);
}

/* Ends the head file and makes the spare, or a new file, the head. */
static int roll(struct commit_log *log)
{
    struct log_file *head = log->head;
    int64_t pos = log->reserved_end - head->start;
    int64_t next_start = head->start + log->file_bytes;
    assert(log->file_bytes - pos >= RECORD_BLANK_BYTES);
    int err = ensure_storable(log, head, pos + RECORD_BLANK_BYTES);
    if (err != 0)
        return err;
    lock_take(&log->files_lock);
    struct log_file *next = log->spare;
    log->spare = NULL;
    lock_release(&log->files_lock);
    if (next == NULL) {
        err = log_file_open(log, next_start, true, &next);
        if (err != 0)
            return err;
        log_warn("commit_log_file_made_inline path=%s", next->path);
    }
    assert(next->start == next_start);
    assert(next->refs == 1);
    record_put_blank(head->base + pos, (int32_t)(log->file_bytes - pos));
    assert((int32_t)get_be32(head->base + pos + RECORD_MAGIC) == RECORD_MAGIC_BLANK);
    assert((int32_t)get_be32(head->base + pos + RECORD_TOTAL_SIZE) == log->file_bytes - pos);
    lock_take(&log->files_lock);
    log_files_append(log, next);
    if (log->spare != NULL) { /* the allocator made the same file while this one did */
        assert(log->spare->start == next_start);
        log->spare->refs = 0;
        log->spare->next_unused = log->unused;
        log->unused = log->spare;
        log->spare = NULL;
    }
    lock_release(&log->files_lock);
    log->head = next;
    log->reserved_end = next_start;
    atomic_store_explicit(&log->max, next_start, memory_order_release);
    return 0;
}

int commit_log_reserve(struct commit_log *log, int64_t bytes, uint8_t **into, int64_t *phy_offset)
{
    assert(bytes > 0);
    assert(log->head != NULL);
    assert(log->reserved_end == commit_log_max(log));
    if (bytes + RECORD_BLANK_BYTES > log->file_bytes)
        return ERR_TOO_BIG;
    int64_t pos = log->reserved_end - log->head->start;
    if (pos + bytes + RECORD_BLANK_BYTES > log->file_bytes) {
        int err = roll(log);
        if (err != 0)
            return err;
        pos = 0;
    }
    int err = ensure_storable(log, log->head, pos + bytes);
    if (err != 0)
        return err;
    *into = log->head->base + pos;
    *phy_offset = log->head->start + pos;
    assert(*phy_offset == log->reserved_end);
    assert(pos + bytes + RECORD_BLANK_BYTES <= log->file_bytes); /* the end mark still fits */
    return 0;
}

void commit_log_publish(struct commit_log *log, int64_t end)
{
    assert(end >= log->reserved_end);
    assert(end <= log->head->start + log->file_bytes - RECORD_BLANK_BYTES);
    log->reserved_end = end;
    atomic_store_explicit(&log->max, end, memory_order_release);
    if (end >= atomic_load_explicit(&log->room.next_wake, memory_order_relaxed)) {
        atomic_store(&log->room.next_wake, INT64_MAX);
        log_room_wake(&log->room);
    }
}

/* ---- read ------------------------------------------------------------------------------------ */

int commit_log_read(struct commit_log *log, int64_t phy_offset, size_t len, bool may_block,
                    struct buf *out)
{
    int64_t max = commit_log_max(log);
    size_t len_before = out->len;
    if (phy_offset < 0 || phy_offset > max || (int64_t)len > max - phy_offset)
        return ERR_NOT_FOUND;
    struct log_file *file = log_file_at(log, phy_offset);
    if (file == NULL)
        return ERR_NOT_FOUND;
    int64_t pos = phy_offset - file->start;
    int err = 0;
    if (pos + (int64_t)len > log->file_bytes)
        err = ERR_NOT_FOUND;
    else if (phy_offset >= commit_log_near_start(log))
        err = disk_copy_mapped(buf_reserve(out, len), file->base + pos, len, file->path);
    else
        err = disk_read(file->fd, file->path, buf_reserve(out, len), len, pos, may_block);
    if (err == 0)
        out->len += len;
    assert(out->len == len_before + (err == 0 ? len : 0));
    log_file_unref(log, file);
    return err;
}

int commit_log_read_window(struct commit_log *log, int64_t phy_offset, void *into, size_t len,
                           size_t *got)
{
    int64_t max = commit_log_max(log);
    *got = 0;
    if (phy_offset < 0 || phy_offset >= max)
        return ERR_NOT_FOUND;
    struct log_file *file = log_file_at(log, phy_offset);
    if (file == NULL)
        return ERR_NOT_FOUND;
    int64_t pos = phy_offset - file->start;
    int64_t upto = min64(log->file_bytes, max - file->start);
    assert(pos < upto);
    size_t n = upto - pos < (int64_t)len ? (size_t)(upto - pos) : len;
    int err = disk_read(file->fd, file->path, into, n, pos, true);
    if (err == 0)
        *got = n;
    log_file_unref(log, file);
    return err;
}

void commit_log_will_read(struct commit_log *log, int64_t phy_offset, int64_t len)
{
    int64_t end = commit_log_near_start(log); /* what is behind it is there */
    struct log_file *file =
        phy_offset < 0 || phy_offset >= end || len <= 0 ? NULL : log_file_at(log, phy_offset);
    if (file == NULL)
        return;
    len = min64(len, end - phy_offset);
    int64_t pos = phy_offset - file->start;
    disk_will_read(file->fd, pos, min64(len, log->file_bytes - pos));
    log_file_unref(log, file);
}

void commit_log_place(const struct commit_log *log, int64_t phy_offset, char path[DISK_PATH_MAX],
                      int64_t *file_pos)
{
    assert(phy_offset >= 0);
    *file_pos = phy_offset % log->file_bytes;
    disk_numbered_path(path, log->dir, phy_offset - *file_pos);
}

/* ---- durability and retention ---------------------------------------------------------------- */

int commit_log_sync(struct commit_log *log, int64_t from, int64_t end)
{
    assert(from >= 0);
    assert(end <= commit_log_max(log));
    int err = 0;
    int64_t average = atomic_load(&log->room.sync_bytes);
    atomic_store(&log->room.sync_bytes, average + (end - from - average) / SYNCS_AVERAGED);
    for (int64_t at = from; at < end && err == 0;) {
        struct log_file *file = log_file_at(log, at);
        if (file == NULL) { /* removed by retention meanwhile */
            at = (at / log->file_bytes + 1) * log->file_bytes;
            continue;
        }
        int64_t file_end = file->start + log->file_bytes;
        int64_t pos = (at - file->start) / PAGE_BYTES * PAGE_BYTES;
        int64_t upto = (end < file_end ? end : file_end) - file->start;
        assert(at < file_end);
        assert(pos < upto);
        /* Writing a mapped page back takes the right to store away from it and interrupts the
         * appender's core, page after page; to let all of them go before interrupts it once. */
        if (upto - pos >= LET_GO_LEAST)
            log_file_let_go(file, pos, upto);
        /* By range: a sync of the whole file would write the populated window ahead of the head
         * too, and write-protect it again, so that the appender's next stores fault. */
        err = disk_sync_range(file->base + pos, upto - pos, file->path);
        at = file_end;
        log_file_unref(log, file);
    }
    return err;
}

int commit_log_rewrite(struct commit_log *log, int64_t from, int64_t end)
{
    uint8_t bytes[16 * PAGE_BYTES];
    assert(from >= 0);
    assert(end <= commit_log_max(log));
    int err = 0;
    while (from < end && err == 0) {
        struct log_file *file = log_file_at(log, from);
        if (file == NULL) { /* removed by retention meanwhile */
            from = (from / log->file_bytes + 1) * log->file_bytes;
            continue;
        }
        int64_t pos = from - file->start;
        int64_t upto =
            min64(min64(end - file->start, log->file_bytes), pos + (int64_t)sizeof bytes);
        err = disk_read(file->fd, file->path, bytes, (size_t)(upto - pos), pos, true);
        if (err == 0)
            err = disk_write(file->fd, file->path, bytes, (size_t)(upto - pos), pos);
        from = file->start + upto;
        log_file_unref(log, file);
    }
    return err;
}
