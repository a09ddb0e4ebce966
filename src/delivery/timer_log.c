/* timer_log.c - units of the timer log.
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
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/log.h"
#include "base/memory.h"

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

struct log_file {
    int64_t start;
    int fd;
};

struct timer_log {
    bool is_last_new; /* its last file was made when it was opened, or since */
    char dir[TIMER_PATH_MAX - 64];
    int64_t file_bytes;
    struct log_file *files; /* ascending, without gaps */
    int file_count;
    int64_t certain_pos; /* the disk has what lies below */
    int64_t end;
    int64_t last_pos;  /* of the last unit; -1: none */
    int full_unsynced; /* a dup of the file before the last, when it has unsynced units; or -1 */
    bool is_unsynced;  /* the last file has */
    bool has_removed;  /* files behind a gap or an end, whose names may still be on the disk */
    int recovered_err; /* of the syncs of what a killed process wrote */
};

/* ---- files ----------------------------------------------------------------------------------- */

static void path_of(const struct timer_log *log, int64_t start, char path[TIMER_PATH_MAX])
{
    snprintf(path, TIMER_PATH_MAX, "%s/%020lld", log->dir, (long long)start);
}

static int add_file(struct timer_log *log, int64_t start)
{
    assert(start % log->file_bytes == 0);
    assert(log->file_count == 0 ||
           start == log->files[log->file_count - 1].start + log->file_bytes);
    char path[TIMER_PATH_MAX];
    int fd;
    path_of(log, start, path);
    log->is_last_new = timer_file_is_new(path);
    int err = timer_file_open(path, log->file_bytes, &fd);
    if (err != 0)
        return err;
    log->files = memory_resize(log->files, (size_t)log->file_count + 1, sizeof *log->files);
    log->files[log->file_count++] = (struct log_file){ start, fd };
    return 0;
}

static int compare_starts(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

/* The starts of the files there are, ascending; the caller frees. */
static int64_t *list_starts(const char *dir, int *count)
{
    int64_t *starts = NULL;
    *count = 0;
    DIR *listed = opendir(dir);
    if (listed == NULL)
        return NULL;
    for (const struct dirent *entry; (entry = readdir(listed)) != NULL;) {
        int64_t start;
        if (strlen(entry->d_name) != 20 || !slice_to_i64(slice_str(entry->d_name), &start))
            continue;
        starts = memory_resize(starts, (size_t)*count + 1, sizeof *starts);
        starts[(*count)++] = start;
    }
    closedir(listed);
    if (*count > 0)
        qsort(starts, (size_t)*count, sizeof *starts, compare_starts);
    return starts;
}

/* How many of the files found lie one behind the other, from the first on, which holds certain_pos
 * or lies below. An empty one that others follow is none: only the last may be in the making. */
static int count_without_gap(const struct timer_log *log, const int64_t *starts, int count,
                             int64_t certain_pos)
{
    char path[TIMER_PATH_MAX];
    if (count > 0 && starts[0] > certain_pos)
        return 0;
    for (int i = 0; i < count; i++) {
        path_of(log, starts[i], path);
        if (starts[i] != starts[0] + i * log->file_bytes ||
            (i + 1 < count && timer_file_is_new(path)))
            return i;
    }
    return count;
}

/* They are files of this log, and none of another layout. */
static bool are_ours(const struct timer_log *log, const int64_t *starts, int count)
{
    char path[TIMER_PATH_MAX];
    for (int i = 0; i < count; i++) {
        path_of(log, starts[i], path);
        if (starts[i] % log->file_bytes != 0 ||
            !(timer_file_is_new(path) || timer_file_has_length(path, log->file_bytes)))
            return false;
    }
    return true;
}

static int remove_file(struct timer_log *log, int64_t start)
{
    char path[TIMER_PATH_MAX];
    path_of(log, start, path);
    if (unlink(path) != 0 && errno != ENOENT) {
        int cause = errno;
        log_error("timer_log_not_removed path=%s errno=%d", path, cause);
        return err_from_errno(cause);
    }
    log->has_removed = true;
    return 0;
}

/* Removes the files behind a gap. ERR_CORRUPT: what is missing there was on the disk. */
static int drop_behind_gap(struct timer_log *log, const int64_t *starts, int count, int64_t gap_pos,
                           int64_t certain_pos)
{
    char path[TIMER_PATH_MAX];
    path_of(log, gap_pos / log->file_bytes * log->file_bytes, path);
    if (gap_pos < certain_pos || !are_ours(log, starts, count)) {
        log_error("timer_log_gap path=%s certain=%lld: it is missing or empty. Without it and the "
                  "files behind it the timers are made again from the commit log",
                  path, (long long)certain_pos);
        return ERR_CORRUPT;
    }
    log_warn("timer_log_gap path=%s files_removed=%d: made again from the commit log", path, count);
    int err = 0;
    for (int i = count - 1; i >= 0 && err == 0; i--) /* what is left stays behind the gap */
        err = remove_file(log, starts[i]);
    return err;
}

static int open_files(struct timer_log *log, int64_t certain_pos)
{
    int count;
    int err = 0;
    int64_t *starts = list_starts(log->dir, &count);
    int whole = count_without_gap(log, starts, count, certain_pos);
    int64_t gap_pos = count == 0 ? 0 : starts[0] + whole * log->file_bytes;
    if (count > 0 && starts[0] > certain_pos)
        gap_pos = certain_pos;
    if (count > 0 && starts[0] % log->file_bytes != 0) {
        log_error("timer_log_file_unfit dir=%s first=%lld expected=%lld", log->dir,
                  (long long)starts[0], (long long)log->file_bytes);
        err = ERR_CORRUPT;
    }
    for (int i = 0; err == 0 && i < whole; i++)
        err = add_file(log, starts[i]);
    if (err == 0 && whole < count)
        err = drop_behind_gap(log, starts + whole, count - whole, gap_pos, certain_pos);
    free(starts);
    return err;
}

int timer_log_open(const char *dir, int64_t file_bytes, int64_t certain_pos,
                   struct timer_log **opened)
{
    assert(file_bytes >= TIMER_UNIT_BYTES + FILLER_BYTES);
    struct timer_log *log = calloc(1, sizeof *log);
    if (log == NULL)
        return ERR_NO_MEMORY;
    snprintf(log->dir, sizeof log->dir, "%s", dir);
    log->file_bytes = file_bytes;
    log->certain_pos = certain_pos;
    log->last_pos = -1;
    log->full_unsynced = -1;
    int err = open_files(log, certain_pos);
    if (err == 0 && log->file_count > 0) {
        char path[TIMER_PATH_MAX];
        path_of(log, log->files[0].start, path);
        err = timer_file_sync_name(path);
    }
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
    for (int i = 0; i < log->file_count; i++)
        close(log->files[i].fd);
    if (log->full_unsynced >= 0)
        close(log->full_unsynced);
    free(log->files);
    free(log);
}

bool timer_log_is_new(const struct timer_log *log)
{
    return log->file_count == 0;
}

int64_t timer_log_found_end(const struct timer_log *log)
{
    return log->file_count == 0
               ? 0
               : log->files[log->file_count - 1].start + (log->is_last_new ? 0 : log->file_bytes);
}

int64_t timer_log_min(const struct timer_log *log)
{
    return log->file_count == 0 ? 0 : log->files[0].start;
}

int64_t timer_log_end(const struct timer_log *log)
{
    return log->end;
}

static const struct log_file *file_at(const struct timer_log *log, int64_t pos)
{
    if (log->file_count == 0 || pos < log->files[0].start)
        return NULL;
    int64_t index = (pos - log->files[0].start) / log->file_bytes;
    if (index >= log->file_count)
        return NULL;
    assert(pos - log->files[index].start < log->file_bytes && pos >= log->files[index].start);
    return &log->files[index];
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
    return file_pos + TIMER_UNIT_BYTES + FILLER_BYTES <= log->file_bytes;
}

int timer_log_read(const struct timer_log *log, int64_t pos, struct timer_unit *unit)
{
    const struct log_file *file = file_at(log, pos);
    uint8_t bytes[TIMER_UNIT_BYTES];
    char path[TIMER_PATH_MAX];
    if (file == NULL)
        return ERR_NOT_FOUND;
    if (pos >= log->end || !has_room_for_unit(log, pos - file->start))
        return ERR_CORRUPT;
    path_of(log, file->start, path);
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
static int close_file(struct timer_log *log, const struct log_file *file)
{
    uint8_t filler[FILLER_BYTES] = { 0 };
    char path[TIMER_PATH_MAX];
    int64_t file_pos = log->end - file->start;
    path_of(log, file->start, path);
    put_be32(filler + FILLER_LEFT, (uint32_t)(log->file_bytes - file_pos));
    put_be32(filler + FILLER_MAGIC_AT, FILLER_MAGIC);
    int err = timer_file_write(file->fd, path, filler, sizeof filler, file_pos);
    if (err != 0)
        return err;
    /* Two full files unsynced at once: more than a file between two syncs. Wait for the first. */
    if (log->full_unsynced >= 0) {
        err = timer_file_sync(log->full_unsynced, log->dir);
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
    if (log->file_count == 0)
        return add_file(log, log->end);
    const struct log_file *file = &log->files[log->file_count - 1];
    if (log->end < file->start + log->file_bytes) {
        if (has_room_for_unit(log, log->end - file->start))
            return 0;
        int err = close_file(log, file);
        if (err != 0)
            return err;
        log->end = file->start + log->file_bytes;
        log->is_unsynced = false;
    }
    return add_file(log, log->end);
}

int timer_log_append(struct timer_log *log, const struct timer_unit *unit, int64_t *pos)
{
    assert(unit->prev_pos < log->end);
    int err = make_room(log);
    if (err != 0)
        return err;
    const struct log_file *file = &log->files[log->file_count - 1];
    uint8_t bytes[TIMER_UNIT_BYTES];
    char path[TIMER_PATH_MAX];
    assert(has_room_for_unit(log, log->end - file->start));
    encode(unit, bytes);
    assert(decode(bytes, &(struct timer_unit){ 0 }));
    path_of(log, file->start, path);
    err = timer_file_write(file->fd, path, bytes, sizeof bytes, log->end - file->start);
    if (err != 0)
        return err;
    *pos = log->end;
    log->last_pos = log->end;
    log->end += TIMER_UNIT_BYTES;
    log->is_unsynced = true;
    assert(log->end + FILLER_BYTES <= file->start + log->file_bytes);
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
static bool is_file_end(const struct walk *w, const struct log_file *file, uint32_t magic)
{
    bool is_last = file == &w->log->files[w->log->file_count - 1];
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
static int walk_file(struct walk *w, const struct log_file *file, bool *is_over)
{
    uint8_t block[UNITS_PER_READ * TIMER_UNIT_BYTES];
    char path[TIMER_PATH_MAX];
    int64_t file_end = file->start + w->log->file_bytes;
    path_of(w->log, file->start, path);
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
    for (int i = 0; i < w->log->file_count && !is_over; i++) {
        const struct log_file *file = &w->log->files[i];
        if (w->pos >= file->start + w->log->file_bytes || w->pos >= w->limit)
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
    const struct log_file *file = file_at(log, pos > 0 ? pos - 1 : 0);
    if (file == NULL)
        file = pos <= timer_log_min(log) || log->file_count == 0 ? NULL
                                                                 : &log->files[log->file_count - 1];
    if (file == NULL)
        return timer_log_min(log);
    bool is_end_of_file = pos == file->start + log->file_bytes;
    return is_end_of_file || (pos - file->start) % TIMER_UNIT_BYTES != 0 ||
                   pos > file->start + log->file_bytes
               ? file->start
               : pos;
}

/* Where the last unit of a full file starts. */
static int64_t last_unit_pos(const struct timer_log *log, int64_t start)
{
    int64_t room = log->file_bytes - FILLER_BYTES;
    return start + (room / TIMER_UNIT_BYTES - 1) * TIMER_UNIT_BYTES;
}

/* The unit before a place where one begins; -1: there is none. */
static int64_t unit_before(const struct timer_log *log, int64_t pos)
{
    const struct log_file *file = file_at(log, pos);
    if (file == NULL || pos <= timer_log_min(log))
        return -1;
    return pos > file->start ? pos - TIMER_UNIT_BYTES
                             : last_unit_pos(log, file->start - log->file_bytes);
}

/* Forgets what lies behind `end`, so that it is not taken for units when the next ones reach it. */
static int cut_at(struct timer_log *log, int64_t end)
{
    assert(end >= timer_log_min(log));
    while (log->file_count > 1 && log->files[log->file_count - 1].start >= end) {
        const struct log_file *last = &log->files[log->file_count - 1];
        int err = remove_file(log, last->start);
        if (err != 0)
            return err;
        close(last->fd);
        log->file_count--;
    }
    log->end = end;
    if (log->file_count == 0)
        return 0;
    const struct log_file *file = &log->files[log->file_count - 1];
    assert(file->start <= end);
    char path[TIMER_PATH_MAX];
    path_of(log, file->start, path);
    if (end >= file->start + log->file_bytes)
        return 0;
    log->is_unsynced = true;
    return timer_file_wipe(file->fd, path, end - file->start, log->file_bytes);
}

/* Its bytes of [from, upto), which a failed sync may have left clean and not on the disk. */
static int rewrite(const struct timer_log *log, const struct log_file *file, int64_t from,
                   int64_t upto)
{
    char path[TIMER_PATH_MAX];
    path_of(log, file->start, path);
    int64_t from_pos = from > file->start ? from - file->start : 0;
    int64_t upto_pos = upto - file->start < log->file_bytes ? upto - file->start : log->file_bytes;
    return timer_file_rewrite(file->fd, path, from_pos, upto_pos);
}

/* What a killed process wrote since the check point may not be on the disk, nor may what the
 * recovery wiped and removed be gone from it. Both are settled before anything is appended: units
 * that a second loss of power brought back behind the new ones, or among them, would pass for
 * theirs, and the records they lead to may be others by then. It is written once more: a sync of
 * that process may have failed, and another one would not find anything to do. */
static int sync_written(struct timer_log *log, int64_t from)
{
    char path[TIMER_PATH_MAX];
    int first_err = 0;
    int64_t written = from > log->certain_pos ? from : log->certain_pos;
    if (log->has_removed) {
        path_of(log, 0, path);
        first_err = timer_file_sync_name(path);
    }
    for (int i = 0; i < log->file_count; i++) {
        bool is_last = i + 1 == log->file_count;
        if (log->files[i].start + log->file_bytes <= from && !is_last)
            continue;
        int err = rewrite(log, &log->files[i], written, log->end);
        if (err == 0)
            err = timer_file_sync(log->files[i].fd, log->dir);
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
    while (log->file_count > 1) {
        struct timer_unit unit;
        char path[TIMER_PATH_MAX];
        int64_t start = log->files[0].start;
        if (timer_log_read(log, last_unit_pos(log, start), &unit) != 0 ||
            unit.phy_offset >= phy_min || remove_file(log, start) != 0)
            return;
        path_of(log, start, path);
        close(log->files[0].fd);
        log->file_count--;
        memmove(log->files, log->files + 1, (size_t)log->file_count * sizeof *log->files);
        log_info("timer_log_removed path=%s", path);
        /* or the next might be gone from the disk before this one, which would be a gap */
        if (timer_file_sync_name(path) != 0)
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
    if (log->is_unsynced && log->file_count > 0)
        unsynced->fds[1] = fcntl(log->files[log->file_count - 1].fd, F_DUPFD_CLOEXEC, 0);
    log->is_unsynced = log->is_unsynced && unsynced->fds[1] < 0;
}

int timer_log_sync(struct timer_log_unsynced *unsynced, const char *name)
{
    int first_err = unsynced->err;
    for (int i = 0; i < 2; i++) {
        if (unsynced->fds[i] < 0)
            continue;
        int err = timer_file_sync(unsynced->fds[i], name);
        if (first_err == 0)
            first_err = err;
        close(unsynced->fds[i]);
        unsynced->fds[i] = -1;
    }
    return first_err;
}
