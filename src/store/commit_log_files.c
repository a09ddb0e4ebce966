/* commit_log_files.c - the files of the log: opened, lent to readers, taken away.
 *
 * A file that is being read is not unmapped: readers hold a reference. Its name goes at once, its
 * bytes with the last of them, freed by a thread that may take its time.
 */
#include "base/memory.h"
#include "store/commit_log_internal.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"

/* Appender and allocator may both make a file. The one that takes the name away again, since there
 * is no room for the length, must not take it from the other, which found it and then has room. */
static int make_named(struct commit_log *log, const char *path, int *fd)
{
    lock_take(&log->making);
    int err = disk_open(path, log->file_bytes, fd);
    lock_release(&log->making);
    return err;
}

int log_file_open(struct commit_log *log, int64_t start, bool create, struct log_file **opened)
{
    assert(start >= 0);
    assert(start % log->file_bytes == 0);
    char path[DISK_PATH_MAX];
    disk_numbered_path(path, log->dir, start);
    struct log_file *file = calloc(1, sizeof *file + strlen(path) + 1);
    if (file == NULL)
        return ERR_NO_MEMORY;
    memcpy(file->path, path, strlen(path) + 1);
    int err = create ? make_named(log, path, &file->fd) : disk_open(path, 0, &file->fd);
    if (err != 0)
        goto fail;
    err = disk_map(file->fd, file->path, log->file_bytes, &file->base);
    if (err == 0 && create) /* its length, before another file can follow it */
        err = disk_sync(file->fd, file->path);
    if (err == 0 && create) /* or a later sync of the file's bytes may leave it without a name */
        err = disk_sync_dirs(log->dir, 0);
    if (err != 0)
        goto fail_close;
    /* Without it the kernel reads ahead of what is populated, and in large folios: of one of those
     * a flush writes all 2 MiB, however little was stored. */
    disk_expect_random(file->base, log->file_bytes);
    /* A read on the loop takes what is in memory: reading ahead is a worker's, asked for in steps
     * (commit_log_will_read), since it waits for memory when that is short. */
    disk_expect_jumps(file->fd);
    file->start = start;
    file->refs = 1;
    *opened = file;
    return 0;
fail_close:
    if (file->base != NULL)
        disk_unmap(file->base, log->file_bytes);
    disk_close(file->fd);
fail:
    free(file);
    return err;
}

void log_file_free(struct commit_log *log, struct log_file *file)
{
    assert(file->refs <= 1);
    disk_unmap(file->base, log->file_bytes);
    if (file->is_removed)
        disk_free_in_slices(file->fd);
    disk_close(file->fd);
    free(file);
}

/* Takes the name away; what is in the file goes when its last reader has. Names go in the order of
 * the log, so that a crash never leaves a hole in it. */
static int remove_name(struct log_file *file)
{
    int err = disk_remove(file->path);
    file->is_removed = err == 0;
    return err;
}

void log_file_unref(struct commit_log *log, struct log_file *file)
{
    /* Not freed here: a reader may be a loop, and unlinking a large file takes its time. */
    lock_take(&log->files_lock);
    assert(file->refs > 0);
    if (--file->refs == 0) {
        assert(file->is_removed);
        file->next_unused = log->unused;
        log->unused = file;
    }
    lock_release(&log->files_lock);
}

void commit_log_free_unused(struct commit_log *log)
{
    lock_take(&log->files_lock);
    struct log_file *file = log->unused;
    log->unused = NULL;
    lock_release(&log->files_lock);
    while (file != NULL) {
        struct log_file *next = file->next_unused;
        log_file_free(log, file);
        file = next;
    }
}

/* The file that holds phy_offset, referenced; NULL when there is none. */
struct log_file *log_file_at(struct commit_log *log, int64_t phy_offset)
{
    struct log_file *found = NULL;
    lock_take(&log->files_lock);
    if (log->file_count > 0 && phy_offset >= log->files[0]->start) {
        int64_t index = (phy_offset - log->files[0]->start) / log->file_bytes;
        if (index < log->file_count) {
            found = log->files[index];
            assert(found->start <= phy_offset);
            assert(phy_offset - found->start < log->file_bytes);
            assert(found->refs > 0);
            found->refs++;
        }
    }
    lock_release(&log->files_lock);
    return found;
}

void log_files_append(struct commit_log *log, struct log_file *file)
{
    assert(file->refs == 1);
    assert(!file->is_removed);
    MEMORY_GROW(log->files, log->file_count, log->file_cap, 16);
    assert(log->file_count == 0 ||
           log->files[log->file_count - 1]->start + log->file_bytes == file->start);
    log->files[log->file_count++] = file;
    atomic_store(&log->min, log->files[0]->start);
}

static int open_all(struct commit_log *log, const int64_t *starts, int count)
{
    for (int i = 0; i < count; i++) {
        char path[DISK_PATH_MAX];
        int64_t bytes;
        disk_numbered_path(path, log->dir, starts[i]);
        int err = disk_size(path, &bytes);
        if (err != 0)
            return err;
        if (bytes == 0 && i == count - 1) { /* the process died while making it */
            log_warn("commit_log_file_empty path=%s: removed", path);
            return disk_remove(path);
        }
        /* An only file of whole pages may as well be one of another configuration. */
        if (bytes < log->file_bytes && i == count - 1 && (i > 0 || bytes % PAGE_BYTES != 0)) {
            /* What it held is recovery's to judge. */
            log_warn("commit_log_file_cut_short path=%s bytes=%lld expected=%lld: extended", path,
                     (long long)bytes, (long long)log->file_bytes);
            err = disk_extend(path, log->file_bytes);
            bytes = log->file_bytes;
        }
        bool is_next = i == 0 || starts[i] == starts[i - 1] + log->file_bytes;
        if (err != 0)
            return err;
        if (bytes != log->file_bytes || !is_next || starts[i] % log->file_bytes != 0) {
            log_error("commit_log_file_unfit path=%s bytes=%lld expected=%lld follows=%d", path,
                      (long long)bytes, (long long)log->file_bytes, is_next);
            return ERR_CORRUPT;
        }
        struct log_file *file;
        err = log_file_open(log, starts[i], false, &file);
        if (err != 0)
            return err;
        file->released = log->file_bytes; /* none of its pages is here */
        log_files_append(log, file);
    }
    return 0;
}

int log_files_cut(struct commit_log *log, int64_t end)
{
    while (log->file_count > 0) {
        struct log_file *last = log->files[log->file_count - 1];
        bool holds_nothing = last->start > end || (last->start == end && log->file_count > 1);
        if (!holds_nothing)
            break;
        assert(last->refs == 1);
        int err = remove_name(last);
        if (err != 0)
            return err;
        log_info("commit_log_file_behind_end_removed path=%s", last->path);
        log->file_count--;
        log_file_free(log, last);
    }
    return 0;
}

int log_files_open(struct commit_log *log)
{
    int64_t *starts = NULL;
    int count = 0;
    int err = disk_list_numbers(log->dir, &starts, &count);
    if (err == 0)
        err = open_all(log, starts, count);
    free(starts);
    return err;
}

void log_files_close(struct commit_log *log)
{
    commit_log_free_unused(log);
    assert(log->unused == NULL);
    for (int i = 0; i < log->file_count; i++) {
        assert(log->files[i]->refs == 1);
        log_file_free(log, log->files[i]);
    }
    if (log->spare != NULL) {
        (void)remove_name(log->spare); /* the reference would take it for a gap-free log */
        log_file_free(log, log->spare);
    }
    free(log->files);
}

int64_t commit_log_min(const struct commit_log *log)
{
    return atomic_load(&log->min);
}

int64_t commit_log_files_end(const struct commit_log *log)
{
    return log->file_count == 0 ? 0 : log->files[log->file_count - 1]->start + log->file_bytes;
}

int commit_log_remove_first(struct commit_log *log)
{
    lock_take(&log->files_lock);
    struct log_file *first = log->file_count > 1 ? log->files[0] : NULL;
    lock_release(&log->files_lock);
    if (first == NULL)
        return ERR_NOT_FOUND;
    int err = remove_name(first); /* stays open: only this thread takes the first file out */
    if (err != 0)
        return err;
    lock_take(&log->files_lock);
    assert(log->files[0] == first);
    log->file_count--;
    memmove(log->files, log->files + 1, (size_t)log->file_count * sizeof(struct log_file *));
    assert(log->file_count > 0);
    assert(log->files[0]->start == first->start + log->file_bytes);
    atomic_store(&log->min, log->files[0]->start);
    lock_release(&log->files_lock);
    log_info("commit_log_file_expired path=%s", first->path);
    log_file_unref(log, first);
    return 0;
}

int64_t commit_log_first_modified_ms(struct commit_log *log)
{
    lock_take(&log->files_lock);
    int64_t modified_ms = log->file_count > 1 ? disk_modified_ms(log->files[0]->fd) : -1;
    lock_release(&log->files_lock);
    return modified_ms;
}
