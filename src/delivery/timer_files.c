#include "delivery/timer_files.h"

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/slice.h"
#include "base/sort.h"

static void path_of(const struct timer_files *files, int64_t start, char path[TIMER_PATH_MAX])
{
    snprintf(path, TIMER_PATH_MAX, "%s/%020lld", files->dir, (long long)start);
}

void timer_files_path(const struct timer_files *files, const struct timer_log_file *file,
                      char path[TIMER_PATH_MAX])
{
    path_of(files, file->start, path);
}

int64_t timer_files_min(const struct timer_files *files)
{
    return files->count == 0 ? 0 : files->list[0].start;
}

const struct timer_log_file *timer_files_last(const struct timer_files *files)
{
    return files->count == 0 ? NULL : &files->list[files->count - 1];
}

const struct timer_log_file *timer_files_at(const struct timer_files *files, int64_t pos)
{
    if (files->count == 0 || pos < files->list[0].start)
        return NULL;
    int64_t index = (pos - files->list[0].start) / files->file_bytes;
    if (index >= files->count)
        return NULL;
    const struct timer_log_file *file = &files->list[index];
    assert(pos - file->start < files->file_bytes && pos >= file->start);
    return file;
}

/* ---- one more, one less ---------------------------------------------------------------------- */

int timer_files_add(struct timer_files *files, int64_t start)
{
    assert(start % files->file_bytes == 0);
    assert(files->count == 0 || start == timer_files_last(files)->start + files->file_bytes);
    char path[TIMER_PATH_MAX];
    int fd;
    path_of(files, start, path);
    bool is_new = timer_file_is_new(path);
    int err = timer_file_open(path, files->file_bytes, &fd);
    if (err != 0)
        return err;
    files->is_last_new = is_new;
    files->list = memory_resize(files->list, (size_t)files->count + 1, sizeof *files->list);
    files->list[files->count++] = (struct timer_log_file){ start, fd };
    return 0;
}

static int remove_named(struct timer_files *files, int64_t start)
{
    char path[TIMER_PATH_MAX];
    path_of(files, start, path);
    int err = timer_file_remove(path);
    files->has_removed |= err == 0;
    return err;
}

int timer_files_remove_first(struct timer_files *files)
{
    assert(files->count > 1);
    int err = remove_named(files, files->list[0].start);
    if (err != 0)
        return err;
    close(files->list[0].fd);
    files->count--;
    memmove(files->list, files->list + 1, (size_t)files->count * sizeof *files->list);
    return 0;
}

int timer_files_remove_last(struct timer_files *files)
{
    assert(files->count > 1);
    const struct timer_log_file *last = timer_files_last(files);
    int err = remove_named(files, last->start);
    if (err != 0)
        return err;
    close(last->fd);
    files->count--;
    return 0;
}

int timer_files_sync_names(struct timer_files *files)
{
    char path[TIMER_PATH_MAX];
    path_of(files, timer_files_min(files), path);
    int err = timer_file_sync_name(path);
    if (err == 0)
        files->has_removed = false;
    return err;
}

/* ---- opening --------------------------------------------------------------------------------- */

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
    sort_i64(starts, *count);
    return starts;
}

/* How many of the files found lie one behind the other, from the first on, which holds certain_pos
 * or lies below. An empty one that others follow is none: only the last may be in the making. */
static int count_without_gap(const struct timer_files *files, const int64_t *starts, int count,
                             int64_t certain_pos)
{
    char path[TIMER_PATH_MAX];
    if (count > 0 && starts[0] > certain_pos)
        return 0;
    for (int i = 0; i < count; i++) {
        path_of(files, starts[i], path);
        if (starts[i] != starts[0] + i * files->file_bytes ||
            (i + 1 < count && timer_file_is_new(path)))
            return i;
    }
    return count;
}

/* They are files of this row, and none of another layout. */
static bool are_ours(const struct timer_files *files, const int64_t *starts, int count)
{
    char path[TIMER_PATH_MAX];
    for (int i = 0; i < count; i++) {
        path_of(files, starts[i], path);
        if (starts[i] % files->file_bytes != 0 ||
            !(timer_file_is_new(path) || timer_file_has_length(path, files->file_bytes)))
            return false;
    }
    return true;
}

/* Removes the files behind a gap. ERR_CORRUPT: what is missing there was on the disk. */
static int drop_behind_gap(struct timer_files *files, const int64_t *starts, int count,
                           int64_t gap_pos, int64_t certain_pos)
{
    char path[TIMER_PATH_MAX];
    path_of(files, gap_pos / files->file_bytes * files->file_bytes, path);
    if (gap_pos < certain_pos || !are_ours(files, starts, count)) {
        log_error("timer_log_gap path=%s certain=%lld: it is missing or empty. Without it and the "
                  "files behind it the timers are made again from the commit log",
                  path, (long long)certain_pos);
        return ERR_CORRUPT;
    }
    log_warn("timer_log_gap path=%s files_removed=%d: made again from the commit log", path, count);
    int err = 0;
    for (int i = count - 1; i >= 0 && err == 0; i--) /* what is left stays behind the gap */
        err = remove_named(files, starts[i]);
    return err;
}

static int open_row(struct timer_files *files, int64_t certain_pos)
{
    int count;
    int err = 0;
    int64_t *starts = list_starts(files->dir, &count);
    int whole = count_without_gap(files, starts, count, certain_pos);
    int64_t gap_pos = count == 0 ? 0 : starts[0] + whole * files->file_bytes;
    if (count > 0 && starts[0] > certain_pos)
        gap_pos = certain_pos;
    if (count > 0 && starts[0] % files->file_bytes != 0) {
        log_error("timer_log_file_unfit dir=%s first=%lld expected=%lld", files->dir,
                  (long long)starts[0], (long long)files->file_bytes);
        err = ERR_CORRUPT;
    }
    for (int i = 0; err == 0 && i < whole; i++)
        err = timer_files_add(files, starts[i]);
    if (err == 0 && whole < count)
        err = drop_behind_gap(files, starts + whole, count - whole, gap_pos, certain_pos);
    free(starts);
    return err;
}

int timer_files_open(struct timer_files *files, const char *dir, int64_t file_bytes,
                     int64_t certain_pos)
{
    *files = (struct timer_files){ .file_bytes = file_bytes };
    snprintf(files->dir, sizeof files->dir, "%s", dir);
    int err = open_row(files, certain_pos);
    if (err != 0 || files->count == 0)
        return err;
    return timer_files_sync_names(files); /* who made one that was there may have died before */
}

void timer_files_close(struct timer_files *files)
{
    for (int i = 0; i < files->count; i++)
        close(files->list[i].fd);
    free(files->list);
}
