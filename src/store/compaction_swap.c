/* compaction_swap.c - the pairs of files written anew, and put in the places of the old ones.
 *
 *   compacting/   new pairs, from base 0 on: never more of them than of the old ones
 *   compacting/swap   "BASE BASE ... | COUNT | SUM": the pairs to be replaced, by how many, and the
 *                 CRC-32 of that in hex. From this file on the new pairs count; all that follows
 *                 can be done again
 *
 * A new pair takes the name of an old one or of none, by a rename; old pairs whose names are left
 * are removed; then "swap" goes, and the directory with it.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crc.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"
#include "store/compaction_internal.h"
#include "wire/properties.h"

enum { KEY_COST_BYTES = 64, SWAP_TEXT_BYTES = 1 << 20 };

/* ---- which messages stay --------------------------------------------------------------------- */

struct keys {
    struct map offsets; /* key -> the newest queue offset it has, plus one */
    int64_t bytes;
    int64_t bytes_most;
    int64_t last_offset; /* messages behind it were not looked at */
    bool is_full;
};

static void note_key(struct keys *keys, struct slice key, int64_t queue_offset)
{
    bool is_new = map_get(&keys->offsets, key) == NULL;
    keys->bytes += is_new ? (int64_t)key.len + KEY_COST_BYTES : 0;
    keys->is_full = keys->bytes > keys->bytes_most;
    if (keys->is_full)
        return;
    map_put(&keys->offsets, key, (void *)(uintptr_t)(queue_offset + 1));
    keys->last_offset = queue_offset;
}

static bool stays(const struct keys *keys, const struct record *record)
{
    if (record->queue_offset > keys->last_offset)
        return true;
    struct slice key = property_get(record->properties, SLICE(PROPERTY_KEYS));
    int64_t newest = (int64_t)(uintptr_t)map_get(&keys->offsets, key) - 1;
    return record->body.len > 0 && record->queue_offset >= newest;
}

/* ---- a walk over pairs ----------------------------------------------------------------------- */

struct walk {
    struct compaction_queue *queue;
    struct compaction_file *files; /* heap; those to be replaced, as they were when it began */
    int count;
    struct keys keys;
    struct compaction_queue *out;
    int64_t dropped;
    compaction_pause *pause;
    void *ctx;
};

typedef int walk_each(struct walk *walk, struct slice bytes, const struct record *record,
                      const struct store_queue_entry *entry);

static int walk_entry(struct walk *walk, const struct compaction_file *file, int log_fd,
                      const struct compaction_entry *of, struct buf *scratch, walk_each *each)
{
    const struct store_queue_entry *entry = &of->at;
    struct record record;
    buf_clear(scratch);
    uint8_t *into = buf_reserve(scratch, (size_t)entry->bytes);
    if (walk->pause(walk->ctx, entry->bytes))
        return ERR_CLOSED;
    int err = disk_read(log_fd, walk->queue->log_dir, into, (size_t)entry->bytes,
                        entry->phy_offset - file->base, true);
    if (err != 0)
        return err;
    struct slice bytes = slice_of(into, (size_t)entry->bytes);
    if (!compaction_entry_agrees(of, bytes) ||
        record_decode(bytes, RECORD_CHECK_LENGTHS, &record) != 0)
        return ERR_CORRUPT; /* nothing is replaced: what is damaged can still be looked at */
    return each(walk, bytes, &record, entry);
}

static int walk_file(struct walk *walk, const struct compaction_file *file, walk_each *each)
{
    struct buf scratch = BUF_INIT;
    int log_fd, queue_fd;
    int err = compaction_file_open(walk->queue, file->base, false, &log_fd, &queue_fd);
    if (err != 0)
        return err;
    for (int64_t place = 0; place < file->count && err == 0; place++) {
        struct compaction_entry entry;
        err = compaction_file_entries(walk->queue, queue_fd, place, 1, &entry);
        if (err == 0 &&
            (entry.is_damaged || entry.at.bytes <= 0 || entry.at.phy_offset < file->base))
            err = ERR_CORRUPT;
        if (err == 0)
            err = walk_entry(walk, file, log_fd, &entry, &scratch, each);
    }
    disk_close(log_fd);
    disk_close(queue_fd);
    buf_fini(&scratch);
    return err;
}

static int note_record(struct walk *walk, struct slice bytes, const struct record *record,
                       const struct store_queue_entry *entry)
{
    (void)bytes;
    (void)entry;
    if (record->queue_offset > walk->queue->done_offset && !walk->keys.is_full)
        note_key(&walk->keys, property_get(record->properties, SLICE(PROPERTY_KEYS)),
                 record->queue_offset);
    return 0;
}

static int copy_record(struct walk *walk, struct slice bytes, const struct record *record,
                       const struct store_queue_entry *entry)
{
    if (stays(&walk->keys, record))
        return compaction_queue_append(walk->out, bytes, entry);
    walk->dropped++;
    return 0;
}

/* ---- the swap -------------------------------------------------------------------------------- */

struct swap {
    int64_t *bases; /* heap; of the old pairs */
    int count;
    int new_count;
};

static void swap_path(const struct compaction_queue *queue, char path[DISK_PATH_MAX])
{
    snprintf(path, DISK_PATH_MAX, "%s/" COMPACTING "/swap", queue->log_dir);
}

/* "swap" goes first: it must not speak of pairs that are not there. */
static void remove_new_pairs(const struct compaction_queue *queue)
{
    char path[DISK_PATH_MAX];
    swap_path(queue, path);
    if (disk_exists(path) && (disk_remove(path) != 0 || disk_sync_name(path) != 0))
        return;
    snprintf(path, sizeof path, "%s/" COMPACTING, queue->log_dir);
    disk_remove_tree(path);
    snprintf(path, sizeof path, "%s/" COMPACTING, queue->queue_dir);
    disk_remove_tree(path);
}

static int write_swap(const struct compaction_queue *queue, const struct swap *swap)
{
    char path[DISK_PATH_MAX];
    struct buf text = BUF_INIT;
    char number[32];
    assert(swap->new_count >= 0 && swap->new_count <= swap->count);
    for (int i = 0; i < swap->count; i++) {
        snprintf(number, sizeof number, "%lld ", (long long)swap->bases[i]);
        buf_append_slice(&text, slice_str(number));
    }
    snprintf(number, sizeof number, "| %d ", swap->new_count);
    buf_append_slice(&text, slice_str(number));
    snprintf(number, sizeof number, "| %08x\n", (unsigned)crc32_update(0, buf_slice(&text)));
    buf_append_slice(&text, slice_str(number));
    swap_path(queue, path);
    int err = disk_replace(path, buf_slice(&text));
    buf_fini(&text);
    return err;
}

/* Whether the text is what was written: names that have turned would have the wrong pairs removed.
 */
static bool is_swap_whole(const char *text)
{
    char sum[16];
    const char *last = strrchr(text, '|');
    if (last == NULL)
        return false;
    struct slice guarded = slice_of((const uint8_t *)text, (size_t)(last - text));
    snprintf(sum, sizeof sum, "| %08x\n", (unsigned)crc32_update(0, guarded));
    return strcmp(last, sum) == 0;
}

static int parse_swap(const char *text, struct swap *swap)
{
    const char *at = text;
    if (!is_swap_whole(text))
        return ERR_CORRUPT;
    while (*at != '|') {
        char *end;
        swap->bases[swap->count++] = strtoll(at, &end, 10);
        if (end == at)
            return ERR_CORRUPT;
        at = end + strspn(end, " ");
    }
    bool is_fit = sscanf(at, "| %d", &swap->new_count) == 1 && swap->new_count >= 0 &&
                  swap->new_count <= swap->count;
    return is_fit ? 0 : ERR_CORRUPT;
}

/* ERR_NOT_FOUND: none was begun. */
static int read_swap(const struct compaction_queue *queue, struct swap *swap)
{
    char path[DISK_PATH_MAX];
    int64_t bytes;
    int fd;
    swap_path(queue, path);
    if (!disk_exists(path))
        return ERR_NOT_FOUND;
    int err = disk_size(path, &bytes);
    if (err != 0 || bytes > SWAP_TEXT_BYTES)
        return err != 0 ? err : ERR_CORRUPT;
    char *text = memory_zeroed(1, (size_t)bytes + 1);
    swap->bases = memory_zeroed((size_t)bytes + 1, sizeof *swap->bases);
    err = disk_open(path, 0, &fd);
    if (err == 0) {
        err = disk_read(fd, path, text, (size_t)bytes, 0, true);
        disk_close(fd);
    }
    if (err == 0)
        err = parse_swap(text, swap);
    free(text);
    return err;
}

/* Moves one new file to its place; one that is there already was moved before. */
static int move_file(const char *dir, int64_t base)
{
    char from_dir[DISK_PATH_MAX];
    char from[DISK_PATH_MAX];
    char to[DISK_PATH_MAX];
    int err = fault_check("compaction.swap");
    snprintf(from_dir, sizeof from_dir, "%s/" COMPACTING, dir);
    disk_numbered_path(from, from_dir, base);
    disk_numbered_path(to, dir, base);
    if (err == 0)
        err = disk_exists(from) ? disk_rename(from, to) : 0;
    return err;
}

static int remove_old_pair(const struct compaction_queue *queue, int64_t base)
{
    char log_path[DISK_PATH_MAX];
    char queue_path[DISK_PATH_MAX];
    int err = fault_check("compaction.swap");
    if (err != 0)
        return err;
    compaction_file_paths(queue, base, log_path, queue_path);
    disk_remove_in_slices(log_path);
    disk_remove_in_slices(queue_path);
    return 0;
}

/* What follows on "swap", from wherever it stopped. First the new pairs take their places. */
static int take_places(const struct compaction_queue *queue, const struct swap *swap)
{
    int64_t new_end = (int64_t)swap->new_count * queue->sizes.log_file_bytes;
    int err = 0;
    for (int64_t base = 0; base < new_end && err == 0; base += queue->sizes.log_file_bytes) {
        err = move_file(queue->log_dir, base);
        if (err == 0)
            err = move_file(queue->queue_dir, base);
    }
    return err;
}

/* Then nobody looks at the old ones any more. */
static int remove_rest(const struct compaction_queue *queue, const struct swap *swap)
{
    int64_t new_end = (int64_t)swap->new_count * queue->sizes.log_file_bytes;
    int err = 0;
    for (int i = 0; i < swap->count && err == 0; i++)
        if (swap->bases[i] >= new_end || swap->bases[i] % queue->sizes.log_file_bytes != 0)
            err = remove_old_pair(queue, swap->bases[i]);
    if (err == 0)
        err = disk_sync_dirs(queue->log_dir, 0);
    if (err == 0)
        err = disk_sync_dirs(queue->queue_dir, 0);
    if (err == 0)
        remove_new_pairs(queue);
    return err;
}

int compaction_swap_finish(struct compaction_queue *queue)
{
    struct swap swap = { 0 };
    int err = read_swap(queue, &swap);
    if (err == 0) {
        log_info("compaction_swap_finished topic=%.*s queue=%d files=%d", SLICE_FMT(queue->topic),
                 queue->queue_id, swap.new_count);
        err = take_places(queue, &swap);
        if (err == 0)
            err = remove_rest(queue, &swap);
    } else if (err == ERR_NOT_FOUND) {
        remove_new_pairs(queue);
        err = 0;
    } else {
        log_error("compaction_swap_unreadable path=%s/" COMPACTING "/swap", queue->log_dir);
    }
    free(swap.bases);
    return err;
}

/* ---- compacting ------------------------------------------------------------------------------ */

/* The pairs but the last, when one of them has what was not compacted yet. */
static bool take_files(struct walk *walk)
{
    struct compaction_queue *queue = walk->queue;
    bool has_news = false;
    lock_take(&queue->lock);
    walk->count = queue->file_count > 0 ? queue->file_count - 1 : 0;
    for (int i = 0; i < walk->count; i++)
        has_news |= queue->files[i].last_offset > queue->done_offset;
    if (has_news) {
        assert(walk->count > 0 && walk->files == NULL);
        walk->files = memory_zeroed((size_t)walk->count, sizeof *walk->files);
        memcpy(walk->files, queue->files, (size_t)walk->count * sizeof *walk->files);
    }
    lock_release(&queue->lock);
    return has_news;
}

static int open_out(struct walk *walk)
{
    char log_dir[DISK_PATH_MAX];
    char queue_dir[DISK_PATH_MAX];
    snprintf(log_dir, sizeof log_dir, "%s/" COMPACTING, walk->queue->log_dir);
    snprintf(queue_dir, sizeof queue_dir, "%s/" COMPACTING, walk->queue->queue_dir);
    remove_new_pairs(walk->queue);
    return compaction_queue_open(log_dir, queue_dir, walk->queue->topic, walk->queue->queue_id,
                                 walk->queue->sizes, false, &walk->out);
}

static int write_new_pairs(struct walk *walk)
{
    int err = open_out(walk);
    for (int i = 0; i < walk->count && err == 0; i++)
        err = walk_file(walk, &walk->files[i], copy_record);
    if (err == 0 && walk->out->file_count > 0) {
        walk->out->is_dirty = true;
        err = compaction_queue_end_file(walk->out);
    }
    if (err == 0)
        err = compaction_queue_sync(walk->out);
    assert(err != 0 || walk->out->file_count <= walk->count);
    return err;
}

/* The new pairs stand where the old ones stood, before what came meanwhile. Under the lock. */
static void replace_files(struct walk *walk)
{
    assert(lock_is_held(&walk->queue->lock));
    struct compaction_queue *queue = walk->queue;
    int new_count = walk->out->file_count;
    int more = queue->file_count - walk->count;
    assert(more >= 1);
    assert(new_count <= walk->count);
    memmove(queue->files + new_count, queue->files + walk->count,
            (size_t)more * sizeof *queue->files);
    if (new_count > 0)
        memcpy(queue->files, walk->out->files, (size_t)new_count * sizeof *queue->files);
    queue->file_count = new_count + more;
    compaction_queue_note_bounds(queue);
}

/* The files are between old and new: only the next start tells. */
static void note_between(struct compaction_queue *queue, int err)
{
    lock_take(&queue->lock);
    queue->is_between = !queue->is_dropped;
    lock_release(&queue->lock);
    if (queue->is_between)
        log_error("compaction_swap_failed topic=%.*s queue=%d error=%s: a restart finishes it",
                  SLICE_FMT(queue->topic), queue->queue_id, err_name(err));
}

/* Who reads waits for the names to change, and not for the disk. */
static int put_in_place(struct walk *walk, const struct swap *swap)
{
    struct compaction_queue *queue = walk->queue;
    int err = write_swap(queue, swap);
    if (err != 0)
        return err;
    lock_take(&queue->lock);
    bool is_dropped = queue->is_dropped;
    if (!is_dropped)
        err = take_places(queue, swap);
    if (!is_dropped && err == 0)
        replace_files(walk);
    lock_release(&queue->lock);
    if (is_dropped)
        return ERR_CLOSED;
    if (err == 0)
        err = remove_rest(queue, swap);
    if (err != 0)
        note_between(queue, err);
    return err;
}

static int swap_pairs(struct walk *walk)
{
    struct swap swap = { .count = walk->count, .new_count = walk->out->file_count };
    swap.bases = memory_zeroed((size_t)walk->count, sizeof *swap.bases);
    for (int i = 0; i < walk->count; i++)
        swap.bases[i] = walk->files[i].base;
    int err = put_in_place(walk, &swap);
    free(swap.bases);
    return err;
}

static int compact(struct walk *walk)
{
    int err = 0;
    for (int i = 0; i < walk->count && err == 0 && !walk->keys.is_full; i++)
        if (walk->files[i].last_offset > walk->queue->done_offset)
            err = walk_file(walk, &walk->files[i], note_record);
    if (err == 0)
        err = write_new_pairs(walk);
    if (err == 0 && walk->dropped > 0)
        err = swap_pairs(walk);
    if (!walk->queue->is_between)
        remove_new_pairs(walk->queue);
    assert(walk->keys.last_offset >= walk->queue->done_offset);
    if (err == 0)
        walk->queue->done_offset = walk->keys.last_offset;
    return err != 0 ? err : walk->dropped > 0;
}

int compaction_queue_compact(struct compaction_queue *queue, int64_t keys_bytes,
                             compaction_pause *pause, void *ctx)
{
    struct walk walk = { .queue = queue,
                         .keys = { .bytes_most = keys_bytes, .last_offset = queue->done_offset },
                         .pause = pause,
                         .ctx = ctx };
    if (queue->is_between || !take_files(&walk))
        return 0;
    map_init(&walk.keys.offsets);
    int result = compact(&walk);
    if (result == 1)
        log_info("compaction_done topic=%.*s queue=%d files=%d to=%d dropped=%lld",
                 SLICE_FMT(queue->topic), queue->queue_id, walk.count, walk.out->file_count,
                 (long long)walk.dropped);
    map_fini(&walk.keys.offsets);
    if (walk.out != NULL)
        compaction_queue_free(walk.out);
    free(walk.files);
    return result;
}
