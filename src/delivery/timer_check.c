/* timer_check.c - seven 64-bit numbers, big-endian, in a file of one page.
 *
 *   0                               56         64     68            4096
 *   | the reference's seven numbers | exact_ms | crc  | zeros       |
 *
 * The reference neither reads nor writes what follows its numbers. The crc covers both, so exact_ms
 * counts only for the numbers it was written with: when the reference has moved on, it is no more.
 */
#include "delivery/timer_check.h"

#include <assert.h>
#include <unistd.h>

#include "base/crc.h"
#include "delivery/timer_file.h"

enum { FILE_EXACT_MS = 56, FILE_CRC = 64, FILE_USED_BYTES = 68 };
static_assert(FILE_EXACT_MS == (int)TIMER_CHECK_BYTES, "no padding");
static_assert(FILE_CRC == FILE_EXACT_MS + sizeof(int64_t), "no padding");
static_assert(FILE_USED_BYTES == FILE_CRC + sizeof(uint32_t), "no padding");
static_assert((int)FILE_USED_BYTES <= (int)TIMER_CHECK_FILE_BYTES, "all in the page");

static void decode(const uint8_t *in, struct timer_check *check)
{
    struct reader r = reader_of(slice_of(in, TIMER_CHECK_BYTES));
    check->read_ms = read_i64(&r);
    check->log_pos = read_i64(&r);
    check->queue_offset = read_i64(&r);
    check->master_queue_offset = read_i64(&r);
    check->state_version = read_i64(&r);
    check->timestamp = read_i64(&r);
    check->counter = read_i64(&r);
    check->exact_ms = check->read_ms;
}

static uint32_t crc_of(const uint8_t *bytes)
{
    return crc32_update(0, slice_of(bytes, FILE_CRC));
}

void timer_check_encode(const struct timer_check *check, uint8_t *out)
{
    const int64_t values[] = { check->read_ms,       check->log_pos,
                               check->queue_offset,  check->master_queue_offset,
                               check->state_version, check->timestamp,
                               check->counter };
    static_assert(sizeof values == TIMER_CHECK_BYTES, "seven numbers");
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        put_be64(out + i * sizeof values[0], (uint64_t)values[i]);
}

int timer_check_read(const char *path, struct timer_check *check)
{
    uint8_t bytes[FILE_USED_BYTES];
    int fd;
    *check = (struct timer_check){ 0 };
    if (access(path, F_OK) != 0)
        return 0;
    int err = timer_file_open(path, TIMER_CHECK_FILE_BYTES, &fd);
    if (err != 0)
        return err;
    err = timer_file_read(fd, path, bytes, sizeof bytes, 0);
    close(fd);
    if (err != 0)
        return err;
    decode(bytes, check);
    int64_t exact_ms = (int64_t)get_be64(bytes + FILE_EXACT_MS);
    check->is_sealed = get_be32(bytes + FILE_CRC) == crc_of(bytes);
    if (check->is_sealed && exact_ms > check->read_ms)
        check->exact_ms = exact_ms;
    return 0;
}

int timer_check_write(const char *path, const struct timer_check *check)
{
    uint8_t bytes[FILE_USED_BYTES];
    int fd;
    int err = timer_file_open(path, TIMER_CHECK_FILE_BYTES, &fd);
    if (err != 0)
        return err;
    timer_check_encode(check, bytes);
    put_be64(bytes + FILE_EXACT_MS, (uint64_t)check->exact_ms);
    put_be32(bytes + FILE_CRC, crc_of(bytes));
    err = timer_file_write(fd, path, bytes, sizeof bytes, 0);
    if (err == 0)
        err = timer_file_sync(fd, path);
    close(fd);
    return err;
}
