/* Goal: no header leads outside, and what is asked for is always more than there is. */
#include "fuzz.h"
#include "wire/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header header;
    size_t need = 0;
    if (size == 0 || !proxy_header_begins(data[0]))
        return 0;
    int err = proxy_header_decode(slice_of(data, size), &header, &need);
    CHECK(err == 0 || err == ERR_INCOMPLETE || err == ERR_CORRUPT || err == ERR_TOO_BIG);
    if (err == ERR_INCOMPLETE)
        CHECK(need > size && need <= PROXY_HEADER_BYTES_MAX);
    if (err != 0)
        return 0;
    CHECK(header.bytes <= size);
    struct proxy_header again;
    CHECK(proxy_header_decode(slice_of(data, header.bytes), &again, &need) == 0);
    CHECK(again.source == header.source && again.port == header.port);
    return 0;
}
