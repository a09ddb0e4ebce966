#include "wire/exact.h"
#include "wire/batch.h"

static void two_items(struct buf *out)
{
    batch_append(out, &(struct batch_item){
                          .flag = 5, .body = SLICE("one"), .properties = SLICE("K\1v\2") });
    batch_append(out, &(struct batch_item){ .body = SLICE("two") });
}

/* Goal: items come back in order with all they carry. */
static void items_are_walked_in_order(void **state)
{
    (void)state;
    struct buf body = BUF_INIT;
    struct batch_item item;
    int count;
    two_items(&body);
    assert_int_equal(batch_count(buf_slice(&body), &count), 0);
    assert_int_equal(count, 2);
    struct slice rest = buf_slice(&body);
    assert_int_equal(batch_next(&rest, &item), 0);
    assert_int_equal(item.flag, 5);
    assert_text(item.body, "one");
    assert_text(item.properties, "K\1v\2");
    assert_int_equal(batch_next(&rest, &item), 0);
    assert_text(item.body, "two");
    assert_int_equal(item.properties.len, 0);
    assert_int_equal(rest.len, 0);
    buf_fini(&body);
}

/* Goal: a cut batch is refused, but for the cut between its items; nothing is read past the end. */
static void every_other_prefix_is_refused(void **state)
{
    (void)state;
    struct buf body = BUF_INIT;
    int count = 0;
    two_items(&body);
    size_t first_bytes = get_be32(body.data);
    for (size_t len = 0; len < body.len; len++) {
        struct slice cut = exact_copy(body.data, len);
        assert_int_equal(batch_count(cut, &count), len == first_bytes ? 0 : ERR_CORRUPT);
        exact_free(cut);
    }
    buf_fini(&body);
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
        struct buf body = BUF_INIT;
        int count;
        two_items(&body);
        put_be32(body.data + damages[i].at, damages[i].value);
        assert_int_equal(batch_count(buf_slice(&body), &count), ERR_CORRUPT);
        buf_fini(&body);
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
