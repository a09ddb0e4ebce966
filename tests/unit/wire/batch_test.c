#include "wire/exact.h"
#include "wire/batch.h"

static const uint8_t two_items[] = {
    0, 0, 0, 29, 0,   0,   0,   0, 0, 0,   0, 0,   0, 0, 0, 5, /* total, magic, crc, flag */
    0, 0, 0, 3,  'o', 'n', 'e', 0, 4, 'K', 1, 'v', 2,          /* body, properties */
    0, 0, 0, 25, 0,   0,   0,   0, 0, 0,   0, 0,   0, 0, 0, 0, /* the second item */
    0, 0, 0, 3,  't', 'w', 'o', 0, 0,
};
enum { FIRST_BYTES = 29 };

/* Goal: items come back in order with all they carry. */
static void items_are_walked_in_order(void **state)
{
    (void)state;
    struct slice rest = slice_of(two_items, sizeof two_items);
    struct batch_item item;
    int count;
    assert_int_equal(batch_count(rest, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(batch_next(&rest, &item), 0);
    assert_int_equal(item.flag, 5);
    assert_text(item.body, "one");
    assert_text(item.properties, "K\1v\2");
    assert_int_equal(batch_next(&rest, &item), 0);
    assert_text(item.body, "two");
    assert_int_equal(item.properties.len, 0);
    assert_int_equal(rest.len, 0);
}

/* Goal: a cut batch is refused, but for the cut between its items; nothing is read past the end. */
static void every_other_prefix_is_refused(void **state)
{
    (void)state;
    int count = 0;
    for (size_t len = 0; len < sizeof two_items; len++) {
        struct slice cut = exact_copy(two_items, len);
        assert_int_equal(batch_count(cut, &count), len == FIRST_BYTES ? 0 : ERR_CORRUPT);
        exact_free(cut);
    }
}

/* Goal: lengths that contradict the item's own are refused.
 * Method: overwrite total, body length and property length. */
static void bad_lengths_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint32_t value;
    } damages[] = { { 0, 0 },  { 0, 21 }, { 0, 0x80000000u }, { 16, 0xFFFFFFFFu },
                    { 16, 2 }, { 16, 4 }, { 0, 0x7FFFFFFF } };
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        uint8_t body[sizeof two_items];
        int count;
        memcpy(body, two_items, sizeof body);
        put_be32(body + damages[i].at, damages[i].value);
        assert_int_equal(batch_count(slice_of(body, sizeof body), &count), ERR_CORRUPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_are_walked_in_order),
        cmocka_unit_test(every_other_prefix_is_refused),
        cmocka_unit_test(bad_lengths_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
