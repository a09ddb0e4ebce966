/* commit_log_room.c - the allocator: what an append needs is there before it comes.
 *
 * What makes such a store slow is the kernel: a page that is not there yet faults, and a fault may
 * wait for the journal or for write-back. So the allocator thread walks ahead of the head:
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
 * is made while the head file is being filled. When the appender is faster, it allocates and fills
 * for itself.
 *
 * A page that comes by a fault costs the kernel 4 us, by a write of 64 KiB one: a head that is not
 * slow has zeros written ahead of it, and only then its window populated. Nothing is stored where
 * zeros are being written: `storable` of a file is where the appender stops.
 *
 *      head ........ storable |== being filled ==|        the appender fills the next run itself
 *                                                         when it gets there before the allocator
 *
 * What either costs depends on the memory there is, and is looked at (page_source.h). An appender
 * who gets to a run that is being filled waits for a thread that stands back: when that has no core
 * and the head is near, the appender is left to fill half of the window for itself.
 *
 * Not with SYNC_FLUSH: the kernel writes a run of pages back as a whole, however little was stored.
 */
#include "store/commit_log_internal.h"

#include <assert.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/thread_rank.h"

enum {
    POPULATE_LEAST = 2 << 20,
    POPULATE_MOST = 64 << 20,
    HOT_MOST = 8 << 20, /* stays mapped behind the head; reads from there copy from the mapping */
    MEMORY_PART = 32,   /* each of the two takes at most such a part of the memory there is */
    FILE_PART = 16,     /* the least window, and a run, take at most such a part of a file */
    AHEAD_PER_S = 2,    /* the window holds what comes in a half of a second */
    SMALL_SYNC_BYTES = 6 * PAGE_BYTES, /* covers few messages */
    REST_NS = 1000000000,              /* nothing put for so long: the window shrinks */
    WINDOW_STEP = 2 << 20,             /* filled, judged and populated at once */
    STEP_FAULTS_NS = WINDOW_STEP / PAGE_BYTES * PAGE_SOURCE_CHEAP_NS,
    JUDGED_PAGES = 256, /* fewer say little */
    OWN_STEP = 1 << 20, /* allocated at once by the appender */
};

void log_room_init(struct log_room *room, bool writes_ahead, int64_t file_bytes,
                   int64_t memory_bytes)
{
    int64_t part = max64(file_bytes / FILE_PART / PAGE_BYTES * PAGE_BYTES, PAGE_BYTES);
    int64_t least = min64(POPULATE_LEAST, part);
    room->writes_ahead = writes_ahead;
    room->fills = !writes_ahead;
    room->window = least;
    room->window_least = least;
    room->run_bytes = min64(COMMIT_LOG_RUN_BYTES, least);
    room->window_most = max64(least, min64(POPULATE_MOST, memory_bytes / MEMORY_PART));
    room->hot_bytes = min64(HOT_MOST, memory_bytes / MEMORY_PART);
    lock_init(&room->lock, LOCK_LEAF);
    pthread_cond_init(&room->wake, NULL);
    pthread_cond_init(&room->filled, NULL);
}

void log_room_fini(struct log_room *room)
{
    assert(!room->has_allocator);
    pthread_cond_destroy(&room->filled);
    pthread_cond_destroy(&room->wake);
    lock_fini(&room->lock);
}

/* Gives the first `upto` bytes of the file blocks. */
int log_file_allocate(struct commit_log *log, struct log_file *file, int64_t upto)
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

/* Under the lock. */
static void set_storable(struct log_file *file, int64_t upto)
{
    if (atomic_load(&file->storable) < upto)
        atomic_store_explicit(&file->storable, upto, memory_order_release);
}

/* From here on nobody else fills. Under the lock. Gives where the next run begins. */
static int64_t wait_for_filler(struct log_room *room, struct log_file *file)
{
    assert(lock_is_held(&room->lock));
    while (file->is_filling)
        lock_wait(&room->lock, &room->filled);
    int64_t from = atomic_load(&file->storable);
    assert(from % PAGE_BYTES == 0);
    return from;
}

/* Writes the zeros of a claimed run, or leaves it to the page faults when that fails, and has it
 * stored to. */
static void finish_run(struct commit_log *log, struct log_file *file, int64_t from, int64_t end)
{
    struct log_room *room = &log->room;
    assert(from < end);
    assert(end <= atomic_load(&file->allocated));
    if (room->fills && !disk_fill(file->fd, file->path, from, end - from))
        room->fills = false;
    lock_take(&room->lock);
    assert(file->is_filling);
    assert(atomic_load(&file->storable) == from);
    file->is_filling = false;
    set_storable(file, end);
    pthread_cond_broadcast(&room->filled);
    lock_release(&room->lock);
}

/* False: it went wrong, or faults cost less of late. Under the lock. */
static bool are_zeros_worth_it(struct commit_log *log)
{
    struct log_room *room = &log->room;
    assert(lock_is_held(&room->lock));
    return room->fills && page_source_is_zeros(&room->source, commit_log_max(log));
}

static void note_cost(struct commit_log *log, bool by_zeros, int64_t bytes, int64_t cpu_ns)
{
    lock_take(&log->room.lock);
    page_source_note(&log->room.source, by_zeros, bytes / PAGE_BYTES, cpu_ns, commit_log_max(log));
    lock_release(&log->room.lock);
}

/* The appender's own run, populated at once: it stores there now. `fills`: it was claimed. */
static void make_own_run(struct commit_log *log, struct log_file *file, int64_t from, int64_t end,
                         bool fills)
{
    int64_t begin_ns = clock_thread_cpu_ns();
    assert(from >= log->reserved_end - file->start); /* nothing lies there */
    if (fills)
        finish_run(log, file, from, end);
    (void)disk_populate(file->base + from, end - from);
    note_cost(log, fills, end - from, clock_thread_cpu_ns() - begin_ns);
}

/* Blocks for `upto` and, since a call for each page would cost more than the page, for what follows
 * if the disk has them. */
static int allocate_some(struct commit_log *log, struct log_file *file, int64_t upto)
{
    if (atomic_load(&file->allocated) >= upto)
        return 0;
    int err = log_file_allocate(log, file, upto + OWN_STEP);
    return err == ERR_DISK_FULL ? log_file_allocate(log, file, upto) : err;
}

int log_file_open_up(struct commit_log *log, struct log_file *file, int64_t upto)
{
    struct log_room *room = &log->room;
    int err = allocate_some(log, file, upto);
    if (err != 0)
        return err;
    /* For some more, not each record by itself. */
    int64_t run_end = (upto + room->run_bytes - 1) / room->run_bytes * room->run_bytes;
    int64_t end = min64(run_end, atomic_load(&file->allocated));
    assert(end >= upto);
    lock_take(&room->lock);
    int64_t from = wait_for_filler(room, file);
    file->is_filling = from < end && are_zeros_worth_it(log);
    bool fills = file->is_filling;
    if (!fills)
        set_storable(file, end);
    lock_release(&room->lock);
    if (from < end)
        make_own_run(log, file, from, end, fills);
    assert(atomic_load(&file->storable) >= upto);
    return 0;
}

/* Writes the next zeros. False: there is no more to fill below `upto`, or it went wrong. The file
 * is the log's own: of the next one the appender may have another opinion (make_spare). */
static bool fill_run(struct commit_log *log, struct log_file *file, int64_t upto)
{
    struct log_room *room = &log->room;
    lock_take(&room->lock);
    int64_t from = wait_for_filler(room, file);
    int64_t run_end = (from / room->run_bytes + 1) * room->run_bytes;
    int64_t end = min64(run_end, upto);
    file->is_filling = from < end;
    lock_release(&room->lock);
    if (from >= end)
        return false;
    int64_t max = commit_log_max(log) - file->start;
    assert(max <= from || max >= log->file_bytes); /* nothing lies there, nor ever will */
    finish_run(log, file, from, end);
    return room->fills;
}

/* Writes zeros up to `upto`, and looks at how that compares with faults. Ends sooner when it takes
 * longer than the faults of a whole step: the appender may be waiting for each run. They are late
 * where this thread had no core for most of that; where pages are dear it shares the work. */
static void fill(struct commit_log *log, struct log_file *file, int64_t upto)
{
    int64_t from = atomic_load(&file->storable);
    int64_t begin_cpu_ns = clock_thread_cpu_ns();
    int64_t begin_ns = clock_monotonic_ns(), elapsed_ns = 0;
    while (elapsed_ns < STEP_FAULTS_NS && fill_run(log, file, upto))
        elapsed_ns = clock_monotonic_ns() - begin_ns;
    int64_t pages = (atomic_load(&file->storable) - from) / PAGE_BYTES;
    if (pages >= JUDGED_PAGES || elapsed_ns >= STEP_FAULTS_NS)
        log->room.fills_late = elapsed_ns > pages * PAGE_SOURCE_CHEAP_NS &&
                               elapsed_ns / 2 > clock_thread_cpu_ns() - begin_cpu_ns;
}

static bool fills_now(struct commit_log *log)
{
    lock_take(&log->room.lock);
    bool fills = log->room.window > log->room.window_least && are_zeros_worth_it(log);
    lock_release(&log->room.lock);
    return fills;
}

/* The appender may store to what lies below `upto`. */
static void give(struct commit_log *log, struct log_file *file, int64_t upto)
{
    lock_take(&log->room.lock);
    (void)wait_for_filler(&log->room, file);
    set_storable(file, upto);
    lock_release(&log->room.lock);
}

/* Zeros are late, and the appender has come close to what would be filled next: it is quicker by
 * itself than by waiting for them run by run. */
static bool is_outrun(const struct log_room *room, const struct log_file *file, int64_t pos)
{
    return room->fills_late && atomic_load(&file->storable) - pos < room->window / 4;
}

/* `written`: the zeros go to the disk too. Blocks that were only reserved become written ones with
 * their first write, which each sync of a new page would pay with a commit of the journal; so it is
 * paid here, once for all. Writing them back takes the right to store away again. */
static void populate(struct log_file *file, int64_t from, int64_t upto, bool written)
{
    from = max64(from, file->populated) / PAGE_BYTES * PAGE_BYTES;
    upto = upto / PAGE_BYTES * PAGE_BYTES;
    if (upto <= from)
        return;
    if (disk_populate(file->base + from, upto - from) && written &&
        disk_start_write_back(file->fd, file->path, from, upto - from) == 0)
        (void)disk_populate(file->base + from, upto - from);
    file->populated = upto; /* tried, at least */
}

/* Brings the pages of a step into being, and gives them. */
static void make_step(struct commit_log *log, struct log_file *file, int64_t from, int64_t end,
                      bool fills, bool written)
{
    int64_t made_from = fills ? atomic_load(&file->storable) : from;
    int64_t begin_ns = clock_thread_cpu_ns();
    if (fills) {
        fill(log, file, end);
        end = min64(end, atomic_load(&file->storable));
    }
    populate(file, from, end, written);
    int64_t cpu_ns = clock_thread_cpu_ns() - begin_ns;
    if (commit_log_max(log) - file->start <= from) /* the appender made none of them */
        note_cost(log, fills, max64(end - made_from, 0), cpu_ns);
    give(log, file, end);
}

/* The appender gets the window, filled when that pays, and populated. In steps: what it has passed
 * meanwhile is done with. */
static void give_window(struct commit_log *log, struct log_file *file, int64_t upto, bool written)
{
    if (log->room.writes_ahead) /* what goes to the disk first is not waited for */
        give(log, file, upto);
    for (;;) {
        int64_t pos = (commit_log_max(log) - file->start) / PAGE_BYTES * PAGE_BYTES;
        int64_t from = max64(pos, file->populated);
        bool fills = fills_now(log);
        if (fills && is_outrun(&log->room, file, pos)) {
            log->room.fills_late = false; /* after half of a window it is tried again */
            return;
        }
        if (from >= upto)
            break;
        make_step(log, file, from, min64(from + WINDOW_STEP, upto), fills, written);
    }
    give(log, file, upto);
}

/* Lets the page tables of a part of the file go; the bytes stay in the page cache. */
void log_file_let_go(struct log_file *file, int64_t from, int64_t upto)
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
    log_file_let_go(file, file->released, upto);
    file->released = max64(file->released, upto / PAGE_BYTES * PAGE_BYTES);
}

/* Lets go what lies below `upto`: in its file, and in those before that are not done yet. */
static void release_below(struct commit_log *log, int64_t upto)
{
    bool is_done = upto < 0;
    for (int64_t at = upto; !is_done;) {
        struct log_file *file = log_file_at(log, at);
        if (file == NULL)
            return;
        is_done = file->released >= log->file_bytes || file->start == 0;
        release_behind(file, at == upto ? upto - file->start : log->file_bytes);
        at = file->start - 1;
        log_file_unref(log, file);
    }
}

static void make_spare(struct commit_log *log, int64_t start)
{
    lock_take(&log->files_lock);
    bool is_there = log->spare != NULL || commit_log_files_end(log) != start;
    lock_release(&log->files_lock);
    if (is_there)
        return;
    struct log_file *file;
    if (log_file_open(log, start, true, &file) != 0)
        return; /* logged; the appender will try for itself and report */
    if (log_file_allocate(log, file, min64(ALLOCATE_STEP, log->file_bytes)) == 0)
        populate(file, 0, min64(POPULATE_LEAST, log->file_bytes), log->room.writes_ahead);
    lock_take(&log->files_lock);
    bool is_late = commit_log_files_end(log) != start;
    if (!is_late)
        log->spare = file;
    lock_release(&log->files_lock);
    if (is_late)
        log_file_free(log, file);
}

/* By time, not by bytes: a thread that stands back may be late by many milliseconds. */
static void adapt_window(struct commit_log *log, int64_t max)
{
    struct log_room *room = &log->room;
    int64_t now_ns = clock_monotonic_ns();
    double elapsed_s = (double)(now_ns - room->last_round_ns + 1) / 1e9;
    assert(max >= room->last_round_max);
    int64_t bytes_per_s = (int64_t)((double)(max - room->last_round_max) / elapsed_s);
    room->window = min64(max64(bytes_per_s / AHEAD_PER_S, room->window_least), room->window_most);
    room->last_round_ns = now_ns;
    room->last_round_max = max;
}

/* One round: room ahead of where the log ends now. */
static void prepare(struct commit_log *log)
{
    int64_t max = commit_log_max(log);
    int64_t next_wake = INT64_MAX;
    struct log_file *file = log_file_at(log, max);
    adapt_window(log, max);
    if (file != NULL) {
        next_wake = file->start + log->file_bytes; /* little of the next file is populated */
        int64_t pos = max - file->start;
        int64_t upto = min64(pos + log->room.window, log->file_bytes) / PAGE_BYTES * PAGE_BYTES;
        if (log_file_allocate(log, file, pos + max64(ALLOCATE_STEP, 2 * log->room.window)) == 0) {
            bool are_syncs_small = atomic_load(&log->room.sync_bytes) < SMALL_SYNC_BYTES;
            give_window(log, file, upto, log->room.writes_ahead && are_syncs_small);
        }
        if (pos > log->file_bytes / 2 || log->file_bytes - pos < 2 * log->room.window)
            make_spare(log, file->start + log->file_bytes);
        log_file_unref(log, file);
    }
    release_below(log, max - log->room.hot_bytes);
    atomic_store(&log->room.next_wake, min64(next_wake, max + log->room.window / 2));
}

/* Nothing was put for a while: only a small window stays in this process. */
static void rest(struct commit_log *log)
{
    int64_t max = commit_log_max(log);
    struct log_file *file = log_file_at(log, max);
    log->room.window = log->room.window_least;
    release_below(log, max);
    if (file != NULL) {
        int64_t upto = min64(max - file->start + log->room.window, log->file_bytes);
        log_file_let_go(file, upto, file->populated);
        file->populated = min64(file->populated, upto / PAGE_BYTES * PAGE_BYTES);
        log_file_unref(log, file);
    }
    atomic_store(&log->room.next_wake, max + log->room.window / 2);
}

/* Under the lock. */
static void wait_a_while(struct log_room *room)
{
    assert(lock_is_held(&room->lock));
    int64_t due_ns = clock_monotonic_ns() + REST_NS;
    while (!room->is_wanted && !room->is_ending &&
           lock_wait_until(&room->lock, &room->wake, due_ns))
        ;
}

static void *run_allocator(void *arg)
{
    struct commit_log *log = arg;
    struct log_room *room = &log->room;
    bool has_rested = false;
    thread_stand_back(); /* outrun, the appender makes room for itself */
    lock_take(&room->lock);
    while (!room->is_ending) {
        if (!room->is_wanted && has_rested) {
            lock_wait(&room->lock, &room->wake);
            continue;
        }
        if (!room->is_wanted)
            wait_a_while(room);
        has_rested = !room->is_wanted;
        room->is_wanted = false;
        lock_release(&room->lock);
        if (has_rested)
            rest(log);
        else
            prepare(log);
        lock_take(&room->lock);
    }
    lock_release(&room->lock);
    return NULL;
}

void log_room_wake(struct log_room *room)
{
    lock_take(&room->lock);
    room->is_wanted = true;
    pthread_cond_signal(&room->wake);
    lock_release(&room->lock);
}

int log_room_start(struct commit_log *log)
{
    struct log_room *room = &log->room;
    assert(!room->has_allocator);
    room->last_round_ns = clock_monotonic_ns();
    room->last_round_max = commit_log_max(log);
    prepare(log);
    int err = thread_start(&room->allocator, "allocator", run_allocator, log);
    room->has_allocator = err == 0;
    return err;
}

void log_room_stop(struct commit_log *log)
{
    struct log_room *room = &log->room;
    if (!room->has_allocator)
        return;
    lock_take(&room->lock);
    room->is_ending = true;
    pthread_cond_signal(&room->wake);
    lock_release(&room->lock);
    pthread_join(room->allocator, NULL);
    room->has_allocator = false;
}
