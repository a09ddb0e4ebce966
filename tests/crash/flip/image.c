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

void image_fail(const char *what, const char *path)
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
            image_fail("read", path);
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

/* Queues by whose they are: what reads them differs. */
static const struct {
    const char *begins;
    const char *kind;
} path_kinds[] = {
    { "consumequeue/%LMQ%", "consumequeue of light queues" },
    { "consumequeue/%RETRY%", "consumequeue of retries" },
    { "consumequeue/SCHEDULE_TOPIC_XXXX/", "consumequeue of delays" },
    { "consumequeue/rmq_sys_wheel_timer/", "consumequeue of timers" },
    { "consumequeue/RMQ_SYS_TRANS_", "consumequeue of transactions" },
    { "consumequeue/rmq_sys_REVIVE_LOG_", "consumequeue of pops" },
    { "compaction/compactionLog/", "compaction/compactionLog" },
    { "compaction/compactionCq/", "compaction/compactionCq" },
    { "compaction/", NULL },
    { "config/", NULL },
};

/* The kinds of the table, else by the directory; NULL in the table: each name is one. */
static void name_kind(struct image_file *file)
{
    for (size_t i = 0; i < sizeof path_kinds / sizeof path_kinds[0]; i++) {
        const char *begins = path_kinds[i].begins;
        if (strncmp(file->path, begins, strlen(begins)) != 0)
            continue;
        const char *kind = path_kinds[i].kind;
        snprintf(file->kind, sizeof file->kind, "%s", kind != NULL ? kind : file->path);
        return;
    }
    snprintf(file->kind, sizeof file->kind, "%.*s", (int)strcspn(file->path, "/"), file->path);
}

static void note_kind(struct image *image, struct image_file *file)
{
    name_kind(file);
    for (int i = 0; i < image->kind_count; i++)
        if (strcmp(image->kinds[i], file->kind) == 0)
            return;
    if (image->kind_count == KINDS_MAX)
        image_fail("too many kinds of files at", file->path);
    memcpy(image->kinds[image->kind_count++], file->kind, PATH_BYTES);
}

static void read_dir(struct image *image, const char *root, const char *below)
{
    char path[2 * PATH_BYTES];
    struct dirent **names;
    snprintf(path, sizeof path, "%s/%s", root, below);
    int count = scandir(path, &names, NULL, alphasort); /* the same order each time */
    if (count < 0)
        image_fail("list", path);
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
            image_fail("stat", path);
        if (S_ISDIR(st.st_mode)) {
            read_dir(image, root, name);
            continue;
        }
        if (image->count == FILES_MAX)
            image_fail("too many files in", root);
        struct image_file *file = &image->files[image->count++];
        memcpy(file->path, name, (size_t)len + 1);
        file->bytes = st.st_size;
        file->modified = st.st_mtim;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            image_fail("open", path);
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
    if (file->page_count == 0 || dice_below(10) == 0)
        return dice_below(file->bytes);
    for (int tries = 0; tries < TRIES; tries++) {
        int64_t page = file->page_ats[dice_below(file->page_count)];
        int64_t in_page = dice_below(file->bytes - page < PAGE ? file->bytes - page : PAGE);
        int64_t from = in_page < NEAR ? 0 : in_page - NEAR;
        if (!is_zero(page_at(file, page) + from, (size_t)(in_page - from + 1)))
            return page + in_page;
    }
    return dice_below(file->bytes);
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
    const struct image_file *file = of_kind[dice_below(count)];
    *damage = (struct damage){ .kind = kind, .file = file, .upto = file->bytes };
    if (kind == DAMAGE_REMOVE)
        return true;
    damage->from = choose_byte(file);
    if (kind == DAMAGE_FLIP) {
        damage->upto = damage->from + 1;
        damage->bit = (int)dice_below(8);
    } else if (dice_below(4) == 0) { /* also nothing at all, or all but a page */
        damage->from = dice_below(2) == 0 ? 0 : damage->from / PAGE * PAGE;
    }
    return true;
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
