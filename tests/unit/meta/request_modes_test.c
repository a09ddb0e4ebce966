#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "meta/meta.h"
#include "meta/table_dir.h"

static struct request_mode_setting setting(const char *topic, const char *group,
                                           enum request_mode mode)
{
    return (struct request_mode_setting){ slice_str(topic), slice_str(group), mode, 2 };
}

/* Goal: what is set is found, replaced by a later setting of the same pair, and found again in the
 * file. */
static void settings_are_found_again(void **state)
{
    struct request_modes *modes;
    assert_int_equal(request_modes_open(*state, &modes), 0);
    const char *const topics[] = { "b", "a", "c", "aa" };
    for (int i = 0; i < 4; i++) {
        struct request_mode_setting s = setting(topics[i], "g", REQUEST_MODE_POP);
        assert_int_equal(request_modes_put(modes, &s), 0);
    }
    struct request_mode_setting again = setting("a", "g", REQUEST_MODE_PULL);
    assert_int_equal(request_modes_put(modes, &again), 0);
    assert_int_equal(request_modes_all(modes).count, 4);
    assert_null(request_modes_get(modes, SLICE("a"), SLICE("h")));
    assert_true(request_modes_changed(modes));

    struct buf text = BUF_INIT;
    request_modes_text(modes, &text);
    assert_false(request_modes_changed(modes));
    table_dir_save(*state, &text);
    request_modes_free(modes);

    assert_int_equal(request_modes_open(*state, &modes), 0);
    assert_int_equal(request_modes_all(modes).count, 4);
    assert_int_equal(request_modes_get(modes, SLICE("a"), SLICE("g"))->mode, REQUEST_MODE_PULL);
    assert_int_equal(request_modes_get(modes, SLICE("aa"), SLICE("g"))->mode, REQUEST_MODE_POP);
    assert_int_equal(request_modes_get(modes, SLICE("c"), SLICE("g"))->pop_share_queue_num, 2);
    request_modes_free(modes);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(
        settings_are_found_again, table_dir_make, table_dir_remove) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
