#include "wire/exact.h"
#include "wire/req_admin.h"
#include "wire/req_offset.h"
#include "wire/req_pull.h"
#include "wire/req_send.h"

static int set_up(void **state)
{
    static struct arena arena;
    arena_init(&arena);
    *state = &arena;
    return 0;
}

static int tear_down(void **state)
{
    arena_fini(*state);
    return 0;
}

static struct send_request a_send(void)
{
    return (struct send_request){
        .producer_group = SLICE("p1"),
        .topic = SLICE("shop"),
        .default_topic = SLICE("TBW102"),
        .default_topic_queue_nums = 4,
        .queue_id = -1,
        .born_timestamp = INT64_MIN,
        .properties = SLICE("KEYS\1k\2"),
        .max_reconsume_times = -1,
        .batch = true,
    };
}

/* Goal: a struct goes through ext fields and back, with long names and with letters. */
static void a_send_survives_both_namings(void **state)
{
    for (int names = FIELD_LONG_NAMES; names <= FIELD_LETTERS; names++) {
        struct send_request sent = a_send();
        struct send_request got;
        struct header h = { .code = 0 };
        h.ext = fields_encode(&send_request_fields, (enum field_names)names, &sent, *state,
                              &h.ext_count);
        const char *letter_or_name = names == FIELD_LETTERS ? "b" : "topic";
        assert_text(header_ext(&h, slice_str(letter_or_name)), "shop");
        assert_int_equal(
            fields_decode(&send_request_fields, (enum field_names)names, &h, &got, NULL), 0);
        assert_text(got.topic, "shop");
        assert_text(got.properties, "KEYS\1k\2");
        assert_int_equal(got.queue_id, -1);
        assert_true(got.born_timestamp == INT64_MIN);
        assert_int_equal(got.max_reconsume_times, -1);
        assert_true(got.batch);
        assert_null(got.broker_name.data);
    }
}

/* Goal: letters with long names are a request without a topic, as in the reference.
 * Method: encode with one naming, decode with the other. */
static void the_other_naming_misses_its_fields(void **state)
{
    struct send_request sent = a_send();
    struct send_request got;
    struct header h = { .code = 0 };
    const char *missing = NULL;
    h.ext = fields_encode(&send_request_fields, FIELD_LONG_NAMES, &sent, *state, &h.ext_count);
    assert_int_equal(fields_decode(&send_request_fields, FIELD_LETTERS, &h, &got, &missing),
                     ERR_INVALID);
    assert_string_equal(missing, "a");
}

/* Goal: text that is no number counts as absent; absent fields take their fallback. */
static void what_is_no_number_is_absent(void **state)
{
    (void)state;
    const struct ext_field ext[] = { { SLICE("consumerGroup"), SLICE("g") },
                                     { SLICE("topic"), SLICE("t") },
                                     { SLICE("queueId"), SLICE("1x") },
                                     { SLICE("commitOffset"), SLICE("9223372036854775808") } };
    const struct header h = { .ext = ext, .ext_count = 4 };
    struct update_consumer_offset_request update;
    assert_int_equal(
        fields_decode(&update_consumer_offset_request_fields, FIELD_LONG_NAMES, &h, &update, NULL),
        0);
    assert_int_equal(update.queue_id, QUEUE_ID_ABSENT);
    assert_true(update.commit_offset == OFFSET_ABSENT);

    struct query_consumer_offset_request query;
    const char *missing = NULL;
    assert_int_equal(fields_decode(&query_consumer_offset_request_fields, FIELD_LONG_NAMES, &h,
                                   &query, &missing),
                     ERR_INVALID);
    assert_string_equal(missing, "queueId");
    assert_true(query.set_zero_if_not_found);
}

/* Goal: of optional numbers only those that say something are written, mandatory ones always. */
static void fallbacks_are_left_out(void **state)
{
    const struct pull_response response = { .next_begin_offset = 0 };
    const struct exchange_ha_info known = { .master_flush_offset = 0 };
    const struct exchange_ha_info unknown = { .master_flush_offset = -1 };
    int count;
    fields_encode(&pull_response_fields, FIELD_LONG_NAMES, &response, *state, &count);
    assert_int_equal(count, 6);
    const struct ext_field *ext =
        fields_encode(&exchange_ha_info_fields, FIELD_LONG_NAMES, &known, *state, &count);
    assert_int_equal(count, 1);
    assert_text(ext[0].key, "masterFlushOffset");
    assert_text(ext[0].value, "0");
    fields_encode(&exchange_ha_info_fields, FIELD_LONG_NAMES, &unknown, *state, &count);
    assert_int_equal(count, 0);
}

/* Goal: a struct that a header is given with its table stands in the frame as if it had been made
 * ext fields before, behind those there are.
 * Method: numbers of every length and sign, text with and without what is escaped, absent members.
 */
static void values_of_a_header_are_ext_fields(void **state)
{
    char text[3000];
    memset(text, '"', sizeof text);
    for (int i = 0; i < 60; i++) {
        const int64_t number = i < 40 ? (INT64_C(1) << i) - 1 : -(INT64_C(7) << i);
        const struct send_response values = {
            .msg_id = slice_of(text, (size_t)i * 50),
            .queue_id = (int32_t)number,
            .queue_offset = i == 59 ? INT64_MIN : number,
            .msg_region = i % 3 == 0   ? SLICE("")
                          : i % 3 == 1 ? SLICE("a\1b")
                                       : SLICE("plain"),
        };
        struct ext_field ext[16] = { { SLICE("first"), SLICE("1") } };
        struct header typed = { .ext = ext, .ext_count = i % 2, .has_ext = true };
        struct header made = typed;
        int count;
        const struct ext_field *encoded =
            fields_encode(&send_response_fields, FIELD_LONG_NAMES, &values, *state, &count);
        memcpy(ext + made.ext_count, encoded, (size_t)count * sizeof *encoded);
        made.ext_count += count;
        typed.fields = &send_response_fields;
        typed.values = &values;
        for (int type = SERIALIZE_JSON; type <= SERIALIZE_BINARY; type++)
            assert_true(slice_eq(header_encode((enum serialize_type)type, &typed, 0, *state),
                                 header_encode((enum serialize_type)type, &made, 0, *state)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_send_survives_both_namings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_other_naming_misses_its_fields, set_up, tear_down),
        cmocka_unit_test(what_is_no_number_is_absent),
        cmocka_unit_test_setup_teardown(fallbacks_are_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(values_of_a_header_are_ext_fields, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
