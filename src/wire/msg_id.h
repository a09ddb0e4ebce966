/* msg_id.h - the two names of a message: the broker's (where it lies) and the client's UNIQ_KEY.
 *
 * Threads    any; a source of unique keys belongs to one.
 */
#ifndef WIRE_MSG_ID_H
#define WIRE_MSG_ID_H

#include "wire/record.h"

enum { MSG_ID_TEXT_MAX = 56 };

/* Upper-case hex of address, port (i32) and phy_offset (i64); 32 characters for IPv4, 56 for IPv6.
 * Returns the length; no NUL is written. */
size_t msg_id_encode(const struct host *store_host, int64_t phy_offset, char out[MSG_ID_TEXT_MAX]);

/* ERR_INVALID: not such a text (lower case is taken too). */
MUST_CHECK int msg_id_decode(struct slice text, struct host *store_host, int64_t *phy_offset);

/* Makes UNIQ_KEYs for messages that came without: unique per process, address and time. */
struct uniq_key_source {
    uint8_t fixed[10]; /* address (4), pid (2), random (4) */
    int64_t month_start_ms;
    int64_t next_month_ms;
    uint16_t counter;
};
void uniq_key_init(struct uniq_key_source *s, const struct host *self, uint32_t pid,
                   uint32_t random);
/* 32 upper-case hex characters. Threads: one at a time. */
void uniq_key_next(struct uniq_key_source *s, int64_t now_ms, char out[32]);

#endif
