/* Goal: whatever looks like a ClientHello asks for a bounded number of bytes. */
#include "fuzz.h"
#include "net/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t need = 0;
    if (size == 0)
        return 0;
    int err = tls_hello_check(slice_of(data, size), &need);
    CHECK(err == 0 || err == ERR_INCOMPLETE || err == ERR_CORRUPT);
    if (err == ERR_INCOMPLETE)
        CHECK(need > size && need <= 5 + 16384);
    if (err == 0)
        CHECK(need <= size);
    return 0;
}
