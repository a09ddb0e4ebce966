/* Goal: a table whose file cannot be read for want of memory is never taken for a damaged one: that
 * would set it aside and begin with an older version, or with none.
 * Method: every allocation of opening it and of making its text again fails in turn. */
#include "no_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "meta/meta.h"
#include "meta/table_dir.h"

enum { NOW_MS = 1754000000 };

#define VERSION "\"dataVersion\":{\"counter\":2,\"stateVersion\":0,\"timestamp\":5}"

/* Each gives ERR_INVALID when the table is not what was in the file. */

static int use_topics(void *path)
{
    struct topics *topics;
    struct table_text text;
    int err = topics_open(path, &topics);
    if (err != 0)
        return err;
    bool is_there = topics_get(topics, SLICE("shop-orders")) != NULL;
    table_text_init(&text);
    while (!topics_text_step(topics, &text))
        ;
    table_text_fini(&text);
    topics_free(topics);
    return is_there ? 0 : ERR_INVALID;
}

static int use_groups(void *path)
{
    struct groups *groups;
    struct table_text text;
    int err = groups_open(path, &groups);
    if (err != 0)
        return err;
    bool is_there = groups_get(groups, SLICE("g1")) != NULL;
    table_text_init(&text);
    while (!groups_text_step(groups, &text))
        ;
    table_text_fini(&text);
    groups_free(groups);
    return is_there ? 0 : ERR_INVALID;
}

static int use_offsets(void *path)
{
    struct offsets *offsets;
    struct table_text text;
    int err = offsets_open(path, &offsets);
    if (err != 0)
        return err;
    bool is_there = offsets_get(offsets, SLICE("shop-orders"), SLICE("g1"), 1) == 118;
    table_text_init(&text);
    while (!offsets_text_step(offsets, &text))
        ;
    table_text_fini(&text);
    offsets_free(offsets);
    return is_there ? 0 : ERR_INVALID;
}

static int use_filters(void *path)
{
    struct filters *filters;
    int err = filters_open(path, bloom_shape_of(20, 32), NOW_MS, &filters);
    if (err == 0)
        filters_free(filters);
    return err;
}

static int use_request_modes(void *path)
{
    struct request_modes *modes;
    struct buf text = BUF_INIT;
    int err = request_modes_open(path, &modes);
    if (err != 0)
        return err;
    bool is_there = request_modes_get(modes, SLICE("t"), SLICE("g")) != NULL;
    request_modes_text(modes, &text);
    buf_fini(&text);
    request_modes_free(modes);
    return is_there ? 0 : ERR_INVALID;
}

static int use_delay_offsets(void *path)
{
    struct delay_offsets offsets;
    int err = delay_offsets_read(path, &offsets);
    return err != 0 || offsets.next[3] == 41 ? err : ERR_INVALID;
}

static const struct table {
    const char *name;
    work_fn *use;
    const char *text;
} tables[] = {
    { "topics", use_topics,
      "{" VERSION ",\"topicConfigTable\":{\"shop-orders\":{\"attributes\":{\"a\":\"b\"},"
      "\"perm\":6,\"readQueueNums\":5,\"topicName\":\"shop-orders\",\"writeQueueNums\":5}}}" },
    { "groups", use_groups,
      "{" VERSION ",\"forbiddenTable\":{\"g1\":{\"shop-orders\":1}},"
      "\"subscriptionGroupTable\":{\"g1\":{\"attributes\":{\"a\":\"b\"},\"groupName\":\"g1\","
      "\"groupRetryPolicy\":{\"type\":\"CUSTOMIZED\"},\"retryMaxTimes\":3}}}" },
    { "offsets", use_offsets, "{\"offsetTable\":{\"shop-orders@g1\":{0:120,1:118}}}" },
    { "filters", use_filters,
      "{\"filterDataByTopic\":{\"t\":{\"groupFilterData\":{\"g1\":{\"bornTime\":1753000000,"
      "\"clientVersion\":10,\"consumerGroup\":\"g1\",\"expression\":\"price > 5\","
      "\"expressionType\":\"SQL92\",\"topic\":\"t\"}},\"topic\":\"t\"}}}" },
    { "request modes", use_request_modes,
      "{\"messageRequestModeMap\":{\"t\":{\"g\":{\"consumerGroup\":\"g\",\"mode\":\"POP\","
      "\"popShareQueueNum\":2,\"topic\":\"t\"}}}}" },
    { "delay offsets", use_delay_offsets, "{\"offsetTable\":{3:41,4:7}}" },
};

static void want_of_memory_is_no_damage(void **state)
{
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        table_dir_put(*state, "", tables[i].text);
        int count = no_memory_at_each(tables[i].use, *state);
        print_message("%s: %d allocations\n", tables[i].name, count);
        assert_true(count > 2);
        assert_string_equal(table_dir_get(*state, ""), tables[i].text);
        assert_null(table_dir_get(*state, ".damaged"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(want_of_memory_is_no_damage, table_dir_make,
                                        table_dir_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
