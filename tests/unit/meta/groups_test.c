#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "meta/meta.h"
#include "meta/table_dir.h"

enum { NOW_MS = 1754000000 };

static const char reference_file[] =
    "{\"dataVersion\":{\"counter\":2,\"stateVersion\":0,\"timestamp\":5},"
    "\"forbiddenTable\":{\"g1\":{\"shop-orders\":1}},"
    "\"subscriptionGroupTable\":{\"g1\":{\"attributes\":{\"a\":\"b\"},\"brokerId\":0,"
    "\"consumeBroadcastEnable\":false,\"consumeEnable\":true,\"consumeFromMinEnable\":true,"
    "\"consumeMessageOrderly\":true,\"consumeTimeoutMinute\":20,\"groupName\":\"g1\","
    "\"groupRetryPolicy\":{\"customizedRetryPolicy\":{\"next\":[1000,5000]},"
    "\"type\":\"CUSTOMIZED\"},\"groupSysFlag\":1,\"notifyConsumerIdsChangedEnable\":true,"
    "\"retryMaxTimes\":3,\"retryQueueNums\":2,"
    "\"subscriptionDataSet\":[{\"subString\":\"*\",\"topic\":\"t\"}],"
    "\"whichBrokerWhenConsumeSlowly\":1}}}";

static struct groups *open_groups(void *state)
{
    struct groups *groups = NULL;
    assert_int_equal(groups_open(state, &groups), 0);
    return groups;
}

static void make_text(struct groups *groups, struct table_text *text)
{
    table_text_init(text);
    while (!groups_text_step(groups, text))
        ;
}

static void save(void *state, struct groups *groups)
{
    struct table_text text;
    make_text(groups, &text);
    table_dir_save(state, &text.out);
}

static void assert_file_has(void *state, const char *part)
{
    if (strstr(table_dir_get(state, ""), part) == NULL)
        fail_msg("%s is not in %s", part, table_dir_get(state, ""));
}

/* Goal: the members of the reference's file are understood. */
static void reads_the_reference_file(void **state)
{
    table_dir_put(*state, "", reference_file);
    struct groups *groups = open_groups(*state);
    const struct group_config *config = groups_get(groups, SLICE("g1"));
    assert_non_null(config);
    assert_int_equal(config->retry_max_times, 3);
    assert_int_equal(config->retry_queue_nums, 2);
    assert_int_equal(config->consume_timeout_minutes, 20);
    assert_int_equal(config->group_sys_flag, 1);
    assert_true(config->consume_message_orderly);
    assert_false(config->consume_broadcast_enable);
    assert_int_equal(config->attribute_count, 1);
    groups_free(groups);
}

/* Goal: what we do not interpret is written back: retry policy, fixed subscriptions, the forbidden
 * table.
 * Method: read, change another group, save, look for them. */
static void keeps_what_it_does_not_interpret(void **state)
{
    table_dir_put(*state, "", reference_file);
    struct groups *groups = open_groups(*state);
    struct group_config config = group_config_default(SLICE("g2"));
    groups_put(groups, &config, NOW_MS);
    save(*state, groups);
    groups_free(groups);
    assert_file_has(*state, "\"counter\":3,");
    assert_file_has(*state, "\"forbiddenTable\"");
    assert_file_has(*state, "\"shop-orders\":1");
    assert_file_has(*state, "customizedRetryPolicy");
    assert_file_has(*state, "subscriptionDataSet");
    groups = open_groups(*state);
    assert_non_null(groups_get(groups, SLICE("g2")));
    assert_int_equal(groups_get(groups, SLICE("g1"))->other_count, 2);
    groups_free(groups);
}

/* Goal: also what is not interpreted is pretty-printed, as the reference does. */
static void text_is_in_the_reference_form(void **state)
{
    struct groups *groups = open_groups(*state);
    struct group_config config = group_config_default(SLICE("g"));
    groups_put(groups, &config, NOW_MS);
    save(*state, groups);
    groups_free(groups);
    assert_file_has(*state, "{\n\t\"dataVersion\":{\n\t\t\"counter\":1,\n");
    assert_file_has(*state, "\n\t\"forbiddenTable\":{},\n\t\"subscriptionGroupTable\":{\n"
                            "\t\t\"g\":{\n\t\t\t\"attributes\":{},\n");
    assert_file_has(*state, "\n\t\t\t\"groupRetryPolicy\":{\n\t\t\t\t\"type\":"
                            "\"CUSTOMIZED\"\n\t\t\t},\n");
}

/* Goal: a group put, replaced and removed; walking finds those that are left. */
static void put_remove_and_walk(void **state)
{
    struct groups *groups = open_groups(*state);
    struct group_config config = group_config_default(SLICE("a"));
    groups_put(groups, &config, NOW_MS);
    config.retry_max_times = 1;
    groups_put(groups, &config, NOW_MS);
    config = group_config_default(SLICE("b"));
    groups_put(groups, &config, NOW_MS);
    groups_remove(groups, SLICE("b"), NOW_MS);
    groups_remove(groups, SLICE("b"), NOW_MS);
    const struct group_config *found;
    size_t cursor = 0;
    assert_true(groups_next(groups, &cursor, &found));
    assert_true(slice_eq(found->name, SLICE("a")));
    assert_int_equal(found->retry_max_times, 1);
    assert_false(groups_next(groups, &cursor, &found));
    assert_true(groups_changed(groups));
    save(*state, groups);
    assert_false(groups_changed(groups));
    assert_file_has(*state, "\"counter\":4,");
    groups_free(groups);
}

/* Goal: what a group may not do is looked up, changed, saved and read again; it goes with the
 * group, and names that cannot be any are refused. */
static void forbidden_is_kept(void **state)
{
    struct groups *groups = open_groups(*state);
    struct slice a = SLICE("a"), b = SLICE("b"), t = SLICE("t"), u = SLICE("u");
    assert_int_equal(groups_forbidden(groups, a, t), 0);
    assert_int_equal(groups_forbid(groups, a, t, GROUP_FORBIDDEN_READ, NOW_MS), 0);
    assert_int_equal(groups_forbid(groups, b, t, GROUP_FORBIDDEN_READ, NOW_MS), 0);
    assert_int_equal(groups_forbid(groups, a, u, GROUP_FORBIDDEN_READ, NOW_MS), 0);
    assert_int_equal(groups_forbid(groups, SLICE(""), t, GROUP_FORBIDDEN_READ, NOW_MS),
                     ERR_INVALID);
    assert_true(groups_changed(groups));
    save(*state, groups);
    groups_free(groups);
    groups = open_groups(*state);
    assert_int_equal(groups_forbidden(groups, a, t), GROUP_FORBIDDEN_READ);
    assert_int_equal(groups_forbid(groups, a, t, 0, NOW_MS), 0);
    assert_int_equal(groups_forbidden(groups, a, t), 0);
    assert_int_equal(groups_forbidden(groups, a, u), GROUP_FORBIDDEN_READ);
    assert_int_equal(groups_forbidden(groups, b, t), GROUP_FORBIDDEN_READ);
    groups_remove(groups, b, NOW_MS);
    assert_int_equal(groups_forbidden(groups, b, t), 0);
    groups_free(groups);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, table_dir_make, table_dir_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_the_reference_file),
        TEST(keeps_what_it_does_not_interpret),
        TEST(text_is_in_the_reference_form),
        TEST(put_remove_and_walk),
        TEST(forbidden_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
