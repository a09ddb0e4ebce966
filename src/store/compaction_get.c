/* compaction_get.c - finding messages in the pairs of a queue, by queue offset. */
#include "store/compaction_internal.h"

#include "base/log.h"
#include "wire/record_crc.h"

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
         record.total_bytes != entry->bytes || record.queue_offset != entry->queue_offset))
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
    struct store_queue_entry entries[COMPACTION_ENTRIES_PER_READ];
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
    lock_take(&queue->lock);
    if (queue->is_between)
        err = ERR_IO;
    for (int i = 0; i < queue->file_count && err == 0 && !finding.is_full; i++)
        if (queue->files[i].next_offset > result->next_offset)
            err = find_in(&finding, &queue->files[i]);
    if (err == 0 && !finding.is_full && result->next_offset < atomic_load(&queue->next_offset))
        result->next_offset = atomic_load(&queue->next_offset);
    lock_release(&queue->lock);
    if (err != 0 && result->count > 0)
        err = 0; /* what there is goes out */
    return err;
}
