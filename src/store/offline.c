/* offline.c - walks the log as it lies on the disk: what is whole, what is not, and why.
 *
 * How long the files should be is not written anywhere; it is the length that most of them have.
 */
#include "store/offline.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

enum { WINDOW_BYTES = 1 << 20, HEAD_BYTES = RECORD_HEAD_BYTES_MAX };

/* ---- opening --------------------------------------------------------------------------------- */

static int64_t common_length(const char *dir, const int64_t *starts, int count)
{
    int64_t longest = 0;
    for (int i = 0; i < count; i++) {
        char path[DISK_PATH_MAX];
        int64_t bytes;
        disk_numbered_path(path, dir, starts[i]);
        if (disk_size(path, &bytes) == 0 && bytes > longest)
            longest = bytes;
    }
    /* Two names that follow each other tell it, should all be cut short. */
    for (int i = 1; i < count; i++)
        if (starts[i] - starts[i - 1] < longest || longest == 0)
            longest = starts[i] - starts[i - 1];
    return longest;
}

static int take_lock(struct offline *offline)
{
    char path[DISK_PATH_MAX];
    snprintf(path, sizeof path, "%s/lock", offline->root_dir);
    int err = disk_open(path, 0, &offline->lock_fd);
    if (err == ERR_NOT_FOUND) {
        offline->lock_fd = -1;
        return 0;
    }
    return err != 0 ? err : disk_lock(offline->lock_fd);
}

int offline_open(struct offline *offline, const struct store_offline_options *options)
{
    *offline = (struct offline){ .options = options, .lock_fd = -1, .fd = -1, .window = BUF_INIT };
    snprintf(offline->root_dir, sizeof offline->root_dir, "%s", options->root_dir);
    if (options->commit_log_dir != NULL)
        snprintf(offline->log_dir, sizeof offline->log_dir, "%s", options->commit_log_dir);
    else
        snprintf(offline->log_dir, sizeof offline->log_dir, "%.3700s/commitlog", options->root_dir);
    int err = take_lock(offline);
    if (err == 0)
        err = disk_list_numbers(offline->log_dir, &offline->starts, &offline->count);
    if (err == 0 && offline->count == 0)
        err = ERR_NOT_FOUND;
    if (err == 0) {
        offline->file_bytes =
            options->commit_log_file_bytes > 0
                ? options->commit_log_file_bytes
                : common_length(offline->log_dir, offline->starts, offline->count);
        if (offline->file_bytes <= 0 || offline->starts[0] % offline->file_bytes != 0)
            err = ERR_CORRUPT;
    }
    if (err != 0)
        offline_close(offline);
    return err;
}

void offline_close(struct offline *offline)
{
    disk_close(offline->fd);
    disk_close(offline->lock_fd);
    free(offline->starts);
    buf_fini(&offline->window);
    offline->starts = NULL;
    offline->fd = -1;
    offline->lock_fd = -1;
}

void offline_say(struct offline *offline, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    assert(offline->options->say != NULL);
    offline->options->say(offline->options->ctx, line);
}

void offline_progress(struct offline *offline, int64_t done, int64_t all)
{
    enum { TELL_NS = 1000000000 };
    int64_t now_ns = clock_monotonic_ns();
    if (offline->told_ns == 0)
        offline->told_ns = now_ns;
    if (now_ns - offline->told_ns < TELL_NS || offline->options->progress == NULL)
        return;
    offline->told_ns = now_ns;
    offline->options->progress(offline->options->ctx, done, all);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Index of the file that holds phy_offset, -1: none. */
static int file_of(const struct offline *offline, int64_t phy_offset)
{
    int64_t start = phy_offset - phy_offset % offline->file_bytes;
    for (int i = 0; i < offline->count; i++)
        if (offline->starts[i] == start)
            return i;
    return -1;
}

static int use_file(struct offline *offline, int index)
{
    char path[DISK_PATH_MAX];
    if (offline->fd >= 0 && offline->fd_index == index)
        return 0;
    disk_close(offline->fd);
    offline->fd = -1;
    disk_numbered_path(path, offline->log_dir, offline->starts[index]);
    int err = disk_open(path, 0, &offline->fd);
    if (err != 0)
        offline->fd = -1;
    offline->fd_index = index;
    return err;
}

static int load(struct offline *offline, int64_t phy_offset, size_t len)
{
    char path[DISK_PATH_MAX];
    int index = file_of(offline, phy_offset);
    if (index < 0)
        return ERR_NOT_FOUND;
    int64_t pos = phy_offset - offline->starts[index];
    int64_t bytes;
    assert(pos >= 0 && pos < offline->file_bytes);
    disk_numbered_path(path, offline->log_dir, offline->starts[index]);
    int err = use_file(offline, index);
    if (err == 0)
        err = disk_size(path, &bytes);
    if (err != 0)
        return err;
    if ((int64_t)len > offline->file_bytes - pos)
        len = (size_t)(offline->file_bytes - pos);
    int64_t there = bytes - pos < (int64_t)len ? bytes - pos : (int64_t)len;
    there = there < 0 ? 0 : there;
    buf_clear(&offline->window);
    uint8_t *into = buf_reserve(&offline->window, len);
    memset(into + there, 0, len - (size_t)there);
    if (there > 0)
        err = disk_read(offline->fd, path, into, (size_t)there, pos, true);
    offline->window.len = err == 0 ? len : 0;
    offline->window_at = phy_offset;
    return err;
}

int offline_bytes(struct offline *offline, int64_t phy_offset, size_t len, struct slice *bytes)
{
    int64_t skip = phy_offset - offline->window_at;
    int64_t left = (int64_t)offline->window.len - skip;
    int64_t in_file = offline->file_bytes - phy_offset % offline->file_bytes;
    int64_t wanted = (int64_t)len < in_file ? (int64_t)len : in_file;
    if (skip < 0 || left < wanted) {
        int err = load(offline, phy_offset, wanted > WINDOW_BYTES ? (size_t)wanted : WINDOW_BYTES);
        if (err != 0)
            return err;
        skip = 0;
    }
    assert(skip + wanted <= (int64_t)offline->window.len);
    *bytes = slice_of(offline->window.data + skip, (size_t)wanted);
    return 0;
}

/* ---- walking --------------------------------------------------------------------------------- */

/* Decodes what stands at phy_offset. 0, ERR_NOT_FOUND (end mark), ERR_CORRUPT with the reason. */
static int decode_at(struct offline *offline, int64_t phy_offset, struct record *record,
                     const char **why)
{
    struct slice bytes;
    *why = "no record begins here";
    int err = offline_bytes(offline, phy_offset, HEAD_BYTES, &bytes);
    if (err != 0)
        return err == ERR_NOT_FOUND ? ERR_INCOMPLETE : err;
    int32_t wanted = record_bytes_by_head(bytes);
    if (wanted > 0 && (err = offline_bytes(offline, phy_offset, (size_t)wanted, &bytes)) != 0)
        return err;
    err = record_decode(bytes, RECORD_CHECK_LENGTHS, record);
    if (err == ERR_NOT_FOUND)
        return err;
    if (err != 0)
        return ERR_CORRUPT;
    *why = "a record that says it belongs elsewhere";
    if (record->phy_offset != phy_offset)
        return ERR_CORRUPT;
    *why = "a record whose checksum is wrong";
    return record_decode(bytes, RECORD_CHECK_ALL, record) == 0 ? 0 : ERR_CORRUPT;
}

/* Where in [from, end) of one file the next whole record stands; `end` when none does. */
static int find_record(struct offline *offline, int64_t from, int64_t end, int64_t *found)
{
    static const uint8_t magic[] = { 0xDA, 0xA3, 0x20 };
    assert(from >= 0 && from <= end);
    struct record record;
    const char *why;
    while (from < end) {
        struct slice bytes;
        size_t len = end - from < 65536 ? (size_t)(end - from) : 65536;
        int err = offline_bytes(offline, from, len, &bytes);
        if (err != 0)
            return err;
        const uint8_t *at =
            bytes.len <= RECORD_MAGIC + sizeof magic
                ? NULL
                : memmem(bytes.data + RECORD_MAGIC, bytes.len - RECORD_MAGIC, magic, sizeof magic);
        int64_t candidate = at == NULL ? -1 : from + (at - RECORD_MAGIC - bytes.data);
        if (candidate >= 0 && decode_at(offline, candidate, &record, &why) == 0) {
            *found = candidate;
            return 0;
        }
        offline_progress(offline, from, end);
        if (candidate >= 0)
            from = candidate + 1;
        else
            from += (int64_t)(bytes.len > 8 ? bytes.len - 8 + (len < 65536 ? 8 : 0) : bytes.len);
    }
    *found = end;
    return 0;
}

/* Where in [from, end) of one file the last byte ends that is not zero; `from` when there is none.
 */
static int find_last_byte(struct offline *offline, int64_t from, int64_t end, int64_t *found)
{
    *found = from;
    while (from < end) {
        struct slice bytes;
        size_t len = end - from < WINDOW_BYTES ? (size_t)(end - from) : WINDOW_BYTES;
        int err = offline_bytes(offline, from, len, &bytes);
        if (err != 0)
            return err;
        if (!slice_is_zero(bytes)) {
            while (bytes.data[bytes.len - 1] == 0)
                bytes.len--;
            *found = from + (int64_t)bytes.len;
        }
        from += (int64_t)len;
    }
    assert(*found <= end);
    return 0;
}

int offline_next(struct offline *offline, int64_t phy_offset, struct offline_piece *piece)
{
    int64_t file_end = (phy_offset / offline->file_bytes + 1) * offline->file_bytes;
    int64_t log_end = offline->starts[offline->count - 1] + offline->file_bytes;
    assert(phy_offset >= offline->starts[0]);
    *piece = (struct offline_piece){ .kind = OFFLINE_RECORD, .at = phy_offset, .end = file_end };
    if (phy_offset >= log_end) {
        piece->kind = OFFLINE_END;
        piece->end = phy_offset;
        return 0;
    }
    int err = decode_at(offline, phy_offset, &piece->record, &piece->why);
    if (err == 0)
        piece->end = phy_offset + piece->record.total_bytes;
    if (err == ERR_NOT_FOUND)
        piece->kind = OFFLINE_END_MARK;
    if (err == 0 || err == ERR_NOT_FOUND)
        return 0;
    if (err == ERR_INCOMPLETE) {
        piece->kind = OFFLINE_DAMAGE;
        piece->why = "a file is missing";
        return 0;
    }
    if (err != ERR_CORRUPT)
        return err;
    piece->kind = OFFLINE_DAMAGE;
    err = find_record(offline, phy_offset + 1, file_end, &piece->end);
    if (err == 0 && piece->end == file_end && file_end == log_end) {
        piece->is_tail = true;
        err = find_last_byte(offline, phy_offset, file_end, &piece->end);
        if (err == 0 && piece->end == phy_offset)
            piece->kind = OFFLINE_END;
    }
    assert(err != 0 || piece->end > phy_offset || piece->kind == OFFLINE_END); /* a walk ends */
    return err;
}
