#include "wire/compress.h"
#include "base/memory.h"

#include <assert.h>
#include <lz4frame.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum { ZLIB_LEVEL = 5, ZSTD_LEVEL = 3 };
/* Output grows in steps of this, so that a small bound stays small. */
enum { STEP_BYTES = 64 * 1024 };
/* Messages are far smaller; a stream that wants a larger window than 16 MiB is refused. */
enum { ZSTD_WINDOW_LOG_MAX = 24 };

/* ---- packing -------------------------------------------------------------------------------- */

static void zlib_pack(struct slice in, struct buf *out)
{
    uLongf bytes = compressBound(in.len);
    uint8_t *to = buf_reserve(out, bytes);
    if (compress2(to, &bytes, in.data, in.len, ZLIB_LEVEL) != Z_OK)
        memory_none(bytes);
    out->len += bytes;
}

static void lz4_pack(struct slice in, struct buf *out)
{
    size_t bound = LZ4F_compressFrameBound(in.len, NULL);
    uint8_t *to = buf_reserve(out, bound);
    size_t bytes = LZ4F_compressFrame(to, bound, in.data, in.len, NULL);
    if (LZ4F_isError(bytes))
        memory_none(bound);
    out->len += bytes;
}

static void zstd_pack(struct slice in, struct buf *out)
{
    size_t bound = ZSTD_compressBound(in.len);
    uint8_t *to = buf_reserve(out, bound);
    size_t bytes = ZSTD_compress(to, bound, in.data, in.len, ZSTD_LEVEL);
    if (ZSTD_isError(bytes))
        memory_none(bound);
    out->len += bytes;
}

int compress_append(enum compression type, struct slice in, struct buf *out)
{
    switch (type) {
    case COMPRESSION_ZLIB_OLD:
    case COMPRESSION_ZLIB:
        zlib_pack(in, out);
        return 0;
    case COMPRESSION_LZ4:
        lz4_pack(in, out);
        return 0;
    case COMPRESSION_ZSTD:
        zstd_pack(in, out);
        return 0;
    }
    return ERR_UNSUPPORTED;
}

/* ---- unpacking: one shape for three libraries ----------------------------------------------- */

enum step_result { STEP_MORE, STEP_DONE, STEP_BAD };

/* A decoder at work. A step consumes from `in` and fills `room`, and says how much it produced. */
struct unpacker {
    struct slice in;
    enum step_result (*step)(struct unpacker *u, uint8_t *room, size_t room_bytes,
                             size_t *produced);
    union {
        z_stream zlib;
        LZ4F_dctx *lz4;
        ZSTD_DCtx *zstd;
    };
};

static enum step_result zlib_step(struct unpacker *u, uint8_t *room, size_t room_bytes,
                                  size_t *produced)
{
    z_stream *z = &u->zlib;
    z->next_in = (Bytef *)(uintptr_t)u->in.data;
    z->avail_in = u->in.len > UINT32_MAX ? UINT32_MAX : (uInt)u->in.len;
    z->next_out = room;
    z->avail_out = (uInt)room_bytes;
    uInt given = z->avail_in;
    int result = inflate(z, Z_NO_FLUSH);
    if (result == Z_MEM_ERROR)
        memory_none(0);
    u->in = slice_from(u->in, given - z->avail_in);
    *produced = room_bytes - z->avail_out;
    if (result == Z_STREAM_END)
        return STEP_DONE;
    return result == Z_OK ? STEP_MORE : STEP_BAD;
}

static enum step_result lz4_step(struct unpacker *u, uint8_t *room, size_t room_bytes,
                                 size_t *produced)
{
    size_t consumed = u->in.len;
    size_t left = LZ4F_decompress(u->lz4, room, &room_bytes, u->in.data, &consumed, NULL);
    if (LZ4F_isError(left) && strcmp(LZ4F_getErrorName(left), "ERROR_allocation_failed") == 0)
        memory_none(0);
    if (LZ4F_isError(left))
        return STEP_BAD;
    u->in = slice_from(u->in, consumed);
    *produced = room_bytes;
    return left == 0 ? STEP_DONE : STEP_MORE;
}

static enum step_result zstd_step(struct unpacker *u, uint8_t *room, size_t room_bytes,
                                  size_t *produced)
{
    ZSTD_inBuffer from = { u->in.data, u->in.len, 0 };
    ZSTD_outBuffer to = { room, room_bytes, 0 };
    size_t left = ZSTD_decompressStream(u->zstd, &to, &from);
    if (ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation)
        memory_none(0);
    if (ZSTD_isError(left))
        return STEP_BAD;
    u->in = slice_from(u->in, from.pos);
    *produced = to.pos;
    return left == 0 ? STEP_DONE : STEP_MORE;
}

/* Runs the steps until the stream ends. One byte more than allowed is asked for, to tell "just
 * fits" from "too big". */
static int unpack_all(struct unpacker *u, size_t max_bytes, struct buf *out)
{
    size_t start = out->len;
    enum step_result result = STEP_MORE;
    while (result == STEP_MORE) {
        size_t left = max_bytes + 1 - (out->len - start);
        size_t room_bytes = left < STEP_BYTES ? left : STEP_BYTES;
        size_t in_before = u->in.len;
        size_t produced = 0;
        uint8_t *room = buf_reserve(out, room_bytes);
        result = u->step(u, room, room_bytes, &produced);
        assert(produced <= room_bytes);
        out->len += produced;
        if (result == STEP_BAD)
            goto fail;
        if (out->len - start > max_bytes) {
            out->len = start;
            return ERR_TOO_BIG;
        }
        if (result == STEP_MORE && produced == 0 && u->in.len == in_before)
            goto fail; /* the stream was cut off */
    }
    if (u->in.len == 0)
        return 0;
fail:
    out->len = start;
    return ERR_CORRUPT;
}

static int zlib_unpack(struct slice in, size_t max_bytes, struct buf *out)
{
    struct unpacker u = { .in = in, .step = zlib_step, .zlib = { .next_in = NULL } };
    if (inflateInit(&u.zlib) != Z_OK)
        memory_none(0);
    int err = unpack_all(&u, max_bytes, out);
    inflateEnd(&u.zlib);
    return err;
}

static int lz4_unpack(struct slice in, size_t max_bytes, struct buf *out)
{
    struct unpacker u = { .in = in, .step = lz4_step, .lz4 = NULL };
    if (LZ4F_isError(LZ4F_createDecompressionContext(&u.lz4, LZ4F_VERSION)))
        memory_none(0);
    int err = unpack_all(&u, max_bytes, out);
    LZ4F_freeDecompressionContext(u.lz4);
    return err;
}

static int zstd_unpack(struct slice in, size_t max_bytes, struct buf *out)
{
    struct unpacker u = { .in = in, .step = zstd_step, .zstd = ZSTD_createDCtx() };
    if (u.zstd == NULL)
        memory_none(0);
    size_t is_set = ZSTD_DCtx_setParameter(u.zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
    assert(!ZSTD_isError(is_set));
    int err = unpack_all(&u, max_bytes, out);
    ZSTD_freeDCtx(u.zstd);
    return err;
}

int decompress_append(enum compression type, struct slice in, size_t max_bytes, struct buf *out)
{
    assert(max_bytes < SIZE_MAX);
    if (in.len == 0)
        return ERR_CORRUPT;
    switch (type) {
    case COMPRESSION_ZLIB_OLD:
    case COMPRESSION_ZLIB:
        return zlib_unpack(in, max_bytes, out);
    case COMPRESSION_LZ4:
        return lz4_unpack(in, max_bytes, out);
    case COMPRESSION_ZSTD:
        return zstd_unpack(in, max_bytes, out);
    }
    return ERR_UNSUPPORTED;
}
