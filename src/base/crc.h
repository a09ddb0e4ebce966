/* crc.h - CRC-32 (IEEE 802.3, reflected, as zlib's crc32), by libdeflate's vector code.
 *
 * Threads    any: no state.
 */
#ifndef BASE_CRC_H
#define BASE_CRC_H

#include "base/slice.h"

/* crc32_update(0, s) starts; feeding runs one after the other equals feeding them joined. */
uint32_t crc32_update(uint32_t crc, struct slice s);

#define CRC31_MASK UINT32_C(0x7FFFFFFF)

/* The form the store and the registration use: masked to 31 bits, 0 for no bytes. */
static inline uint32_t crc31(struct slice s)
{
    return s.len == 0 ? 0 : crc32_update(0, s) & CRC31_MASK;
}

#endif
