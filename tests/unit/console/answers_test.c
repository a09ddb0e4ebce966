#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "console/answers.h"

static void assert_answer(struct buf *out, const char *expected)
{
    buf_append_u8(out, 0);
    assert_string_equal((const char *)out->data, expected);
    buf_fini(out);
}

/* Goal: masters and slaves of all clusters, in order; only such as are listed are found. */
static void brokers_are_listed_in_order(void **state)
{
    const struct broker_addr of_b[] = { { 1, SLICE("10.0.0.3:1") }, { 0, SLICE("10.0.0.2:1") } };
    const struct broker_addr of_a[] = { { 0, SLICE("10.0.0.1:1") } };
    const struct broker_data groups[] = {
        { .cluster = SLICE("two"), .broker_name = SLICE("a"), .addrs = of_a, .addr_count = 1 },
        { .cluster = SLICE("one"), .broker_name = SLICE("b"), .addrs = of_b, .addr_count = 2 },
        { .cluster = SLICE("one"), .broker_name = SLICE("empty") },
    };
    const struct cluster_info info = { .brokers = groups, .broker_count = 3 };
    struct arena arena;
    struct buf out = BUF_INIT;
    int count;
    (void)state;
    arena_init(&arena);
    const struct broker_place *places = broker_places(&info, &arena, &count);
    assert_int_equal(count, 3);
    assert_ptr_equal(broker_places_find(places, count, SLICE("b"), 1), &places[1]);
    assert_null(broker_places_find(places, count, SLICE("b"), 2));
    assert_null(broker_places_find(places, count, SLICE("empty"), 0));
    answer_brokers(places, count, &out);
    assert_answer(&out,
                  "[{\"cluster\":\"one\",\"name\":\"b\",\"id\":0,\"address\":\"10.0.0.2:1\"},"
                  "{\"cluster\":\"one\",\"name\":\"b\",\"id\":1,\"address\":\"10.0.0.3:1\"},"
                  "{\"cluster\":\"two\",\"name\":\"a\",\"id\":0,\"address\":\"10.0.0.1:1\"}]");
    answer_brokers(NULL, 0, &out);
    assert_answer(&out, "[]");
    arena_fini(&arena);
}

/* Goal: everything a broker tells is in the answer, under names with units; what cannot be in a
 * text of JSON as it stands is escaped. */
static void slow_requests_are_told_whole(void **state)
{
    const struct broker_place place = { SLICE("c"), SLICE("\"</script>\n\xc3\xbc\xff"), 7,
                                        SLICE("h:1") };
    const struct stage_summary stages[] = { { SLICE("append"), 80, 200, 300, 9000, 70000 } };
    const struct named_number took[] = { { SLICE("10"), 20 }, { SLICE("append"), 1480 } };
    const struct named_number kernel[] = { { SLICE("majorFaults"), 3 } };
    const struct slow_request_entry slow[] = {
        { 1795795476000, 310, 2, SLICE("[::1]:6"), 1500, took, 2, kernel, 1 },
        { -1, 99999, 0, SLICE(""), INT64_MAX, NULL, 0, NULL, 0 },
    };
    const struct slow_requests body = { 1000, stages, 1, slow, 2 };
    struct buf out = BUF_INIT;
    (void)state;
    answer_slow(&place, &body, &out);
    assert_answer(
        &out,
        "{\"broker\":{\"cluster\":\"c\",\"name\":\"\\\"</script>\\n\\u00FC\\uFFFD\",\"id\":7,"
        "\"address\":\"h:1\"},\"thresholdMicros\":1000,\"stages\":[{\"name\":\"append\","
        "\"count\":80,\"p50Nanos\":200,\"p99Nanos\":300,\"p999Nanos\":9000,\"maxNanos\":70000}],"
        "\"requests\":[{\"atMillis\":1795795476000,\"request\":\"SEND_MESSAGE_V2\",\"code\":310,"
        "\"peer\":\"[::1]:6\",\"requestsInPass\":2,\"totalMicros\":1500,"
        "\"stages\":[{\"name\":\"10\",\"micros\":20},{\"name\":\"append\",\"micros\":1480}],"
        "\"kernel\":[{\"name\":\"majorFaults\",\"value\":3}]},"
        "{\"atMillis\":-1,\"request\":\"unknown\",\"code\":99999,\"peer\":\"\","
        "\"requestsInPass\":0,\"totalMicros\":9223372036854775807,\"stages\":[],\"kernel\":[]}]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brokers_are_listed_in_order),
        cmocka_unit_test(slow_requests_are_told_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
