#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bench/page.h"

static bool holds(struct slice text, struct slice what)
{
    return memmem(text.data, text.len, what.data, what.len) != NULL;
}

/* Goal: the data stands where the page expects it, once, and cannot end the script it stands in;
 * the page asks nothing of the network. */
static void data_stands_in_the_page(void **state)
{
    (void)state;
    struct buf page = BUF_INIT;
    page_of_report(SLICE("{\"name\":\"</script><b>\"}"), &page);
    struct slice text = buf_slice(&page);
    assert_true(holds(text, SLICE("const data = {\"name\":\"<\\/script><b>\"};")));
    assert_false(holds(text, SLICE("/*REPORT*/null")));
    assert_false(holds(text, SLICE("src=")));
    assert_false(holds(text, SLICE("https://")));
    buf_fini(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_stands_in_the_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
