#include "store/log_reader.h"

#include <assert.h>

enum { WINDOW_BYTES = 256 << 10, JUMP_BYTES = 4 << 10, AHEAD_BYTES = 1 << 20 };

void log_reader_init(struct log_reader *reader, struct commit_log *log)
{
    *reader = (struct log_reader){ .log = log, .window = BUF_INIT };
}

void log_reader_init_jumping(struct log_reader *reader, struct commit_log *log)
{
    log_reader_init(reader, log);
    reader->jumps = true;
}

void log_reader_fini(struct log_reader *reader)
{
    buf_fini(&reader->window);
}

/* What the window has from phy_offset on. */
static struct slice in_window(const struct log_reader *reader, int64_t phy_offset)
{
    int64_t skip = phy_offset - reader->at;
    if (skip < 0 || skip >= (int64_t)reader->window.len)
        return slice_of(NULL, 0);
    return slice_from(buf_slice(&reader->window), (size_t)skip);
}

/* The disk is kept busy with what comes next while this window is looked at. */
static void ask_ahead(struct log_reader *reader, int64_t from)
{
    if (reader->asked_ahead < from || reader->asked_ahead > from + AHEAD_BYTES)
        reader->asked_ahead = from;
    int64_t end = from + AHEAD_BYTES;
    if (end - reader->asked_ahead < AHEAD_BYTES / 2)
        return;
    commit_log_will_read(reader->log, reader->asked_ahead, end - reader->asked_ahead);
    reader->asked_ahead = end;
}

static int load(struct log_reader *reader, int64_t phy_offset, size_t len)
{
    size_t got = 0;
    buf_clear(&reader->window);
    uint8_t *into = buf_reserve(&reader->window, len);
    if (!reader->jumps)
        ask_ahead(reader, phy_offset);
    int err = commit_log_read_window(reader->log, phy_offset, into, len, &got);
    assert(got <= len);
    reader->at = phy_offset;
    reader->window.len = err == 0 ? got : 0;
    return err;
}

int log_reader_bytes(struct log_reader *reader, int64_t phy_offset, size_t len, struct slice *bytes)
{
    assert(len > 0);
    *bytes = in_window(reader, phy_offset);
    if (bytes->len < len) {
        size_t least = reader->jumps ? JUMP_BYTES : WINDOW_BYTES;
        int err = load(reader, phy_offset, len > least ? len : least);
        if (err != 0)
            return err;
        *bytes = buf_slice(&reader->window);
    }
    if (bytes->len > len)
        bytes->len = len;
    assert(reader->window.len == 0 || reader->at <= phy_offset);
    return 0;
}

int log_reader_record(struct log_reader *reader, int64_t phy_offset, enum record_check check,
                      struct record *record)
{
    struct slice bytes;
    int err = log_reader_bytes(reader, phy_offset, RECORD_HEAD_BYTES_MAX, &bytes);
    if (err != 0)
        return err == ERR_NOT_FOUND ? ERR_INCOMPLETE : err;
    /* A damaged length would have all of a file read: the head tells first whether it can be. */
    int64_t wanted = record_bytes_by_head(bytes);
    if (wanted > (int64_t)bytes.len) {
        err = log_reader_bytes(reader, phy_offset, (size_t)wanted, &bytes);
        if (err != 0)
            return err;
    }
    err = record_decode(bytes, check, record);
    if (err == ERR_INCOMPLETE || (err == 0 && record->phy_offset != phy_offset))
        return ERR_CORRUPT;
    return err;
}

int64_t log_reader_find_record(struct log_reader *reader, int64_t phy_offset, int64_t zeros_most)
{
    static const uint8_t magic_start[] = { 0xDA, 0xA3, 0x20 };
    enum { STEP_BYTES = 65536 };
    int64_t from = phy_offset;
    int64_t last_byte = from;
    struct slice bytes;
    struct record record;
    while (from - last_byte <= zeros_most &&
           log_reader_bytes(reader, from, STEP_BYTES, &bytes) == 0) {
        const uint8_t *found = bytes.len < RECORD_MAGIC + sizeof magic_start
                                   ? NULL
                                   : memmem(bytes.data + RECORD_MAGIC, bytes.len - RECORD_MAGIC,
                                            magic_start, sizeof magic_start);
        if (!slice_is_zero(bytes))
            last_byte = from + (int64_t)bytes.len;
        if (found != NULL) {
            int64_t at = from + (found - RECORD_MAGIC - bytes.data);
            assert(at >= from);
            if (log_reader_record(reader, at, RECORD_CHECK_ALL, &record) == 0)
                return at;
            from = at + 1;
        } else {
            from += (int64_t)bytes.len > 2 * RECORD_BLANK_BYTES
                        ? (int64_t)bytes.len - RECORD_BLANK_BYTES
                        : (int64_t)bytes.len;
        }
    }
    return -1;
}
