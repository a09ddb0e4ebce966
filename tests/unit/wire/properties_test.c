#include <stdio.h>

#include "wire/exact.h"
#include "wire/properties.h"

/* Goal: the text is split as the reference splits it.
 * Method: pairs, a missing last separator, an empty name, an empty value, no separator, a second
 * 0x01 in a value, a name twice. */
static void pairs_are_read_by_the_rules(void **state)
{
    (void)state;
    struct slice text = SLICE("A\1one\2\1x\2B\1\2none\2C\1a\1b\2A\1two");
    assert_text(property_get(text, SLICE("A")), "two");
    assert_null(property_get(text, SLICE("B")).data);
    assert_text(property_get(text, SLICE("C")), "a\1b");
    assert_null(property_get(text, SLICE("none")).data);

    const struct slice names[] = { SLICE("none"), SLICE("C"), SLICE("A") };
    struct slice values[3] = { SLICE("?"), SLICE("?"), SLICE("?") };
    properties_find(text, names, 3, values);
    assert_null(values[0].data);
    assert_text(values[1], "a\1b");
    assert_text(values[2], "two");

    struct slice name;
    struct slice value;
    int count = 0;
    while (property_next(&text, &name, &value))
        count++;
    assert_int_equal(count, 3);
    assert_null(property_get(SLICE(""), SLICE("A")).data);
}

/* Goal: pairs are found whatever their length, and a name that begins as another is another.
 * Method: names and values of every length up to two words of sixteen bytes, one after the other in
 * memory of just their length. */
static void pairs_of_every_length_are_found(void **state)
{
    (void)state;
    for (size_t name_len = 1; name_len <= 33; name_len++)
        for (size_t value_len = 1; value_len <= 33; value_len++) {
            char bytes[2 * 34 + 34 + 8];
            char name[33];
            memset(name, 'n', sizeof name);
            int len = snprintf(bytes, sizeof bytes, "%.*sx\1no\2%.*s\1%*s\2", (int)name_len, name,
                               (int)name_len, name, (int)value_len, "v");
            struct slice text = exact_copy(bytes, (size_t)len);
            struct slice found = property_get(text, slice_of(name, name_len));
            assert_int_equal(found.len, value_len);
            assert_int_equal(found.data[value_len - 1], 'v');
            struct slice rest = text, at_name, value;
            assert_true(property_next(&rest, &at_name, &value));
            assert_int_equal(at_name.len, name_len + 1);
            assert_true(property_next(&rest, &at_name, &value));
            assert_int_equal(at_name.len, name_len);
            assert_int_equal(value.len, value_len);
            assert_false(property_next(&rest, &at_name, &value));
            exact_free(text);
        }
}

/* Goal: an edit sets, replaces and removes, and leaves the rest byte for byte. */
static void an_edit_changes_what_it_names(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    const struct property_change changes[] = { { SLICE("A"), SLICE("new") },
                                               { SLICE("B"), { NULL, 0 } },
                                               { SLICE("D"), SLICE("d") } };
    assert_text(properties_edit(SLICE("A\1old\2B\1b\2C\1c\2A\1older"), changes, 3, &arena),
                "C\1c\2A\1new\2D\1d\2");
    assert_text(properties_edit(SLICE("C\1c"), changes + 1, 1, &arena), "C\1c\2");
    assert_int_equal(properties_edit(SLICE("B\1b\2"), changes + 1, 1, &arena).len, 0);
    assert_int_equal(properties_edit(SLICE(""), NULL, 0, &arena).len, 0);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_are_read_by_the_rules),
        cmocka_unit_test(pairs_of_every_length_are_found),
        cmocka_unit_test(an_edit_changes_what_it_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
