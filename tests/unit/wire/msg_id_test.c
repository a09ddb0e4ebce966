#include "wire/exact.h"
#include "wire/msg_id.h"

/* Goal: the broker's id is the hex of address, port and offset, and is read back.
 * Method: one of each address family, against text made by hand. */
static void an_id_is_hex_of_its_place(void **state)
{
    (void)state;
    const struct host v4 = { .address = { 10, 1, 1, 7 }, .port = 10911 };
    struct host v6 = { .address = { 0x20, 1 }, .is_v6 = true, .port = 10911 };
    v6.address[15] = 1;
    char text[MSG_ID_TEXT_MAX];
    struct host host;
    int64_t phy_offset;

    size_t len = msg_id_encode(&v4, 0x1234, text);
    assert_text(slice_of(text, len), "0A01010700002A9F0000000000001234");
    assert_int_equal(msg_id_decode(slice_of(text, len), &host, &phy_offset), 0);
    assert_memory_equal(&host, &v4, sizeof host);
    assert_int_equal(phy_offset, 0x1234);
    assert_int_equal(msg_id_decode(SLICE("0a01010700002a9f0000000000001234"), &host, &phy_offset),
                     0);

    len = msg_id_encode(&v6, 1, text);
    assert_text(slice_of(text, len), "2001000000000000000000000000000100002A9F0000000000000001");
    assert_int_equal(msg_id_decode(slice_of(text, len), &host, &phy_offset), 0);
    assert_true(host.is_v6);
}

/* Goal: other texts are refused. */
static void other_texts_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = { "", "0A", "0A01010700002A9F000000000000123G",
                                         "0A01010700002A9F00000000000012345" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct host host;
        int64_t phy_offset;
        assert_int_equal(msg_id_decode(slice_str(wrong[i]), &host, &phy_offset), ERR_INVALID);
    }
}

/* Goal: a client's id has the field's layout, and no two are alike.
 * Method: fixed parts; time counted from the start of the month, also after the month changed. */
static void uniq_keys_differ(void **state)
{
    (void)state;
    const struct host self = { .address = { 10, 1, 1, 7 } };
    const int64_t july_end_ms = INT64_C(1754006400000) - 1; /* 2025-07-31 23:59:59.999 UTC */
    struct uniq_key_source source;
    char first[32];
    char second[32];
    uniq_key_init(&source, &self, 0x12345, 0xAABBCCDD);
    uniq_key_next(&source, july_end_ms, first);
    assert_text(slice_of(first, 32), "0A0101072345AABBCCDD9FA523FF0000");
    uniq_key_next(&source, july_end_ms + 1, second);
    assert_text(slice_of(second, 32), "0A0101072345AABBCCDD000000000001");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_hex_of_its_place),
        cmocka_unit_test(other_texts_are_refused),
        cmocka_unit_test(uniq_keys_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
