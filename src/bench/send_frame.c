#include "bench/send_frame.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "wire/codes.h"
#include "wire/header.h"

/* Opaques are OPAQUE_BASE + number: ten digits each, and below 2^31. */
enum { OPAQUE_BASE = 1000000000, OPAQUE_DIGITS = 10 };
enum { TOPIC_DIGITS = 6 };
enum { BORN_DIGITS = 13, UNIQ_KEY_DIGITS = 32, UNIQ_KEY_PART_DIGITS = 8 };
static_assert(OPAQUE_BASE + (int64_t)SEND_NUMBER_COUNT < INT32_MAX, "an opaque is an i32");

/* The binary header starts: code i16, language u8, version i16, opaque i32. */
enum { BINARY_CODE_AT = 0, BINARY_OPAQUE_AT = 5, BINARY_LEAST_BYTES = 9 };

/* What the template holds where messages will differ; long enough to stand nowhere else in it. */
#define BORN_PLACEHOLDER "1000000000001"
#define DUE_PLACEHOLDER "2987654321987"
#define UNIQ_KEY_PLACEHOLDER "7F000001BBBBBBBBCCCCCCCCDDDDDDDD"

static void put_digits(uint8_t *out, int digits, uint64_t value)
{
    for (int i = digits - 1; i >= 0; i--) {
        out[i] = (uint8_t)('0' + value % 10);
        value /= 10;
    }
}

static void put_hex(uint8_t *out, uint32_t value)
{
    for (int i = UNIQ_KEY_PART_DIGITS - 1; i >= 0; i--) {
        out[i] = (uint8_t) "0123456789ABCDEF"[value & 15];
        value >>= 4;
    }
}

/* Where what stands behind `text` begins. */
static size_t place_behind(const struct send_frame *f, struct slice text)
{
    const uint8_t *at = memmem(f->data, f->bytes, text.data, text.len);
    assert(at != NULL);
    return (size_t)(at - f->data) + text.len;
}

void send_topic_name(char *name, const char *topic, int index)
{
    assert(index >= 0 && index < SEND_TOPICS_MAX);
    snprintf(name, SEND_TOPIC_NAME_BYTES, "%s_%06d", topic, index);
}

static void find_places(struct send_frame *f, const char *topic, bool has_timer)
{
    if (f->topic_count > 0)
        f->topic_at = place_behind(f, slice_str(topic)) - TOPIC_DIGITS;
    if (f->type == SERIALIZE_BINARY) {
        f->opaque_at = FRAME_PREFIX_BYTES + BINARY_OPAQUE_AT;
        f->queue_id_at = place_behind(f, SLICE("\0\1e\0\0\0\1"));
    } else {
        f->opaque_at = place_behind(f, SLICE("\"opaque\":"));
        f->queue_id_at = place_behind(f, SLICE("\"e\":\""));
    }
    f->born_at = place_behind(f, SLICE(BORN_PLACEHOLDER)) - BORN_DIGITS;
    f->uniq_key_at = place_behind(f, SLICE(UNIQ_KEY_PLACEHOLDER)) - UNIQ_KEY_DIGITS;
    if (has_timer)
        f->due_at = place_behind(f, SLICE(DUE_PLACEHOLDER)) - BORN_DIGITS;
    assert(f->data[f->queue_id_at] == '0');
}

static bool has_timer(const struct send_frame_options *options)
{
    return options->due_after_ms > 0 || options->due_at_ms > 0;
}

/* The ext fields an official client sends, by their letters (docs/protocol). */
static struct slice encode_header(const struct send_frame_options *options, const char *topic,
                                  struct arena *arena)
{
    const struct ext_field ext[] = {
        { SLICE("a"), SLICE("ramjet_bench") },
        { SLICE("b"), slice_str(topic) },
        { SLICE("c"), SLICE("TBW102") },
        { SLICE("d"), arena_printf(arena, "%d", options->queue_count) },
        { SLICE("e"), SLICE("0") },
        { SLICE("f"), SLICE("0") },
        { SLICE("g"), SLICE(BORN_PLACEHOLDER) },
        { SLICE("h"), SLICE("0") },
        { SLICE("i"), has_timer(options)
                          ? SLICE("UNIQ_KEY\x01" UNIQ_KEY_PLACEHOLDER
                                  "\x02WAIT\x01true\x02TIMER_DELIVER_MS\x01" DUE_PLACEHOLDER "\x02")
                          : SLICE("UNIQ_KEY\x01" UNIQ_KEY_PLACEHOLDER "\x02WAIT\x01true\x02") },
        { SLICE("j"), SLICE("0") },
        { SLICE("k"), SLICE("false") },
        { SLICE("m"), SLICE("false") },
    };
    const struct header header = {
        .code = REQ_SEND_MESSAGE_V2,
        .version = WIRE_VERSION,
        .opaque = OPAQUE_BASE,
        .language = LANGUAGE_OTHER,
        .ext = ext,
        .ext_count = sizeof ext / sizeof ext[0],
        .has_ext = true,
    };
    return header_encode(options->type, &header, options->body_bytes, arena);
}

int send_frame_init(struct send_frame *f, const struct send_frame_options *options)
{
    assert(options->queue_count >= 1 && options->queue_count <= SEND_QUEUES_MAX);
    assert(options->body_bytes > 0);
    assert(options->topic_count >= 0 && options->topic_count <= SEND_TOPICS_MAX);
    if (options->body_bytes >= FRAME_MAX_BYTES)
        return ERR_TOO_BIG;
    char topic[SEND_TOPIC_NAME_BYTES];
    if (strlen(options->topic) + TOPIC_DIGITS + 1 >= sizeof topic)
        return ERR_INVALID;
    if (options->topic_count > 0)
        send_topic_name(topic, options->topic, 0);
    else
        snprintf(topic, sizeof topic, "%s", options->topic);
    struct arena arena;
    arena_init(&arena);
    int err = ERR_TOO_BIG;
    struct slice head = encode_header(options, topic, &arena);
    if (head.len + options->body_bytes > FRAME_MAX_BYTES)
        goto out;
    *f = (struct send_frame){
        .type = options->type,
        .queue_count = options->queue_count,
        .topic_count = options->topic_count,
        .body_bytes = options->body_bytes,
        .due_after_ms = options->due_after_ms,
        .due_span_ms = options->due_span_ms,
        .due_at_ms = options->due_at_ms,
        .data = malloc(head.len + options->body_bytes),
        .bytes = head.len + options->body_bytes,
    };
    err = ERR_NO_MEMORY;
    if (f->data == NULL)
        goto out;
    memcpy(f->data, head.data, head.len);
    for (size_t i = 0; i < options->body_bytes; i++)
        f->data[head.len + i] = (uint8_t)('a' + i % 26);
    find_places(f, topic, has_timer(options));
    put_hex(f->data + f->uniq_key_at + UNIQ_KEY_PART_DIGITS,
            (uint32_t)clock_wall_ms() ^ (uint32_t)getpid() << 16);
    err = 0;
out:
    arena_fini(&arena);
    return err;
}

void send_frame_fini(struct send_frame *f)
{
    free(f->data);
    f->data = NULL;
}

void send_frame_copy(const struct send_frame *f, uint8_t *out, int queue_id, uint32_t sender)
{
    assert(queue_id >= 0 && queue_id < f->queue_count);
    memcpy(out, f->data, f->bytes);
    out[f->queue_id_at] = (uint8_t)('0' + queue_id);
    put_hex(out + f->uniq_key_at + 2 * UNIQ_KEY_PART_DIGITS, sender);
}

/* Steps of the golden ratio: however many senders there are, no two begin close to each other. */
static uint32_t first_topic(const struct send_frame *f, uint32_t sender)
{
    uint64_t part = sender * UINT64_C(2654435769) & UINT32_MAX;
    return (uint32_t)((part * (uint64_t)f->topic_count) >> 32);
}

/* When the message of this number, born then, is due (wall clock, ms). */
static int64_t due_ms_of(const struct send_frame *f, uint32_t number, int64_t born_ms)
{
    if (f->due_at_ms > 0)
        return f->due_at_ms;
    /* spread evenly, neighbours far apart */
    uint64_t place = number * UINT64_C(2654435761) & UINT32_MAX;
    return born_ms + f->due_after_ms + (int64_t)((place * (uint64_t)f->due_span_ms) >> 32);
}

void send_frame_stamp(const struct send_frame *f, uint8_t *copy, uint32_t sender, uint32_t number,
                      int64_t born_ms)
{
    assert(number < SEND_NUMBER_COUNT);
    if (f->type == SERIALIZE_BINARY)
        put_be32(copy + f->opaque_at, OPAQUE_BASE + number);
    else
        put_digits(copy + f->opaque_at, OPAQUE_DIGITS, OPAQUE_BASE + number);
    put_digits(copy + f->born_at, BORN_DIGITS, (uint64_t)born_ms);
    put_hex(copy + f->uniq_key_at + 3 * UNIQ_KEY_PART_DIGITS, number);
    if (f->due_at > 0)
        put_digits(copy + f->due_at, BORN_DIGITS, (uint64_t)due_ms_of(f, number, born_ms));
    if (f->topic_count > 0) /* a topic's queues in turn, then the next topic */
        put_digits(copy + f->topic_at, TOPIC_DIGITS,
                   (first_topic(f, sender) + number / (uint32_t)f->queue_count) %
                       (uint32_t)f->topic_count);
}

bool send_frame_number(const struct send_frame *f, struct slice uniq_key, uint32_t *number)
{
    enum { OURS_DIGITS = 2 * UNIQ_KEY_PART_DIGITS };
    if (uniq_key.len != UNIQ_KEY_DIGITS ||
        memcmp(uniq_key.data, f->data + f->uniq_key_at, OURS_DIGITS) != 0)
        return false;
    *number = 0;
    for (size_t i = 3 * UNIQ_KEY_PART_DIGITS; i < UNIQ_KEY_DIGITS; i++) {
        uint8_t digit = uniq_key.data[i];
        if ((digit < '0' || digit > '9') && (digit < 'A' || digit > 'F'))
            return false;
        *number = *number << 4 | (uint32_t)(digit <= '9' ? digit - '0' : digit - 'A' + 10);
    }
    return true;
}

/* ---- answers -------------------------------------------------------------------------------- */

/* The integer behind `key`, which is a quoted name and its colon; false when there is none.
 *
 * This looks for the name instead of walking the header, at a tenth of the cost. It is safe: a
 * quote inside a text is escaped, so these bytes can only be a name; and a name of an ext field has
 * a text behind it, not a number. */
static bool find_integer(struct slice header, struct slice key, int64_t *value)
{
    const uint8_t *at;
    while ((at = memmem(header.data, header.len, key.data, key.len)) != NULL) {
        const uint8_t *end = header.data + header.len, *p = at + key.len;
        header = slice_of(p, (size_t)(end - p));
        while (p < end && *p == ' ')
            p++;
        bool negative = p < end && *p == '-';
        p += negative;
        if (p == end || *p < '0' || *p > '9')
            continue;
        int64_t number = 0;
        for (; p < end && *p >= '0' && *p <= '9' && number < INT32_MAX; p++)
            number = number * 10 + (*p - '0');
        *value = negative ? -number : number;
        return true;
    }
    return false;
}

/* An absent code is 0. */
static int read_json(struct slice header, int64_t *code, int64_t *opaque)
{
    if (!find_integer(header, SLICE("\"code\":"), code))
        *code = 0;
    return find_integer(header, SLICE("\"opaque\":"), opaque) ? 0 : ERR_CORRUPT;
}

int answer_read(const struct frame *frame, struct answer *answer)
{
    int64_t code = 0, opaque = 0;
    if (frame->type == SERIALIZE_JSON) {
        int err = read_json(frame->header, &code, &opaque);
        if (err != 0)
            return err;
    } else {
        if (frame->header.len < BINARY_LEAST_BYTES)
            return ERR_CORRUPT;
        code = (int16_t)get_be16(frame->header.data + BINARY_CODE_AT);
        opaque = (int32_t)get_be32(frame->header.data + BINARY_OPAQUE_AT);
    }
    int64_t number = opaque - OPAQUE_BASE;
    bool ours = number >= 0 && number < SEND_NUMBER_COUNT;
    *answer = (struct answer){ ours ? (uint32_t)number : SEND_NUMBER_COUNT, (int32_t)code };
    return 0;
}
