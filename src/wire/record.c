/* The layout of a stored message. All integers big-endian; two variable addresses and three
 * variable runs follow fixed fields, so the places behind born_host depend on two bits of sys_flag.
 *
 *    0            4        8           12         16     20             28           36
 *    | total_size | magic  | body_crc  | queue_id | flag | queue_offset | phy_offset | sys_flag |
 *    40               48                  56 or 68          64 or 76
 *    | born_timestamp | born_host 8 or 20 | store_timestamp | store_host 8 or 20 |
 *    72, 84 or 96      76 ..                        84 ..
 *    | reconsume_times | prepared_transaction_offset | body_len i32 | body |
 *    | topic_len u8 (V1) or i16 (V2) | topic | properties_len i16 | properties |
 *
 * A host is its address (4 or 16 bytes) and the port as i32. total_size counts everything, itself
 * too. At the end of a file stands a blank: the room left (i32) and RECORD_MAGIC_BLANK, the rest
 * undefined.
 */
#include "wire/record.h"

#include <assert.h>

#include "base/bytes.h"
#include "base/crc.h"
#include "wire/record_crc.h"

enum {
    PORT_BYTES = 4,
    HOST_V4_BYTES = 4 + PORT_BYTES,
    HOST_V6_BYTES = 16 + PORT_BYTES,
    /* store_timestamp, reconsume_times, prepared_transaction_offset, body_len, properties_len */
    FIXED_BEHIND_HOSTS = 8 + 4 + 8 + 4 + 2,
    TOPIC_V1_MAX = 127,
    RECORD_BYTES_MIN = RECORD_BORN_HOST + 2 * HOST_V4_BYTES + FIXED_BEHIND_HOSTS + 1,
};
static_assert(RECORD_MAGIC == RECORD_TOTAL_SIZE + 4, "no padding");
static_assert(RECORD_BODY_CRC == RECORD_MAGIC + 4, "no padding");
static_assert(RECORD_QUEUE_ID == RECORD_BODY_CRC + 4, "no padding");
static_assert(RECORD_FLAG == RECORD_QUEUE_ID + 4, "no padding");
static_assert(RECORD_QUEUE_OFFSET == RECORD_FLAG + 4, "no padding");
static_assert(RECORD_PHY_OFFSET == RECORD_QUEUE_OFFSET + 8, "no padding");
static_assert(RECORD_SYS_FLAG == RECORD_PHY_OFFSET + 8, "no padding");
static_assert(RECORD_BORN_TIMESTAMP == RECORD_SYS_FLAG + 4, "no padding");
static_assert(RECORD_BORN_HOST == RECORD_BORN_TIMESTAMP + 8, "no padding");
static_assert(RECORD_HEAD_BYTES_MAX == RECORD_BORN_HOST + 2 * HOST_V6_BYTES + 8 + 4 + 8 + 4,
              "the head goes up to the body's length");
static_assert(RECORD_BYTES_MIN == 91, "a record of nothing, V1, both hosts IPv4");

static size_t host_bytes(bool is_v6)
{
    return is_v6 ? HOST_V6_BYTES : HOST_V4_BYTES;
}

static int32_t magic_of(const struct record *r)
{
    return r->topic.len > TOPIC_V1_MAX ? RECORD_MAGIC_V2 : RECORD_MAGIC_V1;
}

static size_t store_timestamp_at(const uint8_t *record)
{
    uint32_t sys_flag = get_be32(record + RECORD_SYS_FLAG);
    return RECORD_BORN_HOST + host_bytes((sys_flag & SYS_FLAG_BORN_HOST_V6) != 0);
}

size_t record_bytes(const struct record *r)
{
    size_t topic_len_bytes = magic_of(r) == RECORD_MAGIC_V2 ? 2 : 1;
    return RECORD_BORN_HOST + host_bytes(r->born_host.is_v6) + host_bytes(r->store_host.is_v6) +
           FIXED_BEHIND_HOSTS + r->body.len + topic_len_bytes + r->topic.len + r->properties.len;
}

/* ---- encoding ------------------------------------------------------------------------------- */

static uint8_t *put_u32(uint8_t *out, uint32_t v)
{
    put_be32(out, v);
    return out + 4;
}

static uint8_t *put_u64(uint8_t *out, int64_t v)
{
    put_be64(out, (uint64_t)v);
    return out + 8;
}

static uint8_t *put_run(uint8_t *out, struct slice s)
{
    if (s.len > 0)
        memcpy(out, s.data, s.len);
    return out + s.len;
}

static uint8_t *put_host(uint8_t *out, const struct host *host)
{
    size_t address_bytes = host_bytes(host->is_v6) - PORT_BYTES;
    memcpy(out, host->address, address_bytes);
    return put_u32(out + address_bytes, (uint32_t)host->port);
}

static uint8_t *put_topic(uint8_t *out, int32_t magic, struct slice topic)
{
    if (magic == RECORD_MAGIC_V2) {
        put_be16(out, (uint16_t)topic.len);
        out += 2;
    } else {
        *out++ = (uint8_t)topic.len;
    }
    return put_run(out, topic);
}

static int32_t sys_flag_of(const struct record *r)
{
    int32_t flag = r->sys_flag & ~(SYS_FLAG_BORN_HOST_V6 | SYS_FLAG_STORE_HOST_V6);
    if (r->born_host.is_v6)
        flag |= SYS_FLAG_BORN_HOST_V6;
    if (r->store_host.is_v6)
        flag |= SYS_FLAG_STORE_HOST_V6;
    return flag;
}

uint32_t record_encode(const struct record *r, uint8_t *out)
{
    assert(r->topic.len <= RECORD_TOPIC_MAX);
    assert(r->properties.len <= RECORD_PROPERTIES_MAX);
    size_t bytes = record_bytes(r);
    assert(bytes <= INT32_MAX);
    int32_t magic = magic_of(r);
    uint32_t body_crc = r->body.len == 0 ? 0 : crc32_update(0, r->body);

    uint8_t *at = put_u32(out, (uint32_t)bytes);
    at = put_u32(at, (uint32_t)magic);
    at = put_u32(at, body_crc & CRC31_MASK);
    at = put_u32(at, (uint32_t)r->queue_id);
    at = put_u32(at, (uint32_t)r->flag);
    at = put_u64(at, r->queue_offset);
    at = put_u64(at, r->phy_offset);
    at = put_u32(at, (uint32_t)sys_flag_of(r));
    at = put_u64(at, r->born_timestamp);
    at = put_host(at, &r->born_host);
    at = put_u64(at, r->store_timestamp);
    at = put_host(at, &r->store_host);
    at = put_u32(at, (uint32_t)r->reconsume_times);
    at = put_u64(at, r->prepared_transaction_offset);
    at = put_u32(at, (uint32_t)r->body.len);
    at = put_run(at, r->body);
    at = put_topic(at, magic, r->topic);
    put_be16(at, (uint16_t)r->properties.len);
    at = put_run(at + 2, r->properties);
    assert((size_t)(at - out) == bytes);
    return body_crc;
}

void record_stamp(uint8_t *record, int64_t queue_offset, int64_t phy_offset,
                  int64_t store_timestamp)
{
    put_be64(record + RECORD_QUEUE_OFFSET, (uint64_t)queue_offset);
    put_be64(record + RECORD_PHY_OFFSET, (uint64_t)phy_offset);
    put_be64(record + store_timestamp_at(record), (uint64_t)store_timestamp);
}

void record_put_blank(uint8_t *out, int32_t bytes)
{
    assert(bytes >= RECORD_BLANK_BYTES);
    put_be32(out + RECORD_TOTAL_SIZE, (uint32_t)bytes);
    put_be32(out + RECORD_MAGIC, (uint32_t)RECORD_MAGIC_BLANK);
}

int64_t record_store_timestamp(const uint8_t *record)
{
    return (int64_t)get_be64(record + store_timestamp_at(record));
}

/* ---- decoding ------------------------------------------------------------------------------- */

/* Which kind of record starts here, and where it ends. */
static int decode_start(struct slice in, struct record *r)
{
    if (in.len < RECORD_BLANK_BYTES)
        return ERR_INCOMPLETE;
    r->total_bytes = (int32_t)get_be32(in.data + RECORD_TOTAL_SIZE);
    r->magic = (int32_t)get_be32(in.data + RECORD_MAGIC);
    if (r->magic == RECORD_MAGIC_BLANK)
        return r->total_bytes < RECORD_BLANK_BYTES ? ERR_CORRUPT : ERR_NOT_FOUND;
    if (r->magic != RECORD_MAGIC_V1 && r->magic != RECORD_MAGIC_V2)
        return ERR_CORRUPT;
    if (r->total_bytes < RECORD_BYTES_MIN)
        return ERR_CORRUPT;
    return (size_t)r->total_bytes > in.len ? ERR_INCOMPLETE : 0;
}

static struct host read_host(struct reader *from, bool is_v6)
{
    struct host host = { .is_v6 = is_v6 };
    struct slice address = read_bytes(from, (int64_t)host_bytes(is_v6) - PORT_BYTES);
    if (address.len > 0)
        memcpy(host.address, address.data, address.len);
    host.port = read_i32(from);
    return host;
}

static struct slice read_topic(struct reader *from, int32_t magic)
{
    int32_t len = magic == RECORD_MAGIC_V2 ? read_i16(from) : (int8_t)read_u8(from);
    if (len > RECORD_TOPIC_MAX)
        from->failed = true;
    return read_bytes(from, len);
}

static void read_fields(struct reader *from, struct record *r)
{
    r->body_crc = (uint32_t)read_i32(from);
    r->queue_id = read_i32(from);
    r->flag = read_i32(from);
    r->queue_offset = read_i64(from);
    r->phy_offset = read_i64(from);
    r->sys_flag = read_i32(from);
    r->born_timestamp = read_i64(from);
    r->born_host = read_host(from, (r->sys_flag & SYS_FLAG_BORN_HOST_V6) != 0);
    r->store_timestamp = read_i64(from);
    r->store_host = read_host(from, (r->sys_flag & SYS_FLAG_STORE_HOST_V6) != 0);
    r->reconsume_times = read_i32(from);
    r->prepared_transaction_offset = read_i64(from);
    r->body = read_bytes(from, read_i32(from));
    r->topic = read_topic(from, r->magic);
    r->properties = read_bytes(from, read_i16(from));
}

/* Lengths and the body's checksum do not cover the text behind the body; a torn write leaves zeros
 * there, in place of the whole record's checksum too. No topic holds a zero, and no property text
 * ends in one. */
static bool has_torn_text(const struct record *record)
{
    struct slice text = record->properties;
    return memchr(record->topic.data, 0, record->topic.len) != NULL ||
           (text.len > 0 && text.data[text.len - 1] == 0);
}

int32_t record_bytes_by_head(struct slice in)
{
    struct record r = { 0 };
    int err = decode_start(in, &r);
    if (err != 0 && err != ERR_INCOMPLETE)
        return 0;
    if (r.total_bytes < RECORD_BYTES_MIN || in.len < RECORD_BORN_HOST)
        return 0;
    uint32_t sys_flag = get_be32(in.data + RECORD_SYS_FLAG);
    size_t body_at = RECORD_BORN_HOST + host_bytes((sys_flag & SYS_FLAG_BORN_HOST_V6) != 0) +
                     host_bytes((sys_flag & SYS_FLAG_STORE_HOST_V6) != 0) + 8 + 4 + 8;
    if (in.len < body_at + 4)
        return 0;
    int64_t around = r.total_bytes - (int64_t)(int32_t)get_be32(in.data + body_at);
    int64_t least = (int64_t)body_at + 4 + 1 + 2;
    return around >= least && around <= least + 1 + RECORD_TOPIC_MAX + RECORD_PROPERTIES_MAX
               ? r.total_bytes
               : 0;
}

int record_decode(struct slice in, enum record_check check, struct record *r)
{
    struct record decoded = { 0 };
    int err = decode_start(in, &decoded);
    if (err == ERR_NOT_FOUND)
        *r = decoded;
    if (err != 0)
        return err;

    struct reader from = reader_of(slice_of(in.data, (size_t)decoded.total_bytes));
    (void)read_bytes(&from, RECORD_BODY_CRC);
    read_fields(&from, &decoded);
    if (from.failed || from.rest.len > 0)
        return ERR_CORRUPT;
    enum record_crc whole = RECORD_CRC_NONE;
    if (check == RECORD_CHECK_ALL && decoded.properties.len >= RECORD_CRC_BYTES)
        whole = record_crc_check(slice_of(in.data, (size_t)decoded.total_bytes));
    if (whole == RECORD_CRC_BAD || (check == RECORD_CHECK_ALL && has_torn_text(&decoded)))
        return ERR_CORRUPT;
    if (whole == RECORD_CRC_NONE && check != RECORD_CHECK_LENGTHS && decoded.body.len > 0 &&
        crc31(decoded.body) != decoded.body_crc)
        return ERR_CORRUPT;
    *r = decoded;
    return 0;
}
