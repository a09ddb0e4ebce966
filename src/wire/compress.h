/* compress.h - message bodies packed by producers: zlib stream, LZ4 frame or zstd, told by
 * sys_flag. The broker itself never unpacks a body; the command line and tests do.
 *
 * Threads    any: no state.
 */
#ifndef WIRE_COMPRESS_H
#define WIRE_COMPRESS_H

#include "base/bytes.h"

/* The type bits of a record's sys_flag, SYS_FLAG_COMPRESSION_MASK. */
enum compression {
    COMPRESSION_ZLIB_OLD = 0x000, /* clients before 5.0 set no bits */
    COMPRESSION_LZ4 = 0x100,
    COMPRESSION_ZSTD = 0x200,
    COMPRESSION_ZLIB = 0x300,
};

/* Appends the packed form of `in`. ERR_UNSUPPORTED: no such type. */
MUST_CHECK int compress_append(enum compression type, struct slice in, struct buf *out);

/* Appends the unpacked form of the whole of `in`. ERR_TOO_BIG: it has more than max_bytes.
 * ERR_CORRUPT: no such stream, cut off, or followed by something else. ERR_UNSUPPORTED: no such
 * type. After an error out->len is as before. */
MUST_CHECK int decompress_append(enum compression type, struct slice in, size_t max_bytes,
                                 struct buf *out);

#endif
