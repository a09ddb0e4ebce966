/* Goal: no stream unpacks to more than its bound, and what was packed is unpacked the same.
 * The first byte chooses the codec. */
#include "fuzz.h"
#include "wire/compress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { BOUND = 1 << 20 };
    static const enum compression types[] = { COMPRESSION_ZLIB, COMPRESSION_LZ4, COMPRESSION_ZSTD,
                                              COMPRESSION_ZLIB_OLD };
    if (size == 0)
        return 0;
    enum compression type = types[data[0] % 4];
    struct slice in = { data + 1, size - 1 };
    struct buf out = BUF_INIT;
    if (decompress_append(type, in, BOUND, &out) != 0)
        CHECK(out.len == 0);
    CHECK(out.len <= BOUND);

    struct buf packed = BUF_INIT;
    CHECK(compress_append(type, in, &packed) == 0);
    buf_clear(&out);
    CHECK(decompress_append(type, buf_slice(&packed), in.len, &out) == 0);
    CHECK(slice_eq(buf_slice(&out), in));
    if (in.len > 0)
        CHECK(decompress_append(type, buf_slice(&packed), in.len - 1, &out) == ERR_TOO_BIG);
    buf_fini(&packed);
    buf_fini(&out);
    return 0;
}
