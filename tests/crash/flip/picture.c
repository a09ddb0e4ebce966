/* picture.c - reads all that a store directory holds, by the doors that the broker uses. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/java_hash.h"
#include "delivery/delivery.h"
#include "delivery/pop_order.h"
#include "delivery/topic_counts.h"
#include "flip.h"
#include "meta/meta.h"
#include "namesrv/kv.h"
#include "wire/multi_dispatch.h"
#include "wire/properties.h"
#include "wire/record_crc.h"

enum { QUEUE_IDS = 16 }; /* of a topic, that are looked for */

struct geometry geometry;

static bool has_light_queues;
static char compacted[8][128];
static size_t compacted_count;
static bool copies_have_sums; /* the reference's have none */

static bool is_compacted(struct slice topic)
{
    for (size_t i = 0; i < compacted_count; i++)
        if (slice_eq(topic, slice_str(compacted[i])))
            return true;
    return false;
}

/* The last bytes of its first entry say so. */
static bool has_sums(const struct image_file *file)
{
    enum { SUMS = 42 };
    return file->page_count > 0 && file->page_ats[0] == 0 && get_be32(file->pages + SUMS) != 0;
}

void picture_note_topics(const struct image *image)
{
    static const char dir[] = "compaction/compactionLog/";
    static const char queues[] = "compaction/compactionCq/";
    for (int i = 0; i < image->count; i++) {
        const char *path = image->files[i].path;
        has_light_queues |= strstr(path, "%LMQ%") != NULL;
        copies_have_sums |=
            strncmp(path, queues, strlen(queues)) == 0 && has_sums(&image->files[i]);
        if (strncmp(path, dir, strlen(dir)) != 0)
            continue;
        const char *name = path + strlen(dir);
        size_t len = strcspn(name, "/");
        if (is_compacted(slice_of((const uint8_t *)name, len)) ||
            compacted_count == sizeof compacted / sizeof compacted[0])
            continue;
        snprintf(compacted[compacted_count++], sizeof compacted[0], "%.*s", (int)len, name);
    }
}

static bool next_compacted(void *ctx, size_t *cursor, struct slice *topic)
{
    (void)ctx;
    if (*cursor == compacted_count)
        return false;
    *topic = slice_str(compacted[(*cursor)++]);
    return true;
}

int picture_open(const char *root, bool scrubs, struct store **store)
{
    struct store_options options;
    store_options_init(&options);
    options.root_dir = root;
    if (geometry.log_file_bytes > 0)
        options.commit_log_file_bytes = geometry.log_file_bytes;
    if (geometry.queue_file_bytes > 0)
        options.consume_queue_file_bytes = geometry.queue_file_bytes;
    if (geometry.batch_file_bytes > 0)
        options.batch_queue_file_bytes = geometry.batch_file_bytes;
    if (geometry.index_slots > 0)
        options.index_slot_count = (int32_t)geometry.index_slots;
    if (geometry.index_entries > 0)
        options.index_entry_count = (int32_t)geometry.index_entries;
    if (geometry.compaction_log_bytes > 0)
        options.compaction_log_file_bytes = geometry.compaction_log_bytes;
    if (geometry.compaction_queue_bytes > 0)
        options.compaction_queue_file_bytes = geometry.compaction_queue_bytes;
    options.next_compaction_topic = next_compacted;
    options.compaction_interval_ms = INT64_C(1) << 40;
    options.light_queues_enable = has_light_queues;
    options.append_record_crc = true;
    options.scrub_bytes_per_second = scrubs ? INT64_C(1) << 40 : 0;
    options.scrub_first_ms = 1;
    options.flush_interval_ms = 10;
    options.clean_interval_ms = 3600000;
    options.disk_warning_percent = 99; /* the machine's disk is none of the case's */
    options.disk_max_used_percent = 99;
    options.disk_clean_forcibly_percent = 99;
    return store_open(&options, store);
}

/* ---- queues ---------------------------------------------------------------------------------- */

struct taking {
    struct picture *picture;
    struct store *store;
    const char *root;
};

/* What stands in the log at the record's place, before anything is taken off it. */
static void look_at_log(const char *root, struct message_seen *message)
{
    char path[2 * PATH_BYTES];
    uint8_t *bytes = malloc((size_t)message->log_bytes);
    int64_t file_bytes = geometry.log_file_bytes;
    if (bytes == NULL)
        abort();
    snprintf(path, sizeof path, "%s/commitlog/%020lld", root,
             (long long)(message->phy_offset / file_bytes * file_bytes));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && pread(fd, bytes, (size_t)message->log_bytes, message->phy_offset % file_bytes) ==
                       message->log_bytes)
        message->is_guarded =
            record_crc_check(slice_of(bytes, (size_t)message->log_bytes)) != RECORD_CRC_NONE;
    if (fd >= 0)
        close(fd);
    free(bytes);
}

static void copy_text(char *to, size_t cap, struct slice text)
{
    snprintf(to, cap, "%.*s", SLICE_FMT(text));
}

static uint32_t crc_without_place(struct slice bytes)
{
    enum { AFTER = RECORD_PHY_OFFSET + 8 };
    uint32_t crc = crc32_update(0, slice_of(bytes.data, RECORD_PHY_OFFSET));
    return crc32_update(crc, slice_from(bytes, AFTER));
}

static void note_record(struct taking *t, struct queue_seen *queue, const struct record *record,
                        struct slice bytes)
{
    struct picture *picture = t->picture;
    struct store_queue_entry entry = { 0 };
    if (picture->message_count == MESSAGES_MAX)
        violation("more than %d messages are served", MESSAGES_MAX);
    struct message_seen *message = &picture->messages[picture->message_count++];
    queue->count++;
    struct slice topic = slice_str(queue->topic);
    *message = (struct message_seen){ .queue_offset = multi_dispatch_place(record, topic),
                                      .phy_offset = record->phy_offset,
                                      .crc = crc_without_place(bytes),
                                      .body_crc = crc32_update(0, record->body),
                                      .is_compacted = is_compacted(topic),
                                      .has_sums = copies_have_sums };
    if (store_queue_entry_at(t->store, topic, queue->queue_id, message->queue_offset, &entry) ==
        0) {
        message->log_bytes = entry.bytes;
        message->tags_hash = (int32_t)entry.tags_code;
        if (message->is_compacted) /* a copy says where the copy is */
            message->phy_offset = entry.phy_offset;
    }
    struct slice key = property_get(record->properties, SLICE(PROPERTY_UNIQ_KEY));
    if (key.len == 0)
        key = property_get(record->properties, SLICE(PROPERTY_KEYS));
    if (memchr(key.data == NULL ? (const uint8_t *)"" : key.data, ' ', key.len) == NULL)
        copy_text(message->key, sizeof message->key, key);
    copy_text(message->topic, sizeof message->topic, record->topic);
}

static void take_queue(struct taking *t, struct queue_seen *queue)
{
    struct buf body = BUF_INIT;
    struct slice topic = slice_str(queue->topic);
    queue->first = t->picture->message_count;
    queue->min = store_queue_min(t->store, topic, queue->queue_id);
    queue->max = store_queue_max(t->store, topic, queue->queue_id);
    for (int64_t at = is_compacted(topic) ? 0 : queue->min; at < queue->max;) {
        const struct store_get_request request = { .topic = topic,
                                                   .queue_id = queue->queue_id,
                                                   .queue_offset = at,
                                                   .max_count = 32,
                                                   .max_bytes = 1 << 20,
                                                   .may_block = true };
        struct store_get_result result;
        buf_clear(&body);
        int err = store_get(t->store, &request, &body, &result);
        if (err != 0)
            violation("get of %s/%d at %lld: %s", queue->topic, queue->queue_id, (long long)at,
                      err_name(err));
        for (struct slice rest = buf_slice(&body); rest.len > 0;) {
            struct record record;
            if (record_decode(rest, RECORD_CHECK_BODY_CRC, &record) != 0)
                violation("what is served of %s/%d at %lld is no record", queue->topic,
                          queue->queue_id, (long long)at);
            note_record(t, queue, &record, slice_of(rest.data, (size_t)record.total_bytes));
            rest = slice_from(rest, (size_t)record.total_bytes);
        }
        if (result.next_offset <= at)
            violation("get of %s/%d at %lld goes on at %lld: %s", queue->topic, queue->queue_id,
                      (long long)at, (long long)result.next_offset,
                      store_get_status_name(result.status));
        at = result.next_offset;
    }
    buf_fini(&body);
}

static void add_topic(void *ctx, struct slice topic)
{
    struct taking *t = ctx;
    struct picture *picture = t->picture;
    for (int id = 0; id < QUEUE_IDS; id++) {
        if (store_queue_max(t->store, topic, id) == 0)
            continue;
        if (picture->queue_count == QUEUES_MAX)
            violation("more than %d queues", QUEUES_MAX);
        struct queue_seen *queue = &picture->queues[picture->queue_count++];
        *queue = (struct queue_seen){ .queue_id = id };
        copy_text(queue->topic, sizeof queue->topic, topic);
    }
}

void picture_take(struct picture *picture, struct store *store, const char *root,
                  const struct picture *like)
{
    struct taking taking = { picture, store, root };
    picture->queue_count = 0;
    picture->message_count = 0;
    if (like == NULL)
        store_each_topic(store, add_topic, &taking);
    for (int i = 0; like != NULL && i < like->queue_count; i++) {
        picture->queues[i] = like->queues[i];
        picture->queues[i].count = 0;
        picture->queue_count++;
    }
    for (int i = 0; i < picture->queue_count; i++)
        take_queue(&taking, &picture->queues[i]);
    for (int i = 0; like == NULL && i < picture->message_count; i++)
        look_at_log(root, &picture->messages[i]);
}

/* ---- keys ------------------------------------------------------------------------------------ */

static bool is_of(const struct picture *original, const struct record *record, uint32_t crc)
{
    for (int i = 0; i < original->message_count; i++)
        if (original->messages[i].phy_offset == record->phy_offset)
            return original->messages[i].crc == crc;
    return true; /* halves that take no place are in no queue */
}

int picture_query(const struct picture *original, struct store *store,
                  const struct message_seen *message)
{
    struct buf found = BUF_INIT;
    int64_t last_ms;
    int64_t last_phy;
    int hits = 0;
    int count = store_query(store, slice_str(message->topic), slice_str(message->key), 64, 0,
                            INT64_MAX, &found, &last_ms, &last_phy);
    struct slice rest = buf_slice(&found);
    for (int i = 0; i < count; i++) {
        struct record record;
        if (record_decode(rest, RECORD_CHECK_BODY_CRC, &record) != 0)
            violation("a query served what is no record");
        if (!is_of(original, &record,
                   crc_without_place(slice_of(rest.data, (size_t)record.total_bytes))))
            hits = -1000;
        hits += record.phy_offset == message->phy_offset;
        rest = slice_from(rest, (size_t)record.total_bytes);
    }
    buf_fini(&found);
    return hits < 0 ? -1 : hits;
}

/* ---- tables ---------------------------------------------------------------------------------- */

enum {
    TABLE_TOPICS,
    TABLE_GROUPS,
    TABLE_OFFSETS,
    TABLE_DELAYS,
    TABLE_FILTERS,
    TABLE_MODES,
    TABLE_ORDERS,
    TABLE_LIGHT_OFFSETS,
    TABLE_TIMER_COUNTS,
    TABLE_KV /* the name server's */
};
const char *const table_names[TABLES] = { "topics.json",
                                          "subscriptionGroup.json",
                                          "consumerOffset.json",
                                          "delayOffset.json",
                                          "consumerFilter.json",
                                          "messageRequestMode.json",
                                          "consumerOrderInfo.json",
                                          "lmqConsumerOffset.json",
                                          "timermetrics",
                                          "kvConfig.json" };

static int take_stepwise(const char *path, int table, struct buf *text)
{
    struct table_text out;
    struct topics *topics = NULL;
    struct groups *groups = NULL;
    struct offsets *offsets = NULL;
    int err = table == TABLE_TOPICS   ? topics_open(path, &topics)
              : table == TABLE_GROUPS ? groups_open(path, &groups)
                                      : offsets_open(path, &offsets);
    if (err != 0)
        return err;
    if (table == TABLE_LIGHT_OFFSETS)
        offsets_separate_light(offsets);
    table_text_init(&out);
    bool is_whole = false;
    while (!is_whole)
        is_whole = topics != NULL   ? topics_text_step(topics, &out)
                   : groups != NULL ? groups_text_step(groups, &out)
                                    : offsets_text_step(offsets, &out);
    buf_append_slice(text, buf_slice(&out.out));
    table_text_fini(&out);
    topics_free(topics);
    groups_free(groups);
    offsets_free(offsets);
    return 0;
}

static int take_delays(const char *path, struct buf *text)
{
    struct delay_offsets delays;
    for (int i = 0; i <= DELAY_LEVELS_MAX; i++)
        delays.next[i] = -1;
    int err = delay_offsets_read(path, &delays);
    if (err != 0 && err != ERR_NOT_FOUND)
        return err;
    for (int i = 0; i <= DELAY_LEVELS_MAX; i++)
        buf_printf(text, "%lld ", (long long)delays.next[i]);
    return 0;
}

static int take_filters(const char *path, struct buf *text)
{
    struct filters *filters;
    int err = filters_open(path, bloom_shape_of(20, 32), 1, &filters); /* the defaults */
    if (err != 0)
        return err;
    filters_text(filters, INT64_MAX / 2, 1, text);
    filters_free(filters);
    return 0;
}

static int take_modes(const char *path, struct buf *text)
{
    struct request_modes *modes;
    int err = request_modes_open(path, &modes);
    if (err != 0)
        return err;
    request_modes_text(modes, text);
    request_modes_free(modes);
    return 0;
}

static int take_orders(const char *path, struct buf *text)
{
    struct pop_order *orders;
    int err = pop_order_open(path, &orders);
    if (err != 0)
        return err;
    pop_order_text(orders, 1, text);
    pop_order_free(orders);
    return 0;
}

/* A file that cannot be read is as none: they are counts for people. */
static int take_timer_counts(const char *path, struct buf *text)
{
    struct topic_counts counts;
    topic_counts_open(&counts, "timingCount", path);
    topic_counts_text(&counts, text);
    topic_counts_fini(&counts);
    return 0;
}

static bool take_kv_text(void *ctx, struct slice text)
{
    return kv_take_text(ctx, text);
}

static int take_kv(const char *path, struct buf *text)
{
    struct kv kv;
    kv_init(&kv);
    int err = table_file_read(path, take_kv_text, &kv);
    if (err == 0)
        kv_text(&kv, text);
    kv_fini(&kv);
    return err == ERR_NOT_FOUND ? 0 : err;
}

int picture_table(int table, const char *path, struct buf *text)
{
    switch (table) {
    case TABLE_DELAYS:
        return take_delays(path, text);
    case TABLE_FILTERS:
        return take_filters(path, text);
    case TABLE_MODES:
        return take_modes(path, text);
    case TABLE_ORDERS:
        return take_orders(path, text);
    case TABLE_TIMER_COUNTS:
        return take_timer_counts(path, text);
    case TABLE_KV:
        return take_kv(path, text);
    default:
        return take_stepwise(path, table, text);
    }
}
