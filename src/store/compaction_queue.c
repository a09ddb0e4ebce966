#include "store/compaction_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "store/consume_queue.h"
#include "wire/record_crc.h"

enum { MARK_BYTES = RECORD_BLANK_BYTES, ENTRIES_PER_READ = 128 };

struct compaction_sizes compaction_sizes_of(int64_t log_file_bytes, int64_t queue_file_bytes)
{
    int64_t queue_bytes = queue_file_bytes / BCQ_ENTRY_BYTES * BCQ_ENTRY_BYTES;
    int64_t times = log_file_bytes / queue_bytes;
    int64_t rest = log_file_bytes % queue_bytes;
    assert(queue_bytes > 0);
    if (times < 5)
        times = 5;
    else if (rest == 0 || rest >= queue_bytes / 2)
        times++;
    return (struct compaction_sizes){ times * queue_bytes, queue_bytes };
}

/* ---- an entry -------------------------------------------------------------------------------- */

static void put_entry(uint8_t *at, const struct store_queue_entry *entry, int64_t position)
{
    put_be64(at + CQ_PHY_OFFSET, (uint64_t)position);
    put_be32(at + CQ_LENGTH, (uint32_t)entry->bytes);
    put_be64(at + CQ_TAG_HASH, (uint64_t)entry->tags_code);
    put_be64(at + BCQ_STORE_TIME, (uint64_t)entry->store_ms);
    put_be64(at + BCQ_QUEUE_OFFSET, (uint64_t)entry->queue_offset);
    put_be16(at + BCQ_COUNT, (uint16_t)entry->count);
    put_be32(at + BCQ_COMPACTED, UINT32_MAX);
    put_be32(at + BCQ_RESERVED, 0);
}

static struct store_queue_entry get_entry(const uint8_t *at)
{
    return (struct store_queue_entry){
        .phy_offset = (int64_t)get_be64(at + CQ_PHY_OFFSET),
        .bytes = (int32_t)get_be32(at + CQ_LENGTH),
        .tags_code = (int64_t)get_be64(at + CQ_TAG_HASH),
        .store_ms = (int64_t)get_be64(at + BCQ_STORE_TIME),
        .queue_offset = (int64_t)get_be64(at + BCQ_QUEUE_OFFSET),
        .count = (int16_t)get_be16(at + BCQ_COUNT),
    };
}

static bool is_written(const struct store_queue_entry *entry)
{
    return entry->phy_offset >= 0 && entry->bytes > 0 && entry->queue_offset >= 0 &&
           entry->count > 0;
}

/* ---- files ----------------------------------------------------------------------------------- */

void compaction_file_paths(const struct compaction_queue *queue, int64_t base,
                           char log_path[DISK_PATH_MAX], char queue_path[DISK_PATH_MAX])
{
    disk_numbered_path(log_path, queue->log_dir, base);
    disk_numbered_path(queue_path, queue->queue_dir, base);
}

void compaction_queue_close_files(struct compaction_queue *queue)
{
    disk_close(queue->log_fd);
    disk_close(queue->queue_fd);
    queue->log_fd = queue->queue_fd = -1;
}

static struct compaction_file *last_file(struct compaction_queue *queue)
{
    return queue->file_count == 0 ? NULL : &queue->files[queue->file_count - 1];
}

static int open_pair(const struct compaction_queue *queue, int64_t base, bool create, int *log_fd,
                     int *queue_fd)
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

static struct compaction_file *add_file(struct compaction_queue *queue, int64_t base)
{
    if (queue->file_count == queue->file_cap) {
        queue->file_cap = queue->file_cap == 0 ? 8 : queue->file_cap * 2;
        queue->files = reallocarray(queue->files, (size_t)queue->file_cap, sizeof *queue->files);
        if (queue->files == NULL)
            abort();
    }
    struct compaction_file *file = &queue->files[queue->file_count++];
    *file = (struct compaction_file){ .base = base, .first_offset = -1, .last_offset = -1 };
    return file;
}

int compaction_file_entries(const struct compaction_queue *queue, int queue_fd, int64_t place,
                            int count, struct store_queue_entry *entries)
{
    uint8_t bytes[ENTRIES_PER_READ * BCQ_ENTRY_BYTES];
    assert(count > 0 && count <= ENTRIES_PER_READ);
    assert(place >= 0 && (place + count) * BCQ_ENTRY_BYTES <= queue->sizes.queue_file_bytes);
    int err = disk_read(queue_fd, queue->queue_dir, bytes, (size_t)count * BCQ_ENTRY_BYTES,
                        place * BCQ_ENTRY_BYTES, true);
    for (int i = 0; i < count && err == 0; i++)
        entries[i] = get_entry(bytes + i * BCQ_ENTRY_BYTES);
    return err;
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

/* ---- opening --------------------------------------------------------------------------------- */

/* How many entries the file has: they are written one after the other, zeros or an end mark follow.
 */
static int count_entries(const struct compaction_queue *queue, struct compaction_file *file,
                         int queue_fd)
{
    int64_t from = 0;
    int64_t upto = queue->sizes.queue_file_bytes / BCQ_ENTRY_BYTES;
    int err = 0;
    while (from < upto && err == 0) {
        int64_t middle = from + (upto - from) / 2;
        struct store_queue_entry entry;
        err = compaction_file_entries(queue, queue_fd, middle, 1, &entry);
        if (is_written(&entry))
            from = middle + 1;
        else
            upto = middle;
    }
    file->count = from;
    return err;
}

/* What the entries of a file say of it. */
static int note_ends(const struct compaction_queue *queue, struct compaction_file *file,
                     int queue_fd)
{
    struct store_queue_entry first, last;
    file->first_offset = file->last_offset = -1;
    file->used = file->next_offset = 0;
    if (file->count == 0)
        return 0;
    int err = compaction_file_entries(queue, queue_fd, 0, 1, &first);
    if (err == 0)
        err = compaction_file_entries(queue, queue_fd, file->count - 1, 1, &last);
    if (err != 0)
        return err;
    file->first_offset = first.queue_offset;
    file->last_offset = last.queue_offset;
    file->next_offset = last.queue_offset + last.count;
    file->used = last.phy_offset - file->base + last.bytes;
    return file->used < 0 || file->used > queue->sizes.log_file_bytes ? ERR_CORRUPT : 0;
}

static bool is_whole(const struct compaction_queue *queue, const struct compaction_file *file,
                     int log_fd, const struct store_queue_entry *entry, struct buf *scratch)
{
    struct record record;
    int64_t at = entry->phy_offset - file->base;
    if (at < 0 || at > queue->sizes.log_file_bytes - entry->bytes)
        return false;
    buf_clear(scratch);
    uint8_t *into = buf_reserve(scratch, (size_t)entry->bytes);
    return disk_read(log_fd, queue->log_dir, into, (size_t)entry->bytes, at, true) == 0 &&
           record_decode(slice_of(into, (size_t)entry->bytes), RECORD_CHECK_BODY_CRC, &record) ==
               0 &&
           record.total_bytes == entry->bytes && record.phy_offset == entry->phy_offset &&
           record.queue_offset == entry->queue_offset;
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
        struct store_queue_entry entry;
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
    file->count = whole;
    return 0;
}

/* Nothing may stand behind the end that could be taken for an entry or a record. */
static int zero_behind(const struct compaction_queue *queue, const struct compaction_file *file,
                       int log_fd, int queue_fd)
{
    int64_t at = file->count * BCQ_ENTRY_BYTES;
    int err = 0;
    if (at < queue->sizes.queue_file_bytes)
        err = disk_zero(queue_fd, queue->queue_dir, at, queue->sizes.queue_file_bytes - at);
    if (err == 0 && file->used < queue->sizes.log_file_bytes)
        err =
            disk_zero(log_fd, queue->log_dir, file->used, queue->sizes.log_file_bytes - file->used);
    return err;
}

static bool has_length(const char *path, int64_t expected)
{
    int64_t bytes;
    return disk_size(path, &bytes) == 0 && bytes == expected;
}

/* The last pair may lack a file, or have one that is not made to its end, when the process died
 * while making it; nothing is in it then. */
static int drop_half_pair(struct compaction_queue *queue, int64_t base, bool is_last)
{
    char log_path[DISK_PATH_MAX];
    char queue_path[DISK_PATH_MAX];
    compaction_file_paths(queue, base, log_path, queue_path);
    if (has_length(log_path, queue->sizes.log_file_bytes) &&
        has_length(queue_path, queue->sizes.queue_file_bytes))
        return 1;
    if (!is_last) {
        log_error("compaction_file_unfit path=%s expected=%lld and %lld", log_path,
                  (long long)queue->sizes.log_file_bytes, (long long)queue->sizes.queue_file_bytes);
        return ERR_CORRUPT;
    }
    int err = disk_remove(log_path);
    return err != 0 ? err : disk_remove(queue_path);
}

static int load_file(struct compaction_queue *queue, int64_t base, bool is_last, bool verify)
{
    int log_fd, queue_fd;
    int err = drop_half_pair(queue, base, is_last);
    if (err != 1)
        return err;
    err = open_pair(queue, base, false, &log_fd, &queue_fd);
    if (err != 0)
        return err;
    struct compaction_file *file = add_file(queue, base);
    err = count_entries(queue, file, queue_fd);
    if (err == 0 && is_last && verify)
        err = verify_file(queue, file, log_fd, queue_fd);
    if (err == 0)
        err = note_ends(queue, file, queue_fd);
    if (err == 0 && is_last && verify)
        err = zero_behind(queue, file, log_fd, queue_fd);
    disk_close(log_fd);
    disk_close(queue_fd);
    return err;
}

static int load_files(struct compaction_queue *queue, bool verify)
{
    int64_t *bases = NULL;
    int count = 0;
    int err = disk_list_numbers(queue->log_dir, &bases, &count);
    for (int i = 0; i < count && err == 0; i++)
        err = load_file(queue, bases[i], i == count - 1, verify);
    free(bases);
    compaction_queue_note_bounds(queue);
    return err;
}

int compaction_queue_open(const char *log_dir, const char *queue_dir, struct slice topic,
                          int32_t queue_id, struct compaction_sizes sizes, bool verify,
                          struct compaction_queue **opened)
{
    struct compaction_queue *queue = calloc(1, sizeof *queue);
    uint8_t *name = malloc(topic.len + 1);
    if (queue == NULL || name == NULL)
        abort();
    memcpy(name, topic.data, topic.len);
    queue->topic = slice_of(name, topic.len);
    queue->queue_id = queue_id;
    queue->sizes = sizes;
    queue->first_offset = queue->done_offset = -1;
    queue->log_fd = queue->queue_fd = -1;
    pthread_mutex_init(&queue->lock, NULL);
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
    compaction_queue_close_files(queue);
    pthread_mutex_destroy(&queue->lock);
    free((void *)(uintptr_t)queue->topic.data);
    free(queue->files);
    free(queue);
}

/* ---- adding ---------------------------------------------------------------------------------- */

static int use_last(struct compaction_queue *queue)
{
    assert(queue->file_count > 0);
    if (queue->log_fd >= 0)
        return 0;
    return open_pair(queue, last_file(queue)->base, false, &queue->log_fd, &queue->queue_fd);
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
    pthread_mutex_lock(&queue->lock);
    bool is_needed = !queue->is_dropped && queue->is_dirty;
    bool with_names = queue->has_new_names;
    if (is_needed)
        err = open_pair(queue, last_file(queue)->base, false, &log_fd, &queue_fd);
    pthread_mutex_unlock(&queue->lock);
    if (!is_needed || err != 0)
        return err;
    err = sync_pair(queue, log_fd, queue_fd, with_names);
    disk_close(log_fd);
    disk_close(queue_fd);
    pthread_mutex_lock(&queue->lock);
    if (queue->is_dropped)
        err = 0; /* its names went meanwhile */
    else if (err == 0)
        queue->is_dirty = queue->has_new_names = false;
    pthread_mutex_unlock(&queue->lock);
    return err;
}

/* The pair that is full is on the disk before the next one is begun: only the last is ever in
 * doubt. */
static int end_last(struct compaction_queue *queue)
{
    int err = 0;
    pthread_mutex_lock(&queue->lock);
    if (!queue->is_dropped && queue->file_count > 0) {
        queue->is_dirty = true;
        err = compaction_queue_end_file(queue);
        compaction_queue_close_files(queue);
    }
    pthread_mutex_unlock(&queue->lock);
    return err != 0 ? err : compaction_queue_sync(queue);
}

/* Under the lock. */
static int begin_file(struct compaction_queue *queue)
{
    const struct compaction_file *last = last_file(queue);
    int64_t base = last == NULL ? 0 : last->base + queue->sizes.log_file_bytes;
    assert(queue->log_fd < 0);
    int err = open_pair(queue, base, true, &queue->log_fd, &queue->queue_fd);
    if (err != 0)
        return err;
    add_file(queue, base);
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
    pthread_mutex_lock(&queue->lock);
    bool needs = !queue->is_dropped && !has_room(queue, bytes);
    pthread_mutex_unlock(&queue->lock);
    return needs;
}

/* Under the lock. */
static int append_locked(struct compaction_queue *queue, struct slice bytes,
                         const struct store_queue_entry *entry, bool is_next)
{
    uint8_t place[sizeof(int64_t)];
    uint8_t entry_bytes[BCQ_ENTRY_BYTES];
    int err = is_next ? begin_file(queue) : use_last(queue);
    if (err != 0)
        return err;
    struct compaction_file *file = last_file(queue);
    int64_t at = file->used;
    int64_t position = file->base + at;
    put_be64(place, (uint64_t)position);
    put_entry(entry_bytes, entry, position);
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
    pthread_mutex_lock(&queue->lock);
    if (!queue->is_dropped)
        err = append_locked(queue, bytes, entry, is_next);
    pthread_mutex_unlock(&queue->lock);
    return err;
}

void compaction_queue_pass(struct compaction_queue *queue, int64_t next_offset)
{
    if (next_offset > atomic_load(&queue->next_offset))
        atomic_store(&queue->next_offset, next_offset);
}

static int cut_file(struct compaction_queue *queue, struct compaction_file *file,
                    int64_t queue_offset)
{
    int log_fd, queue_fd;
    int err = open_pair(queue, file->base, false, &log_fd, &queue_fd);
    struct store_queue_entry entry;
    if (err != 0)
        return err;
    while (file->count > 0 && err == 0) {
        err = compaction_file_entries(queue, queue_fd, file->count - 1, 1, &entry);
        if (err == 0 && entry.queue_offset < queue_offset)
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

int compaction_queue_cut(struct compaction_queue *queue, int64_t queue_offset)
{
    char log_path[DISK_PATH_MAX];
    char queue_path[DISK_PATH_MAX];
    int err = 0;
    pthread_mutex_lock(&queue->lock);
    compaction_queue_close_files(queue);
    while (err == 0 && queue->file_count > 1 && last_file(queue)->first_offset >= queue_offset) {
        compaction_file_paths(queue, last_file(queue)->base, log_path, queue_path);
        err = disk_remove(log_path);
        if (err == 0)
            err = disk_remove(queue_path);
        queue->file_count -= err == 0;
    }
    if (err == 0 && queue->file_count > 0)
        err = cut_file(queue, last_file(queue), queue_offset);
    atomic_store(&queue->next_offset, 0);
    compaction_queue_note_bounds(queue);
    pthread_mutex_unlock(&queue->lock);
    return err;
}

/* ---- reading --------------------------------------------------------------------------------- */

struct finding {
    const struct compaction_queue *queue;
    const struct store_get_request *request;
    struct store_get_result *result;
    struct buf *body;
    size_t body_start;
    int log_fd;
    int queue_fd;
    bool is_full;
};

/* The first entry of the file whose messages are not all below queue_offset. */
static int seek(const struct finding *f, const struct compaction_file *file, int64_t *place)
{
    int64_t from = 0;
    int64_t upto = file->count;
    while (from < upto) {
        int64_t middle = from + (upto - from) / 2;
        struct store_queue_entry entry;
        int err = compaction_file_entries(f->queue, f->queue_fd, middle, 1, &entry);
        if (err != 0)
            return err;
        if (entry.queue_offset + entry.count <= f->result->next_offset)
            from = middle + 1;
        else
            upto = middle;
    }
    *place = from;
    return 0;
}

/* Appends the record if the filter takes it. */
static int take(struct finding *f, const struct compaction_file *file,
                const struct store_queue_entry *entry)
{
    const struct store_get_request *request = f->request;
    size_t before = f->body->len;
    struct record record;
    int64_t at = entry->phy_offset - file->base;
    if (at < 0 || at > f->queue->sizes.log_file_bytes - entry->bytes)
        return ERR_CORRUPT;
    uint8_t *into = buf_reserve(f->body, (size_t)entry->bytes);
    int err = disk_read(f->log_fd, f->queue->log_dir, into, (size_t)entry->bytes, at, true);
    if (err == 0 &&
        (record_decode(slice_of(into, (size_t)entry->bytes), RECORD_CHECK_BODY_CRC, &record) != 0 ||
         record.queue_offset != entry->queue_offset))
        err = ERR_CORRUPT;
    if (err != 0 || (request->properties_filter != NULL &&
                     !request->properties_filter(request->filter_ctx, record.properties)))
        return err;
    /* The reference copies the checksum of the record in the commit log along. */
    f->body->len = before + record_crc_strip(into, (size_t)entry->bytes, &record);
    f->result->count += entry->count;
    f->result->status = GET_FOUND;
    return 0;
}

static int look_at(struct finding *f, const struct compaction_file *file,
                   const struct store_queue_entry *entry)
{
    const struct store_get_request *request = f->request;
    int64_t bytes_after = (int64_t)(f->body->len - f->body_start) + entry->bytes;
    if (f->result->count > 0 && (bytes_after > request->max_bytes ||
                                 f->result->count + entry->count > request->max_count)) {
        f->is_full = true;
        return 0;
    }
    if (request->filter == NULL || request->filter(request->filter_ctx, entry->tags_code)) {
        int err = take(f, file, entry);
        if (err == ERR_CORRUPT)
            log_error("compaction_record_damaged topic=%.*s queue=%d position=%lld",
                      SLICE_FMT(f->queue->topic), f->queue->queue_id, (long long)entry->phy_offset);
        else if (err != 0)
            return err;
    }
    f->result->next_offset = entry->queue_offset + entry->count;
    return 0;
}

static int find_in(struct finding *f, const struct compaction_file *file)
{
    struct store_queue_entry entries[ENTRIES_PER_READ];
    int64_t place = 0;
    int err = open_pair(f->queue, file->base, false, &f->log_fd, &f->queue_fd);
    if (err != 0)
        return err;
    err = seek(f, file, &place);
    while (err == 0 && !f->is_full && place < file->count) {
        int64_t left = file->count - place;
        int count = left < ENTRIES_PER_READ ? (int)left : ENTRIES_PER_READ;
        err = compaction_file_entries(f->queue, f->queue_fd, place, count, entries);
        for (int i = 0; i < count && err == 0 && !f->is_full; i++)
            err = look_at(f, file, &entries[i]);
        place += count;
    }
    disk_close(f->log_fd);
    disk_close(f->queue_fd);
    return err;
}

int compaction_queue_get(struct compaction_queue *queue, const struct store_get_request *request,
                         struct buf *body, struct store_get_result *result)
{
    struct finding finding = {
        .queue = queue, .request = request, .result = result, .body = body, .body_start = body->len
    };
    int err = 0;
    result->status = GET_NO_MATCHED_MESSAGE;
    result->next_offset = request->queue_offset;
    pthread_mutex_lock(&queue->lock);
    if (queue->is_between)
        err = ERR_IO;
    for (int i = 0; i < queue->file_count && err == 0 && !finding.is_full; i++)
        if (queue->files[i].next_offset > result->next_offset)
            err = find_in(&finding, &queue->files[i]);
    if (err == 0 && !finding.is_full && result->next_offset < atomic_load(&queue->next_offset))
        result->next_offset = atomic_load(&queue->next_offset);
    pthread_mutex_unlock(&queue->lock);
    if (err != 0 && result->count > 0)
        err = 0; /* what there is goes out */
    return err;
}

/* ---- the end --------------------------------------------------------------------------------- */

void compaction_queue_drop(struct compaction_queue *queue, const char *graveyard, const char *name)
{
    char to[DISK_PATH_MAX];
    pthread_mutex_lock(&queue->lock);
    queue->is_dropped = true;
    queue->file_count = 0;
    compaction_queue_close_files(queue);
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
    pthread_mutex_unlock(&queue->lock);
}
