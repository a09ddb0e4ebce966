/* compaction_queue.c - its pairs of files in a row: opened, added to, cut, dropped. One pair is
 * compaction_file.c, finding messages compaction_get.c, replacing pairs compaction_swap.c.
 */
#include "base/memory.h"
#include "base/sort.h"
#include "store/compaction_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crc.h"
#include "base/log.h"

enum { MARK_BYTES = RECORD_BLANK_BYTES };

/* Closes the last pair; it is opened again when needed. */
static void close_files(struct compaction_queue *queue)
{
    disk_close(queue->log_fd);
    disk_close(queue->queue_fd);
    queue->log_fd = queue->queue_fd = -1;
}

static struct compaction_file *last_file(struct compaction_queue *queue)
{
    return queue->file_count == 0 ? NULL : &queue->files[queue->file_count - 1];
}

static void add_file(struct compaction_queue *queue, struct compaction_file file)
{
    assert(queue->file_count == 0 || file.base > last_file(queue)->base);
    MEMORY_GROW(queue->files, queue->file_count, queue->file_cap, 8);
    queue->files[queue->file_count++] = file;
}

void compaction_queue_note_bounds(struct compaction_queue *queue)
{
    int64_t first = -1;
    for (int i = 0; i < queue->file_count && first < 0; i++)
        first = queue->files[i].first_offset;
    const struct compaction_file *last = last_file(queue);
    for (int i = queue->file_count; i > 0 && last->count == 0; i--)
        last = &queue->files[i - 1];
    atomic_store(&queue->first_offset, first);
    if (last != NULL && last->next_offset > atomic_load(&queue->next_offset))
        atomic_store(&queue->next_offset, last->next_offset);
}

/* The names in either directory, ascending, each once: half of a pair tells of it, too. */
static int list_bases(const struct compaction_queue *queue, int64_t **bases, int *count)
{
    int64_t *others = NULL;
    int other_count = 0;
    int unique = 0;
    int err = disk_list_numbers(queue->log_dir, bases, count);
    if (err == 0)
        err = disk_list_numbers(queue->queue_dir, &others, &other_count);
    if (err != 0 || other_count == 0) {
        free(others);
        return err;
    }
    *bases = memory_resize(*bases, (size_t)(*count + other_count), sizeof **bases);
    memcpy(*bases + *count, others, (size_t)other_count * sizeof **bases);
    free(others);
    sort_i64(*bases, *count + other_count);
    for (int i = 0; i < *count + other_count; i++)
        if (unique == 0 || (*bases)[unique - 1] != (*bases)[i])
            (*bases)[unique++] = (*bases)[i];
    *count = unique;
    return 0;
}

static int load_files(struct compaction_queue *queue, bool verify)
{
    int64_t *bases = NULL;
    int count = 0;
    int err = list_bases(queue, &bases, &count);
    for (int i = 0; i < count && err >= 0; i++) {
        struct compaction_file file;
        err = compaction_file_load(queue, bases[i], i == count - 1, verify, &file);
        if (err == 1)
            add_file(queue, file);
    }
    free(bases);
    compaction_queue_note_bounds(queue);
    return err < 0 ? err : 0;
}

int compaction_queue_open(const char *log_dir, const char *queue_dir, struct slice topic,
                          int32_t queue_id, struct compaction_sizes sizes, bool verify,
                          struct compaction_queue **opened)
{
    struct compaction_queue *queue = memory_zeroed(1, sizeof *queue);
    queue->topic = slice_of(memory_text(topic), topic.len);
    queue->queue_id = queue_id;
    queue->sizes = sizes;
    queue->first_offset = queue->done_offset = -1;
    queue->log_fd = queue->queue_fd = -1;
    lock_init(&queue->lock, LOCK_COMPACTION_QUEUE);
    snprintf(queue->log_dir, sizeof queue->log_dir, "%s", log_dir);
    snprintf(queue->queue_dir, sizeof queue->queue_dir, "%s", queue_dir);
    int err = disk_make_dirs(queue->log_dir);
    if (err == 0)
        err = disk_make_dirs(queue->queue_dir);
    if (err == 0)
        err = compaction_swap_finish(queue);
    if (err == 0)
        err = load_files(queue, verify);
    if (err != 0) {
        compaction_queue_free(queue);
        return err;
    }
    *opened = queue;
    return 0;
}

void compaction_queue_free(struct compaction_queue *queue)
{
    close_files(queue);
    lock_fini(&queue->lock);
    free((void *)(uintptr_t)queue->topic.data);
    free(queue->files);
    free(queue);
}

static int use_last(struct compaction_queue *queue)
{
    assert(queue->file_count > 0);
    if (queue->log_fd >= 0)
        return 0;
    return compaction_file_open(queue, last_file(queue)->base, false, &queue->log_fd,
                                &queue->queue_fd);
}

int compaction_queue_end_file(struct compaction_queue *queue)
{
    const struct compaction_file *file = last_file(queue);
    uint8_t mark[MARK_BYTES];
    uint8_t entry[BCQ_ENTRY_BYTES] = { 0 };
    int64_t left = queue->sizes.log_file_bytes - file->used;
    int64_t at = file->count * BCQ_ENTRY_BYTES;
    int err = use_last(queue);
    put_be32(mark, (uint32_t)left);
    put_be32(mark + RECORD_MAGIC, (uint32_t)RECORD_MAGIC_BLANK);
    if (err == 0 && left >= MARK_BYTES)
        err = disk_write(queue->log_fd, queue->log_dir, mark, sizeof mark, file->used);
    put_be64(entry + CQ_PHY_OFFSET, UINT64_MAX);
    put_be32(entry + BCQ_COMPACTED, UINT32_MAX);
    if (err == 0 && at + BCQ_ENTRY_BYTES <= queue->sizes.queue_file_bytes)
        err = disk_write(queue->queue_fd, queue->queue_dir, entry, sizeof entry, at);
    return err;
}

/* Who reads does not wait for the disk to have what was added: the pair is opened once more for it,
 * and synced without the lock. */
static int sync_pair(const struct compaction_queue *queue, int log_fd, int queue_fd,
                     bool with_names)
{
    int err = disk_sync(log_fd, queue->log_dir);
    if (err == 0)
        err = disk_sync(queue_fd, queue->queue_dir);
    if (err == 0 && with_names)
        err = disk_sync_dirs(queue->log_dir, 3);
    if (err == 0 && with_names)
        err = disk_sync_dirs(queue->queue_dir, 3);
    return err;
}

int compaction_queue_sync(struct compaction_queue *queue)
{
    int log_fd = -1;
    int queue_fd = -1;
    int err = 0;
    lock_take(&queue->lock);
    bool is_needed = !queue->is_dropped && queue->is_dirty;
    bool with_names = queue->has_new_names;
    if (is_needed)
        err = compaction_file_open(queue, last_file(queue)->base, false, &log_fd, &queue_fd);
    lock_release(&queue->lock);
    if (!is_needed || err != 0)
        return err;
    err = sync_pair(queue, log_fd, queue_fd, with_names);
    disk_close(log_fd);
    disk_close(queue_fd);
    lock_take(&queue->lock);
    if (queue->is_dropped)
        err = 0; /* its names went meanwhile */
    else if (err == 0)
        queue->is_dirty = queue->has_new_names = false;
    lock_release(&queue->lock);
    return err;
}

/* The pair that is full is on the disk before the next one is begun: only the last is ever in
 * doubt. */
static int end_last(struct compaction_queue *queue)
{
    int err = 0;
    lock_take(&queue->lock);
    if (!queue->is_dropped && queue->file_count > 0) {
        queue->is_dirty = true;
        err = compaction_queue_end_file(queue);
        close_files(queue);
    }
    lock_release(&queue->lock);
    return err != 0 ? err : compaction_queue_sync(queue);
}

/* Under the lock. */
static int begin_file(struct compaction_queue *queue)
{
    assert(lock_is_held(&queue->lock));
    const struct compaction_file *last = last_file(queue);
    int64_t base = last == NULL ? 0 : last->base + queue->sizes.log_file_bytes;
    assert(queue->log_fd < 0);
    int err = compaction_file_open(queue, base, true, &queue->log_fd, &queue->queue_fd);
    if (err != 0)
        return err;
    add_file(queue, compaction_file_empty(base));
    queue->has_new_names = queue->is_dirty = true;
    return 0;
}

static bool has_room(struct compaction_queue *queue, int32_t bytes)
{
    const struct compaction_file *file = last_file(queue);
    return file != NULL &&
           file->count * BCQ_ENTRY_BYTES + BCQ_ENTRY_BYTES < queue->sizes.queue_file_bytes &&
           file->used + bytes + MARK_BYTES <= queue->sizes.log_file_bytes;
}

static bool needs_next(struct compaction_queue *queue, int32_t bytes)
{
    lock_take(&queue->lock);
    bool needs = !queue->is_dropped && !has_room(queue, bytes);
    lock_release(&queue->lock);
    return needs;
}

/* Of the record as it will stand in the file. */
static uint32_t crc_with_place(struct slice record, const uint8_t place[sizeof(int64_t)])
{
    enum { AFTER = RECORD_PHY_OFFSET + sizeof(int64_t) };
    uint32_t crc = crc32_update(0, slice_of(record.data, RECORD_PHY_OFFSET));
    crc = crc32_update(crc, slice_of(place, sizeof(int64_t)));
    return crc32_update(crc, slice_from(record, AFTER));
}

/* Under the lock. */
static int append_locked(struct compaction_queue *queue, struct slice bytes,
                         const struct store_queue_entry *entry, bool is_next)
{
    assert(lock_is_held(&queue->lock));
    uint8_t place[sizeof(int64_t)];
    uint8_t entry_bytes[BCQ_ENTRY_BYTES];
    struct store_queue_entry moved = *entry;
    int err = is_next ? begin_file(queue) : use_last(queue);
    if (err != 0)
        return err;
    struct compaction_file *file = last_file(queue);
    int64_t at = file->used;
    int64_t position = file->base + at;
    assert(at + (int64_t)bytes.len + MARK_BYTES <= queue->sizes.log_file_bytes);
    assert((file->count + 1) * BCQ_ENTRY_BYTES <= queue->sizes.queue_file_bytes);
    put_be64(place, (uint64_t)position);
    moved.phy_offset = position;
    batch_entry_put(entry_bytes, &moved);
    compaction_entry_guard(entry_bytes, compaction_record_sum(crc_with_place(bytes, place)));
    queue->is_dirty = true;
    err = disk_write(queue->log_fd, queue->log_dir, bytes.data, bytes.len, at);
    if (err == 0)
        err =
            disk_write(queue->log_fd, queue->log_dir, place, sizeof place, at + RECORD_PHY_OFFSET);
    if (err == 0) /* last: the entry leads to what is there */
        err = disk_write(queue->queue_fd, queue->queue_dir, entry_bytes, sizeof entry_bytes,
                         file->count * BCQ_ENTRY_BYTES);
    if (err != 0)
        return err;
    if (file->count++ == 0)
        file->first_offset = entry->queue_offset;
    file->last_offset = entry->queue_offset;
    file->next_offset = entry->queue_offset + entry->count;
    assert(file->next_offset > file->last_offset);
    file->used = at + entry->bytes;
    compaction_queue_note_bounds(queue);
    return 0;
}

int compaction_queue_append(struct compaction_queue *queue, struct slice bytes,
                            const struct store_queue_entry *entry)
{
    assert(bytes.len == (size_t)entry->bytes);
    assert(entry->queue_offset >= atomic_load(&queue->next_offset));
    if (entry->bytes + MARK_BYTES > queue->sizes.log_file_bytes)
        return ERR_TOO_BIG;
    bool is_next = needs_next(queue, entry->bytes);
    int err = is_next ? end_last(queue) : 0;
    if (err != 0)
        return err;
    lock_take(&queue->lock);
    if (!queue->is_dropped)
        err = append_locked(queue, bytes, entry, is_next);
    lock_release(&queue->lock);
    return err;
}

void compaction_queue_pass(struct compaction_queue *queue, int64_t next_offset)
{
    if (next_offset > atomic_load(&queue->next_offset))
        atomic_store(&queue->next_offset, next_offset);
}

int compaction_queue_cut(struct compaction_queue *queue, int64_t queue_offset)
{
    char log_path[DISK_PATH_MAX];
    char queue_path[DISK_PATH_MAX];
    int err = 0;
    lock_take(&queue->lock);
    close_files(queue);
    while (err == 0 && queue->file_count > 1 && last_file(queue)->first_offset >= queue_offset) {
        compaction_file_paths(queue, last_file(queue)->base, log_path, queue_path);
        err = disk_remove(log_path);
        if (err == 0)
            err = disk_remove(queue_path);
        queue->file_count -= err == 0;
    }
    if (err == 0 && queue->file_count > 0)
        err = compaction_file_cut(queue, last_file(queue), queue_offset);
    atomic_store(&queue->next_offset, 0);
    compaction_queue_note_bounds(queue);
    lock_release(&queue->lock);
    return err;
}

void compaction_queue_drop(struct compaction_queue *queue, const char *graveyard, const char *name)
{
    char to[DISK_PATH_MAX];
    lock_take(&queue->lock);
    assert(!queue->is_dropped);
    queue->is_dropped = true;
    queue->file_count = 0;
    close_files(queue);
    atomic_store(&queue->first_offset, -1);
    atomic_store(&queue->next_offset, 0);
    int err = disk_make_dirs(graveyard);
    snprintf(to, sizeof to, "%.3900s/compaction-log-%.64s", graveyard, name);
    if (err == 0)
        err = disk_rename(queue->log_dir, to);
    snprintf(to, sizeof to, "%.3900s/compaction-cq-%.64s", graveyard, name);
    if (err == 0)
        err = disk_rename(queue->queue_dir, to);
    if (err != 0)
        log_error("compaction_queue_not_removed path=%s error=%s", queue->log_dir, err_name(err));
    lock_release(&queue->lock);
}
