/* record_crc.h - the checksum of a whole record, kept in its last property.
 *
 *   ... properties | __CRC32# 0x01 | ten digits | 0x02 |        20 bytes, the last of the record
 *
 * The body's own CRC leaves head, topic and properties unguarded. The reference has a means against
 * that, its option enabledAppendPropCRC: CRC-32 of all bytes before the tail, masked to 31 bits,
 * its decimal digits least significant first, filled with '0'. Who does not know of it sees one
 * more property.
 *
 * Threads: any; no state.
 */
#ifndef WIRE_RECORD_CRC_H
#define WIRE_RECORD_CRC_H

#include "wire/record.h"

enum { RECORD_CRC_BYTES = 20, RECORD_CRC_BYTES_MOST = RECORD_CRC_BYTES + 1 };

enum record_crc { RECORD_CRC_NONE, RECORD_CRC_GOOD, RECORD_CRC_BAD };

/* Adds the tail to an encoded record that has RECORD_CRC_BYTES_MOST bytes of room behind it, and
 * does what can be done before the record has its place. `from` is what was encoded, body_crc what
 * record_encode() returned: a long body is not looked at again. Returns the new length; the old one
 * when the properties would become too long. */
size_t record_crc_append(uint8_t *record, size_t bytes, const struct record *from,
                         uint32_t body_crc);

/* Fills the tail in, when there is one: the last thing done to a record. Costs the same for long
 * records and short ones. */
void record_crc_stamp(uint8_t *record);

/* A tail with a flipped bit in its text is bad, not absent. `record` is whole. */
enum record_crc record_crc_check(struct slice record);

/* Takes the tail off a decoded record, whose bytes these are. Returns the new length. */
size_t record_crc_strip(uint8_t *record, size_t bytes, struct record *decoded);

/* Property text of a client without what would be taken for a tail of ours. */
struct slice record_crc_without_forged(struct slice properties);

#endif
