#include "wire/bodies.h"
#include "wire/body_slow_requests.h"

/* Goal: what a broker tells comes back as it was written; counters that were not read are left out.
 */
static void slow_requests_come_back(void **state)
{
    static const char text[] =
        "{\"thresholdMicros\":1000,\"stages\":[{\"name\":\"append\",\"count\":80,\"p50Nanos\":200,"
        "\"p99Nanos\":300,\"p999Nanos\":9000,\"maxNanos\":70000}],\"slow\":[{\"timestamp\":17,"
        "\"code\":310,\"requests\":2,\"peer\":\"127.0.0.1:5\",\"totalMicros\":1500,"
        "\"stageMicros\":{\"wait\":20,\"append\":1480},\"kernel\":{\"majorFaults\":3}},"
        "{\"timestamp\":16,\"code\":11,\"requests\":1,\"peer\":\"[::1]:6\",\"totalMicros\":1001,"
        "\"stageMicros\":{}}]}";
    struct slow_requests body;
    struct buf out = BUF_INIT;
    assert_int_equal(slow_requests_decode(slice_str(text), *state, &body), 0);
    assert_int_equal(body.threshold_us, 1000);
    assert_int_equal(body.stages[0].p99_9_ns, 9000);
    assert_int_equal(body.slow_count, 2);
    assert_text(body.slow[0].kernel[0].name, "majorFaults");
    assert_int_equal(body.slow[1].kernel_count, 0);
    slow_requests_encode(&body, &out);
    assert_buf(&out, text);
    ASSERT_PREFIXES_REFUSED(text, *state, slow_requests_decode, &body);
}

int main(void)
{
    const struct CMUnitTest tests[] = { BODY_TEST(slow_requests_come_back) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
