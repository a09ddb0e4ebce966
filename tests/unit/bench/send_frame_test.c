#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "bench/send_frame.h"
#include "wire/codes.h"
#include "wire/header.h"
#include "wire/properties.h"

static const enum serialize_type types[] = { SERIALIZE_JSON, SERIALIZE_BINARY };

static struct send_frame make_frame(enum serialize_type type)
{
    const struct send_frame_options options = {
        .type = type, .topic = "bench-topic", .queue_count = 8, .body_bytes = 100
    };
    struct send_frame f;
    assert_int_equal(send_frame_init(&f, &options), 0);
    return f;
}

static void assert_ext(const struct header *header, const char *key, const char *value)
{
    struct slice got = header_ext(header, slice_str(key));
    assert_int_equal(got.len, strlen(value));
    assert_memory_equal(got.data, value, got.len);
}

/* Goal: a stamped copy is a whole, correct request whose length has not changed.
 * Method: stamp the extremes of every field, decode with the ordinary codec, in both forms. */
static void stamped_copy_is_a_request(void **state)
{
    (void)state;
    for (int t = 0; t < 2; t++) {
        struct send_frame f = make_frame(types[t]);
        uint8_t copy[1024];
        struct frame frame;
        struct header header;
        struct arena arena;
        size_t need;
        assert_true(f.bytes <= sizeof copy);
        send_frame_copy(&f, copy, 7, 0xABCDEF01);
        send_frame_stamp(&f, copy, 0xABCDEF01, SEND_NUMBER_COUNT - 1, INT64_C(1792888777666));
        assert_int_equal(frame_parse(slice_of(copy, f.bytes), &frame, &need), 0);
        assert_int_equal(frame.bytes, f.bytes);
        assert_int_equal(frame.body.len, 100);
        arena_init(&arena);
        assert_int_equal(header_decode(frame.type, frame.header, &arena, &header), 0);
        assert_int_equal(header.code, REQ_SEND_MESSAGE_V2);
        assert_int_equal(header.opaque, 1000000000 + SEND_NUMBER_COUNT - 1);
        assert_int_equal(header.flag, 0);
        assert_ext(&header, "b", "bench-topic");
        assert_ext(&header, "e", "7");
        assert_ext(&header, "g", "1792888777666");
        struct slice key = property_get(header_ext(&header, SLICE("i")), SLICE("UNIQ_KEY"));
        assert_int_equal(key.len, 32);
        assert_memory_equal(key.data + 16, "ABCDEF011FFFFFFF", 16);
        arena_fini(&arena);
        send_frame_fini(&f);
    }
}

static struct slice topic_of(const struct send_frame *f, uint32_t sender, uint32_t number,
                             uint8_t *copy, struct arena *arena, struct slice *key)
{
    struct frame frame;
    struct header header;
    size_t need;
    send_frame_copy(f, copy, (int)(number % 8), sender);
    send_frame_stamp(f, copy, sender, number, INT64_C(1792888777666));
    assert_int_equal(frame_parse(slice_of(copy, f->bytes), &frame, &need), 0);
    assert_int_equal(header_decode(frame.type, frame.header, arena, &header), 0);
    *key = property_get(header_ext(&header, SLICE("i")), SLICE("UNIQ_KEY"));
    return header_ext(&header, SLICE("b"));
}

/* Goal: a frame for several topics goes through all queues of one, then to the next; the number of
 * a message is read back from its unique key, and no other frame's key is taken for ours. */
static void topics_take_turns_and_keys_tell_the_number(void **state)
{
    (void)state;
    for (int t = 0; t < 2; t++) {
        const struct send_frame_options options = {
            .type = types[t], .topic = "many", .queue_count = 8, .topic_count = 300, .body_bytes = 9
        };
        struct send_frame f;
        struct arena arena;
        struct slice key;
        uint8_t copy[1024];
        uint32_t number = 0;
        assert_int_equal(send_frame_init(&f, &options), 0);
        arena_init(&arena);
        assert_true(slice_eq(topic_of(&f, 0, 7, copy, &arena, &key), SLICE("many_000000")));
        assert_true(slice_eq(topic_of(&f, 0, 8, copy, &arena, &key), SLICE("many_000001")));
        assert_true(slice_eq(topic_of(&f, 0, 8 * 300, copy, &arena, &key), SLICE("many_000000")));
        assert_true(
            slice_eq(topic_of(&f, 0, 8 * 299 + 5, copy, &arena, &key), SLICE("many_000299")));
        assert_true(send_frame_number(&f, key, &number));
        assert_int_equal(number, 8 * 299 + 5);
        assert_false(send_frame_number(&f, slice_of(key.data, 31), &number));
        assert_false(send_frame_number(&f, SLICE("7F000001BBBBBBBBCCCCCCCCDDDDDDDD"), &number));
        arena_fini(&arena);
        send_frame_fini(&f);
    }
}

/* Goal: senders who each go through a part of the topics come to all of them together.
 * Method: eight senders with a quarter of the topics each. */
static void senders_begin_apart(void **state)
{
    (void)state;
    enum { TOPICS = 300, SENDERS = 8 };
    const struct send_frame_options options = {
        .topic = "many", .queue_count = 8, .topic_count = TOPICS, .body_bytes = 9
    };
    struct send_frame f;
    struct arena arena;
    struct slice key;
    uint8_t copy[1024];
    bool seen[TOPICS] = { false };
    assert_int_equal(send_frame_init(&f, &options), 0);
    arena_init(&arena);
    for (uint32_t sender = 0; sender < SENDERS; sender++)
        for (uint32_t i = 0; i < TOPICS / 4; i++) {
            struct slice topic = topic_of(&f, sender, 8 * i, copy, &arena, &key);
            int64_t index;
            assert_true(slice_to_i64(slice_from(topic, strlen("many_")), &index));
            seen[index] = true;
            arena_reset(&arena);
        }
    for (int i = 0; i < TOPICS; i++)
        assert_true(seen[i]);
    arena_fini(&arena);
    send_frame_fini(&f);
}

/* Goal: the answer to a stamped request carries the request's number back, in both forms.
 * Method: encode answers as a broker would, read them. */
static void answer_gives_the_number_back(void **state)
{
    (void)state;
    for (int t = 0; t < 2; t++) {
        struct arena arena;
        struct frame frame;
        struct answer answer;
        size_t need;
        const struct ext_field ext[] = { { SLICE("msgId"), SLICE("7F00") },
                                         { SLICE("code"), SLICE("12") } };
        const struct header header = {
            .code = 14,
            .opaque = 1000000000 + 77,
            .flag = HEADER_RESPONSE,
            .ext = ext,
            .ext_count = 2,
            .has_ext = true,
            .remark = SLICE("says \"opaque\":5 and \"code\":6"),
        };
        arena_init(&arena);
        struct slice bytes = header_encode(types[t], &header, 0, &arena);
        assert_int_equal(frame_parse(bytes, &frame, &need), 0);
        assert_int_equal(answer_read(&frame, &answer), 0);
        assert_int_equal(answer.number, 77);
        assert_int_equal(answer.code, 14);
        arena_fini(&arena);
    }
}

static int read_text(const char *json, struct answer *answer)
{
    const struct frame frame = { .type = SERIALIZE_JSON, .header = slice_str(json) };
    return answer_read(&frame, answer);
}

/* Goal: other writers' JSON is read as well: blanks, another order, an absent code. */
static void answer_of_other_writers_is_read(void **state)
{
    (void)state;
    struct answer answer;
    assert_int_equal(
        read_text("{\"opaque\": 1000000003, \"extFields\":{\"code\":\"9\"},\"code\": 2}", &answer),
        0);
    assert_int_equal(answer.number, 3);
    assert_int_equal(answer.code, 2);
    assert_int_equal(read_text("{\"opaque\":1000000004}", &answer), 0);
    assert_int_equal(answer.code, 0);
    assert_int_equal(read_text("{\"code\":-1,\"opaque\":1000000004}", &answer), 0);
    assert_int_equal(answer.code, -1);
}

/* Goal: what is not an answer to one of our messages is told apart from what is. */
static void strangers_are_told_apart(void **state)
{
    (void)state;
    struct answer answer;
    assert_int_equal(read_text("{\"code\":0,\"opaque\":12}", &answer), 0);
    assert_int_equal(answer.number, SEND_NUMBER_COUNT);
    assert_int_equal(read_text("{\"code\":0,\"opaque\":99999999999999999999}", &answer), 0);
    assert_int_equal(answer.number, SEND_NUMBER_COUNT);
    assert_int_equal(read_text("{\"code\":0}", &answer), ERR_CORRUPT);
    assert_int_equal(read_text("{\"code\":0,\"opaque\":", &answer), ERR_CORRUPT);
    assert_int_equal(read_text("", &answer), ERR_CORRUPT);
    const struct frame cut = { .type = SERIALIZE_BINARY, .header = SLICE("12345678") };
    assert_int_equal(answer_read(&cut, &answer), ERR_CORRUPT);
}

static void body_beyond_a_frame_is_refused(void **state)
{
    (void)state;
    struct send_frame f;
    const struct send_frame_options options = {
        .type = SERIALIZE_JSON, .topic = "t", .queue_count = 1, .body_bytes = FRAME_MAX_BYTES - 10
    };
    assert_int_equal(send_frame_init(&f, &options), ERR_TOO_BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stamped_copy_is_a_request),
        cmocka_unit_test(topics_take_turns_and_keys_tell_the_number),
        cmocka_unit_test(senders_begin_apart),
        cmocka_unit_test(answer_gives_the_number_back),
        cmocka_unit_test(answer_of_other_writers_is_read),
        cmocka_unit_test(strangers_are_told_apart),
        cmocka_unit_test(body_beyond_a_frame_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
