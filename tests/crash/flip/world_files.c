/* world_files.c - the cases over files of the machine, with its threads. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "world.h"

enum { PAGE = 4096 };

const bool world_is_written_for_each_case = true;

void world_root(const char *work, int slot, char root[PATH_BYTES])
{
    snprintf(root, PATH_BYTES, "%.200s/crash_flip-%d.%d", work, (int)getpid(), slot);
}

/* ---- writing --------------------------------------------------------------------------------- */

void world_clean(const char *root)
{
    DIR *dir = opendir(root);
    if (dir == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[2 * PATH_BYTES];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", root, entry->d_name);
        if (unlink(path) != 0)
            world_clean(path);
    }
    closedir(dir);
    rmdir(root);
}

static void make_dirs_above(char *path)
{
    for (char *at = path + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = 0;
        if (mkdir(path, 0755) != 0 && errno != EEXIST)
            image_fail("mkdir", path);
        *at = '/';
    }
}

/* What rots does not change when it was last modified. */
static void set_modified(int fd, const struct image_file *file, const char *path)
{
    const struct timespec times[2] = { file->modified, file->modified };
    if (futimens(fd, times) != 0)
        image_fail("date", path);
}

void world_write(const struct image *image, const char *root)
{
    char above[PATH_BYTES] = "";
    world_clean(root);
    for (int i = 0; i < image->count; i++) {
        const struct image_file *file = &image->files[i];
        char path[2 * PATH_BYTES];
        snprintf(path, sizeof path, "%s/%s", root, file->path);
        size_t dir_len =
            (size_t)(strrchr(file->path, '/') == NULL ? 0 : strrchr(file->path, '/') - file->path);
        if (i == 0 || strlen(above) != dir_len || memcmp(above, file->path, dir_len) != 0)
            make_dirs_above(path);
        memcpy(above, file->path, dir_len);
        above[dir_len] = 0;
        int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0 || ftruncate(fd, file->bytes) != 0)
            image_fail("make", path);
        for (int page = 0; page < file->page_count; page++) {
            int64_t left = file->bytes - file->page_ats[page];
            if (pwrite(fd, file->pages + (size_t)page * PAGE, left < PAGE ? (size_t)left : PAGE,
                       file->page_ats[page]) < 0)
                image_fail("write", path);
        }
        set_modified(fd, file, path);
        close(fd);
    }
}

void world_damage(const struct damage *damage, const char *root)
{
    char path[2 * PATH_BYTES];
    uint8_t byte = 0;
    snprintf(path, sizeof path, "%s/%s", root, damage->file->path);
    if (damage->kind == DAMAGE_REMOVE) {
        if (unlink(path) != 0)
            image_fail("remove", path);
        return;
    }
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        image_fail("open", path);
    if (damage->kind == DAMAGE_CUT) {
        if (ftruncate(fd, damage->from) != 0)
            image_fail("cut", path);
    } else if (pread(fd, &byte, 1, damage->from) == 1) {
        byte ^= (uint8_t)(1u << damage->bit);
        if (pwrite(fd, &byte, 1, damage->from) != 1)
            image_fail("write", path);
    }
    set_modified(fd, damage->file, path);
    close(fd);
}

void world_run(const struct image *image, void (*work)(void))
{
    (void)image;
    work();
}

bool world_lose_power(void)
{
    return false;
}

bool world_has_lost_power(void)
{
    return false;
}

void world_sleep_ms(int64_t ms)
{
    usleep((useconds_t)(ms * 1000));
}
