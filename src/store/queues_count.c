/* queues_count.c - the files of the queues, looked at once when the store is opened, or behind the
 * start when their number was taken on trust.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "store/queues_internal.h"

struct counting {
    struct queues *queues;
    const struct queue_kind *of;
    char dir[DISK_PATH_MAX];   /* the one being listed */
    char aside[DISK_PATH_MAX]; /* where unfit files are put */
    int depth;
    int64_t fit;
    int64_t unfit;
    int64_t wrong;   /* those that are not empty: of another length by purpose, if all are */
    bool sets_aside; /* else only counts */
};

/* Not only the next one: files between may have been set aside. */
static bool has_later_file(const char *path)
{
    char dir[DISK_PATH_MAX];
    int64_t number;
    int64_t *files = NULL;
    int count = 0;
    int dir_len = (int)(strrchr(path, '/') - path);
    snprintf(dir, sizeof dir, "%.*s", dir_len, path);
    bool has_later = slice_to_i64(slice_str(path + dir_len + 1), &number) && number >= 0 &&
                     disk_list_numbers(dir, &files, &count) == 0 && count > 0 &&
                     files[count - 1] > number;
    free(files);
    return has_later;
}

/* An empty last file is what a process leaves that died while making it (consume_queue_open.c).
 * Where others are set aside it goes too, so that none stays in front of a hole. */
static void judge_file(struct counting *counting, const char *path)
{
    int64_t bytes;
    char to[DISK_PATH_MAX];
    if (disk_size(path, &bytes) != 0 ||
        (bytes == 0 && !counting->sets_aside && !has_later_file(path)))
        return;
    if (bytes == counting->of->file_bytes) {
        counting->fit++;
        return;
    }
    counting->unfit++;
    counting->wrong += bytes > 0;
    if (!counting->sets_aside)
        return;
    snprintf(to, sizeof to, "%.3800s", path + strlen(counting->of->path) + 1);
    for (char *slash = to; (slash = strchr(slash, '/')) != NULL;)
        *slash = '@';
    char aside[DISK_PATH_MAX];
    if (snprintf(aside, sizeof aside, "%s/%s", counting->aside, to) < (int)sizeof aside &&
        disk_make_dirs(counting->aside) == 0 && disk_rename(path, aside) == 0)
        log_warn("consume_queue_file_set_aside path=%s bytes=%lld expected=%lld to=%s", path,
                 (long long)bytes, (long long)counting->of->file_bytes, aside);
}

static void look_at(void *ctx, const char *name, bool is_dir)
{
    enum { FILE_DEPTH = 2 }; /* topic/queue/file */
    struct counting *counting = ctx;
    size_t len = strlen(counting->dir);
    int n = snprintf(counting->dir + len, sizeof counting->dir - len, "/%s", name);
    if (n < (int)(sizeof counting->dir - len)) {
        if (is_dir && counting->depth < FILE_DEPTH) {
            char dir[DISK_PATH_MAX];
            memcpy(dir, counting->dir, sizeof dir);
            counting->depth++;
            disk_each_name(dir, look_at, counting);
            counting->depth--;
        } else if (!is_dir && counting->depth == FILE_DEPTH) {
            judge_file(counting, counting->dir);
        }
    }
    counting->dir[len] = 0;
}

static struct counting *counting_new(struct queues *queues, const struct queue_kind *of)
{
    struct counting *counting = memory_zeroed(1, sizeof *counting);
    counting->queues = queues;
    counting->of = of;
    snprintf(counting->dir, sizeof counting->dir, "%s", of->path);
    return counting;
}

int queues_count_files(struct queues *queues, const struct queue_kind *of)
{
    struct counting *counting = counting_new(queues, of);
    disk_each_name(of->path, look_at, counting);
    assert(counting->depth == 0);
    int64_t unfit = counting->unfit;
    int64_t fit = counting->fit;
    bool is_other_length = counting->wrong > 0 && fit == 0;
    atomic_fetch_add(&queues->files.count, fit);
    queues->has_unfit[of->is_batch ? KIND_BATCH : KIND_SIMPLE] = unfit > 0;
    free(counting);
    if (is_other_length) {
        log_error("consume_queue_files_unfit path=%s expected=%lld: is %s what it was?", of->path,
                  (long long)of->file_bytes,
                  of->is_batch ? "mapperFileSizeBatchConsumeQueue" : "mappedFileSizeConsumeQueue");
        return ERR_CORRUPT;
    }
    return 0;
}

void queues_set_unfit_aside(struct queues *queues, const char *root_dir)
{
    for (int i = 0; i < KIND_COUNT; i++) {
        if (!queues->has_unfit[i])
            continue;
        struct counting *counting = counting_new(queues, &queues->kinds[i]);
        snprintf(counting->aside, sizeof counting->aside, "%.4000s/set-aside", root_dir);
        counting->sets_aside = true;
        disk_each_name(queues->kinds[i].path, look_at, counting);
        free(counting);
    }
}

bool queues_are_still_there(struct queues *queues)
{
    assert(queues->expected >= 0);
    int deleted = atomic_load(&queues->deleted_count);
    int64_t fit = 0;
    int64_t unfit = 0;
    for (int i = 0; i < KIND_COUNT; i++) {
        struct counting *counting = counting_new(queues, &queues->kinds[i]);
        disk_each_name(queues->kinds[i].path, look_at, counting);
        fit += counting->fit;
        unfit += counting->unfit;
        free(counting);
    }
    if (atomic_load(&queues->deleted_count) != deleted || deleted > 0)
        return true; /* topics went meanwhile, and their files with them: nothing can be said */
    if (fit >= queues->expected && unfit == 0)
        return true;
    log_error("consume_queue_files_missing path=%s found=%lld unfit=%lld expected=%lld: puts are "
              "refused; the next start builds the queues again",
              queues->kinds[KIND_SIMPLE].path, (long long)fit, (long long)unfit,
              (long long)queues->expected);
    return false;
}

int64_t queues_file_count(const struct queues *queues)
{
    return atomic_load(&queues->files.count);
}

bool queues_are_all_there(const struct queues *queues, int64_t expected)
{
    return queues_file_count(queues) >= expected && !queues->has_unfit[KIND_SIMPLE] &&
           !queues->has_unfit[KIND_BATCH];
}
