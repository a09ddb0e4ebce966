/* open_store.c - the store as the settings and the table of topics want it. */
#include <string.h>

#include "broker/events.h"
#include "broker/parts.h"
#include "broker/topic_attributes.h"

enum { HOUR_MS = 3600 * 1000 };

static bool next_topic(const struct broker *broker, bool (*is_meant)(const struct topic_config *),
                       size_t *cursor, struct slice *topic)
{
    const struct topic_config *config;
    while (topics_next(broker->topics, cursor, &config)) {
        *topic = config->name;
        if (is_meant(config))
            return true;
    }
    return false;
}

static bool next_batch_topic(void *ctx, size_t *cursor, struct slice *topic)
{
    return next_topic(ctx, topic_has_batch_queues, cursor, topic);
}

static bool next_compaction_topic(void *ctx, size_t *cursor, struct slice *topic)
{
    return next_topic(ctx, topic_is_compacted, cursor, topic);
}

int parts_open_store(struct broker *broker)
{
    const struct broker_conf *conf = &broker->conf;
    struct store_options options;
    store_options_init(&options);
    options.root_dir = conf->store_path_root_dir;
    if (conf->store_path_commit_log[0] != '\0')
        options.commit_log_dir = conf->store_path_commit_log;
    options.commit_log_file_bytes = conf->commit_log_file_bytes;
    options.consume_queue_file_bytes = conf->consume_queue_file_bytes;
    options.batch_queue_file_bytes = conf->batch_queue_file_bytes;
    options.index_enable = conf->message_index_enable;
    options.index_slot_count = conf->max_hash_slot_num;
    options.index_entry_count = conf->max_index_num;
    options.max_message_bytes = conf->max_message_bytes;
    options.message_delay_level = conf->message_delay_level;

    options.sync_flush = strcmp(conf->flush_disk_type, "SYNC_FLUSH") == 0;
    options.flush_interval_ms = conf->flush_interval_commit_log_ms;
    options.queue_flush_interval_ms = conf->flush_interval_consume_queue_ms;

    options.clean_interval_ms = conf->clean_resource_interval_ms;
    options.file_reserved_ms = (int64_t)conf->file_reserved_hours * HOUR_MS;
    options.delete_when = conf->delete_when;
    options.disk_max_used_percent = conf->disk_max_used_space_ratio;
    options.disk_clean_forcibly_percent = conf->disk_space_clean_forcibly_ratio;
    options.disk_warning_percent = conf->disk_space_warning_level_ratio;
    options.clean_forcibly_enable = conf->clean_file_forcibly_enable;

    options.append_record_crc = conf->enabled_append_prop_crc;
    options.verify_reads = conf->verify_records_on_read;
    options.scrub_bytes_per_second = conf->scrub_bytes_per_second;
    options.takeover_scan_bytes = conf->takeover_scan_bytes;

    options.next_batch_topic = next_batch_topic;
    options.light_queues_enable = broker->takes_light;
    options.light_queues_most = conf->max_lmq_consume_queue_num;
    options.next_compaction_topic = next_compaction_topic;
    options.compaction_enable = conf->enable_compaction;
    options.compaction_log_file_bytes = conf->compaction_log_file_bytes;
    options.compaction_queue_file_bytes = conf->compaction_queue_file_bytes;
    options.compaction_interval_ms = conf->compaction_interval_ms;
    options.compaction_keys_bytes = conf->compaction_keys_bytes;

    options.on_arrival = events_message_arrived;
    options.on_flushed = events_log_flushed;
    options.ctx = broker;
    int err = store_open(&options, &broker->store);
    if (err != 0)
        return err;
    if (options.sync_flush)
        err = loop_add_deputy(broker->loop);
    if (err != 0)
        return err;
    store_set_read_ahead(broker->store, conf->data_read_ahead_enable);
    broker->start_phy_offset = store_max_phy_offset(broker->store);
    return 0;
}
