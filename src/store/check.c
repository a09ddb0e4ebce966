/* check.c - does what is derived agree with the log, and is the log whole?
 *
 * Three looks: the names and lengths of the log's files; every record with all its checksums, and
 * the entry its queue should have for it; the files of every queue, and every entry that leads into
 * the log. Queues of batches are compared by number: each record has one entry.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/memory.h"
#include "store/checkpoint.h"
#include "store/consume_queue.h"
#include "store/offline.h"
#include "wire/multi_dispatch.h"

enum { LINES_MOST = 200 }; /* of one kind: what follows is counted only */

/* One queue as its files say. */
struct queue_view {
    char dir[DISK_PATH_MAX];
    int fd; /* of the file used last, -1: none */
    int64_t fd_file;
    int64_t file_bytes;  /* of the longest; 0: there is none */
    int32_t entry_bytes; /* CQ_ENTRY_BYTES, BCQ_ENTRY_BYTES */
    bool is_known;       /* its topic was not deleted */
    int64_t matched;     /* records whose entry is there, or should be in a queue of batches */
    int64_t homeless;    /* records while there is no file at all */
};

struct checking {
    struct offline *offline;
    struct store_check_result *result;
    struct map queues; /* "topic/id" -> queue_view */
    int64_t queue_lines;
    const char *walked_dir;   /* below the root */
    const char *walked_topic; /* its name */
};

static const char *const queue_dirs[] = { "consumequeue", "batchconsumequeue" };

/* ---- the log's files ------------------------------------------------------------------------- */

static void check_files(struct checking *c)
{
    struct offline *offline = c->offline;
    for (int i = 0; i < offline->count; i++) {
        char path[DISK_PATH_MAX];
        int64_t bytes = 0;
        disk_numbered_path(path, offline->log_dir, offline->starts[i]);
        if (disk_size(path, &bytes) != 0)
            continue;
        if (bytes != offline->file_bytes) {
            c->result->problems++;
            offline_say(offline, "file %s: %lld bytes, should be %lld", path, (long long)bytes,
                        (long long)offline->file_bytes);
        }
        if (i > 0 && offline->starts[i] != offline->starts[i - 1] + offline->file_bytes) {
            c->result->problems++;
            offline_say(offline, "file %s: does not follow on the one before, files are missing",
                        path);
        }
    }
}

/* ---- queues ---------------------------------------------------------------------------------- */

static bool has_batches(const struct checking *c, struct slice topic)
{
    char dir[DISK_PATH_MAX];
    snprintf(dir, sizeof dir, "%.3600s/%s/%.*s", c->offline->root_dir, queue_dirs[1],
             SLICE_FMT(topic));
    return disk_exists(dir);
}

static bool is_topic_known(const struct checking *c, struct slice topic)
{
    const struct store_offline_options *options = c->offline->options;
    return options->knows_topic == NULL || name_is_light(topic) ||
           options->knows_topic(options->ctx, topic);
}

static void find_file_bytes(struct queue_view *view)
{
    int64_t *files = NULL;
    int count = 0;
    char path[DISK_PATH_MAX];
    if (disk_list_numbers(view->dir, &files, &count) == 0)
        for (int i = 0; i < count; i++) {
            int64_t bytes;
            disk_numbered_path(path, view->dir, files[i]);
            if (disk_size(path, &bytes) == 0 && bytes > view->file_bytes)
                view->file_bytes = bytes;
        }
    free(files);
}

/* `of_batches`: a record says so, though the queue's directory may be gone. */
static struct queue_view *view_of(struct checking *c, struct slice topic, int32_t queue_id,
                                  bool of_batches)
{
    char key[RECORD_TOPIC_MAX + 16];
    int len = snprintf(key, sizeof key, "%.*s/%d", SLICE_FMT(topic), queue_id);
    assert(len > 0 && (size_t)len < sizeof key); /* no name on a disk is longer */
    struct slice name = slice_of((const uint8_t *)key, (size_t)len);
    struct queue_view *view = map_get(&c->queues, name);
    if (view != NULL)
        return view;
    view = memory_zeroed(1, sizeof *view);
    of_batches = of_batches || has_batches(c, topic);
    view->fd = -1;
    view->entry_bytes = of_batches ? BCQ_ENTRY_BYTES : CQ_ENTRY_BYTES;
    view->is_known = is_topic_known(c, topic);
    snprintf(view->dir, sizeof view->dir, "%s/%s/%s", c->offline->root_dir, queue_dirs[of_batches],
             key);
    find_file_bytes(view);
    map_put(&c->queues, name, view);
    return view;
}

/* False: there is none. */
static bool entry_at(struct queue_view *view, int64_t queue_offset, struct store_queue_entry *entry)
{
    uint8_t bytes[CQ_ENTRY_BYTES];
    if (view->file_bytes < CQ_ENTRY_BYTES || queue_offset < 0 || queue_offset > INT64_MAX / 64)
        return false;
    int64_t at = queue_offset * CQ_ENTRY_BYTES;
    int64_t file = at / view->file_bytes * view->file_bytes;
    if (view->fd < 0 || view->fd_file != file) {
        char path[DISK_PATH_MAX];
        disk_close(view->fd);
        disk_numbered_path(path, view->dir, file);
        if (disk_open(path, 0, &view->fd) != 0) {
            view->fd = -1;
            return false;
        }
        view->fd_file = file;
    }
    if (disk_read(view->fd, view->dir, bytes, sizeof bytes, at - file, true) != 0)
        return false;
    *entry = plain_entry_get(bytes, queue_offset);
    assert(entry->queue_offset == queue_offset);
    return entry->bytes > 0;
}

static void close_views(struct checking *c)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&c->queues, &cursor, &key, &value)) {
        disk_close(((struct queue_view *)value)->fd);
        free(value);
    }
    map_fini(&c->queues);
}

static void queue_problem(struct checking *c, const char *dir, int64_t queue_offset,
                          const char *what, int64_t phy_offset)
{
    c->result->queue_problems++;
    if (c->queue_lines++ < LINES_MOST)
        offline_say(c->offline, "queue %s offset %lld: %s, phy_offset %lld", dir,
                    (long long)queue_offset, what, (long long)phy_offset);
}

/* The record's place in one queue. */
static void check_place(struct checking *c, const struct record *record, struct slice topic,
                        int32_t queue_id, int64_t queue_offset)
{
    bool is_batch = (record->sys_flag & SYS_FLAG_INNER_BATCH) != 0;
    struct queue_view *view = view_of(c, topic, queue_id, is_batch);
    struct store_queue_entry entry;
    if (view->file_bytes == 0)
        view->homeless++;
    else if (view->entry_bytes == BCQ_ENTRY_BYTES)
        view->matched++;
    else if (!entry_at(view, queue_offset, &entry))
        queue_problem(c, view->dir, queue_offset, "has no entry for its record",
                      record->phy_offset);
    else if (entry.phy_offset != record->phy_offset || entry.bytes != record->total_bytes)
        queue_problem(c, view->dir, queue_offset, "leads elsewhere than to its record",
                      record->phy_offset);
    else
        view->matched++;
}

/* The record's places in its queues. */
static void check_entry(struct checking *c, const struct record *record)
{
    struct multi_dispatch list;
    struct slice name;
    int64_t queue_offset;
    int32_t type = record->sys_flag & SYS_FLAG_TRANSACTION_MASK;
    if (type == SYS_FLAG_TRANSACTION_PREPARED || type == SYS_FLAG_TRANSACTION_ROLLBACK)
        return;
    check_place(c, record, record->topic, record->queue_id, record->queue_offset);
    if (multi_dispatch_of(record->topic, record->properties, &list))
        while (multi_dispatch_next(&list, &name, &queue_offset))
            check_place(c, record, name, 0, queue_offset);
}

/* ---- what the queues say --------------------------------------------------------------------- */

/* The entries that lead into the log. */
static int64_t count_entries(const struct checking *c, const char *path,
                             const struct queue_view *view)
{
    enum { RUN = 1024 };
    static uint8_t bytes[RUN * BCQ_ENTRY_BYTES];
    int64_t log_min = c->offline->starts[0];
    int64_t run_bytes = (int64_t)RUN * view->entry_bytes;
    int64_t file_bytes;
    int64_t entries = 0;
    int fd;
    if (disk_size(path, &file_bytes) != 0 || disk_open(path, 0, &fd) != 0)
        return 0;
    for (int64_t at = 0; at < file_bytes;) {
        int64_t left = file_bytes - at;
        size_t len = (size_t)(left < run_bytes ? left : run_bytes);
        if (disk_read(fd, path, bytes, len, at, true) != 0)
            break;
        for (size_t i = 0; i + (size_t)view->entry_bytes <= len; i += (size_t)view->entry_bytes) {
            struct store_queue_entry entry = view->entry_bytes == BCQ_ENTRY_BYTES
                                                 ? batch_entry_get(bytes + i)
                                                 : plain_entry_get(bytes + i, 0);
            entries +=
                entry.bytes > 0 && entry.bytes != CQ_FILLER_LENGTH && entry.phy_offset >= log_min;
        }
        at += (int64_t)len;
    }
    disk_close(fd);
    return entries;
}

/* A file has the length of the others, and follows on one. */
static void check_queue_file(struct checking *c, const char *path, const struct queue_view *view,
                             int64_t file, int64_t follows_on)
{
    int64_t bytes = 0;
    if (disk_size(path, &bytes) == 0 && bytes != view->file_bytes) {
        c->result->queue_problems++;
        offline_say(c->offline, "file %s: %lld bytes, should be %lld", path, (long long)bytes,
                    (long long)view->file_bytes);
    }
    if (follows_on >= 0 && file != follows_on + view->file_bytes) {
        c->result->queue_problems++;
        offline_say(c->offline, "file %s: does not follow on the one before, files are missing",
                    path);
    }
}

/* Every entry into the log belongs to one record: more of them lead astray. */
static void check_count(struct checking *c, const struct queue_view *view)
{
    bool is_batch = view->entry_bytes == BCQ_ENTRY_BYTES;
    if (view->matched < 0)
        offline_say(c->offline, "queue %s: %lld entries lead to no record of the queue", view->dir,
                    (long long)-view->matched);
    else if (is_batch && view->matched > 0)
        offline_say(c->offline, "queue %s: %lld records have no entry", view->dir,
                    (long long)view->matched);
    c->result->queue_problems += view->matched < 0 || (is_batch && view->matched > 0);
}

static void walk_queue(void *ctx, const char *name, bool is_dir)
{
    struct checking *c = ctx;
    char path[DISK_PATH_MAX];
    int64_t id;
    if (!is_dir || !slice_to_i64(slice_str(name), &id) || id < 0 || id > INT32_MAX)
        return;
    struct queue_view *view =
        view_of(c, slice_str(c->walked_topic), (int32_t)id, c->walked_dir == queue_dirs[1]);
    assert(view->entry_bytes == CQ_ENTRY_BYTES || view->entry_bytes == BCQ_ENTRY_BYTES);
    int64_t *files = NULL;
    int count = 0;
    if (disk_list_numbers(view->dir, &files, &count) == 0)
        for (int i = 0; i < count; i++) {
            disk_numbered_path(path, view->dir, files[i]);
            check_queue_file(c, path, view, files[i], i > 0 ? files[i - 1] : -1);
            int64_t entries = count_entries(c, path, view);
            view->matched -= entries;
            c->result->queue_entries += entries;
        }
    free(files);
    check_count(c, view);
}

static void walk_topic(void *ctx, const char *name, bool is_dir)
{
    struct checking *c = ctx;
    char dir[DISK_PATH_MAX];
    if (!is_dir || snprintf(dir, sizeof dir, "%s/%s/%s", c->offline->root_dir, c->walked_dir,
                            name) >= (int)sizeof dir)
        return;
    c->walked_topic = name;
    disk_each_name(dir, walk_queue, c);
}

/* Queues that have records, and no file: they are lost, or their topic was deleted. */
static void check_lost_queues(struct checking *c)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&c->queues, &cursor, &key, &value)) {
        const struct queue_view *view = value;
        if (view->homeless == 0 || !view->is_known)
            continue;
        c->result->queue_problems++;
        offline_say(c->offline, "queue %s: has no file, and the log has %lld records of it",
                    view->dir, (long long)view->homeless);
    }
}

static void check_queues(struct checking *c)
{
    for (size_t i = 0; i < sizeof queue_dirs / sizeof queue_dirs[0]; i++) {
        char dir[DISK_PATH_MAX];
        c->walked_dir = queue_dirs[i];
        snprintf(dir, sizeof dir, "%s/%s", c->offline->root_dir, queue_dirs[i]);
        disk_each_name(dir, walk_topic, c);
    }
    check_lost_queues(c);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int check_log(struct checking *c)
{
    struct offline *offline = c->offline;
    int64_t at = offline->starts[0];
    int64_t end = offline->starts[offline->count - 1] + offline->file_bytes;
    for (;;) {
        struct offline_piece piece;
        int err = offline_next(offline, at, &piece);
        if (err != 0)
            return err;
        if (piece.kind == OFFLINE_END)
            break;
        if (piece.kind == OFFLINE_DAMAGE) {
            char path[DISK_PATH_MAX];
            disk_numbered_path(path, offline->log_dir, at - at % offline->file_bytes);
            c->result->problems++;
            c->result->damaged_bytes += piece.end - at;
            offline_say(offline, "damaged %s bytes %lld to %lld, phy_offset %lld: %s", path,
                        (long long)(at % offline->file_bytes),
                        (long long)(at % offline->file_bytes + piece.end - at), (long long)at,
                        piece.why);
        }
        if (piece.kind == OFFLINE_RECORD) {
            c->result->records++;
            check_entry(c, &piece.record);
        }
        assert(piece.end > at);
        at = piece.end;
        offline_progress(offline, at - offline->starts[0], end - offline->starts[0]);
    }
    assert(at <= end);
    c->result->end_phy_offset = at;
    return 0;
}

/* The block may say that more was there than is found. */
static int check_checkpoint(struct checking *c)
{
    char path[DISK_PATH_MAX];
    struct checkpoint checkpoint;
    snprintf(path, sizeof path, "%s/checkpoint", c->offline->root_dir);
    int err = checkpoint_read(path, &checkpoint);
    if (err != 0)
        return err;
    c->result->flushed_phy_offset = checkpoint.is_ours ? checkpoint.flushed : -1;
    if (checkpoint.is_ours && checkpoint.flushed > c->result->end_phy_offset) {
        c->result->problems++;
        offline_say(c->offline, "log ends at phy_offset %lld, but was on the disk up to %lld",
                    (long long)c->result->end_phy_offset, (long long)checkpoint.flushed);
    }
    return 0;
}

int store_check(const struct store_offline_options *options, struct store_check_result *result)
{
    struct offline offline;
    *result = (struct store_check_result){ .flushed_phy_offset = -1 };
    int err = offline_open(&offline, options);
    if (err != 0)
        return err;
    struct checking checking = { .offline = &offline, .result = result };
    map_init(&checking.queues);
    result->files = offline.count;
    result->file_bytes = offline.file_bytes;
    result->min_phy_offset = offline.starts[0];
    check_files(&checking);
    err = check_log(&checking);
    if (err == 0)
        err = check_checkpoint(&checking);
    if (err == 0)
        check_queues(&checking);
    close_views(&checking);
    offline_close(&offline);
    return err;
}

int store_dump(const struct store_offline_options *options, int64_t from, int64_t count)
{
    struct offline offline;
    int err = offline_open(&offline, options);
    if (err != 0)
        return err;
    struct offline_piece piece = { .kind = OFFLINE_RECORD };
    int64_t at = from > offline.starts[0] ? from : offline.starts[0];
    for (; count > 0; at = piece.end) {
        err = offline_next(&offline, at, &piece);
        if (err != 0 || piece.kind == OFFLINE_END)
            break;
        const struct record *r = &piece.record;
        if (piece.kind == OFFLINE_END_MARK)
            continue;
        count--;
        if (piece.kind == OFFLINE_DAMAGE)
            offline_say(&offline, "%lld damaged, %lld bytes: %s", (long long)at,
                        (long long)(piece.end - at), piece.why);
        else
            offline_say(
                &offline,
                "%lld topic=%.*s queue=%d queue_offset=%lld stored_ms=%lld bytes=%d body=%zu "
                "sys_flag=0x%x properties=%zu",
                (long long)at, SLICE_FMT(r->topic), r->queue_id, (long long)r->queue_offset,
                (long long)r->store_timestamp, r->total_bytes, r->body.len, (unsigned)r->sys_flag,
                r->properties.len);
    }
    offline_close(&offline);
    return err;
}
