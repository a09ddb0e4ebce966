/* timer_log.c - units of the timer log, in the files of timer_files.c.
 *
 * One unit: 52 bytes, big-endian.
 *
 *   0      4          12      16         24         28           36      40           44         52
 *   | 52   | prev_pos | magic | write_ms | delay_ms | phy_offset | bytes | topic_hash | reserved |
 *
 * Where a unit and a filler do not fit any more, a filler of 16 bytes closes the file and the rest
 * is zeros:
 *
 *   0            4   12                 16
 *   | bytes left | 0 | FILLER_MAGIC     |
 */
#include "delivery/timer_log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/log.h"
#include "delivery/timer_files.h"

enum {
    UNIT_SIZE = 0,
    UNIT_PREV_POS = 4,
    UNIT_MAGIC = 12,
    UNIT_WRITE_MS = 16,
    UNIT_DELAY_MS = 24,
    UNIT_PHY_OFFSET = 28,
    UNIT_RECORD_BYTES = 36,
    UNIT_TOPIC_HASH = 40,
    UNIT_RESERVED = 44,
};
static_assert(UNIT_PREV_POS == UNIT_SIZE + sizeof(int32_t), "no padding");
static_assert(UNIT_MAGIC == UNIT_PREV_POS + sizeof(int64_t), "no padding");
static_assert(UNIT_WRITE_MS == UNIT_MAGIC + sizeof(int32_t), "no padding");
static_assert(UNIT_DELAY_MS == UNIT_WRITE_MS + sizeof(int64_t), "no padding");
static_assert(UNIT_PHY_OFFSET == UNIT_DELAY_MS + sizeof(int32_t), "no padding");
static_assert(UNIT_RECORD_BYTES == UNIT_PHY_OFFSET + sizeof(int64_t), "no padding");
static_assert(UNIT_TOPIC_HASH == UNIT_RECORD_BYTES + sizeof(int32_t), "no padding");
static_assert(UNIT_RESERVED == UNIT_TOPIC_HASH + sizeof(int32_t), "no padding");
static_assert(TIMER_UNIT_BYTES == UNIT_RESERVED + sizeof(int64_t), "no padding");
enum { FILLER_BYTES = 16, FILLER_LEFT = 0, FILLER_MAGIC_AT = 12 };
static_assert(FILLER_MAGIC_AT == (int)UNIT_MAGIC, "a filler is told from a unit by its magic");
#define FILLER_MAGIC 0xCBD43194u
enum { UNIT_MAGIC_BITS = 0xF };
enum { UNITS_PER_READ = 1024 };

struct timer_log {
    struct timer_files files;
    int64_t certain_pos; /* the disk has what lies below */
    int64_t end;
    int64_t last_pos;  /* of the last unit; -1: none */
    int full_unsynced; /* a dup of the file before the last, when it has unsynced units; or -1 */
    bool is_unsynced;  /* the last file has */
    int recovered_err; /* of the syncs of what a killed process wrote */
};

/* ---- opening and closing --------------------------------------------------------------------- */

int timer_log_open(const char *dir, int64_t file_bytes, int64_t certain_pos,
                   struct timer_log **opened)
{
    assert(file_bytes >= TIMER_UNIT_BYTES + FILLER_BYTES);
    struct timer_log *log = calloc(1, sizeof *log);
    if (log == NULL)
        return ERR_NO_MEMORY;
    log->certain_pos = certain_pos;
    log->last_pos = -1;
    log->full_unsynced = -1;
    int err = timer_files_open(&log->files, dir, file_bytes, certain_pos);
    if (err != 0) {
        timer_log_close(log);
        return err;
    }
    log->end = timer_log_min(log);
    *opened = log;
    return 0;
}

void timer_log_close(struct timer_log *log)
{
    if (log == NULL)
        return;
    timer_files_close(&log->files);
    if (log->full_unsynced >= 0)
        close(log->full_unsynced);
    free(log);
}

bool timer_log_is_new(const struct timer_log *log)
{
    return timer_files_last(&log->files) == NULL;
}

int64_t timer_log_found_end(const struct timer_log *log)
{
    const struct timer_log_file *last = timer_files_last(&log->files);
    return last == NULL ? 0 : last->start + (log->files.is_last_new ? 0 : log->files.file_bytes);
}

int64_t timer_log_min(const struct timer_log *log)
{
    return timer_files_min(&log->files);
}

int64_t timer_log_end(const struct timer_log *log)
{
    return log->end;
}

/* ---- units ----------------------------------------------------------------------------------- */

static void encode(const struct timer_unit *unit, uint8_t *out)
{
    put_be32(out + UNIT_SIZE, TIMER_UNIT_BYTES);
    put_be64(out + UNIT_PREV_POS, (uint64_t)unit->prev_pos);
    put_be32(out + UNIT_MAGIC, (uint32_t)unit->magic);
    put_be64(out + UNIT_WRITE_MS, (uint64_t)unit->write_ms);
    put_be32(out + UNIT_DELAY_MS, (uint32_t)unit->delay_ms);
    put_be64(out + UNIT_PHY_OFFSET, (uint64_t)unit->phy_offset);
    put_be32(out + UNIT_RECORD_BYTES, (uint32_t)unit->bytes);
    put_be32(out + UNIT_TOPIC_HASH, (uint32_t)unit->topic_hash);
    put_be64(out + UNIT_RESERVED, 0);
}

static bool decode(const uint8_t *in, struct timer_unit *unit)
{
    *unit = (struct timer_unit){
        .prev_pos = (int64_t)get_be64(in + UNIT_PREV_POS),
        .magic = (int32_t)get_be32(in + UNIT_MAGIC),
        .write_ms = (int64_t)get_be64(in + UNIT_WRITE_MS),
        .delay_ms = (int32_t)get_be32(in + UNIT_DELAY_MS),
        .phy_offset = (int64_t)get_be64(in + UNIT_PHY_OFFSET),
        .bytes = (int32_t)get_be32(in + UNIT_RECORD_BYTES),
        .topic_hash = (int32_t)get_be32(in + UNIT_TOPIC_HASH),
    };
    return get_be32(in + UNIT_SIZE) == TIMER_UNIT_BYTES && (unit->magic & ~UNIT_MAGIC_BITS) == 0 &&
           unit->write_ms > 0 && unit->phy_offset >= 0 && unit->bytes > 0;
}

static bool has_room_for_unit(const struct timer_log *log, int64_t file_pos)
{
    return file_pos + TIMER_UNIT_BYTES + FILLER_BYTES <= log->files.file_bytes;
}

int timer_log_read(const struct timer_log *log, int64_t pos, struct timer_unit *unit)
{
    const struct timer_log_file *file = timer_files_at(&log->files, pos);
    uint8_t bytes[TIMER_UNIT_BYTES];
    char path[TIMER_PATH_MAX];
    if (file == NULL)
        return ERR_NOT_FOUND;
    if (pos >= log->end || !has_room_for_unit(log, pos - file->start))
        return ERR_CORRUPT;
    timer_files_path(&log->files, file, path);
    int err = timer_file_read(file->fd, path, bytes, sizeof bytes, pos - file->start);
    if (err == 0 && !decode(bytes, unit))
        err = ERR_CORRUPT;
    return err;
}

int timer_log_last(const struct timer_log *log, struct timer_unit *unit)
{
    return log->last_pos < 0 ? ERR_NOT_FOUND : timer_log_read(log, log->last_pos, unit);
}

/* ---- append ---------------------------------------------------------------------------------- */

/* The filler is to be synced as a unit is, also when all units of the file are. */
static int close_file(struct timer_log *log, const struct timer_log_file *file)
{
    uint8_t filler[FILLER_BYTES] = { 0 };
    char path[TIMER_PATH_MAX];
    int64_t file_pos = log->end - file->start;
    timer_files_path(&log->files, file, path);
    put_be32(filler + FILLER_LEFT, (uint32_t)(log->files.file_bytes - file_pos));
    put_be32(filler + FILLER_MAGIC_AT, FILLER_MAGIC);
    int err = timer_file_write(file->fd, path, filler, sizeof filler, file_pos);
    if (err != 0)
        return err;
    /* Two full files unsynced at once: more than a file between two syncs. Wait for the first. */
    if (log->full_unsynced >= 0) {
        err = timer_file_sync(log->full_unsynced, log->files.dir);
        close(log->full_unsynced);
        log->full_unsynced = -1;
    }
    if (err == 0)
        log->full_unsynced = fcntl(file->fd, F_DUPFD_CLOEXEC, 0);
    return err == 0 && log->full_unsynced < 0 ? err_from_errno(errno) : err;
}

/* Makes sure that the last file has room behind `end`. */
static int make_room(struct timer_log *log)
{
    const struct timer_log_file *file = timer_files_last(&log->files);
    if (file != NULL && log->end < file->start + log->files.file_bytes) {
        if (has_room_for_unit(log, log->end - file->start))
            return 0;
        int err = close_file(log, file);
        if (err != 0)
            return err;
        log->end = file->start + log->files.file_bytes;
        log->is_unsynced = false;
    }
    return timer_files_add(&log->files, log->end);
}

int timer_log_append(struct timer_log *log, const struct timer_unit *unit, int64_t *pos)
{
    assert(unit->prev_pos < log->end);
    int err = make_room(log);
    if (err != 0)
        return err;
    const struct timer_log_file *file = timer_files_last(&log->files);
    uint8_t bytes[TIMER_UNIT_BYTES];
    char path[TIMER_PATH_MAX];
    assert(has_room_for_unit(log, log->end - file->start));
    encode(unit, bytes);
    assert(decode(bytes, &(struct timer_unit){ 0 }));
    timer_files_path(&log->files, file, path);
    err = timer_file_write(file->fd, path, bytes, sizeof bytes, log->end - file->start);
    if (err != 0)
        return err;
    *pos = log->end;
    log->last_pos = log->end;
    log->end += TIMER_UNIT_BYTES;
    log->is_unsynced = true;
    assert(log->end + FILLER_BYTES <= file->start + log->files.file_bytes);
    return 0;
}

/* ---- recovery -------------------------------------------------------------------------------- */

struct walk {
    struct timer_log *log;
    int64_t limit;      /* positions from here on are not looked at */
    bool passes_damage; /* over what is no unit */
    int64_t pos;        /* of the next unit */
    int64_t last_pos;
    timer_unit_visitor *visit;
    void *ctx;
};

/* A full file that another follows ends, whether or not its filler came to the disk. */
static bool is_file_end(const struct walk *w, const struct timer_log_file *file, uint32_t magic)
{
    bool is_last = file == timer_files_last(&w->log->files);
    return magic == FILLER_MAGIC || (!is_last && !has_room_for_unit(w->log, w->pos - file->start));
}

static int verdict_on(const struct walk *w, const uint8_t *bytes, bool is_whole)
{
    struct timer_unit unit;
    if (is_whole && decode(bytes, &unit))
        return w->visit(w->ctx, w->pos, &unit);
    return w->passes_damage ? 0 : 1;
}

/* Walks one file from w->pos on. *is_over: what stands at w->pos is no unit, or not accepted. */
static int walk_file(struct walk *w, const struct timer_log_file *file, bool *is_over)
{
    uint8_t block[UNITS_PER_READ * TIMER_UNIT_BYTES];
    char path[TIMER_PATH_MAX];
    int64_t file_end = file->start + w->log->files.file_bytes;
    timer_files_path(&w->log->files, file, path);
    *is_over = false;
    while (w->pos < file_end && w->pos < w->limit) {
        int64_t len = file_end - w->pos;
        len = len < (int64_t)sizeof block ? len : (int64_t)sizeof block;
        if (len < FILLER_BYTES) { /* a full file ends with a filler */
            *is_over = true;
            return 0;
        }
        int err = timer_file_read(file->fd, path, block, (size_t)len, w->pos - file->start);
        if (err != 0)
            return err;
        for (int64_t at = 0; at + FILLER_BYTES <= len && w->pos < w->limit;) {
            if (is_file_end(w, file, get_be32(block + at + FILLER_MAGIC_AT))) {
                w->pos = file_end;
                return 0;
            }
            if (at + TIMER_UNIT_BYTES > len && w->pos + TIMER_UNIT_BYTES <= file_end)
                break; /* the rest of the unit is in the next block */
            int verdict = verdict_on(w, block + at, at + TIMER_UNIT_BYTES <= len);
            if (verdict != 0) {
                *is_over = verdict > 0;
                return verdict > 0 ? 0 : verdict;
            }
            w->last_pos = w->pos;
            w->pos += TIMER_UNIT_BYTES;
            at += TIMER_UNIT_BYTES;
        }
    }
    return 0;
}

static int walk_from(struct walk *w)
{
    bool is_over = false;
    for (int i = 0; i < w->log->files.count && !is_over; i++) {
        const struct timer_log_file *file = &w->log->files.list[i];
        if (w->pos >= file->start + w->log->files.file_bytes || w->pos >= w->limit)
            continue;
        int err = walk_file(w, file, &is_over);
        if (err != 0)
            return err;
    }
    return 0;
}

/* A place where a unit can begin, at or before `pos`. */
static int64_t aligned(const struct timer_log *log, int64_t pos)
{
    const struct timer_log_file *file = timer_files_at(&log->files, pos > 0 ? pos - 1 : 0);
    if (file == NULL)
        file = pos <= timer_log_min(log) ? NULL : timer_files_last(&log->files);
    if (file == NULL)
        return timer_log_min(log);
    bool is_end_of_file = pos == file->start + log->files.file_bytes;
    return is_end_of_file || (pos - file->start) % TIMER_UNIT_BYTES != 0 ||
                   pos > file->start + log->files.file_bytes
               ? file->start
               : pos;
}

/* Where the last unit of a full file starts. */
static int64_t last_unit_pos(const struct timer_log *log, int64_t start)
{
    int64_t room = log->files.file_bytes - FILLER_BYTES;
    return start + (room / TIMER_UNIT_BYTES - 1) * TIMER_UNIT_BYTES;
}

/* The unit before a place where one begins; -1: there is none. */
static int64_t unit_before(const struct timer_log *log, int64_t pos)
{
    const struct timer_log_file *file = timer_files_at(&log->files, pos);
    if (file == NULL || pos <= timer_log_min(log))
        return -1;
    return pos > file->start ? pos - TIMER_UNIT_BYTES
                             : last_unit_pos(log, file->start - log->files.file_bytes);
}

/* Forgets what lies behind `end`, so that it is not taken for units when the next ones reach it. */
static int cut_at(struct timer_log *log, int64_t end)
{
    assert(end >= timer_log_min(log));
    while (log->files.count > 1 && timer_files_last(&log->files)->start >= end) {
        int err = timer_files_remove_last(&log->files);
        if (err != 0)
            return err;
    }
    log->end = end;
    const struct timer_log_file *file = timer_files_last(&log->files);
    if (file == NULL)
        return 0;
    assert(file->start <= end);
    char path[TIMER_PATH_MAX];
    timer_files_path(&log->files, file, path);
    if (end >= file->start + log->files.file_bytes)
        return 0;
    log->is_unsynced = true;
    return timer_file_wipe(file->fd, path, end - file->start, log->files.file_bytes);
}

/* Its bytes of [from, upto), which a failed sync may have left clean and not on the disk. */
static int rewrite(const struct timer_log *log, const struct timer_log_file *file, int64_t from,
                   int64_t upto)
{
    char path[TIMER_PATH_MAX];
    timer_files_path(&log->files, file, path);
    int64_t from_pos = from > file->start ? from - file->start : 0;
    int64_t upto_pos = upto - file->start;
    if (upto_pos > log->files.file_bytes)
        upto_pos = log->files.file_bytes;
    return timer_file_rewrite(file->fd, path, from_pos, upto_pos);
}

/* What a killed process wrote since the check point may not be on the disk, nor may what the
 * recovery wiped and removed be gone from it. Both are settled before anything is appended: units
 * that a second loss of power brought back behind the new ones, or among them, would pass for
 * theirs, and the records they lead to may be others by then. It is written once more: a sync of
 * that process may have failed, and another one would not find anything to do. */
static int sync_written(struct timer_log *log, int64_t from)
{
    int64_t written = from > log->certain_pos ? from : log->certain_pos;
    int first_err = log->files.has_removed ? timer_files_sync_names(&log->files) : 0;
    for (int i = 0; i < log->files.count; i++) {
        const struct timer_log_file *file = &log->files.list[i];
        bool is_last = i + 1 == log->files.count;
        if (file->start + log->files.file_bytes <= from && !is_last)
            continue;
        int err = rewrite(log, file, written, log->end);
        if (err == 0)
            err = timer_file_sync(file->fd, log->files.dir);
        first_err = first_err == 0 ? err : first_err;
    }
    return first_err;
}

int timer_log_recover(struct timer_log *log, int64_t from, timer_unit_visitor *visit, void *ctx)
{
    struct walk w = { .log = log, .limit = INT64_MAX, .visit = visit, .ctx = ctx };
    w.pos = aligned(log, from);
    w.last_pos = unit_before(log, w.pos);
    int err = walk_from(&w);
    if (err != 0)
        return err;
    assert(w.last_pos < w.pos);
    log->last_pos = w.last_pos;
    err = cut_at(log, w.pos);
    int sync_err = err == 0 ? sync_written(log, from) : 0;
    if (sync_err != 0) /* never believed when tried again */
        log->recovered_err = sync_err;
    return err;
}

int timer_log_walk(struct timer_log *log, int64_t from, timer_unit_visitor *visit, void *ctx)
{
    struct walk w = {
        .log = log, .limit = log->end, .passes_damage = true, .visit = visit, .ctx = ctx
    };
    w.pos = aligned(log, from);
    return walk_from(&w);
}

/* ---- cleaning and syncing -------------------------------------------------------------------- */

void timer_log_clean(struct timer_log *log, int64_t phy_min)
{
    while (log->files.count > 1) {
        struct timer_unit unit;
        char path[TIMER_PATH_MAX];
        const struct timer_log_file *first = &log->files.list[0];
        timer_files_path(&log->files, first, path);
        if (timer_log_read(log, last_unit_pos(log, first->start), &unit) != 0 ||
            unit.phy_offset >= phy_min || timer_files_remove_first(&log->files) != 0)
            return;
        log_info("timer_log_removed path=%s", path);
        /* or the next might be gone from the disk before this one, which would be a gap */
        if (timer_files_sync_names(&log->files) != 0)
            return;
    }
}

void timer_log_take_unsynced(struct timer_log *log, struct timer_log_unsynced *unsynced)
{
    assert(unsynced->fds[0] < 0 && unsynced->fds[1] < 0); /* else they would never be closed */
    unsynced->err = log->recovered_err;
    unsynced->fds[0] = log->full_unsynced;
    unsynced->fds[1] = -1;
    log->full_unsynced = -1;
    const struct timer_log_file *last = timer_files_last(&log->files);
    if (log->is_unsynced && last != NULL)
        unsynced->fds[1] = fcntl(last->fd, F_DUPFD_CLOEXEC, 0);
    log->is_unsynced = log->is_unsynced && unsynced->fds[1] < 0;
}

int timer_log_sync(struct timer_log_unsynced *unsynced)
{
    int first_err = unsynced->err;
    for (int i = 0; i < 2; i++) {
        if (unsynced->fds[i] < 0)
            continue;
        int err = timer_file_sync(unsynced->fds[i], "timerlog");
        if (first_err == 0)
            first_err = err;
        close(unsynced->fds[i]);
        unsynced->fds[i] = -1;
    }
    return first_err;
}
