/* record.h - a stored message: the bytes in the commit log and in the body of a pull's answer.
 * The layout is drawn in docs/format/commit-log.md and at the head of record.c.
 *
 * Versions: V1 has one byte of topic length, V2 two (topics longer than 127 bytes).
 *
 * Ownership  what is decoded borrows from the bytes.
 * Threads    any: no state.
 */
#ifndef WIRE_RECORD_H
#define WIRE_RECORD_H

#include "base/err.h"
#include "base/slice.h"

enum {
    RECORD_MAGIC_V1 = -626843481,
    RECORD_MAGIC_V2 = -626843477,
    RECORD_MAGIC_BLANK = -875286124
};
enum { RECORD_BLANK_BYTES = 8 }; /* least room a file keeps for its end mark */
enum { RECORD_PROPERTIES_MAX = 32767, RECORD_TOPIC_MAX = 255 };

/* Fixed places in every record. */
enum {
    RECORD_TOTAL_SIZE = 0,
    RECORD_MAGIC = 4,
    RECORD_BODY_CRC = 8,
    RECORD_QUEUE_ID = 12,
    RECORD_FLAG = 16,
    RECORD_QUEUE_OFFSET = 20,
    RECORD_PHY_OFFSET = 28,
    RECORD_SYS_FLAG = 36,
    RECORD_BORN_TIMESTAMP = 40,
    RECORD_BORN_HOST = 48,
};

enum sys_flag {
    SYS_FLAG_COMPRESSED = 0x1,
    SYS_FLAG_MULTI_TAGS = 0x2,
    SYS_FLAG_TRANSACTION_MASK = 0xC,
    SYS_FLAG_TRANSACTION_PREPARED = 0x4,
    SYS_FLAG_TRANSACTION_COMMIT = 0x8,
    SYS_FLAG_TRANSACTION_ROLLBACK = 0xC,
    SYS_FLAG_BORN_HOST_V6 = 0x10,
    SYS_FLAG_STORE_HOST_V6 = 0x20,
    SYS_FLAG_NEED_UNWRAP = 0x40,
    SYS_FLAG_INNER_BATCH = 0x80,
    SYS_FLAG_COMPRESSION_MASK = 0x700,
};

/* An address inside a record. */
struct host {
    uint8_t address[16]; /* network order; the first 4 bytes when it is IPv4 */
    bool is_v6;
    int32_t port;
};

struct record {
    int32_t total_bytes;
    int32_t magic;
    uint32_t body_crc;
    int32_t queue_id;
    int32_t flag; /* the application's */
    int64_t queue_offset;
    int64_t phy_offset;
    int32_t sys_flag;       /* the V6 bits follow born_host and store_host when encoding */
    int64_t born_timestamp; /* ms, the producer's clock */
    struct host born_host;
    int64_t store_timestamp; /* ms, the broker's clock */
    struct host store_host;
    int32_t reconsume_times;
    int64_t prepared_transaction_offset;
    struct slice body;
    struct slice topic;
    struct slice properties; /* encoded text, wire/properties.h */
};

/* Length of the record that record_encode() would write. */
size_t record_bytes(const struct record *r);

/* Writes the record; total_bytes, magic, body_crc and the V6 bits of sys_flag are computed, the
 * rest is taken as it stands. `out` has record_bytes() bytes. The topic has at most
 * RECORD_TOPIC_MAX, the properties at most RECORD_PROPERTIES_MAX bytes. Returns the body's CRC-32,
 * all 32 bits of it, 0 for no body. */
uint32_t record_encode(const struct record *r, uint8_t *out);

/* Stamps what is known only under the append lock into an encoded record. */
void record_stamp(uint8_t *record, int64_t queue_offset, int64_t phy_offset,
                  int64_t store_timestamp);

/* How far record_decode() goes; ALL takes the checksum of the whole record (record_crc.h) where
 * there is one, else the body's, and takes text that a torn write zeroed for damage. */
enum record_check { RECORD_CHECK_LENGTHS, RECORD_CHECK_BODY_CRC, RECORD_CHECK_ALL };

/* Decodes the record at the start of `in` (slices borrow it).
 * ERR_INCOMPLETE: `in` ends first. ERR_NOT_FOUND: a blank, i.e. the end mark of a file;
 * r->total_bytes is the room it covers. ERR_CORRUPT: anything else that is not a record (also
 * zeros). */
MUST_CHECK int record_decode(struct slice in, enum record_check check, struct record *r);

/* The length of the record that starts here by its head, of which RECORD_HEAD_BYTES_MAX bytes are
 * looked at; 0 when its lengths contradict each other, or when it is no record. */
enum { RECORD_HEAD_BYTES_MAX = 112 };
int32_t record_bytes_by_head(struct slice in);

/* The end mark: `bytes` (>= 8) is the room up to the end of the file. Writes RECORD_BLANK_BYTES. */
void record_put_blank(uint8_t *out, int32_t bytes);

/* Store time of an encoded record that is known to be whole. */
int64_t record_store_timestamp(const uint8_t *record);

#endif
