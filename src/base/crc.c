#include "base/crc.h"

#include <libdeflate.h>

uint32_t crc32_update(uint32_t crc, struct slice s)
{
    return s.len == 0 ? crc : libdeflate_crc32(crc, s.data, s.len);
}
