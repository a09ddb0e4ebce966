/* image.c - a directory in memory: pages of zeros take no room, so that a sparse file of 40 MB is
 * written in no time. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "flip.h"

enum { PAGE = 4096, FILES_MAX = 1024 };

static void fail(const char *what, const char *path)
{
    fprintf(stderr, "crash_flip: %s %s: %s\n", what, path, strerror(errno));
    exit(2);
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool is_zero(const uint8_t *bytes, size_t len)
{
    return len == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

static void read_pages(struct image_file *file, int fd, const char *path)
{
    uint8_t page[PAGE];
    int cap = 0;
    for (int64_t at = 0; at < file->bytes; at += PAGE) {
        int64_t data = lseek(fd, at, SEEK_DATA);
        if (data < 0)
            return;
        at = data / PAGE * PAGE;
        memset(page, 0, sizeof page);
        if (pread(fd, page, PAGE, at) < 0)
            fail("read", path);
        if (is_zero(page, PAGE))
            continue;
        if (file->page_count == cap) {
            cap = cap == 0 ? 4 : cap * 2;
            file->pages = realloc(file->pages, (size_t)cap * PAGE);
            file->page_ats = realloc(file->page_ats, (size_t)cap * sizeof(int64_t));
            if (file->pages == NULL || file->page_ats == NULL)
                abort();
        }
        memcpy(file->pages + (size_t)file->page_count * PAGE, page, PAGE);
        file->page_ats[file->page_count++] = at;
    }
}

static void note_kind(struct image *image, struct image_file *file)
{
    const char *config = "config/";
    bool is_table = strncmp(file->path, config, strlen(config)) == 0;
    snprintf(file->kind, sizeof file->kind, "%s", file->path);
    if (!is_table && strchr(file->kind, '/') != NULL)
        *strchr(file->kind, '/') = 0;
    for (int i = 0; i < image->kind_count; i++)
        if (strcmp(image->kinds[i], file->kind) == 0)
            return;
    if (image->kind_count < (int)(sizeof image->kinds / sizeof image->kinds[0]))
        memcpy(image->kinds[image->kind_count++], file->kind, PATH_BYTES);
}

static void read_dir(struct image *image, const char *root, const char *below)
{
    char path[2 * PATH_BYTES];
    struct dirent **names;
    snprintf(path, sizeof path, "%s/%s", root, below);
    int count = scandir(path, &names, NULL, alphasort); /* the same order each time */
    if (count < 0)
        fail("list", path);
    for (int i = 0; i < count; i++) {
        char name[PATH_BYTES];
        struct stat st;
        int len = snprintf(name, sizeof name, "%s%s%s", below, below[0] != 0 ? "/" : "",
                           names[i]->d_name);
        bool is_named = names[i]->d_name[0] != '.' && len < (int)sizeof name;
        free(names[i]);
        if (!is_named)
            continue;
        snprintf(path, sizeof path, "%s/%s", root, name);
        if (stat(path, &st) != 0)
            fail("stat", path);
        if (S_ISDIR(st.st_mode)) {
            read_dir(image, root, name);
            continue;
        }
        if (image->count == FILES_MAX)
            fail("too many files in", root);
        struct image_file *file = &image->files[image->count++];
        memcpy(file->path, name, (size_t)len + 1);
        file->bytes = st.st_size;
        file->modified = st.st_mtim;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            fail("open", path);
        read_pages(file, fd, path);
        close(fd);
        note_kind(image, file);
    }
    free(names);
}

void image_read(struct image *image, const char *root)
{
    *image = (struct image){ .files = calloc(FILES_MAX, sizeof(struct image_file)) };
    if (image->files == NULL)
        abort();
    read_dir(image, root, "");
}

/* ---- writing --------------------------------------------------------------------------------- */

void tree_remove(const char *root)
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
            tree_remove(path);
    }
    closedir(dir);
    rmdir(root);
}

static void make_dirs_above(char *path)
{
    for (char *at = path + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = 0;
        if (mkdir(path, 0755) != 0 && errno != EEXIST)
            fail("mkdir", path);
        *at = '/';
    }
}

/* What rots does not change when it was last modified. */
static void set_modified(int fd, const struct image_file *file, const char *path)
{
    const struct timespec times[2] = { file->modified, file->modified };
    if (futimens(fd, times) != 0)
        fail("date", path);
}

void image_write(const struct image *image, const char *root)
{
    char above[PATH_BYTES] = "";
    tree_remove(root);
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
            fail("make", path);
        for (int page = 0; page < file->page_count; page++) {
            int64_t left = file->bytes - file->page_ats[page];
            if (pwrite(fd, file->pages + (size_t)page * PAGE, left < PAGE ? (size_t)left : PAGE,
                       file->page_ats[page]) < 0)
                fail("write", path);
        }
        set_modified(fd, file, path);
        close(fd);
    }
}

/* ---- damage ---------------------------------------------------------------------------------- */

static const uint8_t *page_at(const struct image_file *file, int64_t at)
{
    for (int i = 0; i < file->page_count; i++)
        if (file->page_ats[i] == at / PAGE * PAGE)
            return file->pages + (size_t)i * PAGE;
    return NULL;
}

/* Mostly where something is written or the next thing will be, sometimes anywhere. */
static int64_t choose_byte(const struct image_file *file)
{
    enum { NEAR = 24, TRIES = 200 };
    if (file->page_count == 0 || chance_below(10) == 0)
        return chance_below(file->bytes);
    for (int tries = 0; tries < TRIES; tries++) {
        int64_t page = file->page_ats[chance_below(file->page_count)];
        int64_t in_page = chance_below(file->bytes - page < PAGE ? file->bytes - page : PAGE);
        int64_t from = in_page < NEAR ? 0 : in_page - NEAR;
        if (!is_zero(page_at(file, page) + from, (size_t)(in_page - from + 1)))
            return page + in_page;
    }
    return chance_below(file->bytes);
}

bool damage_choose(struct damage *damage, const struct image *image, int kind_index,
                   enum damage_kind kind)
{
    const struct image_file *of_kind[FILES_MAX];
    int count = 0;
    for (int i = 0; i < image->count; i++)
        if (strcmp(image->files[i].kind, image->kinds[kind_index]) == 0 &&
            (image->files[i].bytes > 0 || kind == DAMAGE_REMOVE))
            of_kind[count++] = &image->files[i];
    if (count == 0)
        return false;
    const struct image_file *file = of_kind[chance_below(count)];
    *damage = (struct damage){ .kind = kind, .file = file, .upto = file->bytes };
    if (kind == DAMAGE_REMOVE)
        return true;
    damage->from = choose_byte(file);
    if (kind == DAMAGE_FLIP) {
        damage->upto = damage->from + 1;
        damage->bit = (int)chance_below(8);
    } else if (chance_below(4) == 0) { /* also nothing at all, or all but a page */
        damage->from = chance_below(2) == 0 ? 0 : damage->from / PAGE * PAGE;
    }
    return true;
}

void damage_do(const struct damage *damage, const char *root)
{
    char path[2 * PATH_BYTES];
    uint8_t byte = 0;
    snprintf(path, sizeof path, "%s/%s", root, damage->file->path);
    if (damage->kind == DAMAGE_REMOVE) {
        if (unlink(path) != 0)
            fail("remove", path);
        return;
    }
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        fail("open", path);
    if (damage->kind == DAMAGE_CUT) {
        if (ftruncate(fd, damage->from) != 0)
            fail("cut", path);
    } else if (pread(fd, &byte, 1, damage->from) == 1) {
        byte ^= (uint8_t)(1u << damage->bit);
        if (pwrite(fd, &byte, 1, damage->from) != 1)
            fail("write", path);
    }
    set_modified(fd, damage->file, path);
    close(fd);
}

void damage_text(const struct damage *damage, char *out, size_t cap)
{
    const char *path = damage->file->path;
    if (damage->kind == DAMAGE_FLIP)
        snprintf(out, cap, "flip bit %d of byte %lld of %s", damage->bit, (long long)damage->from,
                 path);
    else if (damage->kind == DAMAGE_CUT)
        snprintf(out, cap, "cut %s from %lld to %lld bytes", path, (long long)damage->file->bytes,
                 (long long)damage->from);
    else
        snprintf(out, cap, "remove %s", path);
}
