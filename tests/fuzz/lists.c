/* Goal: any body that is a list or a table, and any text of settings, is read or refused; what was
 * read is written so that it reads the same. The first byte chooses which of them it is. */
#include "base/conf_parse.h"
#include "fuzz.h"
#include "wire/body_consumer_list.h"
#include "wire/body_group_config.h"
#include "wire/body_lists.h"
#include "wire/body_offset_table.h"
#include "wire/body_route.h"
#include "wire/msg_id.h"

/* Reads a body and, if it is one, appends it as it is written. */
typedef int (*rewrite_fn)(struct slice body, struct arena *arena, struct buf *out);

static void write_groups(const struct group_table *table, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    group_table_begin(table, &j);
    for (int i = 0; i < table->count; i++)
        group_table_add(&table->groups[i], &j);
    group_table_end(&j);
    json_object_end(&j);
}

/* How many offsets from `at` on are of one topic and group. */
static int count_of_pair(const struct offset_table *table, int at)
{
    const struct consumer_offset *first = &table->offsets[at];
    int count = 1;
    while (at + count < table->count && slice_eq(first[count].topic, first->topic) &&
           slice_eq(first[count].group, first->group))
        count++;
    return count;
}

static void write_offsets(const struct offset_table *table, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    offset_table_begin(&table->version, &j);
    for (int i = 0; i < table->count; i += count_of_pair(table, i))
        offset_table_add(&table->offsets[i], count_of_pair(table, i), &j);
    offset_table_end(&j);
    json_object_end(&j);
}

#define REWRITE(name, struct_name, decode, encode)                                                 \
    static int name(struct slice body, struct arena *arena, struct buf *out)                       \
    {                                                                                              \
        struct struct_name read;                                                                   \
        int err = decode;                                                                          \
        if (err == 0)                                                                              \
            encode;                                                                                \
        return err;                                                                                \
    }

REWRITE(kv_table, kv_table, kv_table_decode(body, arena, &read), kv_table_encode(&read, out))
REWRITE(topics, topic_list, topic_list_decode(body, arena, &read), topic_list_encode(&read, out))
REWRITE(consumers, consumer_list, consumer_list_decode(body, arena, &read),
        consumer_list_encode(&read, out))
REWRITE(cluster, cluster_info, cluster_info_decode(body, arena, &read),
        cluster_info_encode(&read, out))
REWRITE(groups, group_table, group_table_decode(body, arena, &read), write_groups(&read, out))
REWRITE(offsets, offset_table, offset_table_decode(body, arena, &read), write_offsets(&read, out))
REWRITE(version, data_version, ((void)arena, data_version_decode(body, &read)),
        data_version_encode(&read, out))

static const rewrite_fn rewrites[] = { kv_table, topics,  consumers, cluster,
                                       groups,   offsets, version };
enum {
    REWRITES = sizeof rewrites / sizeof rewrites[0],
    TOPIC_CONFIGS = REWRITES,
    SETTINGS,
    MSG_ID,
    ALL
};

/* Names that stand twice are one when they are read again: from then on it stays as it is. */
static void check_rewrite(rewrite_fn rewrite, struct slice body, struct arena *arena)
{
    struct buf texts[3] = { BUF_INIT, BUF_INIT, BUF_INIT };
    if (rewrite(body, arena, &texts[0]) == 0) {
        CHECK(rewrite(buf_slice(&texts[0]), arena, &texts[1]) == 0);
        CHECK(rewrite(buf_slice(&texts[1]), arena, &texts[2]) == 0);
        CHECK(slice_eq(buf_slice(&texts[1]), buf_slice(&texts[2])));
    }
    for (int i = 0; i < 3; i++)
        buf_fini(&texts[i]);
}

static void check_topic_configs(struct slice body, struct arena *arena)
{
    struct topic_config_list list;
    if (topic_config_list_decode(body, arena, &list) != 0)
        return;
    for (int i = 0; i < list.count; i++)
        touch(list.topics[i].name);
}

static int touch_setting(void *ctx, int line, struct slice key, struct slice value)
{
    (void)ctx;
    CHECK(line > 0);
    touch(key);
    touch(value);
    return 0;
}

static void check_msg_id(struct slice text)
{
    struct host host;
    int64_t phy_offset;
    char again[MSG_ID_TEXT_MAX];
    if (msg_id_decode(text, &host, &phy_offset) == 0)
        CHECK(msg_id_encode(&host, phy_offset, again) == text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    if (size == 0)
        return 0;
    struct slice body = slice_of(data + 1, size - 1);
    int which = data[0] % ALL;
    arena_init(&arena);
    if (which < REWRITES)
        check_rewrite(rewrites[which], body, &arena);
    else if (which == TOPIC_CONFIGS)
        check_topic_configs(body, &arena);
    else if (which == SETTINGS)
        CHECK(conf_parse(body, touch_setting, NULL) == 0);
    else
        check_msg_id(body);
    arena_fini(&arena);
    return 0;
}
