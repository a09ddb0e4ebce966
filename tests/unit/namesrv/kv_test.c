#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "namesrv/kv.h"

static const char *put(struct kv *kv, const char *namespace, const char *key, const char *value)
{
    return kv_put(kv, slice_str(namespace), slice_str(key), slice_str(value));
}

static void assert_value(const struct kv *kv, const char *namespace, const char *key,
                         const char *value)
{
    struct slice got = kv_get(kv, slice_str(namespace), slice_str(key));
    assert_true(slice_eq(got, slice_str(value)));
}

static void assert_text(const struct kv *kv, const char *expected)
{
    struct buf text = BUF_INIT;
    kv_text(kv, &text);
    buf_append_u8(&text, '\0');
    assert_string_equal((const char *)text.data, expected);
    buf_fini(&text);
}

/* Goal: values are set, replaced and removed; a namespace outlives its last key. */
static void values_come_and_go(void **state)
{
    (void)state;
    struct kv kv;
    kv_init(&kv);
    assert_null(put(&kv, "ns", "k", "1"));
    assert_null(put(&kv, "ns", "k", "two"));
    assert_value(&kv, "ns", "k", "two");
    assert_int_equal(kv.entry_count, 1);
    assert_null(kv_get(&kv, SLICE("ns"), SLICE("other")).data);
    assert_null(kv_get(&kv, SLICE("other"), SLICE("k")).data);
    kv_remove(&kv, SLICE("ns"), SLICE("k"));
    kv_remove(&kv, SLICE("ns"), SLICE("k"));
    kv_remove(&kv, SLICE("other"), SLICE("k"));
    assert_int_equal(kv.entry_count, 0);
    assert_int_equal(kv.bytes, 0);
    assert_text(&kv, "{\"configTable\":{\"ns\":{}}}");
    kv_fini(&kv);
}

/* Goal: what the file could not give back is refused: the name server would not start again.
 * Method: U+0000 and a byte that is not UTF-8, in each of the three texts. */
static void what_is_no_text_is_refused(void **state)
{
    (void)state;
    const struct slice bad[] = { SLICE("a\0b"), SLICE("a\xFF") };
    struct kv kv;
    kv_init(&kv);
    for (int i = 0; i < 2; i++) {
        assert_non_null(kv_put(&kv, bad[i], SLICE("k"), SLICE("v")));
        assert_non_null(kv_put(&kv, SLICE("ns"), bad[i], SLICE("v")));
        assert_non_null(kv_put(&kv, SLICE("ns"), SLICE("k"), bad[i]));
    }
    assert_text(&kv, "{\"configTable\":{}}");
    kv_fini(&kv);
}

/* Goal: a namespace that exists is listed even when it is empty, one that never did is not. */
static void namespaces_are_listed(void **state)
{
    (void)state;
    struct kv kv;
    struct kv_table table;
    struct arena arena;
    arena_init(&arena);
    kv_init(&kv);
    assert_false(kv_list(&kv, SLICE("ns"), &arena, &table));
    put(&kv, "ns", "a", "1");
    put(&kv, "ns", "b", "2");
    kv_remove(&kv, SLICE("ns"), SLICE("a"));
    assert_true(kv_list(&kv, SLICE("ns"), &arena, &table));
    assert_int_equal(table.count, 1);
    assert_true(slice_eq(table.pairs[0].key, SLICE("b")));
    kv_fini(&kv);
    arena_fini(&arena);
}

/* Goal: the file's text reads back the same; what is no such file changes nothing. */
static void text_reads_back(void **state)
{
    (void)state;
    static const char *const bad[] = { "",
                                       "[]",
                                       "{\"configTable\":[]}",
                                       "{\"configTable\":{\"a\":1}}",
                                       "{\"configTable\":{\"a\":{\"b\":1}}}",
                                       "{\"configTable\":{" };
    struct kv kv;
    kv_init(&kv);
    assert_true(kv_take_text(&kv, SLICE("{\"configTable\":{\"ns\":{\"k\":\"v\"},\"e\":{}}}")));
    assert_value(&kv, "ns", "k", "v");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(kv_take_text(&kv, slice_str(bad[i])));
    assert_text(&kv, "{\"configTable\":{\"ns\":{\"k\":\"v\"},\"e\":{}}}");
    assert_true(kv_take_text(&kv, SLICE("{}")));
    assert_text(&kv, "{\"configTable\":{}}");
    kv_fini(&kv);
}

/* Goal: keys, values and their number are bounded, and each refusal says so and changes nothing. */
static void growth_is_refused_with_a_reason(void **state)
{
    (void)state;
    struct kv kv;
    char *long_text = calloc(1, KV_VALUE_BYTES_MAX + 2);
    char name[32];
    memset(long_text, 'x', KV_VALUE_BYTES_MAX + 1);
    kv_init(&kv);
    assert_non_null(put(&kv, "ns", "k", long_text));
    assert_non_null(put(&kv, "ns", long_text, "v"));
    assert_non_null(put(&kv, long_text, "k", "v"));
    assert_int_equal(kv.namespaces.count, 0);
    for (int i = 0; i < KV_ENTRIES_MAX; i++) {
        snprintf(name, sizeof name, "k%d", i);
        assert_null(put(&kv, "ns", name, "v"));
    }
    assert_non_null(put(&kv, "ns", "one more", "v"));
    assert_null(put(&kv, "ns", "k0", "w"));
    kv_fini(&kv);
    free(long_text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_and_go),
        cmocka_unit_test(what_is_no_text_is_refused),
        cmocka_unit_test(namespaces_are_listed),
        cmocka_unit_test(text_reads_back),
        cmocka_unit_test(growth_is_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
