#include "wire/exact.h"
#include "wire/json.h"

static void write_sample(struct json_out *j)
{
    json_object_begin(j);
    json_member_i64(j, "counter", -7);
    json_key(j, SLICE("empty"));
    json_object_begin(j);
    json_object_end(j);
    json_key(j, SLICE("ids"));
    json_object_begin(j);
    json_key_i64(j, 0);
    json_str(j, SLICE("\xC3\xA9"));
    json_key_i64(j, 1);
    json_double(j, 0);
    json_object_end(j);
    json_key(j, SLICE("list"));
    json_array_begin(j);
    json_bool(j, true);
    json_raw(j, SLICE("{}"));
    json_array_end(j);
    json_member_str(j, "none", (struct slice){ NULL, 0 });
    json_object_end(j);
}

/* Goal: both styles are compact and differ in integer keys and characters only. */
static void styles_differ_in_keys_and_text(void **state)
{
    (void)state;
    struct buf out = BUF_INIT;
    struct json_out j = json_out_to(&out, JSON_DIALECT);
    write_sample(&j);
    assert_buf(&out, "{\"counter\":-7,\"empty\":{},\"ids\":{0:\"\xC3\xA9\",1:0.0},"
                     "\"list\":[true,{}]}");
    j = json_out_to(&out, JSON_STANDARD);
    write_sample(&j);
    assert_buf(&out, "{\"counter\":-7,\"empty\":{},\"ids\":{\"0\":\"\\u00E9\",\"1\":0.0},"
                     "\"list\":[true,{}]}");
}

/* Goal: the pretty form is that of the reference's tables: tabs, integer maps on one line. */
static void tables_are_pretty(void **state)
{
    (void)state;
    struct buf out = BUF_INIT;
    struct json_out j = json_out_to(&out, JSON_DIALECT);
    j.pretty = true;
    write_sample(&j);
    assert_buf(&out,
               "{\n\t\"counter\":-7,\n\t\"empty\":{},\n\t\"ids\":{0:\"\xC3\xA9\",1:0.0\n\t},\n"
               "\t\"list\":[\n\t\ttrue,\n\t\t{}\n\t]\n}");
}

/* Goal: an object may stand as a key. */
static void objects_are_keys(void **state)
{
    (void)state;
    struct buf out = BUF_INIT;
    struct json_out j = json_out_to(&out, JSON_DIALECT);
    json_object_begin(&j);
    for (int i = 0; i < 2; i++) {
        json_key_object_begin(&j);
        json_object_begin(&j);
        json_member_i64(&j, "queueId", i);
        json_object_end(&j);
        json_key_object_end(&j);
        json_i64(&j, 5);
    }
    json_object_end(&j);
    assert_buf(&out, "{{\"queueId\":0}:5,{\"queueId\":1}:5}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(styles_differ_in_keys_and_text),
        cmocka_unit_test(tables_are_pretty),
        cmocka_unit_test(objects_are_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
