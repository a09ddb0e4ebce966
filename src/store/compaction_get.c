/* compaction_get.c - finding messages in the pairs of a queue, by queue offset. */
#include "store/compaction_internal.h"

#include <assert.h>

#include "base/log.h"
#include "wire/record_crc.h"

struct finding {
    struct compaction_queue *queue;
    const struct store_get_request *request;
    struct store_get_result *result;
    struct buf *body;
    size_t body_start;
    int log_fd;
    int queue_fd;
    bool is_full;
};

/* The first entry in [*place, upto) that can be believed. ERR_NOT_FOUND: none can. */
static int next_believed(const struct finding *f, int64_t upto, int64_t *place,
                         struct compaction_entry *entry)
{
    int err = 0;
    for (; *place < upto && err == 0; (*place)++) {
        err = compaction_file_entries(f->queue, f->queue_fd, *place, 1, entry);
        if (err == 0 && !entry->is_damaged)
            return 0;
    }
    return err == 0 ? ERR_NOT_FOUND : err;
}

/* The first entry of the file whose messages are not all below queue_offset, or damaged ones in
 * front of it. */
static int seek(const struct finding *f, const struct compaction_file *file, int64_t *place)
{
    int64_t from = 0;
    int64_t upto = file->count;
    while (from < upto) {
        int64_t middle = from + (upto - from) / 2;
        int64_t believed = middle;
        struct compaction_entry entry;
        int err = next_believed(f, upto, &believed, &entry);
        if (err != 0 && err != ERR_NOT_FOUND)
            return err;
        if (err == 0 && entry.at.queue_offset + entry.at.count <= f->result->next_offset)
            from = believed + 1;
        else
            upto = middle;
    }
    assert(from <= file->count);
    *place = from;
    return 0;
}

/* Passed over, and told of: where the record is, or should be. */
static void note_damage(struct finding *f, const struct compaction_file *file,
                        const struct compaction_entry *entry, int64_t place)
{
    char log_path[DISK_PATH_MAX];
    char queue_path[DISK_PATH_MAX];
    compaction_file_paths(f->queue, file->base, log_path, queue_path);
    atomic_fetch_add(&f->queue->damaged, 1);
    if (entry->is_damaged)
        log_error("compaction_entry_damaged path=%s at=%lld topic=%.*s queue=%d", queue_path,
                  (long long)place * BCQ_ENTRY_BYTES, SLICE_FMT(f->queue->topic),
                  f->queue->queue_id);
    else
        log_error("compaction_record_damaged path=%s at=%lld topic=%.*s queue=%d queue_offset=%lld",
                  log_path, (long long)(entry->at.phy_offset - file->base),
                  SLICE_FMT(f->queue->topic), f->queue->queue_id,
                  (long long)entry->at.queue_offset);
}

/* Appends the record if the filter takes it. */
static int take(struct finding *f, const struct compaction_file *file,
                const struct compaction_entry *of)
{
    const struct store_get_request *request = f->request;
    const struct store_queue_entry *entry = &of->at;
    size_t before = f->body->len;
    struct record record;
    int64_t at = entry->phy_offset - file->base;
    if (at < 0 || entry->bytes <= 0 || at > f->queue->sizes.log_file_bytes - entry->bytes)
        return ERR_CORRUPT;
    uint8_t *into = buf_reserve(f->body, (size_t)entry->bytes);
    struct slice bytes = slice_of(into, (size_t)entry->bytes);
    int err = disk_read(f->log_fd, f->queue->log_dir, into, bytes.len, at, true);
    if (err == 0 && (!compaction_entry_agrees(of, bytes) ||
                     record_decode(bytes, RECORD_CHECK_LENGTHS, &record) != 0))
        err = ERR_CORRUPT;
    assert(f->body->len == before);
    if (err != 0 || (request->properties_filter != NULL &&
                     !request->properties_filter(request->filter_ctx, record.properties)))
        return err;
    /* The reference copies the checksum of the record in the commit log along. */
    f->body->len = before + record_crc_strip(into, bytes.len, &record);
    f->result->count += entry->count;
    f->result->status = GET_FOUND;
    return 0;
}

/* An entry without sums may say anything; the reader goes forward, and not beyond the file. */
static bool is_in_its_place(const struct finding *f, const struct compaction_file *file,
                            const struct store_queue_entry *entry)
{
    return entry->bytes > 0 && entry->count > 0 && entry->phy_offset >= file->base &&
           entry->queue_offset + entry->count > f->result->next_offset &&
           entry->queue_offset + entry->count <= file->next_offset;
}

static int look_at(struct finding *f, const struct compaction_file *file,
                   const struct compaction_entry *of, int64_t place)
{
    const struct store_get_request *request = f->request;
    const struct store_queue_entry *entry = &of->at;
    if (of->is_damaged || !is_in_its_place(f, file, entry)) {
        note_damage(f, file, of, place);
        return 0;
    }
    int64_t bytes_after = (int64_t)(f->body->len - f->body_start) + entry->bytes;
    if (f->result->count > 0 && (bytes_after > request->max_bytes ||
                                 f->result->count + entry->count > request->max_count)) {
        f->is_full = true;
        return 0;
    }
    int err = request->filter == NULL || request->filter(request->filter_ctx, entry->tags_code)
                  ? take(f, file, of)
                  : 0;
    if (err == ERR_CORRUPT)
        note_damage(f, file, of, place);
    else if (err != 0)
        return err;
    bool is_doubtful = err == ERR_CORRUPT && of->record_sum == 0;
    int64_t next_offset = entry->queue_offset + (is_doubtful ? 1 : entry->count);
    if (next_offset > f->result->next_offset) /* what is damaged does not lead back */
        f->result->next_offset = next_offset;
    return 0;
}

static int find_in(struct finding *f, const struct compaction_file *file)
{
    struct compaction_entry entries[COMPACTION_ENTRIES_PER_READ];
    int64_t place = 0;
    int err = compaction_file_open(f->queue, file->base, false, &f->log_fd, &f->queue_fd);
    if (err != 0)
        return err;
    err = seek(f, file, &place);
    while (err == 0 && !f->is_full && place < file->count) {
        int64_t left = file->count - place;
        int count = left < COMPACTION_ENTRIES_PER_READ ? (int)left : COMPACTION_ENTRIES_PER_READ;
        err = compaction_file_entries(f->queue, f->queue_fd, place, count, entries);
        for (int i = 0; i < count && err == 0 && !f->is_full; i++)
            err = look_at(f, file, &entries[i], place + i);
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
    lock_take(&queue->lock);
    if (queue->is_between)
        err = ERR_IO;
    for (int i = 0; i < queue->file_count && err == 0 && !finding.is_full; i++)
        if (queue->files[i].next_offset > result->next_offset)
            err = find_in(&finding, &queue->files[i]);
    if (err == 0 && !finding.is_full && result->next_offset < atomic_load(&queue->next_offset))
        result->next_offset = atomic_load(&queue->next_offset);
    lock_release(&queue->lock);
    assert(result->next_offset >= request->queue_offset);
    assert(body->len >= finding.body_start);
    assert(result->status != GET_FOUND || result->count > 0);
    if (err != 0 && result->count > 0)
        err = 0; /* what there is goes out */
    return err;
}
