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
    AT_BLOCK = 64, /* ours */
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
    BLOCK_DOUBTFUL = 120,
    BLOCK_CUT_AT = 128,
    BLOCK_BYTES = 136,
    VERSION = 2,
};
static_assert(BLOCK_BOOT_ID + BOOT_ID_BYTES <= BLOCK_DISPATCHED, "the boot id fits");
static_assert(BLOCK_COPY + 24 == BLOCK_FLUSHED, "three fields are copied");
static_assert(BLOCK_CUT_AT + 8 == BLOCK_BYTES, "the block ends with the last field");
static_assert(AT_BLOCK + BLOCK_BYTES <= CHECKPOINT_BYTES, "the block fits the page");

static const char block_magic[8] = { 'R', 'A', 'M', 'J', 'E', 'T', 'C', 'K' };

static uint32_t block_crc(const uint8_t *block)
{
    return crc32_update(0, slice_of(block + BLOCK_BOOT_ID, BLOCK_BYTES - BLOCK_BOOT_ID));
}

static void decode_block(const uint8_t *page, struct checkpoint *checkpoint)
{
    const uint8_t *block = page + AT_BLOCK;
    uint8_t boot_id[BOOT_ID_BYTES];
    checkpoint->is_ours = memcmp(block, block_magic, sizeof block_magic) == 0 &&
                          get_be32(block + BLOCK_VERSION) == VERSION &&
                          get_be32(block + BLOCK_CRC) == block_crc(block) &&
                          memcmp(block + BLOCK_COPY, page, 24) == 0;
    if (!checkpoint->is_ours)
        return;
    disk_boot_id(boot_id);
    checkpoint->is_same_boot =
        boot_id[0] != 0 && memcmp(boot_id, block + BLOCK_BOOT_ID, sizeof boot_id) == 0;
    checkpoint->dispatched = (int64_t)get_be64(block + BLOCK_DISPATCHED);
    checkpoint->durable = (int64_t)get_be64(block + BLOCK_DURABLE);
    checkpoint->flushed = (int64_t)get_be64(block + BLOCK_FLUSHED);
    checkpoint->queue_files = (int64_t)get_be64(block + BLOCK_QUEUE_FILES);
    checkpoint->index_end = (int64_t)get_be64(block + BLOCK_INDEX_END);
    checkpoint->is_doubtful = get_be64(block + BLOCK_DOUBTFUL) != 0;
    checkpoint->cut_at = (int64_t)get_be64(block + BLOCK_CUT_AT);
    /* Bytes from outside, for all their checksum: looked at, not asserted. */
    if (checkpoint->durable < 0 || checkpoint->durable > checkpoint->dispatched) {
        log_warn("checkpoint_block_unfit dispatched=%lld durable=%lld",
                 (long long)checkpoint->dispatched, (long long)checkpoint->durable);
        checkpoint->is_ours = false;
        checkpoint->is_same_boot = false;
        checkpoint->dispatched = 0;
        checkpoint->durable = 0;
        checkpoint->flushed = 0;
        checkpoint->queue_files = 0;
        checkpoint->index_end = 0;
    }
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
    decode_block(page, checkpoint);
    return 0;
}

/* The pair of checkpoint_read(): the page says what it was made from. */
static void assert_reads_back(const uint8_t *page, const struct checkpoint *written)
{
    struct checkpoint read = { 0 };
    decode_block(page, &read);
    assert(read.is_ours);
    assert(read.dispatched == written->dispatched);
    assert(read.durable == written->durable);
}

int checkpoint_write(const char *path, const struct checkpoint *checkpoint, bool sync)
{
    uint8_t page[CHECKPOINT_BYTES] = { 0 };
    uint8_t *block = page + AT_BLOCK;
    assert(checkpoint->durable >= 0);
    assert(checkpoint->durable <= checkpoint->dispatched);
    put_be64(page + AT_PHYSIC, (uint64_t)checkpoint->physic_ms);
    put_be64(page + AT_LOGICS, (uint64_t)checkpoint->logics_ms);
    put_be64(page + AT_INDEX, (uint64_t)checkpoint->index_ms);
    put_be64(page + AT_MASTER, (uint64_t)checkpoint->master_flushed);
    put_be64(page + AT_CONFIRM, (uint64_t)checkpoint->confirm_phy_offset);
    memcpy(block, block_magic, sizeof block_magic);
    put_be32(block + BLOCK_VERSION, VERSION);
    disk_boot_id(block + BLOCK_BOOT_ID);
    put_be64(block + BLOCK_DISPATCHED, (uint64_t)checkpoint->dispatched);
    put_be64(block + BLOCK_DURABLE, (uint64_t)checkpoint->durable);
    put_be64(block + BLOCK_FLUSHED, (uint64_t)checkpoint->flushed);
    put_be64(block + BLOCK_QUEUE_FILES, (uint64_t)checkpoint->queue_files);
    put_be64(block + BLOCK_INDEX_END, (uint64_t)checkpoint->index_end);
    put_be64(block + BLOCK_DOUBTFUL, checkpoint->is_doubtful);
    put_be64(block + BLOCK_CUT_AT, (uint64_t)checkpoint->cut_at);
    memcpy(block + BLOCK_COPY, page, 24);
    put_be32(block + BLOCK_CRC, block_crc(block));
    assert_reads_back(page, checkpoint);
    int fd;
    bool is_new = !disk_exists(path);
    int err = disk_open(path, CHECKPOINT_BYTES, &fd);
    if (err != 0)
        return err;
    err = disk_write(fd, path, page, sizeof page, 0);
    if (err == 0 && (sync || is_new))
        err = disk_sync(fd, path);
    if (err == 0 && is_new)
        err = disk_sync_name(path);
    disk_close(fd);
    return err;
}
