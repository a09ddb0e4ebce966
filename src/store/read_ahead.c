#include "store/read_ahead.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/lock.h"
#include "base/thread.h"
#include "base/thread_rank.h"

/* So many steps back a stream still is the same one: its readers need not be at one place. */
enum { STEP_BYTES_MOST = 4 << 20, MEMORY_PART = 64, STEPS_KEPT = 8 };

struct stream {
    int64_t from; /* what lies between these two was asked for; equal: there is no such stream */
    int64_t upto;
    uint64_t used; /* the greater, the later */
    bool is_wanted;
};

struct read_ahead {
    struct commit_log *log;
    int64_t step_bytes;
    atomic_bool is_off;
    pthread_t thread;
    struct lock lock; /* guards what follows; a leaf */
    pthread_cond_t wake;
    struct stream streams[READ_AHEAD_STREAMS];
    uint64_t turn;
    bool is_ending;
};

static struct stream *stream_of(struct read_ahead *ra, int64_t phy_offset)
{
    for (int i = 0; i < READ_AHEAD_STREAMS; i++)
        if (phy_offset >= ra->streams[i].from && phy_offset < ra->streams[i].upto)
            return &ra->streams[i];
    return NULL;
}

static struct stream *least_recent(struct read_ahead *ra)
{
    struct stream *least = &ra->streams[0];
    for (int i = 1; i < READ_AHEAD_STREAMS; i++)
        if (ra->streams[i].used < least->used)
            least = &ra->streams[i];
    return least;
}

/* Moves the stream on by a step and returns where that begins. */
static int64_t take_step(struct read_ahead *ra, struct stream *stream)
{
    int64_t at = stream->upto;
    stream->upto += ra->step_bytes;
    stream->is_wanted = false;
    if (stream->upto - stream->from > STEPS_KEPT * ra->step_bytes)
        stream->from = stream->upto - STEPS_KEPT * ra->step_bytes;
    assert(stream->from < stream->upto);
    return at;
}

/* A step ends where a file does not. */
static void ask(struct read_ahead *ra, int64_t from)
{
    int64_t file_bytes = commit_log_file_bytes(ra->log);
    int64_t first = file_bytes - from % file_bytes;
    assert(from >= 0 && first > 0);
    commit_log_will_read(ra->log, from, ra->step_bytes);
    if (first < ra->step_bytes)
        commit_log_will_read(ra->log, from + first, ra->step_bytes - first);
}

static struct stream *next_wanted(struct read_ahead *ra)
{
    for (int i = 0; i < READ_AHEAD_STREAMS; i++)
        if (ra->streams[i].is_wanted)
            return &ra->streams[i];
    return NULL;
}

static void *run(void *arg)
{
    struct read_ahead *ra = arg;
    thread_stand_back(); /* whoever comes first to what is not there asks for itself */
    lock_take(&ra->lock);
    while (!ra->is_ending) {
        struct stream *stream = next_wanted(ra);
        if (stream == NULL) {
            lock_wait(&ra->lock, &ra->wake);
            continue;
        }
        int64_t at = take_step(ra, stream);
        lock_release(&ra->lock);
        ask(ra, at);
        lock_take(&ra->lock);
    }
    lock_release(&ra->lock);
    return NULL;
}

void read_ahead_switch(struct read_ahead *ra, bool on)
{
    atomic_store(&ra->is_off, !on);
}

bool read_ahead_is_on(const struct read_ahead *ra)
{
    return !atomic_load_explicit(&ra->is_off, memory_order_relaxed);
}

void read_ahead_begin(struct read_ahead *ra, int64_t phy_offset)
{
    assert(phy_offset >= 0);
    lock_take(&ra->lock);
    struct stream *stream = stream_of(ra, phy_offset);
    bool is_new = stream == NULL;
    if (is_new) {
        stream = least_recent(ra);
        *stream = (struct stream){ .from = phy_offset, .upto = phy_offset };
        take_step(ra, stream);
    }
    stream->used = ++ra->turn;
    lock_release(&ra->lock);
    if (is_new)
        ask(ra, phy_offset);
}

void read_ahead_note(struct read_ahead *ra, int64_t phy_offset)
{
    bool wakes = false;
    assert(phy_offset >= 0);
    /* The thread may hold it without a core; the next note says the same. */
    if (!read_ahead_is_on(ra) || !lock_try(&ra->lock))
        return;
    struct stream *stream = stream_of(ra, phy_offset);
    if (stream != NULL) {
        stream->used = ++ra->turn;
        wakes = !stream->is_wanted && stream->upto - phy_offset <= ra->step_bytes / 2 &&
                stream->upto < commit_log_near_start(ra->log);
        stream->is_wanted |= wakes;
    }
    lock_release(&ra->lock);
    if (wakes)
        pthread_cond_signal(&ra->wake);
}

int64_t read_ahead_end(struct read_ahead *ra, int64_t phy_offset)
{
    lock_take(&ra->lock);
    const struct stream *stream = stream_of(ra, phy_offset);
    int64_t end = stream == NULL ? -1 : stream->upto;
    lock_release(&ra->lock);
    return end;
}

int read_ahead_new(struct commit_log *log, int64_t memory_bytes, struct read_ahead **made)
{
    struct read_ahead *ra = calloc(1, sizeof *ra);
    if (ra == NULL)
        return ERR_NO_MEMORY;
    int64_t part = memory_bytes / MEMORY_PART;
    ra->log = log;
    ra->step_bytes = part < STEP_BYTES_MOST ? part : STEP_BYTES_MOST;
    assert(ra->step_bytes > 0);
    lock_init(&ra->lock, LOCK_LEAF);
    pthread_cond_init(&ra->wake, NULL);
    int err = thread_start(&ra->thread, "read_ahead", run, ra);
    if (err != 0) {
        lock_fini(&ra->lock);
        pthread_cond_destroy(&ra->wake);
        free(ra);
        return err;
    }
    *made = ra;
    return 0;
}

void read_ahead_free(struct read_ahead *ra)
{
    if (ra == NULL)
        return;
    lock_take(&ra->lock);
    ra->is_ending = true;
    lock_release(&ra->lock);
    pthread_cond_signal(&ra->wake);
    pthread_join(ra->thread, NULL);
    lock_fini(&ra->lock);
    pthread_cond_destroy(&ra->wake);
    free(ra);
}
