#include "store/index_files.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/index_gap.h"

struct index_files {
    char dir[DISK_PATH_MAX - 32];
    struct index_files_options options;
    struct lock lock;          /* guards the files and what is in them */
    struct index_file **files; /* oldest first */
    int count;
    int cap;
    bool is_doubtful;          /* a file could not be synced; who adds has it */
    struct index_file *filled; /* full, not synced yet; changed by who adds, under the lock */
    _Atomic int64_t safe_ms;
    _Atomic int64_t safe_end;
};

static struct index_file *newest(const struct index_files *f)
{
    return f->count == 0 ? NULL : f->files[f->count - 1];
}

static void index_path(const struct index_files *f, int64_t name, char path[DISK_PATH_MAX])
{
    snprintf(path, DISK_PATH_MAX, "%s/%017lld", f->dir, (long long)name);
}

/* Under the lock, but while they are opened. */
static void add_file(struct index_files *f, struct index_file *file)
{
    MEMORY_GROW(f->files, f->count, f->cap, 8);
    f->files[f->count++] = file;
}

/* Why a file is not believed, in a word; NULL: it is. */
static const char *doubt_of(const struct index_files *f, const struct index_file *file)
{
    const struct index_files_options *options = &f->options;
    int64_t end = index_file_end_phy_offset(file);
    /* A file that was just begun names the end of the one before as its own. */
    const struct index_file *before = newest(f);
    int64_t begun_at =
        before == NULL ? commit_log_min(options->log) - 1 : index_file_end_phy_offset(before);
    bool is_behind = options->safe_end >= 0 ? end > options->safe_end
                                            : index_file_end_ms(file) > options->safe_ms;
    if (options->drop_unsafe && (is_behind || end <= begun_at))
        return "unsafe";
    if (end > 0 && end >= commit_log_max(options->log))
        return "beyond_log";
    if (options->may_have_gaps && index_gap_between(options->log, before == NULL ? -1 : begun_at,
                                                    index_file_begin_phy_offset(file)))
        return "gap_before_it";
    return NULL;
}

/* *is_fit false: it is made again from the log. */
static int open_file(struct index_files *f, const char *path, bool *is_fit)
{
    struct index_file *file;
    int err = index_file_open(path, f->options.slot_count, f->options.entry_count, false, &file);
    *is_fit = err == 0;
    if (err != 0)
        return err == ERR_CORRUPT ? 0 : err;
    const char *doubt = doubt_of(f, file);
    *is_fit = doubt == NULL;
    if (doubt == NULL) {
        add_file(f, file);
    } else {
        log_info("index_file_dropped path=%s reason=%s", path, doubt);
        index_file_close(file);
    }
    return 0;
}

/* From the first that is not fit on, so that the thread makes all of it again, in the order of the
 * log. The newest goes first: an end in the middle of this leaves no gap. */
static int remove_files(struct index_files *f, const int64_t *names, int first, int count)
{
    int err = 0;
    for (int i = count - 1; i >= first && err == 0; i--) {
        char path[DISK_PATH_MAX];
        index_path(f, names[i], path);
        if (i > first)
            log_info("index_file_dropped path=%s reason=follows_on_one_that_went", path);
        err = disk_remove(path);
    }
    /* Or a loss of power behind a clean stop brings back what was not fit, and the next start
     * believes it. */
    return err == 0 && first < count ? disk_sync_dirs(f->dir, 0) : err;
}

static int open_all(struct index_files *f)
{
    int64_t *names = NULL;
    int count = 0;
    int fit = 0;
    bool is_fit = true;
    int err = disk_list_numbers(f->dir, &names, &count);
    while (err == 0 && is_fit && fit < count) {
        char path[DISK_PATH_MAX];
        index_path(f, names[fit], path);
        err = open_file(f, path, &is_fit);
        fit += is_fit;
    }
    if (err == 0)
        err = remove_files(f, names, fit, count);
    free(names);
    return err;
}

int index_files_open(const struct index_files_options *options, struct index_files **opened,
                     int64_t *begin)
{
    assert(options->log != NULL);
    assert(options->slot_count > 0);
    struct index_files *f = calloc(1, sizeof *f);
    if (f == NULL)
        return ERR_NO_MEMORY;
    f->options = *options;
    snprintf(f->dir, sizeof f->dir, "%s", options->dir);
    lock_init(&f->lock, LOCK_INDEX_FILES);
    int err = disk_make_dirs(f->dir);
    if (err == 0)
        err = open_all(f);
    if (err != 0) {
        index_files_close(f);
        return err;
    }
    int64_t end = newest(f) == NULL ? 0 : index_file_end_phy_offset(newest(f));
    int64_t safe_end = options->safe_end < 0 ? 0 : options->safe_end;
    /* What was dropped is written anew, and is not safe before it is synced again. */
    bool is_less = end < safe_end;
    int64_t end_ms = newest(f) == NULL ? 0 : index_file_end_ms(newest(f));
    atomic_store(&f->safe_ms, is_less ? end_ms : options->safe_ms);
    atomic_store(&f->safe_end, is_less ? end : safe_end);
    int64_t min = commit_log_min(options->log);
    *begin = end < min ? min : end;
    *opened = f;
    return 0;
}

void index_files_close(struct index_files *f)
{
    for (int i = 0; i < f->count; i++)
        index_file_close(f->files[i]);
    free(f->files);
    lock_fini(&f->lock);
    free(f);
}

int64_t index_files_safe_ms(const struct index_files *f)
{
    return atomic_load(&f->safe_ms);
}

int64_t index_files_safe_end(const struct index_files *f)
{
    return atomic_load(&f->safe_end);
}

/* ---- adding ---------------------------------------------------------------------------------- */

/* Files are named for the local time they are made at; a name that is taken gets the next
 * millisecond. */
static int make_file(struct index_files *f)
{
    struct index_file *file;
    char path[DISK_PATH_MAX];
    int64_t now_ms = clock_wall_ms();
    do {
        time_t seconds = now_ms / 1000;
        struct tm local;
        char stamp[16];
        localtime_r(&seconds, &local);
        strftime(stamp, sizeof stamp, "%Y%m%d%H%M%S", &local);
        snprintf(path, sizeof path, "%s/%s%03u", f->dir, stamp, (unsigned)(now_ms++ % 1000));
    } while (disk_exists(path));
    int err = index_file_open(path, f->options.slot_count, f->options.entry_count, true, &file);
    if (err != 0)
        return err;
    const struct index_file *before = newest(f);
    if (before != NULL)
        err =
            index_file_set_end(file, index_file_end_phy_offset(before), index_file_end_ms(before));
    add_file(f, file);
    return err;
}

static int file_for_next(struct index_files *f, struct index_file **file)
{
    *file = newest(f);
    if (*file != NULL && !index_file_is_full(*file))
        return 0;
    f->filled = *file;
    int err = make_file(f);
    *file = newest(f);
    assert(err != 0 || !index_file_is_full(*file));
    return err;
}

/* As many as one file takes, which *added grows by. Under the lock. */
static int add_some(struct index_files *f, const struct index_key *keys, int count, int *added)
{
    assert(lock_is_held(&f->lock));
    struct index_file *file;
    int err = file_for_next(f, &file);
    if (err != 0)
        return err;
    int fit = count < index_file_room(file) ? count : index_file_room(file);
    err = index_file_add(file, keys, fit);
    if (err == 0)
        *added += fit;
    return err;
}

/* After one sync that failed no file counts as safe any more, this one and those behind it: a loss
 * of power has them made again. */
static void note_synced(struct index_files *f, struct index_file *file)
{
    if (index_file_sync(file) != 0)
        f->is_doubtful = true;
    if (f->is_doubtful)
        return;
    atomic_store(&f->safe_ms, index_file_end_ms(file));
    atomic_store(&f->safe_end, index_file_end_phy_offset(file));
}

/* Outside the lock, so that queries go on; the cleaner removes no file that was just filled. */
static void sync_filled(struct index_files *f)
{
    if (f->filled == NULL)
        return;
    note_synced(f, f->filled);
    lock_take(&f->lock);
    f->filled = NULL;
    lock_release(&f->lock);
}

int index_files_add(struct index_files *f, const struct index_key *keys, int count, int *added)
{
    int err = 0;
    *added = 0;
    while (*added < count && err == 0) {
        lock_take(&f->lock);
        err = add_some(f, keys + *added, count - *added, added);
        lock_release(&f->lock);
        sync_filled(f);
    }
    assert(err != 0 || *added == count);
    return err;
}

void index_files_sync_left_over(struct index_files *f)
{
    lock_take(&f->lock);
    int64_t safe_end = atomic_load(&f->safe_end);
    for (int i = 0; i + 1 < f->count; i++)
        if (index_file_end_phy_offset(f->files[i]) > safe_end)
            note_synced(f, f->files[i]);
    lock_release(&f->lock);
}

void index_files_sync_newest(struct index_files *f)
{
    struct index_file *last = newest(f);
    if (last != NULL)
        note_synced(f, last);
}

/* ---- asking and expiring --------------------------------------------------------------------- */

int index_files_query(struct index_files *f, int32_t hash, int64_t begin_ms, int64_t end_ms,
                      int most, int64_t *phy_offsets, int64_t *last_ms, int64_t *last_phy_offset)
{
    assert(hash >= 0);
    assert(most > 0);
    int found = 0;
    *last_ms = 0;
    *last_phy_offset = 0;
    lock_take(&f->lock);
    for (int i = f->count - 1; i >= 0 && found < most; i--) {
        const struct index_file *file = f->files[i];
        if (i == f->count - 1) {
            *last_ms = index_file_end_ms(file);
            *last_phy_offset = index_file_end_phy_offset(file);
        }
        if (index_file_end_ms(file) + 999 < begin_ms)
            break;
        if (index_file_begin_ms(file) > end_ms)
            continue;
        int more =
            index_file_query(file, hash, begin_ms, end_ms, most - found, phy_offsets + found);
        found += more > 0 ? more : 0; /* what cannot be read is not found, and was logged */
        assert(found <= most);
    }
    lock_release(&f->lock);
    return found;
}

void index_files_retain(struct index_files *f, int64_t log_min)
{
    assert(log_min >= 0);
    for (;;) {
        struct index_file *expired = NULL;
        lock_take(&f->lock);
        if (f->count > 1 && f->files[0] != f->filled &&
            index_file_end_phy_offset(f->files[0]) < log_min) {
            expired = f->files[0];
            f->count--;
            memmove(f->files, f->files + 1, (size_t)f->count * sizeof(struct index_file *));
        }
        lock_release(&f->lock);
        if (expired == NULL)
            return;
        char path[DISK_PATH_MAX];
        snprintf(path, sizeof path, "%s", expired->path);
        index_file_close(expired);
        disk_remove_in_slices(path);
        log_info("index_file_expired path=%s", path);
    }
}

void index_files_rest(struct index_files *f)
{
    lock_take(&f->lock);
    for (int i = 0; i < f->count; i++)
        index_file_rest(f->files[i]);
    lock_release(&f->lock);
}
