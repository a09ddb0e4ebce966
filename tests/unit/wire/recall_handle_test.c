#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/recall_handle.h"

static int setup(void **state)
{
    static struct arena arena;
    arena_init(&arena);
    *state = &arena;
    return 0;
}

static int teardown(void **state)
{
    arena_fini(*state);
    return 0;
}

/* "v1 t broker-a 1700000000001 KEY", by another program. */
#define KNOWN "djEgdCBicm9rZXItYSAxNzAwMDAwMDAwMDAxIEtFWQ=="

static void a_handle_is_what_other_programs_make(void **state)
{
    const struct recall_handle handle = { SLICE("t"), SLICE("broker-a"), SLICE("1700000000001"),
                                          SLICE("KEY") };
    assert_true(slice_eq(recall_handle_encode(&handle, *state), SLICE(KNOWN)));
}

static void a_handle_comes_back_as_it_was(void **state)
{
    static const char *const keys[] = { "K", "KE", "KEY", "KEY?", "\xfb\xff\xfe" };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct recall_handle got;
        const struct recall_handle handle = { SLICE("topic"), SLICE("b"), SLICE("12"),
                                              slice_str(keys[i]) };
        struct slice text = recall_handle_encode(&handle, *state);
        assert_int_equal(recall_handle_decode(text, *state, &got), 0);
        assert_true(slice_eq(got.topic, handle.topic));
        assert_true(slice_eq(got.broker_name, handle.broker_name));
        assert_true(slice_eq(got.deliver_ms, handle.deliver_ms));
        assert_true(slice_eq(got.uniq_key, handle.uniq_key));
    }
    struct recall_handle got;
    assert_int_equal(recall_handle_decode(SLICE("djEgdCBiIDEgSw"), *state, &got), 0);
    assert_true(slice_eq(got.uniq_key, SLICE("K")));
}

static void what_is_no_handle_is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "=",
        "====",
        "d",
        "djEgdCBiIDEgSw=",      /* padding that is not whole */
        "djEgdCBiIDEgSw*=",     /* no digit */
        "djEgdCBicm9rZXIgMQ==", /* v1 t broker 1 */
        "djIgdCBiIDEgSw==",     /* v2 t b 1 K */
        "djEgdCAgMSBL",         /* v1 t  1 K */
    };
    struct recall_handle got;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(recall_handle_decode(slice_str(rows[i]), *state, &got), ERR_CORRUPT);
    static uint8_t long_text[RECALL_HANDLE_TEXT_MAX + 4];
    memset(long_text, 'A', sizeof long_text);
    assert_int_equal(recall_handle_decode(slice_of(long_text, sizeof long_text), *state, &got),
                     ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_handle_is_what_other_programs_make, setup, teardown),
        cmocka_unit_test_setup_teardown(a_handle_comes_back_as_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_handle_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
