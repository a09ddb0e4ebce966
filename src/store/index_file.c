/* index_file.c - a table that is mapped whole and only ever grows.
 *
 * An entry is stored first, then the count, then the slot that leads to it: a process that dies in
 * between leaves a slot behind the truth, never one that leads nowhere. Chains lead back only, so
 * that damage cannot make a reader go in circles; whatever the file says is kept within its bounds.
 * Power loss is another matter: then files that were not synced are made again (indexer.c).
 */
#include "store/index_file.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/java_hash.h"

enum {
    AT_BEGIN_MS = 0,
    AT_END_MS = 8,
    AT_BEGIN_PHY = 16,
    AT_END_PHY = 24,
    AT_SLOTS_USED = 32,
    AT_COUNT = 36, /* number of the next entry; entry 0 is never used */
};
enum { ENTRY_HASH = 0, ENTRY_PHY = 4, ENTRY_SECONDS = 12, ENTRY_PREVIOUS = 16 };
enum { ALLOCATE_STEP = 4 << 20 };
static_assert(AT_END_MS == AT_BEGIN_MS + sizeof(int64_t), "no padding");
static_assert(AT_BEGIN_PHY == AT_END_MS + sizeof(int64_t), "no padding");
static_assert(AT_END_PHY == AT_BEGIN_PHY + sizeof(int64_t), "no padding");
static_assert(AT_SLOTS_USED == AT_END_PHY + sizeof(int64_t), "no padding");
static_assert(AT_COUNT == AT_SLOTS_USED + sizeof(int32_t), "no padding");
static_assert(INDEX_HEADER_BYTES == AT_COUNT + sizeof(int32_t), "no padding");
static_assert(ENTRY_PHY == ENTRY_HASH + sizeof(int32_t), "no padding");
static_assert(ENTRY_SECONDS == ENTRY_PHY + sizeof(int64_t), "no padding");
static_assert(ENTRY_PREVIOUS == ENTRY_SECONDS + sizeof(int32_t), "no padding");
static_assert(INDEX_ENTRY_BYTES == ENTRY_PREVIOUS + sizeof(int32_t), "no padding");

static int64_t header_i64(const struct index_file *file, int at)
{
    return (int64_t)get_be64(file->base + at);
}

static int read_header(void *ctx)
{
    struct index_file *file = ctx;
    int32_t count = (int32_t)get_be32(file->base + AT_COUNT);
    file->next_entry = count < 1 ? 1 : count > file->entry_count ? file->entry_count : count;
    assert(file->next_entry >= 1 && file->next_entry <= file->entry_count);
    file->begin_ms = header_i64(file, AT_BEGIN_MS);
    file->end_ms = header_i64(file, AT_END_MS);
    file->begin_phy_offset = header_i64(file, AT_BEGIN_PHY);
    file->end_phy_offset = header_i64(file, AT_END_PHY);
    return 0;
}

static uint8_t *slot_at(const struct index_file *file, int32_t hash)
{
    assert(hash >= 0);
    return file->base + INDEX_HEADER_BYTES + (int64_t)(hash % file->slot_count) * INDEX_SLOT_BYTES;
}

static int64_t entry_pos(const struct index_file *file, int32_t number)
{
    assert(number >= 0);
    assert(number <= file->entry_count);
    return INDEX_HEADER_BYTES + (int64_t)file->slot_count * INDEX_SLOT_BYTES +
           (int64_t)number * INDEX_ENTRY_BYTES;
}

/* The number in a slot, 0 when it is not one of an entry. */
static int32_t slot_entry(const struct index_file *file, const uint8_t *slot)
{
    int32_t number = (int32_t)get_be32(slot);
    return number > 0 && number < file->next_entry ? number : 0;
}

int index_file_open(const char *path, int32_t slot_count, int32_t entry_count, bool create,
                    struct index_file **opened)
{
    assert(slot_count > 0);
    assert(entry_count > 1);
    struct index_file *file = calloc(1, sizeof *file);
    if (file == NULL)
        return ERR_NO_MEMORY;
    snprintf(file->path, sizeof file->path, "%s", path);
    file->slot_count = slot_count;
    file->entry_count = entry_count;
    file->bytes = entry_pos(file, entry_count);
    int64_t bytes = 0;
    int err = disk_open(path, create ? file->bytes : 0, &file->fd);
    if (err != 0)
        goto fail;
    err = disk_size(path, &bytes);
    if (err != 0 || bytes != file->bytes) {
        log_error("index_file_unfit path=%s bytes=%lld expected=%lld", path, (long long)bytes,
                  (long long)file->bytes);
        err = err != 0 ? err : ERR_CORRUPT;
        goto fail_close;
    }
    err = disk_map(file->fd, path, file->bytes, &file->base);
    if (err != 0)
        goto fail_close;
    disk_expect_random(file->base, file->bytes);
    err = disk_guarded(read_header, file, path);
    if (err != 0)
        goto fail_unmap;
    file->checks_doubles = !create;
    file->opened_end = file->end_phy_offset;
    *opened = file;
    return 0;
fail_unmap:
    disk_unmap(file->base, file->bytes);
fail_close:
    disk_close(file->fd);
fail:
    free(file);
    return err;
}

void index_file_close(struct index_file *file)
{
    disk_unmap(file->base, file->bytes);
    disk_close(file->fd);
    free(file);
}

int32_t index_file_room(const struct index_file *file)
{
    assert(file->next_entry <= file->entry_count);
    return file->entry_count - file->next_entry;
}

bool index_file_is_full(const struct index_file *file)
{
    return index_file_room(file) == 0;
}

/* Blocks under everything the next entry touches, so that a full disk is an error and not a signal.
 */
static int allocate_for(struct index_file *file, int64_t upto)
{
    assert(upto <= file->bytes);
    if (upto <= file->allocated)
        return 0;
    int64_t target = upto + ALLOCATE_STEP < file->bytes ? upto + ALLOCATE_STEP : file->bytes;
    int err = disk_allocate(file->fd, file->path, file->allocated, target - file->allocated);
    if (err == 0)
        file->allocated = target;
    assert(err != 0 || (file->allocated >= upto && file->allocated <= file->bytes));
    return err;
}

static bool is_double(const struct index_file *file, int32_t number, int32_t hash,
                      int64_t phy_offset)
{
    for (int steps = 0; number > 0 && steps < 64; steps++) {
        const uint8_t *entry = file->base + entry_pos(file, number);
        int64_t there = (int64_t)get_be64(entry + ENTRY_PHY);
        if (there == phy_offset && (int32_t)get_be32(entry + ENTRY_HASH) == hash)
            return true;
        if (there < phy_offset)
            return false;
        number = (int32_t)get_be32(entry + ENTRY_PREVIOUS);
        if (number >= file->next_entry)
            return false;
    }
    return false;
}

struct adding {
    struct index_file *file;
    const struct index_key *keys;
    int count;
};

/* Room for the next entry is there. */
static void add_entry(struct index_file *file, const struct index_key *key)
{
    int32_t number = file->next_entry;
    int64_t pos = entry_pos(file, number);
    uint8_t *slot = slot_at(file, key->hash);
    int32_t previous = slot_entry(file, slot);
    if (file->checks_doubles && is_double(file, previous, key->hash, key->phy_offset))
        return;
    int64_t seconds = file->begin_ms <= 0 ? 0 : (key->store_ms - file->begin_ms) / 1000;
    seconds = seconds < 0 ? 0 : seconds > INT32_MAX ? INT32_MAX : seconds;
    assert(previous < number); /* a chain only leads back */
    assert(pos + INDEX_ENTRY_BYTES <= file->allocated);
    uint8_t *entry = file->base + pos;
    put_be32(entry + ENTRY_HASH, (uint32_t)key->hash);
    put_be64(entry + ENTRY_PHY, (uint64_t)key->phy_offset);
    put_be32(entry + ENTRY_SECONDS, (uint32_t)seconds);
    put_be32(entry + ENTRY_PREVIOUS, (uint32_t)previous);
    if (number == 1) {
        put_be64(file->base + AT_BEGIN_PHY, (uint64_t)key->phy_offset);
        put_be64(file->base + AT_BEGIN_MS, (uint64_t)key->store_ms);
        file->begin_ms = key->store_ms;
        file->begin_phy_offset = key->phy_offset;
    }
    /* The count before the slot: a slot never leads behind the count. */
    put_be32(file->base + AT_COUNT, (uint32_t)number + 1);
    file->next_entry = number + 1;
    if (previous == 0)
        put_be32(file->base + AT_SLOTS_USED, get_be32(file->base + AT_SLOTS_USED) + 1);
    put_be32(slot, (uint32_t)number);
    assert(slot_entry(file, slot) == number);
}

/* In the header as the mapping has it. */
static void move_end(struct index_file *file, int64_t phy_offset, int64_t store_ms)
{
    file->end_phy_offset = phy_offset;
    file->end_ms = store_ms;
    if (phy_offset > file->opened_end)
        file->checks_doubles = false;
    put_be64(file->base + AT_END_PHY, (uint64_t)phy_offset);
    put_be64(file->base + AT_END_MS, (uint64_t)store_ms);
}

/* Slots lie at random: all of them are asked for at once. */
static int run_add(void *ctx)
{
    const struct adding *a = ctx;
    for (int i = 0; i < a->count; i++)
        __builtin_prefetch(slot_at(a->file, a->keys[i].hash), 1);
    for (int i = 0; i < a->count; i++) {
        add_entry(a->file, &a->keys[i]);
        move_end(a->file, a->keys[i].phy_offset, a->keys[i].store_ms);
    }
    return 0;
}

int index_file_add(struct index_file *file, const struct index_key *keys, int count)
{
    assert(count > 0);
    assert(count <= index_file_room(file));
    int err = allocate_for(file, entry_pos(file, file->next_entry + count));
    if (err != 0)
        return err;
    struct adding adding = { file, keys, count };
    err = disk_guarded(run_add, &adding, file->path);
    if (err != 0) {
        file->checks_doubles = true;
        file->opened_end = keys[count - 1].phy_offset;
    }
    return err;
}

static int run_set_end(void *ctx)
{
    struct index_file *file = ctx;
    move_end(file, file->end_phy_offset, file->end_ms);
    return 0;
}

int index_file_set_end(struct index_file *file, int64_t phy_offset, int64_t store_ms)
{
    int err = allocate_for(file, INDEX_HEADER_BYTES);
    if (err != 0)
        return err;
    file->end_phy_offset = phy_offset;
    file->end_ms = store_ms;
    return disk_guarded(run_set_end, file, file->path);
}

int64_t index_file_begin_ms(const struct index_file *file)
{
    return file->begin_ms;
}

int64_t index_file_end_ms(const struct index_file *file)
{
    return file->end_ms;
}

int64_t index_file_begin_phy_offset(const struct index_file *file)
{
    return file->begin_phy_offset;
}

int64_t index_file_end_phy_offset(const struct index_file *file)
{
    return file->end_phy_offset;
}

struct looking {
    const struct index_file *file;
    int32_t hash;
    int64_t begin_ms;
    int64_t end_ms;
    int most;
    int64_t *phy_offsets;
};

static int run_query(void *ctx)
{
    const struct looking *l = ctx;
    const struct index_file *file = l->file;
    int found = 0;
    int32_t number = slot_entry(file, slot_at(file, l->hash));
    while (number > 0 && found < l->most) {
        const uint8_t *entry = file->base + entry_pos(file, number);
        int32_t seconds = (int32_t)get_be32(entry + ENTRY_SECONDS);
        int32_t previous = (int32_t)get_be32(entry + ENTRY_PREVIOUS);
        int64_t entry_ms = file->begin_ms + (int64_t)seconds * 1000;
        if (seconds < 0 || entry_ms + 999 < l->begin_ms)
            break;
        if ((int32_t)get_be32(entry + ENTRY_HASH) == l->hash && entry_ms <= l->end_ms)
            l->phy_offsets[found++] = (int64_t)get_be64(entry + ENTRY_PHY);
        if (previous >= number) /* a chain only leads back */
            break;
        number = previous;
    }
    return found;
}

int index_file_query(const struct index_file *file, int32_t hash, int64_t begin_ms, int64_t end_ms,
                     int most, int64_t *phy_offsets)
{
    struct looking looking = { file, hash, begin_ms, end_ms, most, phy_offsets };
    int found = disk_guarded(run_query, &looking, file->path);
    assert(found <= most);
    return found;
}

int index_file_sync(struct index_file *file)
{
    int err = disk_sync(file->fd, file->path);
    return err != 0 ? err : disk_sync_name(file->path);
}

void index_file_rest(struct index_file *file)
{
    disk_let_go(file->base, file->bytes);
}

int32_t index_key_hash(struct slice topic, struct slice key)
{
    int32_t value = java_hash_on(java_hash_on(java_hash(topic), SLICE("#")), key);
    value = value == INT32_MIN ? 0 : value < 0 ? -value : value;
    assert(value >= 0);
    return value;
}
