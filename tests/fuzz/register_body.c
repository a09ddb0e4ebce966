/* Goal: any registration, plain or compressed, is read or refused; what was read survives both
 * forms. The first byte chooses the form, the second the peer's version; a compressed input is
 * packed here, as no mutation would get past the checksum of the stream. */
#include "fuzz.h"
#include "wire/body_register.h"
#include "wire/compress.h"

static void check_round_trip(const struct register_body *body, bool compressed, struct arena *arena)
{
    struct register_body again;
    struct buf text = BUF_INIT;
    register_body_encode(body, compressed, &text);
    CHECK(register_body_decode(buf_slice(&text), compressed, REGISTER_MAPPINGS_SINCE, arena,
                               &again) == 0);
    CHECK(data_version_eq(&again.topics.version, &body->topics.version));
    buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int32_t versions[] = { 0, REGISTER_WRAPPED_SINCE, REGISTER_MAPPINGS_SINCE };
    if (size < 2)
        return 0;
    bool compressed = data[0] % 2 == 1;
    int32_t version = versions[data[1] % 3];
    struct slice body = { data + 2, size - 2 };
    struct buf packed = BUF_INIT;
    if (compressed) {
        CHECK(compress_append(COMPRESSION_ZLIB, body, &packed) == 0);
        body = buf_slice(&packed);
    }
    struct arena arena;
    struct register_body decoded;
    arena_init(&arena);
    if (register_body_decode(body, compressed, version, &arena, &decoded) == 0)
        check_round_trip(&decoded, false, &arena);
    buf_fini(&packed);
    arena_fini(&arena);
    return 0;
}
