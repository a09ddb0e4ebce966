/* body_register.h - REGISTER_BROKER: all topics of a broker, plain or compressed.
 *
 *     plain       {"filterServerList":[],"topicConfigSerializeWrapper":{dataVersion,
 *                 topicConfigTable, ...}}; peers older than 3.0.11 send the wrapper alone
 *     compressed  one zlib stream; docs/protocol/dialect.md draws it
 *
 * Contract   that of all bodies, in body_data_version.h.
 */
#ifndef WIRE_BODY_REGISTER_H
#define WIRE_BODY_REGISTER_H

#include "wire/body_topic_config.h"

/* Peers from this version on wrap the table; from the second on a compressed body has mappings. */
enum { REGISTER_WRAPPED_SINCE = 37, REGISTER_MAPPINGS_SINCE = 413 };
/* A compressed body may not unpack to more than this. */
enum { REGISTER_UNPACKED_MAX = 64 << 20 };

/* The queue mapping of a static topic, not interpreted. */
struct queue_mapping {
    struct slice topic;
    struct slice json;
};

struct register_body {
    struct topic_table topics;
    const struct queue_mapping *mappings;
    int mapping_count;
};

/* An empty body is valid: no topics, version zero.
 * ERR_CORRUPT: malformed, or the mapping section is missing. ERR_TOO_BIG: unpacks to too much. */
MUST_CHECK int register_body_decode(struct slice body, bool compressed, int32_t peer_version,
                                    struct arena *arena, struct register_body *out);
/* A body written in pieces, in the form of WIRE_VERSION: begin, each topic, end. It must not move
 * in between. */
struct register_writer {
    struct buf text; /* the body, or what is to be compressed */
    struct json_out json;
    bool compressed;
    size_t count_at; /* where the compressed form has the number of topics */
    uint32_t topic_count;
};
void register_write_begin(struct register_writer *w, bool compressed,
                          const struct data_version *version);
void register_write_topic(struct register_writer *w, const struct topic_config *topic);
/* Appends the body to `out` and frees the writer's memory. Compressing takes some ten ms a MB. */
void register_write_end(struct register_writer *w, const struct queue_mapping *mappings, int count,
                        struct buf *out);
/* All of it at once. */
void register_body_encode(const struct register_body *body, bool compressed, struct buf *out);

#endif
