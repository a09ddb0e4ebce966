#include "wire/record_crc.h"

#include <assert.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/crc.h"

static const char tail_name[] = "__CRC32#\001";

enum {
    NAME_BYTES = sizeof tail_name - 1,
    DIGITS = 10,
    END_MARK = 2,
    MARKS = NAME_BYTES + 1, /* bytes of a tail that are always the same */
    MARKS_LEAST = MARKS - 3,
    /* Up to here the sum over a record is made under the append lock; above, the part behind the
     * head is summed before, and the two are joined. */
    WHOLE_MOST = 4096,
    /* From here on joining sums is cheaper than summing a body up once more. */
    JOINED_LEAST = 16384,
};
static_assert(NAME_BYTES + DIGITS + 1 == RECORD_CRC_BYTES, "name, digits, end");

/* How many of the bytes that make a tail stand at the end of `text`. */
static int marks_of(struct slice text)
{
    if (text.len < RECORD_CRC_BYTES)
        return 0;
    const uint8_t *tail = text.data + text.len - RECORD_CRC_BYTES;
    uint64_t word, name;
    memcpy(&word, tail, sizeof word);
    memcpy(&name, tail_name, sizeof name);
    /* A byte that differs has its top bit set; how many have not, is summed up in the highest. */
    const uint64_t ones = 0x0101010101010101u, lows = 0x7F7F7F7F7F7F7F7Fu;
    uint64_t differs = word ^ name;
    uint64_t equal = ~(((differs & lows) + lows) | differs) >> 7 & ones;
    int marks = (int)(equal * ones >> 56) + (tail[RECORD_CRC_BYTES - 1] == END_MARK);
    for (int i = sizeof word; i < NAME_BYTES; i++)
        marks += tail[i] == (uint8_t)tail_name[i];
    return marks;
}

/* Where the fields end that are stamped late. */
static size_t head_bytes(const uint8_t *record)
{
    uint32_t sys_flag = get_be32(record + RECORD_SYS_FLAG);
    return RECORD_BORN_HOST + ((sys_flag & SYS_FLAG_BORN_HOST_V6) != 0 ? 20 : 8) + 8;
}

static void put_digits(uint8_t *tail, uint32_t crc)
{
    for (int i = 0; i < DIGITS; i++, crc /= 10)
        tail[NAME_BYTES + i] = (uint8_t)('0' + crc % 10);
}

/* The sum over what lies between `from` and `end`, of which the body's is known: crc(ab) is made of
 * crc(a), crc(b) and the length of b. */
static uint32_t crc_around_body(const uint8_t *from, const uint8_t *end, struct slice body,
                                uint32_t body_crc)
{
    const uint8_t *behind = body.data + body.len;
    assert(from <= body.data && behind <= end);
    if (body.len < JOINED_LEAST)
        return crc32_update(0, slice_of(from, (size_t)(end - from)));
    uint32_t crc = crc32_update(0, slice_of(from, (size_t)(body.data - from)));
    struct slice rest = slice_of(behind, (size_t)(end - behind));
    crc = (uint32_t)crc32_combine(crc, body_crc, (z_off_t)body.len);
    return (uint32_t)crc32_combine(crc, crc32_update(0, rest), (z_off_t)rest.len);
}

/* Where the body lies in the encoded record: its length and it are followed by topic and
 * properties. */
static struct slice body_in(const uint8_t *record, size_t bytes, const struct record *from)
{
    bool is_v2 = (int32_t)get_be32(record + RECORD_MAGIC) == RECORD_MAGIC_V2;
    size_t behind = (is_v2 ? 2 : 1) + from->topic.len + 2 + from->properties.len;
    const uint8_t *body = record + bytes - behind - from->body.len;
    assert(get_be32(body - 4) == from->body.len);
    return slice_of(body, from->body.len);
}

size_t record_crc_append(uint8_t *record, size_t bytes, const struct record *from,
                         uint32_t body_crc)
{
    size_t properties_bytes = from->properties.len;
    struct slice body = body_in(record, bytes, from);
    bool needs_end = properties_bytes > 0 && record[bytes - 1] != END_MARK;
    size_t more = RECORD_CRC_BYTES + needs_end;
    if (properties_bytes + more > RECORD_PROPERTIES_MAX)
        return bytes;
    assert(bytes + more <= INT32_MAX);
    put_be16(record + bytes - properties_bytes - 2, (uint16_t)(properties_bytes + more));
    if (needs_end)
        record[bytes] = END_MARK;
    bytes += more;
    uint8_t *tail = record + bytes - RECORD_CRC_BYTES;
    memcpy(tail, tail_name, NAME_BYTES);
    memset(tail + NAME_BYTES, '0', DIGITS);
    tail[RECORD_CRC_BYTES - 1] = END_MARK;
    put_be32(record + RECORD_TOTAL_SIZE, (uint32_t)bytes);
    if (bytes > WHOLE_MOST) { /* the digits' place keeps what record_crc_stamp() needs */
        size_t head = head_bytes(record);
        size_t rest = bytes - RECORD_CRC_BYTES - head;
        put_be32(tail + NAME_BYTES, crc_around_body(record + head, tail, body, body_crc));
        put_be32(tail + NAME_BYTES + 4, (uint32_t)crc32_combine_gen((z_off_t)rest));
    }
    return bytes;
}

void record_crc_stamp(uint8_t *record)
{
    size_t bytes = get_be32(record + RECORD_TOTAL_SIZE);
    if (marks_of(slice_of(record, bytes)) != MARKS)
        return;
    uint8_t *tail = record + bytes - RECORD_CRC_BYTES;
    uint32_t crc;
    if (bytes <= WHOLE_MOST) {
        crc = crc32_update(0, slice_of(record, bytes - RECORD_CRC_BYTES));
    } else {
        uint32_t head = crc32_update(0, slice_of(record, head_bytes(record)));
        uint32_t rest = get_be32(tail + NAME_BYTES);
        crc = (uint32_t)crc32_combine_op(head, rest, get_be32(tail + NAME_BYTES + 4));
    }
    put_digits(tail, crc & 0x7FFFFFFF);
}

enum record_crc record_crc_check(struct slice record)
{
    int marks = marks_of(record);
    if (marks < MARKS_LEAST)
        return RECORD_CRC_NONE;
    if (marks < MARKS)
        return RECORD_CRC_BAD;
    uint8_t expected[RECORD_CRC_BYTES];
    const uint8_t *tail = record.data + record.len - RECORD_CRC_BYTES;
    put_digits(expected, crc31(slice_of(record.data, record.len - RECORD_CRC_BYTES)));
    return memcmp(expected + NAME_BYTES, tail + NAME_BYTES, DIGITS) == 0 ? RECORD_CRC_GOOD
                                                                         : RECORD_CRC_BAD;
}

size_t record_crc_strip(uint8_t *record, size_t bytes, struct record *decoded)
{
    assert((size_t)decoded->total_bytes == bytes);
    if (decoded->properties.len < RECORD_CRC_BYTES || marks_of(decoded->properties) != MARKS)
        return bytes;
    size_t left = decoded->properties.len - RECORD_CRC_BYTES;
    put_be16(record + bytes - decoded->properties.len - 2, (uint16_t)left);
    bytes -= RECORD_CRC_BYTES;
    put_be32(record + RECORD_TOTAL_SIZE, (uint32_t)bytes);
    decoded->properties.len = left;
    decoded->total_bytes = (int32_t)bytes;
    return bytes;
}

struct slice record_crc_without_forged(struct slice properties)
{
    while (marks_of(properties) >= MARKS_LEAST)
        properties.len -= RECORD_CRC_BYTES;
    return properties;
}
