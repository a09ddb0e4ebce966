/* body_ha_status.h - GET_BROKER_HA_STATUS of a master: how far its slaves are.
 *
 * Contract   that of all bodies, in body_data_version.h.
 */
#ifndef WIRE_BODY_HA_STATUS_H
#define WIRE_BODY_HA_STATUS_H

#include "wire/json.h"

/* A master on its own: no slave is connected. */
struct ha_status {
    int64_t max_phy_offset;
};
void ha_status_encode(const struct ha_status *status, struct buf *out);

#endif
