#include "wire/body_ha_status.h"

void ha_status_encode(const struct ha_status *status, struct buf *out)
{
    static const char *const as_slave[] = { "lastReadTimestamp", "lastWriteTimestamp",
                                            "masterFlushOffset", "maxOffset",
                                            "transferredByteInSecond" };
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    json_key(&j, SLICE("haClientRuntimeInfo")); /* zeros: it follows nobody */
    json_object_begin(&j);
    for (size_t i = 0; i < sizeof as_slave / sizeof as_slave[0]; i++)
        json_member_i64(&j, as_slave[i], 0);
    json_object_end(&j);
    json_key(&j, SLICE("haConnectionInfo"));
    json_array_begin(&j);
    json_array_end(&j);
    json_member_i64(&j, "inSyncSlaveNums", 0);
    json_member_bool(&j, "master", true);
    json_member_i64(&j, "masterCommitLogMaxOffset", status->max_phy_offset);
    json_object_end(&j);
}
