#include "wire/body_batch_ack.h"

static int digit_of(uint8_t c)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c == '\0' ? NULL : strchr(alphabet, c);
    return found == NULL ? -1 : (int)(found - alphabet);
}

/* Empty when the text is no base64. */
static struct slice base64_decode(struct slice text, struct arena *arena)
{
    uint8_t *bytes = arena_alloc(arena, text.len / 4 * 3 + 3);
    size_t len = 0;
    uint32_t word = 0;
    int bits = 0;
    while (text.len > 0 && text.data[text.len - 1] == '=')
        text.len--;
    for (size_t i = 0; i < text.len; i++) {
        int digit = digit_of(text.data[i]);
        if (digit < 0)
            return slice_of(NULL, 0);
        word = word << 6 | (uint32_t)digit;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes[len++] = (uint8_t)(word >> bits);
        }
    }
    return slice_of(bytes, len);
}

/* A member by its short or its long name. */
static json_t *member(const json_t *json, const char *name, const char *long_name)
{
    json_t *found = json_get(json, name);
    return found != NULL ? found : json_get(json, long_name);
}

static int64_t number(const json_t *json, const char *name, const char *long_name)
{
    return json_get_i64(json, name, json_get_i64(json, long_name, -1));
}

static int32_t number32(const json_t *json, const char *name, const char *long_name)
{
    return json_get_i32(json, name, json_get_i32(json, long_name, -1));
}

static struct batch_ack ack_from_json(const json_t *json, struct arena *arena)
{
    struct slice origin = json_text_in(member(json, "r", "retry"), arena);
    struct batch_ack ack = {
        .group = json_text_in(member(json, "c", "consumerGroup"), arena),
        .topic = json_text_in(member(json, "t", "topic"), arena),
        .start_offset = number(json, "so", "startOffset"),
        .queue_id = number32(json, "q", "queueId"),
        .revive_queue_id = number32(json, "rq", "reviveQueueId"),
        .pop_time_ms = number(json, "pt", "popTime"),
        .invisible_ms = number(json, "it", "invisibleTime"),
        .bits = base64_decode(json_text_in(member(json, "b", "bitSet"), arena), arena),
    };
    ack.has_origin = origin.len == 1 && origin.data[0] >= '0' && origin.data[0] <= '2';
    if (ack.has_origin)
        ack.origin = (enum pop_origin)(origin.data[0] - '0');
    return ack;
}

/* Each ack is an object of nine members; the rest of the body is small. */
enum { VALUES_PER_ACK = 19, VALUES_BESIDE = 64 };

int batch_ack_request_decode(struct slice body, struct arena *arena,
                             struct batch_ack_request *request)
{
    json_t *json = json_read_most(body, BATCH_ACKS_MAX * VALUES_PER_ACK + VALUES_BESIDE);
    int err = json_is_object(json) ? 0 : ERR_CORRUPT;
    if (err == 0) {
        json_t *array = json_get(json, "acks");
        struct batch_ack *acks = json_alloc_elements(array, sizeof *acks, arena);
        size_t i;
        json_t *element;
        *request =
            (struct batch_ack_request){ .broker_name = json_copy_str(json, "brokerName", arena),
                                        .acks = acks };
        json_array_foreach(array, i, element)
            if (json_is_object(element))
                acks[request->count++] = ack_from_json(element, arena);
    }
    json_decref(json);
    return err;
}

int64_t batch_ack_next_bit(struct slice bits, int64_t at)
{
    for (uint64_t i = (uint64_t)at; i / 8 < bits.len; i++)
        if (bits.data[i / 8] >> (i % 8) & 1)
            return (int64_t)i;
    return -1;
}
