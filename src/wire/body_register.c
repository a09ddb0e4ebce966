/* The compressed form is one zlib stream of
 *
 *   | len i32 | dataVersion JSON | topic count i32 | topics ... | len i32 | filterServerList JSON |
 *   and from version 413 on   | mapping count i32 | mappings ... |
 *
 * topic    | len i32 | name read write perm filterType attributesJson |   joined by blanks
 * mapping  | len i32 | JSON |
 */
#include "wire/body_register.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "wire/compress.h"
#include "wire/pairs.h"
#include "wire/text.h"

/* ---- plain: reading ------------------------------------------------------------------------- */

static void mappings_from_json(json_t *object, struct arena *arena, struct register_body *out)
{
    struct queue_mapping *mappings = json_alloc_elements(object, sizeof *mappings, arena);
    const char *key;
    json_t *value;
    out->mappings = mappings;
    json_object_foreach(object, key, value)
        mappings[out->mapping_count++] =
            (struct queue_mapping){ arena_copy(arena, slice_str(key)), json_dump_in(value, arena) };
}

static int decode_plain(struct slice body, int32_t peer_version, struct arena *arena,
                        struct register_body *out)
{
    json_t *json = json_read(body);
    const json_t *wrapper = peer_version >= REGISTER_WRAPPED_SINCE
                                ? json_get(json, "topicConfigSerializeWrapper")
                                : json;
    int err = json_is_object(json) ? 0 : ERR_CORRUPT;
    if (err == 0 && wrapper != NULL) {
        err = topic_table_from_json(wrapper, arena, &out->topics);
        mappings_from_json(json_get(wrapper, "topicQueueMappingInfoMap"), arena, out);
    }
    json_decref(json);
    return err;
}

/* ---- compressed: reading -------------------------------------------------------------------- */

static struct slice read_sized(struct reader *r)
{
    return read_bytes(r, read_i32(r));
}

/* How many entries of at least `entry_bytes` may follow, for a count from outside. */
static bool is_possible(const struct reader *r, int32_t count, size_t entry_bytes)
{
    return !r->failed && count >= 0 && (size_t)count <= r->rest.len / entry_bytes;
}

static int attributes_from_text(struct slice text, struct arena *arena, struct topic_config *topic)
{
    if (text.len == 0)
        return 0;
    json_t *json = json_read(text);
    bool is_object = json_is_object(json);
    topic->attributes = pairs_from_json(json, arena, &topic->attribute_count);
    json_decref(json);
    return is_object ? 0 : ERR_CORRUPT;
}

static int topic_from_text(struct slice text, struct arena *arena, struct topic_config *topic)
{
    struct slice name = slice_cut(&text, ' ');
    *topic = topic_config_default(arena_copy(arena, name));
    if (name.len == 0 || !text_is_whole(name) ||
        !slice_to_i32(slice_cut(&text, ' '), &topic->read_queue_count) ||
        !slice_to_i32(slice_cut(&text, ' '), &topic->write_queue_count) ||
        !slice_to_i32(slice_cut(&text, ' '), &topic->perm) ||
        !topic_filter_type_of(slice_cut(&text, ' '), &topic->filter_type))
        return ERR_CORRUPT;
    return attributes_from_text(text, arena, topic);
}

static int read_topics(struct reader *r, struct arena *arena, struct topic_table *table)
{
    int32_t count = read_i32(r);
    if (!is_possible(r, count, sizeof(int32_t)))
        return ERR_CORRUPT;
    struct topic_config *topics = arena_alloc(arena, (size_t)count * sizeof *topics);
    table->topics = topics;
    for (; table->count < count; table->count++) {
        struct slice text = read_sized(r);
        int err = r->failed ? ERR_CORRUPT : topic_from_text(text, arena, &topics[table->count]);
        if (err != 0)
            return err;
    }
    return 0;
}

static int mapping_from_text(struct slice text, struct arena *arena, struct queue_mapping *mapping)
{
    json_t *json = json_read(text);
    int err = json_is_object(json) ? 0 : ERR_CORRUPT;
    if (err == 0)
        *mapping = (struct queue_mapping){ json_copy_str(json, "topic", arena),
                                           json_dump_in(json, arena) };
    json_decref(json);
    return err;
}

static int read_mappings(struct reader *r, struct arena *arena, struct register_body *out)
{
    int32_t count = read_i32(r);
    if (!is_possible(r, count, sizeof(int32_t)))
        return ERR_CORRUPT;
    struct queue_mapping *mappings = arena_alloc(arena, (size_t)count * sizeof *mappings);
    out->mappings = mappings;
    for (; out->mapping_count < count; out->mapping_count++) {
        struct slice text = read_sized(r);
        int err =
            r->failed ? ERR_CORRUPT : mapping_from_text(text, arena, &mappings[out->mapping_count]);
        if (err != 0)
            return err;
    }
    return 0;
}

static int decode_unpacked(struct slice bytes, int32_t peer_version, struct arena *arena,
                           struct register_body *out)
{
    struct reader r = reader_of(bytes);
    struct slice version = read_sized(&r);
    int err = r.failed ? ERR_CORRUPT : data_version_decode(version, &out->topics.version);
    if (err == 0)
        err = read_topics(&r, arena, &out->topics);
    if (err != 0)
        return err;
    (void)read_sized(&r); /* filter servers are gone since 4.x */
    if (r.failed)
        return ERR_CORRUPT;
    return peer_version >= REGISTER_MAPPINGS_SINCE ? read_mappings(&r, arena, out) : 0;
}

static int decode_compressed(struct slice body, int32_t peer_version, struct arena *arena,
                             struct register_body *out)
{
    struct buf unpacked = BUF_INIT;
    int err = decompress_append(COMPRESSION_ZLIB, body, REGISTER_UNPACKED_MAX, &unpacked);
    if (err == 0)
        err = decode_unpacked(buf_slice(&unpacked), peer_version, arena, out);
    buf_fini(&unpacked);
    return err;
}

int register_body_decode(struct slice body, bool compressed, int32_t peer_version,
                         struct arena *arena, struct register_body *out)
{
    struct register_body decoded = { .mapping_count = 0 };
    int err = 0;
    if (body.len > 0)
        err = compressed ? decode_compressed(body, peer_version, arena, &decoded)
                         : decode_plain(body, peer_version, arena, &decoded);
    if (err == 0)
        *out = decoded;
    return err;
}

/* ---- writing -------------------------------------------------------------------------------- */

static void begin_plain(struct register_writer *w, const struct data_version *version)
{
    w->json = json_out_to(&w->text, JSON_DIALECT);
    json_object_begin(&w->json);
    json_key(&w->json, SLICE("filterServerList"));
    json_array_begin(&w->json);
    json_array_end(&w->json);
    json_key(&w->json, SLICE("topicConfigSerializeWrapper"));
    json_object_begin(&w->json);
    topic_table_begin(version, &w->json);
}

static void end_plain(struct register_writer *w, const struct queue_mapping *mappings, int count)
{
    static const struct data_version no_version = { 0 };
    struct json_out *j = &w->json;
    topic_table_end(j);
    json_key(j, SLICE("mappingDataVersion"));
    data_version_to_json(&no_version, j);
    json_key(j, SLICE("topicQueueMappingDetailMap"));
    json_object_begin(j);
    json_object_end(j);
    json_key(j, SLICE("topicQueueMappingInfoMap"));
    json_object_begin(j);
    for (int i = 0; i < count; i++) {
        json_key(j, mappings[i].topic);
        json_raw(j, mappings[i].json);
    }
    json_object_end(j);
    json_object_end(j);
    json_object_end(j);
}

static void append_sized(struct buf *out, struct slice text)
{
    buf_append_be32(out, (uint32_t)text.len);
    buf_append_slice(out, text);
}

static void append_topic(struct buf *out, const struct topic_config *topic)
{
    struct buf text = BUF_INIT;
    buf_append_slice(&text, topic->name);
    buf_printf(&text, " %" PRId32 " %" PRId32 " %" PRId32 " ", topic->read_queue_count,
               topic->write_queue_count, topic->perm);
    buf_append_slice(&text, topic_filter_type_name(topic->filter_type));
    buf_append_u8(&text, ' ');
    struct json_out j = json_out_to(&text, JSON_DIALECT);
    pairs_to_json(topic->attributes, topic->attribute_count, &j);
    append_sized(out, buf_slice(&text));
    buf_fini(&text);
}

static void begin_unpacked(struct register_writer *w, const struct data_version *version)
{
    struct buf text = BUF_INIT;
    data_version_encode(version, &text);
    append_sized(&w->text, buf_slice(&text));
    buf_fini(&text);
    w->count_at = w->text.len;
    buf_append_be32(&w->text, 0);
}

static void end_unpacked(struct register_writer *w, const struct queue_mapping *mappings, int count)
{
    put_be32(w->text.data + w->count_at, w->topic_count);
    append_sized(&w->text, SLICE("[]"));
    buf_append_be32(&w->text, (uint32_t)count);
    for (int i = 0; i < count; i++)
        append_sized(&w->text, mappings[i].json);
}

void register_write_begin(struct register_writer *w, bool compressed,
                          const struct data_version *version)
{
    *w = (struct register_writer){ .text = BUF_INIT, .compressed = compressed };
    if (compressed)
        begin_unpacked(w, version);
    else
        begin_plain(w, version);
}

void register_write_topic(struct register_writer *w, const struct topic_config *topic)
{
    if (w->compressed)
        append_topic(&w->text, topic);
    else
        topic_table_add(topic, &w->json);
    w->topic_count++;
}

void register_write_end(struct register_writer *w, const struct queue_mapping *mappings, int count,
                        struct buf *out)
{
    if (w->compressed) {
        end_unpacked(w, mappings, count);
        int err = compress_append(COMPRESSION_ZLIB, buf_slice(&w->text), out);
        assert(err == 0);
    } else {
        end_plain(w, mappings, count);
        buf_append_slice(out, buf_slice(&w->text));
    }
    buf_fini(&w->text);
}

void register_body_encode(const struct register_body *body, bool compressed, struct buf *out)
{
    struct register_writer writer;
    register_write_begin(&writer, compressed, &body->topics.version);
    for (int i = 0; i < body->topics.count; i++)
        register_write_topic(&writer, &body->topics.topics[i]);
    register_write_end(&writer, body->mappings, body->mapping_count, out);
}
