#include "wire/msg_id.h"

#include <assert.h>
#include <time.h>

#include "base/bytes.h"

enum { V4_BYTES = 4, V6_BYTES = 16, PORT_AND_OFFSET_BYTES = 4 + 8 };
static_assert((V6_BYTES + PORT_AND_OFFSET_BYTES) * 2 == MSG_ID_TEXT_MAX, "two digits a byte");

/* Eight digits of four bytes: each nibble to a byte of its own, then all made digits at once. */
static void hex_encode_word(uint32_t word, char *out)
{
    uint64_t nibbles = word;
    nibbles = (nibbles << 16 | nibbles) & 0x0000FFFF0000FFFFu;
    nibbles = (nibbles << 8 | nibbles) & 0x00FF00FF00FF00FFu;
    nibbles = (nibbles << 4 | nibbles) & 0x0F0F0F0F0F0F0F0Fu;
    uint64_t above_nine = (nibbles + 0x0606060606060606u) >> 4 & 0x0101010101010101u;
    put_be64((uint8_t *)out, nibbles + 0x3030303030303030u + above_nine * ('A' - '9' - 1));
}

/* `count`: a multiple of four. */
static void hex_encode(const uint8_t *bytes, size_t count, char *out)
{
    for (size_t i = 0; i < count; i += 4, out += 8)
        hex_encode_word(get_be32(bytes + i), out);
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex_decode(struct slice text, uint8_t *out)
{
    for (size_t i = 0; i + 1 < text.len; i += 2) {
        int high = hex_value(text.data[i]);
        int low = hex_value(text.data[i + 1]);
        if (high < 0 || low < 0)
            return false;
        *out++ = (uint8_t)(high << 4 | low);
    }
    return true;
}

size_t msg_id_encode(const struct host *store_host, int64_t phy_offset, char out[MSG_ID_TEXT_MAX])
{
    uint8_t bytes[V6_BYTES + PORT_AND_OFFSET_BYTES];
    size_t address_bytes = store_host->is_v6 ? V6_BYTES : V4_BYTES;
    memcpy(bytes, store_host->address, address_bytes);
    put_be32(bytes + address_bytes, (uint32_t)store_host->port);
    put_be64(bytes + address_bytes + 4, (uint64_t)phy_offset);
    hex_encode(bytes, address_bytes + PORT_AND_OFFSET_BYTES, out);
    return (address_bytes + PORT_AND_OFFSET_BYTES) * 2;
}

int msg_id_decode(struct slice text, struct host *store_host, int64_t *phy_offset)
{
    uint8_t bytes[V6_BYTES + PORT_AND_OFFSET_BYTES];
    bool is_v6 = text.len == MSG_ID_TEXT_MAX;
    size_t address_bytes = is_v6 ? V6_BYTES : V4_BYTES;
    if (text.len != (address_bytes + PORT_AND_OFFSET_BYTES) * 2 || !hex_decode(text, bytes))
        return ERR_INVALID;
    *store_host = (struct host){ .is_v6 = is_v6 };
    memcpy(store_host->address, bytes, address_bytes);
    store_host->port = (int32_t)get_be32(bytes + address_bytes);
    *phy_offset = (int64_t)get_be64(bytes + address_bytes + 4);
    return 0;
}

/* ---- UNIQ_KEY: address 4, pid 2, random 4, ms since the start of the month 4, counter 2 ------ */

enum { UNIQ_FIXED_BYTES = 10, UNIQ_BYTES = UNIQ_FIXED_BYTES + 4 + 2 };
static_assert(sizeof(((struct uniq_key_source *)0)->fixed) == UNIQ_FIXED_BYTES, "the fixed part");

void uniq_key_init(struct uniq_key_source *s, const struct host *self, uint32_t pid,
                   uint32_t random)
{
    *s = (struct uniq_key_source){ .month_start_ms = 0, .next_month_ms = 0 };
    /* The end of an IPv6 address is what differs between the hosts of a network. */
    memcpy(s->fixed, self->address + (self->is_v6 ? V6_BYTES - V4_BYTES : 0), V4_BYTES);
    put_be16(s->fixed + 4, (uint16_t)pid);
    put_be32(s->fixed + 6, random);
}

static int64_t month_start(const struct tm *day, int months_later)
{
    struct tm first = { .tm_year = day->tm_year,
                        .tm_mon = day->tm_mon + months_later,
                        .tm_mday = 1 };
    return (int64_t)timegm(&first) * 1000;
}

static void find_month(struct uniq_key_source *s, int64_t now_ms)
{
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm day;
    gmtime_r(&seconds, &day);
    s->month_start_ms = month_start(&day, 0);
    s->next_month_ms = month_start(&day, 1);
}

void uniq_key_next(struct uniq_key_source *s, int64_t now_ms, char out[32])
{
    uint8_t bytes[UNIQ_BYTES];
    if (now_ms < s->month_start_ms || now_ms >= s->next_month_ms)
        find_month(s, now_ms);
    memcpy(bytes, s->fixed, UNIQ_FIXED_BYTES);
    put_be32(bytes + UNIQ_FIXED_BYTES, (uint32_t)(now_ms - s->month_start_ms));
    put_be16(bytes + UNIQ_FIXED_BYTES + 4, s->counter++);
    hex_encode(bytes, UNIQ_BYTES, out);
}
