#include "store/checkpoint.h"

#include <assert.h>

#include "base/crc.h"
#include "base/log.h"

enum {
    AT_PHYSIC = 0,
    AT_LOGICS = 8,
    AT_INDEX = 16,
    AT_MASTER = 24,
    AT_CONFIRM = 32,
    FIELDS_BYTES = 40, /* the reference's */
    COPY_BYTES = 24,   /* of them, that the reference keeps up to date */
    AT_BLOCKS = 64,    /* ours */
    BLOCK_MAGIC = 0,
    BLOCK_VERSION = 8,
    BLOCK_CRC = 12, /* of what follows */
    BLOCK_BOOT_ID = 16,
    BLOCK_DISPATCHED = 56,
    BLOCK_DURABLE = 64,
    BLOCK_COPY = 72, /* the first three fields of the page, as we left them */
    BLOCK_FLUSHED = 96,
    BLOCK_QUEUE_FILES = 104,
    BLOCK_INDEX_END = 112,
    BLOCK_FILES_SEEN = 120, /* more than BLOCK_QUEUE_FILES */
    BLOCK_DOUBTFUL = 124,
    BLOCK_CUT_AT = 128,
    BLOCK_SEQUENCE = 136,
    BLOCK_BYTES = 144,
    BLOCK_COUNT = 2,
    SECTOR_BYTES = 512,
    VERSION = 3,
};
static_assert(AT_LOGICS == AT_PHYSIC + 8 && AT_INDEX == AT_LOGICS + 8, "no padding");
static_assert(AT_MASTER == AT_INDEX + 8 && AT_CONFIRM == AT_MASTER + 8, "no padding");
static_assert(BLOCK_CRC == BLOCK_VERSION + 4, "no padding");
static_assert(BLOCK_BOOT_ID == BLOCK_CRC + 4, "no padding");
static_assert(BLOCK_BOOT_ID + BOOT_ID_BYTES + 4 == BLOCK_DISPATCHED, "the boot id and 4 zeros");
static_assert(BLOCK_DURABLE == BLOCK_DISPATCHED + 8, "no padding");
static_assert(BLOCK_COPY == BLOCK_DURABLE + 8, "no padding");
static_assert(BLOCK_COPY + COPY_BYTES == BLOCK_FLUSHED, "three fields are copied");
static_assert(AT_MASTER == AT_PHYSIC + COPY_BYTES, "they are the page's first");
static_assert(FIELDS_BYTES == AT_CONFIRM + 8 && FIELDS_BYTES <= AT_BLOCKS, "ours lie behind");
static_assert(BLOCK_QUEUE_FILES == BLOCK_FLUSHED + 8, "no padding");
static_assert(BLOCK_INDEX_END == BLOCK_QUEUE_FILES + 8, "no padding");
static_assert(BLOCK_FILES_SEEN == BLOCK_INDEX_END + 8, "no padding");
static_assert(BLOCK_DOUBTFUL == BLOCK_FILES_SEEN + 4, "no padding");
static_assert(BLOCK_CUT_AT == BLOCK_DOUBTFUL + 4, "no padding");
static_assert(BLOCK_SEQUENCE == BLOCK_CUT_AT + 8, "no padding");
static_assert(BLOCK_SEQUENCE + 8 == BLOCK_BYTES, "the block ends with the last field");
static_assert(AT_BLOCKS + BLOCK_COUNT * BLOCK_BYTES <= SECTOR_BYTES,
              "fields and blocks reach the disk together");
static_assert((int)CHECKPOINT_LIST_AT >= (int)SECTOR_BYTES, "the list lies behind them");
enum { DOUBT_NONE = 0, DOUBT_ALL = 1, DOUBT_SYNCING = 2 }; /* BLOCK_DOUBTFUL */

static const char block_magic[8] = { 'R', 'A', 'M', 'J', 'E', 'T', 'C', 'K' };
static_assert(BLOCK_VERSION == BLOCK_MAGIC + sizeof block_magic, "no padding");

static int64_t place_of_block(uint64_t sequence)
{
    return AT_BLOCKS + (int64_t)(sequence % BLOCK_COUNT) * BLOCK_BYTES;
}

static uint32_t block_crc(const uint8_t *block)
{
    return crc32_update(0, slice_of(block + BLOCK_BOOT_ID, BLOCK_BYTES - BLOCK_BOOT_ID));
}

static bool is_whole(const uint8_t *block)
{
    return memcmp(block, block_magic, sizeof block_magic) == 0 &&
           get_be32(block + BLOCK_VERSION) == VERSION &&
           get_be32(block + BLOCK_CRC) == block_crc(block);
}

static bool was_written(const uint8_t *block)
{
    static const uint8_t zeros[BLOCK_BYTES];
    return memcmp(block, zeros, BLOCK_BYTES) != 0;
}

/* The fields are as `newer` left them, or still as `older` did (NULL: there is none), or a process
 * died between: a beginning of the one and the rest of the other. */
static bool are_ours(const uint8_t *page, const uint8_t *newer, const uint8_t *older)
{
    size_t same = 0;
    while (same < COPY_BYTES && page[same] == newer[BLOCK_COPY + same])
        same++;
    return same == COPY_BYTES || (older != NULL && memcmp(page + same, older + BLOCK_COPY + same,
                                                          COPY_BYTES - same) == 0);
}

static bool decode_block(const uint8_t *block, struct checkpoint *checkpoint)
{
    uint8_t boot_id[BOOT_ID_BYTES];
    int64_t dispatched = (int64_t)get_be64(block + BLOCK_DISPATCHED);
    int64_t durable = (int64_t)get_be64(block + BLOCK_DURABLE);
    /* Bytes from outside, for all their checksum: looked at, not asserted. */
    if (durable < 0 || durable > dispatched) {
        log_warn("checkpoint_block_unfit dispatched=%lld durable=%lld", (long long)dispatched,
                 (long long)durable);
        return false;
    }
    disk_boot_id(boot_id);
    checkpoint->is_same_boot =
        boot_id[0] != 0 && memcmp(boot_id, block + BLOCK_BOOT_ID, sizeof boot_id) == 0;
    checkpoint->dispatched = dispatched;
    checkpoint->durable = durable;
    checkpoint->flushed = (int64_t)get_be64(block + BLOCK_FLUSHED);
    checkpoint->queue_files = (int64_t)get_be64(block + BLOCK_QUEUE_FILES);
    checkpoint->index_end = (int64_t)get_be64(block + BLOCK_INDEX_END);
    checkpoint->queue_files_seen = checkpoint->queue_files;
    if (checkpoint->queue_files < QUEUE_FILES_LOST - UINT32_MAX)
        checkpoint->queue_files_seen += get_be32(block + BLOCK_FILES_SEEN);
    uint32_t doubt = get_be32(block + BLOCK_DOUBTFUL);
    checkpoint->is_syncing = doubt == DOUBT_SYNCING;
    checkpoint->is_doubtful = doubt != DOUBT_NONE && doubt != DOUBT_SYNCING;
    checkpoint->cut_at = (int64_t)get_be64(block + BLOCK_CUT_AT);
    return true;
}

/* Takes the newer block. When the other is in pieces, the one that is left may be the older: what
 * it says was true, and nothing was done yet on the word of the other; but that one may have said
 * that the page cache is not to be believed. */
static void decode_blocks(const uint8_t *page, struct checkpoint *checkpoint)
{
    const uint8_t *newer = NULL;
    const uint8_t *older = NULL;
    bool is_torn = false;
    for (int i = 0; i < BLOCK_COUNT; i++) {
        const uint8_t *block = page + place_of_block((uint64_t)i);
        if (!is_whole(block)) {
            is_torn = is_torn || was_written(block);
        } else if (newer == NULL ||
                   get_be64(block + BLOCK_SEQUENCE) > get_be64(newer + BLOCK_SEQUENCE)) {
            older = newer;
            newer = block;
        } else {
            older = block;
        }
    }
    if (newer == NULL)
        return;
    checkpoint->sequence = get_be64(newer + BLOCK_SEQUENCE);
    checkpoint->is_ours = are_ours(page, newer, older) && decode_block(newer, checkpoint);
    if (checkpoint->is_ours && is_torn) {
        log_warn("checkpoint_block_torn flushed=%lld durable=%lld: the one before counts",
                 (long long)checkpoint->flushed, (long long)checkpoint->durable);
        checkpoint->dispatched = checkpoint->durable;
        checkpoint->is_doubtful = true;
    }
}

int64_t checkpoint_queue_files(const struct checkpoint *checkpoint)
{
    bool is_cached = checkpoint->is_same_boot && !checkpoint->is_doubtful;
    assert(checkpoint->queue_files_seen >= checkpoint->queue_files);
    return is_cached ? checkpoint->queue_files_seen : checkpoint->queue_files;
}

int checkpoint_read(const char *path, struct checkpoint *checkpoint)
{
    assert(path != NULL);
    assert(checkpoint != NULL);
    uint8_t page[CHECKPOINT_BYTES] = { 0 };
    int fd;
    memset(checkpoint, 0, sizeof *checkpoint);
    int err = disk_open(path, 0, &fd);
    if (err == ERR_NOT_FOUND)
        return 0;
    if (err != 0)
        return err;
    err = disk_read(fd, path, page, sizeof page, 0, true);
    disk_close(fd);
    if (err == ERR_CORRUPT) /* cut short: as good as absent */
        return 0;
    if (err != 0)
        return err;
    checkpoint->physic_ms = (int64_t)get_be64(page + AT_PHYSIC);
    checkpoint->logics_ms = (int64_t)get_be64(page + AT_LOGICS);
    checkpoint->index_ms = (int64_t)get_be64(page + AT_INDEX);
    checkpoint->master_flushed = (int64_t)get_be64(page + AT_MASTER);
    checkpoint->confirm_phy_offset = (int64_t)get_be64(page + AT_CONFIRM);
    decode_blocks(page, checkpoint);
    return 0;
}

/* The pair of checkpoint_read(): the block says what it was made from. */
static void assert_reads_back(const uint8_t *block, const struct checkpoint *written)
{
    struct checkpoint read = { 0 };
    assert(is_whole(block));
    bool is_fit = decode_block(block, &read);
    assert(is_fit);
    assert(read.dispatched == written->dispatched);
    assert(read.durable == written->durable);
}

static void encode(const struct checkpoint *checkpoint, uint64_t sequence,
                   uint8_t fields[FIELDS_BYTES], uint8_t block[BLOCK_BYTES])
{
    assert(checkpoint->durable >= 0);
    assert(checkpoint->durable <= checkpoint->dispatched);
    memset(block, 0, BLOCK_BYTES);
    put_be64(fields + AT_PHYSIC, (uint64_t)checkpoint->physic_ms);
    put_be64(fields + AT_LOGICS, (uint64_t)checkpoint->logics_ms);
    put_be64(fields + AT_INDEX, (uint64_t)checkpoint->index_ms);
    put_be64(fields + AT_MASTER, (uint64_t)checkpoint->master_flushed);
    put_be64(fields + AT_CONFIRM, (uint64_t)checkpoint->confirm_phy_offset);
    memcpy(block, block_magic, sizeof block_magic);
    put_be32(block + BLOCK_VERSION, VERSION);
    if (!checkpoint->keeps_boot || checkpoint->is_same_boot)
        disk_boot_id(block + BLOCK_BOOT_ID);
    put_be64(block + BLOCK_DISPATCHED, (uint64_t)checkpoint->dispatched);
    put_be64(block + BLOCK_DURABLE, (uint64_t)checkpoint->durable);
    memcpy(block + BLOCK_COPY, fields, COPY_BYTES);
    put_be64(block + BLOCK_FLUSHED, (uint64_t)checkpoint->flushed);
    put_be64(block + BLOCK_QUEUE_FILES, (uint64_t)checkpoint->queue_files);
    put_be64(block + BLOCK_INDEX_END, (uint64_t)checkpoint->index_end);
    int64_t more = checkpoint->queue_files_seen - checkpoint->queue_files;
    put_be32(block + BLOCK_FILES_SEEN, more < 0            ? 0
                                       : more < UINT32_MAX ? (uint32_t)more
                                                           : UINT32_MAX);
    put_be32(block + BLOCK_DOUBTFUL, checkpoint->is_doubtful  ? DOUBT_ALL
                                     : checkpoint->is_syncing ? DOUBT_SYNCING
                                                              : DOUBT_NONE);
    put_be64(block + BLOCK_CUT_AT, (uint64_t)checkpoint->cut_at);
    put_be64(block + BLOCK_SEQUENCE, sequence);
    put_be32(block + BLOCK_CRC, block_crc(block));
    assert_reads_back(block, checkpoint);
}

int checkpoint_write(const char *path, struct checkpoint *checkpoint, bool sync)
{
    uint8_t fields[FIELDS_BYTES];
    uint8_t block[BLOCK_BYTES];
    int64_t bytes = 0;
    int fd;
    encode(checkpoint, checkpoint->sequence + 1, fields, block);
    bool is_new = !disk_exists(path);
    int err = disk_open(path, CHECKPOINT_BYTES, &fd);
    if (err != 0)
        return err;
    err = disk_size(path, &bytes);
    if (err == 0 && bytes < CHECKPOINT_BYTES) /* it was cut short */
        err = disk_extend(path, CHECKPOINT_BYTES);
    /* Not over the block that counts, and the fields last: one of the blocks is whole and knows
     * the fields, wherever the process dies. */
    if (err == 0)
        err = disk_write(fd, path, block, sizeof block, place_of_block(checkpoint->sequence + 1));
    if (err == 0)
        err = disk_write(fd, path, fields, sizeof fields, 0);
    if (err == 0)
        checkpoint->sequence++;
    if (err == 0 && (sync || is_new))
        err = disk_sync(fd, path);
    if (err == 0 && is_new)
        err = disk_sync_name(path);
    disk_close(fd);
    return err;
}

int checkpoint_replace(const char *path, struct checkpoint *checkpoint, bool sync)
{
    int err = checkpoint_write(path, checkpoint, sync);
    return err == 0 ? checkpoint_write(path, checkpoint, sync) : err;
}

int checkpoint_write_list(const char *path, struct slice list)
{
    int fd;
    assert(list.len <= CHECKPOINT_LIST_BYTES);
    int err = disk_open(path, CHECKPOINT_BYTES, &fd);
    if (err != 0)
        return err;
    err = disk_write(fd, path, list.data, list.len, CHECKPOINT_LIST_AT);
    disk_close(fd);
    return err;
}

int checkpoint_read_list(const char *path, uint8_t list[CHECKPOINT_LIST_BYTES])
{
    int fd;
    int err = disk_open(path, 0, &fd);
    if (err != 0)
        return err;
    err = disk_read(fd, path, list, CHECKPOINT_LIST_BYTES, CHECKPOINT_LIST_AT, true);
    disk_close(fd);
    return err;
}
