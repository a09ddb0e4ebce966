/* consume_queue_flush.c - the flusher moves entries from memory into the files in runs, then syncs.
 *
 * What an append waits for is a copy of some thousand entries at most. A file is synced by a
 * descriptor of its own, without a lock.
 */
#include "store/consume_queue_internal.h"

enum { WRITTEN_AT_ONCE = 2048 }; /* entries: copied under the lock that an append waits for */

/* Under file_lock. */
static int write_run(struct consume_queue *queue, int64_t place, struct slice entries)
{
    char dir[DISK_PATH_MAX];
    size_t size = queue_entry_size(queue);
    assert(lock_is_held(&consume_queue_locks(queue)->file_lock));
    assert(entries.len % size == 0);
    consume_queue_dir(queue, dir);
    while (entries.len > 0) {
        int err = queue_file_use(queue, place, true);
        if (err != 0)
            return err;
        int64_t at = queue_file_pos(queue, place);
        /* Also that of a file that was there: an earlier life may not have synced its name. */
        if (at == 0)
            queue->has_new_names = true;
        size_t room = (size_t)(queue->of->kind->file_bytes - at);
        size_t n = entries.len < room ? entries.len : room;
        assert(n > 0);
        assert(n % size == 0);
        err = disk_write(queue->file->fd, dir, entries.data, n, at);
        if (err != 0)
            return err;
        entries = slice_from(entries, n);
        place += (int64_t)(n / size);
    }
    return 0;
}

/* Copies the first entries of the tail, at most WRITTEN_AT_ONCE; how many are left in *more.
 * Returns the place of the first. */
static int64_t copy_tail(struct consume_queue *queue, struct buf *scratch, uint32_t *count,
                         uint32_t *more)
{
    struct lock *lock = &consume_queue_locks(queue)->lock;
    buf_clear(scratch);
    lock_take(lock);
    int64_t place = queue_written(queue);
    uint32_t all = queue->tail == NULL ? 0 : queue->tail->count;
    *count = all < WRITTEN_AT_ONCE ? all : WRITTEN_AT_ONCE;
    *more = all - *count;
    if (*count > 0)
        buf_append(scratch, queue_tail_at(queue, place), *count * queue_entry_size(queue));
    lock_release(lock);
    return place;
}

/* A large piece of memory takes a fifth of a millisecond to come or to go, so that is done without
 * the lock. */
static void drop_tail(struct consume_queue *queue, int64_t from, uint32_t count)
{
    struct lock *lock = &consume_queue_locks(queue)->lock;
    bool is_wide;
    lock_take(lock);
    assert(queue_written(queue) == from);
    struct queue_tail *unused = queue_tail_drop(queue, count, &is_wide);
    uint32_t cap = is_wide ? queue->tail->cap : 0;
    lock_release(lock);
    if (is_wide) {
        struct queue_tail *half = queue_tail_half(queue, cap);
        lock_take(lock);
        unused = queue_tail_exchange(queue, half);
        lock_release(lock);
    }
    queue_tail_free(queue, unused);
}

int consume_queue_write(struct consume_queue *queue, struct buf *scratch, int64_t *from)
{
    struct lock *file_lock = &consume_queue_locks(queue)->file_lock;
    uint32_t count;
    uint32_t more;
    int err = 0;
    int64_t upto = -1;
    atomic_store(&queue->is_dirty, false);
    for (*from = -1; err == 0;) {
        int64_t place = copy_tail(queue, scratch, &count, &more);
        if (*from < 0) {
            *from = place;
            upto = place + count + more; /* what comes meanwhile is the next round's */
        }
        if (count == 0 || place >= upto)
            break;
        lock_take(file_lock);
        err = queue->is_deleted ? 0 : write_run(queue, place, buf_slice(scratch));
        queue_file_let_go(queue);
        lock_release(file_lock);
        if (err == 0)
            drop_tail(queue, place, count);
        if (more == 0)
            break;
    }
    return err;
}

/* The file that holds place, with a descriptor of its own: -1 when it is gone. */
static int open_for_sync(struct consume_queue *queue, int64_t place, int *fd)
{
    struct lock *file_lock = &consume_queue_locks(queue)->file_lock;
    *fd = -1;
    lock_take(file_lock);
    int err = queue->is_deleted ? ERR_NOT_FOUND : queue_file_use(queue, place, false);
    if (err == 0) /* an idle queue keeps no file open */
        *fd = queue_file_take(queue);
    lock_release(file_lock);
    return err == ERR_NOT_FOUND ? 0 : err;
}

/* Files that were made have names that survive the loss of power. */
static int sync_names(struct consume_queue *queue, bool *is_new)
{
    struct lock *file_lock = &consume_queue_locks(queue)->file_lock;
    lock_take(file_lock);
    *is_new = queue->has_new_names && !queue->is_deleted;
    queue->has_new_names = false;
    lock_release(file_lock);
    if (!*is_new)
        return 0;
    char dir[DISK_PATH_MAX];
    consume_queue_dir(queue, dir);
    int err = disk_sync_dirs(dir, 0);
    return err == ERR_NOT_FOUND ? 0 : err; /* deleted meanwhile */
}

int consume_queue_start_sync(struct consume_queue *queue, int64_t from)
{
    char dir[DISK_PATH_MAX];
    int err = 0;
    struct lock *file_lock = &consume_queue_locks(queue)->file_lock;
    int64_t written = queue_written_end(queue);
    lock_take(file_lock);
    if (from < written && !queue->is_deleted && queue_file_use(queue, from, false) == 0) {
        int64_t at = queue_file_pos(queue, from);
        int64_t bytes = (written - from) * queue->of->kind->entry_bytes;
        int64_t room = queue->of->kind->file_bytes - at;
        consume_queue_dir(queue, dir);
        err = disk_start_write_back(queue->file->fd, dir, at, bytes < room ? bytes : room);
    }
    lock_release(file_lock); /* the file stays open for consume_queue_sync() */
    return err;
}

int consume_queue_sync(struct consume_queue *queue, int64_t from, bool *is_new)
{
    char dir[DISK_PATH_MAX];
    int64_t written = queue_written_end(queue);
    int err = sync_names(queue, is_new);
    consume_queue_dir(queue, dir);
    while (err == 0 && from < written) {
        int fd;
        err = open_for_sync(queue, from, &fd);
        if (err == 0 && fd >= 0) {
            err = disk_sync(fd, dir);
            queue_fd_close(queue, fd);
        }
        int64_t next = queue_file_of(queue, from) / queue->of->kind->entry_bytes;
        assert(next <= from);
        from = next + queue_file_places(queue);
    }
    return err;
}
