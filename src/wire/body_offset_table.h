/* body_offset_table.h - consumer offsets: the body of GET_ALL_CONSUMER_OFFSET and the file
 * config/consumerOffset.json, {"dataVersion":{...},"offsetTable":{"topic@group":{0:120,1:118}}}.
 * config/lmqConsumerOffset.json has the groups of light queues beside them, by their one queue:
 * "lmqOffsetTable":{"topic@group":120}.
 *
 * Contract   that of all bodies, in body_data_version.h.
 */
#ifndef WIRE_BODY_OFFSET_TABLE_H
#define WIRE_BODY_OFFSET_TABLE_H

#include "wire/body_data_version.h"

struct consumer_offset {
    struct slice topic;
    struct slice group;
    int32_t queue_id;
    int64_t queue_offset; /* the next one to consume */
};

struct offset_table {
    struct data_version version;           /* zeros in tables of 4.x */
    const struct consumer_offset *offsets; /* those of one topic and group stand together */
    int count;
};

/* A key without '@' and a queue id that is no number are skipped. Both tables are read. */
MUST_CHECK int offset_table_decode(struct slice text, struct arena *arena,
                                   struct offset_table *table);
/* Written in pieces: begin, then the offsets of each topic and group, then end; they write the
 * members of that object. */
void offset_table_begin(const struct data_version *version, struct json_out *j);
void offset_table_add(const struct consumer_offset *offsets, int count, struct json_out *j);
void offset_table_end(struct json_out *j);
/* Before the end: from here on come the offsets of light groups, one each. */
void offset_table_light_begin(struct json_out *j);
void offset_table_light_add(const struct consumer_offset *offset, struct json_out *j);

#endif
