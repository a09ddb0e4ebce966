#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/internal.h"

/* Goal: a value of every row can be set to its default: no row contradicts itself, no key stands
 * twice. */
static void every_default_is_allowed(void **state)
{
    (void)state;
    struct broker_conf conf;
    struct buf complaints = BUF_INIT;
    conf_init(&broker_conf_table, &conf);
    for (size_t i = 0; i < broker_conf_table.count; i++) {
        const struct conf_row *row = &broker_conf_table.rows[i];
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(row->key, broker_conf_table.rows[j].key);
        assert_int_equal(conf_set(&broker_conf_table, &conf, slice_str(row->key),
                                  slice_str(row->fallback), &complaints),
                         0);
    }
    assert_int_equal(broker_conf_check(&conf), 0);
    conf_fini(&broker_conf_table, &conf);
    buf_fini(&complaints);
}

/* Goal: a copy lives on without its original. */
static void a_copy_has_its_own_strings(void **state)
{
    (void)state;
    struct broker_conf conf, copy;
    conf_init(&broker_conf_table, &conf);
    conf_copy(&broker_conf_table, &copy, &conf, sizeof copy);
    conf_fini(&broker_conf_table, &conf);
    assert_string_equal(copy.cluster_name, "DefaultCluster");
    assert_int_equal(copy.listen_port, 10911);
    conf_fini(&broker_conf_table, &copy);
}

/* Goal: settings that are dangerous together are refused at start. */
static void contradictions_are_refused(void **state)
{
    (void)state;
    struct broker_conf conf;
    conf_init(&broker_conf_table, &conf);
    conf.disk_space_clean_forcibly_ratio = 95;
    assert_int_equal(broker_conf_check(&conf), ERR_INVALID);
    conf_fini(&broker_conf_table, &conf);
}

/* Goal: the settings of a slave do not start a master of its own. */
static void a_slave_is_refused(void **state)
{
    (void)state;
    struct broker_conf conf;
    struct buf complaints = BUF_INIT;
    conf_init(&broker_conf_table, &conf);
    conf.broker_id = 1;
    assert_int_equal(broker_conf_check(&conf), ERR_UNSUPPORTED);
    conf.broker_id = 0;
    assert_int_equal(
        conf_set(&broker_conf_table, &conf, SLICE("brokerRole"), SLICE("SLAVE"), &complaints), 0);
    assert_int_equal(broker_conf_check(&conf), ERR_UNSUPPORTED);
    conf_fini(&broker_conf_table, &conf);
    buf_fini(&complaints);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_default_is_allowed),
        cmocka_unit_test(a_copy_has_its_own_strings),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(a_slave_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
