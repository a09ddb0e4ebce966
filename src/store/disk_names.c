/* disk_names.c - directories and the names in them: made, made durable, changed, listed. */
#include "store/disk_internal.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dirs.h"
#include "base/fault.h"
#include "base/memory.h"
#include "base/sort.h"

/* The directory that `path` stands in. */
static void parent_of(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        strncpy(path, ".", 2);
    else
        slash[slash == path] = 0;
}

int disk_sync_dirs(const char *path, int above)
{
    char dir[DISK_PATH_MAX];
    int err = fault_check("disk.sync_dirs");
    assert(above >= 0);
    snprintf(dir, sizeof dir, "%s", path);
    for (; err == 0 && above >= 0; above--) {
        int cause = dirs_sync(dir);
        if (cause != 0)
            err = cause == ENOENT ? ERR_NOT_FOUND : disk_failed("sync_dir", dir, cause);
        parent_of(dir);
    }
    return err;
}

int disk_sync_name(const char *path)
{
    char dir[DISK_PATH_MAX];
    snprintf(dir, sizeof dir, "%s", path);
    parent_of(dir);
    return disk_sync_dirs(dir, 0);
}

int disk_make_dirs(const char *path)
{
    int err = fault_check("disk.make_dirs");
    if (err != 0)
        return err;
    int cause = dirs_make(path);
    return cause == 0 ? 0 : disk_failed("mkdir", path, cause);
}

int disk_remove(const char *path)
{
    int err = fault_check("disk.remove");
    if (err != 0)
        return err;
    return unlink(path) == 0 || errno == ENOENT ? 0 : disk_failed("unlink", path, errno);
}

void disk_free_in_slices(int fd)
{
    enum { SLICE_BYTES = 64 << 20 };
    struct stat state;
    if (fstat(fd, &state) != 0 || state.st_nlink != 0)
        return;
    for (int64_t left = state.st_size - SLICE_BYTES; left > 0; left -= SLICE_BYTES)
        if (ftruncate(fd, left) != 0)
            break;
}

void disk_remove_in_slices(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (unlink(path) != 0 && errno != ENOENT)
        disk_failed("unlink", path, errno);
    if (fd < 0)
        return;
    /* The name goes first: a crash in between never leaves a file of a wrong length under it. */
    disk_free_in_slices(fd);
    close(fd);
}

int disk_rename(const char *from, const char *to)
{
    int err = fault_check("disk.rename");
    if (err != 0)
        return err;
    if (rename(from, to) == 0)
        return 0;
    return errno == ENOENT ? ERR_NOT_FOUND : disk_failed("rename", from, errno);
}

int disk_replace(const char *path, struct slice bytes)
{
    char temporary[DISK_PATH_MAX];
    int fd;
    assert(bytes.len > 0); /* an empty file is one that was not made to its end */
    if (snprintf(temporary, sizeof temporary, "%s.tmp", path) >= (int)sizeof temporary)
        return ERR_TOO_BIG;
    int err = disk_remove(temporary); /* it may be longer */
    if (err == 0)
        err = disk_open(temporary, (int64_t)bytes.len, &fd);
    if (err == 0) {
        err = disk_write(fd, temporary, bytes.data, bytes.len, 0);
        if (err == 0)
            err = disk_sync(fd, temporary);
        disk_close(fd);
    }
    if (err == 0)
        err = disk_rename(temporary, path);
    return err != 0 ? err : disk_sync_name(path);
}

void disk_each_name(const char *dir, void (*each)(void *ctx, const char *name, bool is_dir),
                    void *ctx)
{
    DIR *opened = opendir(dir);
    if (opened == NULL) {
        if (errno != ENOENT)
            disk_failed("opendir", dir, errno);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(opened)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            each(ctx, entry->d_name, entry->d_type == DT_DIR);
    closedir(opened);
}

static void remove_below(void *ctx, const char *name, bool is_dir)
{
    char below[DISK_PATH_MAX];
    if (snprintf(below, sizeof below, "%s/%s", (const char *)ctx, name) >= (int)sizeof below)
        return;
    if (is_dir)
        disk_remove_tree(below);
    else
        disk_remove_in_slices(below);
}

void disk_remove_tree(const char *path)
{
    char dir[DISK_PATH_MAX];
    snprintf(dir, sizeof dir, "%s", path);
    disk_each_name(dir, remove_below, dir);
    if (rmdir(dir) != 0 && errno != ENOENT)
        disk_failed("rmdir", dir, errno);
}

static bool parse_number(const char *name, int64_t *number)
{
    size_t len = strlen(name);
    return len > 0 && len <= 20 && name[0] != '-' && slice_to_i64(slice_str(name), number);
}

int disk_list_numbers(const char *dir, int64_t **numbers, int *count)
{
    *numbers = NULL;
    *count = 0;
    DIR *opened = opendir(dir);
    if (opened == NULL)
        return errno == ENOENT ? 0 : disk_failed("opendir", dir, errno);
    int cap = 0;
    for (const struct dirent *entry; (entry = readdir(opened)) != NULL;) {
        int64_t number;
        if (!parse_number(entry->d_name, &number))
            continue;
        MEMORY_GROW(*numbers, *count, cap, 16);
        (*numbers)[(*count)++] = number;
    }
    closedir(opened);
    sort_i64(*numbers, *count);
    return 0;
}

void disk_numbered_path(char path[DISK_PATH_MAX], const char *dir, int64_t number)
{
    assert(number >= 0);
    int len = snprintf(path, DISK_PATH_MAX, "%s/%020lld", dir, (long long)number);
    assert(len < DISK_PATH_MAX); /* another file would be meant */
}
