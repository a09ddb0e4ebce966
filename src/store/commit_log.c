/* commit_log.c - files of equal size, mapped shared, appended at one place.
 *
 * A record is copied into the mapping of the head file. What makes such a store slow is the kernel:
 * a page that is not there yet faults, and a fault may wait for the journal or for write-back. So
 * the allocator thread walks ahead of the head:
 *
 *      written                head        populated        allocated            file end
 *   |##########################^....................|..................|            |
 *     released behind              stores never fault   blocks reserved: a full disk is met
 *                                                       here, not as SIGBUS under a store
 *
 * Allocation and population are windows, not whole files: a page populated long before it is needed
 * is written back and write-protected again meanwhile. The window grows with the speed of the
 * head, and is small when it rests. Behind the head the mapping's page tables are let
 * go (the page cache keeps the bytes), so resident memory does not grow with the log. The next file
 * is made while the head file is being filled.
 *
 * When the appender is faster than the allocator it allocates for itself, counted in
 * inline_allocations. A file that is being read is not unmapped: readers hold a reference.
 */
#include "store/commit_log.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread_rank.h"
#include "wire/record.h"

enum {
    PAGE_BYTES = 4096,
    ALLOCATE_STEP = 64 << 20,
    POPULATE_LEAST = 2 << 20,
    POPULATE_MOST = 64 << 20,
    HOT_MOST = 8 << 20, /* stays mapped behind the head; reads from there copy from the mapping */
    MEMORY_PART = 32,   /* each of the two takes at most such a part of the memory there is */
    LET_GO_LEAST = 64 * PAGE_BYTES,
    AHEAD_PER_S = 2,                   /* the window holds what comes in a half of a second */
    SMALL_SYNC_BYTES = 6 * PAGE_BYTES, /* covers few messages */
    SYNCS_AVERAGED = 16,
    REST_NS = 1000000000, /* nothing put for so long: the window shrinks */
};

struct log_file {
    int64_t start;
    uint8_t *base;
    int fd;
    int refs;                  /* under files_lock; one is the log's own */
    _Atomic int64_t allocated; /* bytes from the start that have blocks */
    int64_t populated;         /* allocator's */
    int64_t released;          /* allocator's: page tables let go below */
    bool is_removed;           /* has no name any more */
    struct log_file *next_unused;
    char path[];
};

struct commit_log {
    char dir[DISK_PATH_MAX];
    int64_t file_bytes;
    bool writes_ahead; /* zeros go to the disk ahead of small syncs */
    _Atomic int64_t max;
    _Atomic int64_t min;

    pthread_mutex_t files_lock; /* guards files, count, refs, spare; after the append lock */
    struct log_file **files;
    int file_count;
    int file_cap;
    struct log_file *spare;  /* made ahead, not yet part of the log */
    struct log_file *unused; /* removed, and the last reader is gone */

    struct log_file *head; /* appender's */
    int64_t reserved_end;  /* appender's */

    pthread_mutex_t allocator_lock; /* guards wanted and is_ending */
    pthread_cond_t allocator_wake;
    bool is_wanted;
    bool is_ending;
    bool has_allocator;
    pthread_t allocator;
    _Atomic int64_t next_wake;      /* the appender wakes the allocator when it gets here */
    int64_t window;                 /* allocator's: how far to populate */
    int64_t window_most, hot_bytes; /* constant */
    int64_t last_round_ns;          /* allocator's */
    int64_t last_round_max;         /* allocator's: where the head was then */
    _Atomic int64_t sync_bytes;     /* of a sync, on average of late; the flusher's */
    _Atomic uint64_t inline_allocations;
};

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* ---- files ----------------------------------------------------------------------------------- */

static int file_open(struct commit_log *log, int64_t start, bool create, struct log_file **opened)
{
    assert(start >= 0);
    assert(start % log->file_bytes == 0);
    char path[DISK_PATH_MAX];
    disk_numbered_path(path, log->dir, start);
    struct log_file *file = calloc(1, sizeof *file + strlen(path) + 1);
    if (file == NULL)
        return ERR_NO_MEMORY;
    memcpy(file->path, path, strlen(path) + 1);
    int err = disk_open(path, create ? log->file_bytes : 0, &file->fd);
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

static void file_free(struct commit_log *log, struct log_file *file)
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

static void file_unref(struct commit_log *log, struct log_file *file)
{
    /* Not freed here: a reader may be a loop, and unlinking a large file takes its time. */
    pthread_mutex_lock(&log->files_lock);
    assert(file->refs > 0);
    if (--file->refs == 0) {
        assert(file->is_removed);
        file->next_unused = log->unused;
        log->unused = file;
    }
    pthread_mutex_unlock(&log->files_lock);
}

void commit_log_free_unused(struct commit_log *log)
{
    pthread_mutex_lock(&log->files_lock);
    struct log_file *file = log->unused;
    log->unused = NULL;
    pthread_mutex_unlock(&log->files_lock);
    while (file != NULL) {
        struct log_file *next = file->next_unused;
        file_free(log, file);
        file = next;
    }
}

/* The file that holds phy_offset, referenced; NULL when there is none. */
static struct log_file *file_at(struct commit_log *log, int64_t phy_offset)
{
    struct log_file *found = NULL;
    pthread_mutex_lock(&log->files_lock);
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
    pthread_mutex_unlock(&log->files_lock);
    return found;
}

static void files_append(struct commit_log *log, struct log_file *file)
{
    assert(file->refs == 1);
    assert(!file->is_removed);
    if (log->file_count == log->file_cap) {
        int cap = log->file_cap == 0 ? 16 : log->file_cap * 2;
        struct log_file **files = realloc(log->files, (size_t)cap * sizeof(struct log_file *));
        if (files == NULL)
            abort();
        log->files = files;
        log->file_cap = cap;
    }
    assert(log->file_count == 0 ||
           log->files[log->file_count - 1]->start + log->file_bytes == file->start);
    log->files[log->file_count++] = file;
    atomic_store(&log->min, log->files[0]->start);
}

static int open_existing(struct commit_log *log, const int64_t *starts, int count)
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
        err = file_open(log, starts[i], false, &file);
        if (err != 0)
            return err;
        file->released = log->file_bytes; /* none of its pages is here */
        files_append(log, file);
    }
    return 0;
}

int commit_log_open(const char *dir, int64_t file_bytes, bool sync_flush, int64_t memory_bytes,
                    struct commit_log **opened)
{
    assert(file_bytes > 0);
    assert(file_bytes % PAGE_BYTES == 0);
    struct commit_log *log = calloc(1, sizeof *log);
    if (log == NULL)
        return ERR_NO_MEMORY;
    snprintf(log->dir, sizeof log->dir, "%s", dir);
    log->file_bytes = file_bytes;
    log->writes_ahead = sync_flush;
    log->window = POPULATE_LEAST;
    log->window_most = max64(POPULATE_LEAST, min64(POPULATE_MOST, memory_bytes / MEMORY_PART));
    log->hot_bytes = min64(HOT_MOST, memory_bytes / MEMORY_PART);
    pthread_mutex_init(&log->files_lock, NULL);
    pthread_mutex_init(&log->allocator_lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&log->allocator_wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int64_t *starts = NULL;
    int count = 0;
    int err = disk_make_dirs(dir);
    if (err == 0) /* also for who died before it came to that */
        err = disk_sync_dirs(dir, 2);
    if (err == 0)
        err = disk_list_numbers(dir, &starts, &count);
    if (err == 0)
        err = open_existing(log, starts, count);
    free(starts);
    if (err != 0) {
        commit_log_close(log);
        return err;
    }
    atomic_store(&log->max, commit_log_files_end(log));
    *opened = log;
    return 0;
}

static void stop_allocator(struct commit_log *log)
{
    if (!log->has_allocator)
        return;
    pthread_mutex_lock(&log->allocator_lock);
    log->is_ending = true;
    pthread_cond_signal(&log->allocator_wake);
    pthread_mutex_unlock(&log->allocator_lock);
    pthread_join(log->allocator, NULL);
    log->has_allocator = false;
}

void commit_log_close(struct commit_log *log)
{
    stop_allocator(log);
    commit_log_free_unused(log);
    assert(!log->has_allocator);
    assert(log->unused == NULL);
    for (int i = 0; i < log->file_count; i++) {
        assert(log->files[i]->refs == 1);
        file_free(log, log->files[i]);
    }
    if (log->spare != NULL) {
        (void)remove_name(log->spare); /* the reference would take it for a gap-free log */
        file_free(log, log->spare);
    }
    free(log->files);
    pthread_cond_destroy(&log->allocator_wake);
    pthread_mutex_destroy(&log->allocator_lock);
    pthread_mutex_destroy(&log->files_lock);
    free(log);
}

int64_t commit_log_min(const struct commit_log *log)
{
    return atomic_load(&log->min);
}

int64_t commit_log_max(const struct commit_log *log)
{
    return atomic_load_explicit(&log->max, memory_order_acquire);
}

int64_t commit_log_near_start(const struct commit_log *log)
{
    return commit_log_max(log) - log->hot_bytes / 2;
}

int64_t commit_log_file_bytes(const struct commit_log *log)
{
    return log->file_bytes;
}

int64_t commit_log_files_end(const struct commit_log *log)
{
    return log->file_count == 0 ? 0 : log->files[log->file_count - 1]->start + log->file_bytes;
}

/* ---- allocator ------------------------------------------------------------------------------- */

/* Gives the first `upto` bytes of the file blocks. */
static int allocate_to(struct commit_log *log, struct log_file *file, int64_t upto)
{
    assert(upto >= 0);
    int64_t from = atomic_load(&file->allocated);
    upto = min64((upto + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES, log->file_bytes);
    assert(from % PAGE_BYTES == 0);
    assert(from <= log->file_bytes);
    if (upto <= from)
        return 0;
    int err = disk_allocate(file->fd, file->path, from, upto - from);
    if (err != 0)
        return err;
    /* The appender may have gone further meanwhile: never back. */
    while (from < upto && !atomic_compare_exchange_weak(&file->allocated, &from, upto))
        ;
    return 0;
}

/* `written`: the zeros go to the disk too. Blocks that were only reserved become written ones with
 * their first write, which each sync of a new page would pay with a commit of the journal; so it is
 * paid here, once for all. Writing them back takes the right to store away again. */
static void populate(struct log_file *file, int64_t from, int64_t upto, bool written)
{
    from = max64(from, file->populated) / PAGE_BYTES * PAGE_BYTES;
    upto = upto / PAGE_BYTES * PAGE_BYTES;
    if (upto <= from || !disk_populate(file->base + from, upto - from))
        return;
    if (written) {
        disk_start_write_back(file->fd, from, upto - from);
        (void)disk_populate(file->base + from, upto - from);
    }
    file->populated = upto;
}

/* Lets the page tables of a part of the file go; the bytes stay in the page cache. */
static void let_go(struct log_file *file, int64_t from, int64_t upto)
{
    from = (from + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    upto = upto / PAGE_BYTES * PAGE_BYTES;
    if (upto > from)
        disk_let_go(file->base + from, upto - from);
}

static void release_behind(struct log_file *file, int64_t upto)
{
    assert(upto >= 0);
    if (upto - file->released < POPULATE_LEAST && upto % PAGE_BYTES != 0)
        return;
    let_go(file, file->released, upto);
    file->released = max64(file->released, upto / PAGE_BYTES * PAGE_BYTES);
}

/* Lets go what lies below `upto`: in its file, and in those before that are not done yet. */
static void release_below(struct commit_log *log, int64_t upto)
{
    bool is_done = upto < 0;
    for (int64_t at = upto; !is_done;) {
        struct log_file *file = file_at(log, at);
        if (file == NULL)
            return;
        is_done = file->released >= log->file_bytes || file->start == 0;
        release_behind(file, at == upto ? upto - file->start : log->file_bytes);
        at = file->start - 1;
        file_unref(log, file);
    }
}

static void make_spare(struct commit_log *log, int64_t start)
{
    pthread_mutex_lock(&log->files_lock);
    bool is_there = log->spare != NULL || commit_log_files_end(log) != start;
    pthread_mutex_unlock(&log->files_lock);
    if (is_there)
        return;
    struct log_file *file;
    if (file_open(log, start, true, &file) != 0)
        return; /* logged; the appender will try for itself and report */
    if (allocate_to(log, file, min64(ALLOCATE_STEP, log->file_bytes)) == 0)
        populate(file, 0, min64(POPULATE_LEAST, log->file_bytes), log->writes_ahead);
    pthread_mutex_lock(&log->files_lock);
    bool is_late = commit_log_files_end(log) != start;
    if (!is_late)
        log->spare = file;
    pthread_mutex_unlock(&log->files_lock);
    if (is_late)
        file_free(log, file);
}

/* By time, not by bytes: a thread that stands back may be late by many milliseconds. */
static void adapt_window(struct commit_log *log, int64_t max)
{
    int64_t now_ns = clock_monotonic_ns();
    double elapsed_s = (double)(now_ns - log->last_round_ns + 1) / 1e9;
    assert(max >= log->last_round_max);
    int64_t bytes_per_s = (int64_t)((double)(max - log->last_round_max) / elapsed_s);
    log->window = min64(max64(bytes_per_s / AHEAD_PER_S, POPULATE_LEAST), log->window_most);
    log->last_round_ns = now_ns;
    log->last_round_max = max;
}

/* One round: room ahead of where the log ends now. */
static void prepare(struct commit_log *log)
{
    int64_t max = commit_log_max(log);
    int64_t next_wake = INT64_MAX;
    struct log_file *file = file_at(log, max);
    adapt_window(log, max);
    if (file != NULL) {
        next_wake = file->start + log->file_bytes; /* little of the next file is populated */
        int64_t pos = max - file->start;
        if (allocate_to(log, file, pos + max64(ALLOCATE_STEP, 2 * log->window)) == 0)
            populate(file, pos, min64(pos + log->window, log->file_bytes),
                     log->writes_ahead && atomic_load(&log->sync_bytes) < SMALL_SYNC_BYTES);
        if (pos > log->file_bytes / 2 || log->file_bytes - pos < 2 * log->window)
            make_spare(log, file->start + log->file_bytes);
        file_unref(log, file);
    }
    release_below(log, max - log->hot_bytes);
    atomic_store(&log->next_wake, min64(next_wake, max + log->window / 2));
}

/* Nothing was put for a while: only a small window stays in this process. */
static void rest(struct commit_log *log)
{
    int64_t max = commit_log_max(log);
    struct log_file *file = file_at(log, max);
    log->window = POPULATE_LEAST;
    release_below(log, max);
    if (file != NULL) {
        int64_t upto = min64(max - file->start + log->window, log->file_bytes);
        let_go(file, upto, file->populated);
        file->populated = min64(file->populated, upto / PAGE_BYTES * PAGE_BYTES);
        file_unref(log, file);
    }
    atomic_store(&log->next_wake, max + log->window / 2);
}

/* Under the lock. */
static void wait_a_while(struct commit_log *log)
{
    int64_t due_ns = clock_monotonic_ns() + REST_NS;
    struct timespec due = { .tv_sec = due_ns / 1000000000, .tv_nsec = due_ns % 1000000000 };
    while (!log->is_wanted && !log->is_ending &&
           pthread_cond_timedwait(&log->allocator_wake, &log->allocator_lock, &due) == 0)
        ;
}

static void *run_allocator(void *arg)
{
    struct commit_log *log = arg;
    bool has_rested = false;
    thread_stand_back(); /* outrun, the appender faults for itself */
    pthread_mutex_lock(&log->allocator_lock);
    while (!log->is_ending) {
        if (!log->is_wanted && has_rested) {
            pthread_cond_wait(&log->allocator_wake, &log->allocator_lock);
            continue;
        }
        if (!log->is_wanted)
            wait_a_while(log);
        has_rested = !log->is_wanted;
        log->is_wanted = false;
        pthread_mutex_unlock(&log->allocator_lock);
        if (has_rested)
            rest(log);
        else
            prepare(log);
        pthread_mutex_lock(&log->allocator_lock);
    }
    pthread_mutex_unlock(&log->allocator_lock);
    return NULL;
}

static void wake_allocator(struct commit_log *log)
{
    pthread_mutex_lock(&log->allocator_lock);
    log->is_wanted = true;
    pthread_cond_signal(&log->allocator_wake);
    pthread_mutex_unlock(&log->allocator_lock);
}

/* ---- the end --------------------------------------------------------------------------------- */

static int remove_files_from(struct commit_log *log, int64_t end)
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
        file_free(log, last);
    }
    return 0;
}

int commit_log_set_end(struct commit_log *log, int64_t end, bool durably)
{
    assert(!log->has_allocator);
    assert(end >= commit_log_min(log));
    assert(end <= commit_log_files_end(log));
    int err = remove_files_from(log, end);
    if (err != 0)
        return err;
    if (log->file_count == 0 || commit_log_files_end(log) == end) {
        struct log_file *file;
        err = file_open(log, end - end % log->file_bytes, true, &file);
        if (err != 0)
            return err;
        files_append(log, file);
    }
    log->head = log->files[log->file_count - 1];
    int64_t pos = end - log->head->start;
    assert(pos >= 0);
    assert(pos < log->file_bytes);
    err = disk_zero(log->head->fd, log->head->path, pos, log->file_bytes - pos);
    if (err == 0 && durably)
        err = disk_sync(log->head->fd, log->head->path);
    if (err == 0)
        err = allocate_to(log, log->head, pos + min64(ALLOCATE_STEP, log->file_bytes - pos));
    if (err != 0 && err != ERR_DISK_FULL)
        return err;
    log->head->released = pos / PAGE_BYTES * PAGE_BYTES;
    log->head->populated = log->head->released;
    log->reserved_end = end;
    atomic_store_explicit(&log->max, end, memory_order_release);
    log->last_round_ns = clock_monotonic_ns();
    log->last_round_max = end;
    prepare(log);
    int cause = pthread_create(&log->allocator, NULL, run_allocator, log);
    if (cause != 0)
        return err_from_errno(cause);
    pthread_setname_np(log->allocator, "allocator");
    log->has_allocator = true;
    return 0;
}

/* ---- append ---------------------------------------------------------------------------------- */

static int ensure_allocated(struct commit_log *log, struct log_file *file, int64_t upto)
{
    if (atomic_load_explicit(&file->allocated, memory_order_acquire) >= upto)
        return 0;
    atomic_fetch_add(&log->inline_allocations, 1);
    return allocate_to(log, file, upto);
}

/* Ends the head file and makes the spare, or a new file, the head. */
static int roll(struct commit_log *log)
{
    struct log_file *head = log->head;
    int64_t pos = log->reserved_end - head->start;
    int64_t next_start = head->start + log->file_bytes;
    assert(log->file_bytes - pos >= RECORD_BLANK_BYTES);
    int err = ensure_allocated(log, head, pos + RECORD_BLANK_BYTES);
    if (err != 0)
        return err;
    pthread_mutex_lock(&log->files_lock);
    struct log_file *next = log->spare;
    log->spare = NULL;
    pthread_mutex_unlock(&log->files_lock);
    if (next == NULL) {
        err = file_open(log, next_start, true, &next);
        if (err != 0)
            return err;
        log_warn("commit_log_file_made_inline path=%s", next->path);
    }
    assert(next->start == next_start);
    assert(next->refs == 1);
    record_put_blank(head->base + pos, (int32_t)(log->file_bytes - pos));
    assert((int32_t)get_be32(head->base + pos + RECORD_MAGIC) == RECORD_MAGIC_BLANK);
    assert((int32_t)get_be32(head->base + pos + RECORD_TOTAL_SIZE) == log->file_bytes - pos);
    pthread_mutex_lock(&log->files_lock);
    files_append(log, next);
    if (log->spare != NULL) { /* the allocator made the same file while this one did */
        assert(log->spare->start == next_start);
        log->spare->refs = 0;
        log->spare->next_unused = log->unused;
        log->unused = log->spare;
        log->spare = NULL;
    }
    pthread_mutex_unlock(&log->files_lock);
    log->head = next;
    log->reserved_end = next_start;
    atomic_store_explicit(&log->max, next_start, memory_order_release);
    return 0;
}

int commit_log_reserve(struct commit_log *log, int64_t bytes, uint8_t **into, int64_t *phy_offset)
{
    assert(bytes > 0);
    assert(log->head != NULL);
    assert(log->reserved_end == commit_log_max(log));
    if (bytes + RECORD_BLANK_BYTES > log->file_bytes)
        return ERR_TOO_BIG;
    int64_t pos = log->reserved_end - log->head->start;
    if (pos + bytes + RECORD_BLANK_BYTES > log->file_bytes) {
        int err = roll(log);
        if (err != 0)
            return err;
        pos = 0;
    }
    int err = ensure_allocated(log, log->head, pos + bytes);
    if (err != 0)
        return err;
    *into = log->head->base + pos;
    *phy_offset = log->head->start + pos;
    assert(*phy_offset == log->reserved_end);
    assert(pos + bytes + RECORD_BLANK_BYTES <= log->file_bytes); /* the end mark still fits */
    return 0;
}

void commit_log_publish(struct commit_log *log, int64_t end)
{
    assert(end >= log->reserved_end);
    assert(end <= log->head->start + log->file_bytes - RECORD_BLANK_BYTES);
    log->reserved_end = end;
    atomic_store_explicit(&log->max, end, memory_order_release);
    if (end >= atomic_load_explicit(&log->next_wake, memory_order_relaxed)) {
        atomic_store(&log->next_wake, INT64_MAX);
        wake_allocator(log);
    }
}

/* ---- read ------------------------------------------------------------------------------------ */

int commit_log_read(struct commit_log *log, int64_t phy_offset, size_t len, bool may_block,
                    struct buf *out)
{
    int64_t max = commit_log_max(log);
    size_t len_before = out->len;
    if (phy_offset < 0 || phy_offset > max || (int64_t)len > max - phy_offset)
        return ERR_NOT_FOUND;
    struct log_file *file = file_at(log, phy_offset);
    if (file == NULL)
        return ERR_NOT_FOUND;
    int64_t pos = phy_offset - file->start;
    int err = 0;
    if (pos + (int64_t)len > log->file_bytes)
        err = ERR_NOT_FOUND;
    else if (phy_offset >= commit_log_near_start(log))
        err = disk_copy_mapped(buf_reserve(out, len), file->base + pos, len, file->path);
    else
        err = disk_read(file->fd, file->path, buf_reserve(out, len), len, pos, may_block);
    if (err == 0)
        out->len += len;
    assert(out->len == len_before + (err == 0 ? len : 0));
    file_unref(log, file);
    return err;
}

int commit_log_read_window(struct commit_log *log, int64_t phy_offset, void *into, size_t len,
                           size_t *got)
{
    int64_t max = commit_log_max(log);
    *got = 0;
    if (phy_offset < 0 || phy_offset >= max)
        return ERR_NOT_FOUND;
    struct log_file *file = file_at(log, phy_offset);
    if (file == NULL)
        return ERR_NOT_FOUND;
    int64_t pos = phy_offset - file->start;
    int64_t upto = min64(log->file_bytes, max - file->start);
    assert(pos < upto);
    size_t n = upto - pos < (int64_t)len ? (size_t)(upto - pos) : len;
    int err = disk_read(file->fd, file->path, into, n, pos, true);
    if (err == 0)
        *got = n;
    file_unref(log, file);
    return err;
}

void commit_log_will_read(struct commit_log *log, int64_t phy_offset, int64_t len)
{
    len = min64(len, commit_log_near_start(log) - phy_offset); /* what is behind it is there */
    struct log_file *file = phy_offset < 0 || len <= 0 ? NULL : file_at(log, phy_offset);
    if (file == NULL)
        return;
    int64_t pos = phy_offset - file->start;
    disk_will_read(file->fd, pos, min64(len, log->file_bytes - pos));
    file_unref(log, file);
}

void commit_log_place(const struct commit_log *log, int64_t phy_offset, char path[DISK_PATH_MAX],
                      int64_t *file_pos)
{
    assert(phy_offset >= 0);
    *file_pos = phy_offset % log->file_bytes;
    disk_numbered_path(path, log->dir, phy_offset - *file_pos);
}

/* ---- durability and retention ---------------------------------------------------------------- */

int commit_log_sync(struct commit_log *log, int64_t from, int64_t end)
{
    assert(from >= 0);
    assert(end <= commit_log_max(log));
    int err = 0;
    int64_t average = atomic_load(&log->sync_bytes);
    atomic_store(&log->sync_bytes, average + (end - from - average) / SYNCS_AVERAGED);
    for (int64_t at = from; at < end && err == 0;) {
        struct log_file *file = file_at(log, at);
        if (file == NULL) { /* removed by retention meanwhile */
            at = (at / log->file_bytes + 1) * log->file_bytes;
            continue;
        }
        int64_t file_end = file->start + log->file_bytes;
        int64_t pos = (at - file->start) / PAGE_BYTES * PAGE_BYTES;
        int64_t upto = (end < file_end ? end : file_end) - file->start;
        assert(at < file_end);
        assert(pos < upto);
        /* Writing a mapped page back takes the right to store away from it and interrupts the
         * appender's core, page after page; to let all of them go before interrupts it once. */
        if (upto - pos >= LET_GO_LEAST)
            let_go(file, pos, upto);
        /* By range: a sync of the whole file would write the populated window ahead of the head
         * too, and write-protect it again, so that the appender's next stores fault. */
        err = disk_sync_range(file->base + pos, upto - pos, file->path);
        at = file_end;
        file_unref(log, file);
    }
    return err;
}

int commit_log_rewrite(struct commit_log *log, int64_t from, int64_t end)
{
    uint8_t bytes[16 * PAGE_BYTES];
    assert(from >= 0);
    assert(end <= commit_log_max(log));
    int err = 0;
    while (from < end && err == 0) {
        struct log_file *file = file_at(log, from);
        if (file == NULL) { /* removed by retention meanwhile */
            from = (from / log->file_bytes + 1) * log->file_bytes;
            continue;
        }
        int64_t pos = from - file->start;
        int64_t upto =
            min64(min64(end - file->start, log->file_bytes), pos + (int64_t)sizeof bytes);
        err = disk_read(file->fd, file->path, bytes, (size_t)(upto - pos), pos, true);
        if (err == 0)
            err = disk_write(file->fd, file->path, bytes, (size_t)(upto - pos), pos);
        from = file->start + upto;
        file_unref(log, file);
    }
    return err;
}

int commit_log_remove_first(struct commit_log *log)
{
    pthread_mutex_lock(&log->files_lock);
    struct log_file *first = log->file_count > 1 ? log->files[0] : NULL;
    pthread_mutex_unlock(&log->files_lock);
    if (first == NULL)
        return ERR_NOT_FOUND;
    int err = remove_name(first); /* stays open: only this thread takes the first file out */
    if (err != 0)
        return err;
    pthread_mutex_lock(&log->files_lock);
    assert(log->files[0] == first);
    log->file_count--;
    memmove(log->files, log->files + 1, (size_t)log->file_count * sizeof(struct log_file *));
    assert(log->file_count > 0);
    assert(log->files[0]->start == first->start + log->file_bytes);
    atomic_store(&log->min, log->files[0]->start);
    pthread_mutex_unlock(&log->files_lock);
    log_info("commit_log_file_expired path=%s", first->path);
    file_unref(log, first);
    return 0;
}

int64_t commit_log_first_modified_ms(struct commit_log *log)
{
    pthread_mutex_lock(&log->files_lock);
    int64_t modified_ms = log->file_count > 1 ? disk_modified_ms(log->files[0]->fd) : -1;
    pthread_mutex_unlock(&log->files_lock);
    return modified_ms;
}
