/* repair.c - makes a damaged log one that every broker can read, and loses nothing on the way.
 *
 * The bytes of each damaged stretch are copied to set-aside/ first. In their place goes a record
 * that says nothing (a rollback of no transaction: it is in no queue and no index), or the end
 * mark, when the stretch reaches to the end of its file. Then the checkpoint is set aside too, so
 * that the next start reads the whole log and puts the queues right; the index is built again as
 * well.
 */
#include <assert.h>
#include <stdio.h>

#include "base/crc.h"
#include "store/offline.h"

enum { PLACEHOLDER_MOST = 4 << 20, PLACEHOLDER_LEAST = 128 };
static const char placeholder_topic[] = "RAMJET_REPAIRED";

struct repairing {
    struct offline *offline;
    struct store_repair_result *result;
    char aside_dir[DISK_PATH_MAX - 128];
};

/* ---- setting aside --------------------------------------------------------------------------- */

static int copy_aside(struct repairing *r, int64_t from, int64_t end)
{
    char path[DISK_PATH_MAX];
    int fd;
    snprintf(path, sizeof path, "%s/commitlog-%020lld-%lld", r->aside_dir, (long long)from,
             (long long)(end - from));
    int err = disk_make_dirs(r->aside_dir);
    if (err == 0)
        err = disk_open(path, end - from, &fd);
    if (err != 0)
        return err;
    for (int64_t at = from; at < end && err == 0;) {
        struct slice bytes;
        size_t len = end - at < (1 << 20) ? (size_t)(end - at) : 1 << 20;
        err = offline_bytes(r->offline, at, len, &bytes);
        if (err == ERR_NOT_FOUND) /* a missing file: there is nothing to keep */
            err = 0;
        else if (err == 0)
            err = disk_write(fd, path, bytes.data, bytes.len, at - from);
        at += (int64_t)len;
    }
    if (err == 0)
        err = disk_sync(fd, path);
    disk_close(fd);
    if (err == 0)
        err = disk_sync_dirs(r->aside_dir, 1);
    return err;
}

static int move_aside(struct repairing *r, const char *name)
{
    char from[DISK_PATH_MAX];
    char to[DISK_PATH_MAX];
    snprintf(from, sizeof from, "%s/%s", r->offline->root_dir, name);
    int n = 0;
    do { /* an earlier repair's stays */
        snprintf(to, sizeof to, "%s/%s.%d", r->aside_dir, name, n++);
    } while (disk_exists(to));
    int err = disk_make_dirs(r->aside_dir);
    if (err == 0)
        err = disk_rename(from, to);
    if (err == ERR_NOT_FOUND)
        return 0;
    if (err == 0)
        offline_say(r->offline, "moved %s to %s", from, to);
    return err != 0 ? err : disk_sync_dirs(r->aside_dir, 1);
}

/* ---- filling --------------------------------------------------------------------------------- */

static size_t make_placeholder(uint8_t *out, int64_t phy_offset, int64_t bytes)
{
    static uint8_t zeros[PLACEHOLDER_MOST];
    struct record record = { .phy_offset = phy_offset,
                             .sys_flag = SYS_FLAG_TRANSACTION_ROLLBACK,
                             .topic = slice_str(placeholder_topic),
                             .store_timestamp = 1 };
    size_t bare = record_bytes(&record);
    assert(bytes >= (int64_t)bare);
    record.body = slice_of(zeros, (size_t)bytes - bare);
    assert(record_bytes(&record) == (size_t)bytes);
    record_encode(&record, out);
    return (size_t)bytes;
}

static int open_log_file(struct repairing *r, int64_t phy_offset, char path[DISK_PATH_MAX], int *fd)
{
    struct offline *offline = r->offline;
    int64_t bytes;
    disk_numbered_path(path, offline->log_dir, phy_offset - phy_offset % offline->file_bytes);
    int err = disk_open(path, offline->file_bytes, fd);
    if (err != 0)
        return err;
    err = disk_size(path, &bytes);
    if (err == 0 && bytes < offline->file_bytes)
        err = disk_extend(path, offline->file_bytes);
    if (err != 0)
        disk_close(*fd);
    return err;
}

/* Fills [from, end) of one file. */
static int fill(struct repairing *r, int64_t from, int64_t end)
{
    static uint8_t bytes[PLACEHOLDER_MOST];
    char path[DISK_PATH_MAX];
    int64_t file_bytes = r->offline->file_bytes;
    int fd;
    assert(from < end);
    assert(from / file_bytes == (end - 1) / file_bytes);
    int err = open_log_file(r, from, path, &fd);
    if (err != 0)
        return err;
    bool is_last = end % file_bytes == 0;
    if (is_last && end - from >= RECORD_BLANK_BYTES) {
        record_put_blank(bytes, (int32_t)(end - from));
        err = disk_write(fd, path, bytes, RECORD_BLANK_BYTES, from % file_bytes);
        from = end;
    }
    while (from < end && err == 0) {
        int64_t left = end - from;
        int64_t len = left;
        if (left > PLACEHOLDER_MOST) /* what remains must still take a record */
            len = left - PLACEHOLDER_MOST >= PLACEHOLDER_LEAST ? PLACEHOLDER_MOST
                                                               : PLACEHOLDER_MOST / 2;
        if (len < PLACEHOLDER_LEAST - 16) {
            disk_close(fd);
            return ERR_TOO_BIG; /* two whole records closer than a third can stand between */
        }
        size_t made = make_placeholder(bytes, from, len);
        err = disk_write(fd, path, bytes, made, from % file_bytes);
        from += (int64_t)made;
    }
    if (err == 0)
        err = disk_sync(fd, path);
    disk_close(fd);
    r->offline->window.len = 0; /* it has changed */
    return err != 0 ? err : disk_sync_name(path);
}

static int mend(struct repairing *r, const struct offline_piece *piece)
{
    int err = copy_aside(r, piece->at, piece->end);
    if (err == 0)
        err = fill(r, piece->at, piece->end);
    if (err == 0) {
        r->result->mended++;
        r->result->bytes_set_aside += piece->end - piece->at;
        offline_say(r->offline, "set aside phy_offset %lld to %lld (%s)", (long long)piece->at,
                    (long long)piece->end, piece->why);
    }
    return err;
}

/* In the last file what lies behind the last whole record is recovery's to cut; but not silently:
 * it is kept, and zeroed here. */
static int mend_tail(struct repairing *r, const struct offline_piece *piece)
{
    char path[DISK_PATH_MAX];
    int fd;
    int64_t file_bytes = r->offline->file_bytes;
    int err = copy_aside(r, piece->at, piece->end);
    if (err == 0)
        err = open_log_file(r, piece->at, path, &fd);
    if (err != 0)
        return err;
    err = disk_zero(fd, path, piece->at % file_bytes, piece->end - piece->at);
    if (err == 0)
        err = disk_sync(fd, path);
    disk_close(fd);
    r->offline->window.len = 0;
    if (err != 0)
        return err;
    r->result->mended++;
    r->result->bytes_set_aside += piece->end - piece->at;
    offline_say(r->offline, "set aside the end of the log from phy_offset %lld on (%s)",
                (long long)piece->at, piece->why);
    return 0;
}

static int mend_log(struct repairing *r)
{
    struct offline *offline = r->offline;
    int64_t at = offline->starts[0];
    int64_t end = offline->starts[offline->count - 1] + offline->file_bytes;
    for (;;) {
        struct offline_piece piece;
        int err = offline_next(offline, at, &piece);
        if (err != 0 || piece.kind == OFFLINE_END)
            return err;
        if (piece.kind == OFFLINE_DAMAGE)
            err = piece.is_tail ? mend_tail(r, &piece) : mend(r, &piece);
        if (err != 0)
            return err;
        assert(piece.end > at);
        at = piece.end;
        offline_progress(offline, at - offline->starts[0], end - offline->starts[0]);
    }
}

static int fill_up(struct repairing *r, int64_t start)
{
    char path[DISK_PATH_MAX];
    int64_t bytes;
    int fd;
    disk_numbered_path(path, r->offline->log_dir, start);
    int err = disk_size(path, &bytes);
    if (err != 0 || bytes >= r->offline->file_bytes)
        return err;
    err = open_log_file(r, start, path, &fd);
    if (err != 0)
        return err;
    err = disk_sync(fd, path);
    disk_close(fd);
    r->result->mended++;
    offline_say(r->offline, "filled up %s from %lld bytes on, behind its last record", path,
                (long long)bytes);
    return err;
}

/* What is missing behind a file's end mark is no damage to look at, and its length is wrong all the
 * same. */
static int fill_up_files(struct repairing *r)
{
    int err = 0;
    for (int i = 0; i < r->offline->count && err == 0; i++)
        err = fill_up(r, r->offline->starts[i]);
    return err;
}

int store_repair(const struct store_offline_options *options, struct store_repair_result *result)
{
    struct offline offline;
    *result = (struct store_repair_result){ 0 };
    int err = offline_open(&offline, options);
    if (err != 0)
        return err;
    struct repairing repairing = { .offline = &offline, .result = result };
    snprintf(repairing.aside_dir, sizeof repairing.aside_dir, "%.3700s/set-aside",
             offline.root_dir);
    err = mend_log(&repairing);
    if (err == 0)
        err = fill_up_files(&repairing);
    if (err == 0)
        err = move_aside(&repairing, "checkpoint");
    if (err == 0)
        err = move_aside(&repairing, "index");
    offline_close(&offline);
    return err;
}
