/* meta.h - the tables of a broker that outlive a restart: topics, consumer groups, consumer
 * offsets, consumer filters.
 *
 * Each table is one JSON file under config/ in the reference's form (docs/format/tables.md),
 * replaced atomically, its previous version kept as .bak; a damaged or missing file is read from
 * .bak.
 *
 * Ownership  a table owns what it holds; pointers it gives stay valid until that entry is changed.
 * Threads    a table belongs to the thread that created it (the broker's loop). Saving is split:
 *            the text is made there, step by step, and written by table_file_write(), which may run
 *            on a worker.
 * Errors     0, or a negative code of base/err.h; the table is then as before.
 */
#ifndef META_META_H
#define META_META_H

#include "base/bytes.h"
#include "base/map.h"
#include "wire/body_assignment.h"
#include "filter/bloom.h"
#include "filter/sql.h"
#include "filter/tags.h"
#include "wire/body_group_config.h"
#include "wire/body_subscription.h"
#include "wire/body_topic_config.h"
#include "wire/delay_levels.h"

/* ---- files ------------------------------------------------------------------------------- */

/* Replaces `path` by `text`: new file written and synced, old one renamed to path.bak, new one
 * renamed into place, directory synced. At every moment path or path.bak holds a whole version,
 * also after a failure. Missing directories are made. One writer per path at a time. */
MUST_CHECK int table_file_write(const char *path, struct slice text);

/* Reads path, or path.bak when `accepts` refuses what path holds, or it is not what was written
 * (table_sum.h), empty or missing; what was refused is then moved aside to path.damaged, so that
 * the next write cannot make it the .bak. `accepts` takes over what it needs from the text, or
 * returns false and keeps nothing. ERR_NOT_FOUND: neither holds anything. ERR_CORRUPT: what exists
 * is refused, or what existed is gone; nothing is touched. What was read is on the disk: its writer
 * may have been killed before it was. */
MUST_CHECK int table_file_read(const char *path, bool (*accepts)(void *ctx, struct slice text),
                               void *ctx);

/* The text of a table while it is made. Each step adds the next entries only, so that no pass of
 * the loop is long, however large the table. What changes meanwhile is in the text or not; the
 * table then has changed since, and is saved again. It must not move once it is begun. */
struct table_text {
    struct buf out; /* the whole text once a step returned true */
    struct json_out json;
    size_t cursor;
    uint32_t layout;     /* of the table when the walk began */
    bool is_second_walk; /* over the same table, for entries that stand elsewhere in the text */
    bool is_begun;
};
void table_text_init(struct table_text *text);
/* Ready for another text, memory kept. */
void table_text_clear(struct table_text *text);
void table_text_fini(struct table_text *text);

/* ---- topics ------------------------------------------------------------------------------ */

struct topics;

/* Here and below: without a file the table is empty. ERR_CORRUPT: file and .bak are damaged. */
MUST_CHECK int topics_open(const char *path, struct topics **topics);
void topics_free(struct topics *topics);

/* From now on every name that begins with %LMQ%, and that a queue can have, is a topic: of one
 * queue, in no table, and nothing is put for it. What topics_get() gives for one borrows the name
 * asked for, and is valid until LIGHT_KEPT more of them were asked for. The same for groups, whose
 * names are as long at most. */
enum { LIGHT_KEPT = 16 };
void topics_take_light(struct topics *topics);
/* NULL when there is no such topic. */
const struct topic_config *topics_get(const struct topics *topics, struct slice name);
/* Memory beside a topic that topics_get() gave, for what its user would look up again with each
 * message: zeros when the topic comes or changes, gone when it goes. NULL: it is a light one. */
enum { TOPIC_BESIDE_BYTES = 32 };
void *topics_beside(const struct topics *topics, const struct topic_config *config);
/* Creates or replaces; moves the data version on. `config` is copied. */
void topics_put(struct topics *topics, const struct topic_config *config, int64_t now_ms);
/* None of that name: nothing changes. */
void topics_remove(struct topics *topics, struct slice name, int64_t now_ms);
bool topics_next(const struct topics *topics, size_t *cursor, const struct topic_config **config);
size_t topics_count(const struct topics *topics);
/* Another number whenever entries were moved: a cursor from before then means nothing. */
uint32_t topics_layout(const struct topics *topics);
/* How many changes there were since the table was opened, and which topic the n-th was about (from
 * 1), put or removed. False: forgotten, only the last TOPICS_CHANGES_KEPT are known. */
enum { TOPICS_CHANGES_KEPT = 512 };
uint64_t topics_change_count(const struct topics *topics);
bool topics_change(const struct topics *topics, uint64_t n, struct slice *name);
const struct data_version *topics_version(const struct topics *topics);
/* What is told of the topics changed, though none of them did: moves the data version on. */
void topics_touch(struct topics *topics, int64_t now_ms);
/* True when it changed since a text was begun: there is something to save. */
bool topics_changed(const struct topics *topics);
/* The next piece of the file's text, pretty-printed as the reference does; true: it is whole. */
bool topics_text_step(struct topics *topics, struct table_text *text);

/* ---- consumer groups --------------------------------------------------------------------- */

struct groups;

MUST_CHECK int groups_open(const char *path, struct groups **groups);
void groups_free(struct groups *groups);
void groups_take_light(struct groups *groups);
const struct group_config *groups_get(const struct groups *groups, struct slice name);
void groups_put(struct groups *groups, const struct group_config *config, int64_t now_ms);
void groups_remove(struct groups *groups, struct slice name, int64_t now_ms);
bool groups_next(const struct groups *groups, size_t *cursor, const struct group_config **config);
bool groups_changed(const struct groups *groups);
bool groups_text_step(struct groups *groups, struct table_text *text);
/* The whole of it as a body: compact, and not counted as saved. */
void groups_body(const struct groups *groups, struct buf *out);

/* What a group may not do with a topic (enum group_forbidden_bits); 0: nothing is forbidden. The
 * group need not exist. */
enum { GROUPS_FORBIDDEN_MAX = 65536 };
int32_t groups_forbidden(const struct groups *groups, struct slice group, struct slice topic);
/* ERR_INVALID: a name that is empty or too long. ERR_TOO_BIG: that many are forbidden already. */
MUST_CHECK int groups_forbid(struct groups *groups, struct slice group, struct slice topic,
                             int32_t bits, int64_t now_ms);

/* ---- consumer offsets -------------------------------------------------------------------- */

struct offsets;

MUST_CHECK int offsets_open(const char *path, struct offsets **offsets);
/* From now on the text has what groups whose names begin with %LMQ% have of queue 0 in a table of
 * its own (lmqConsumerOffset.json). */
void offsets_separate_light(struct offsets *offsets);
/* A table without a file, empty. */
MUST_CHECK int offsets_new(struct offsets **offsets);
void offsets_free(struct offsets *offsets);
/* -1: none known. */
int64_t offsets_get(const struct offsets *offsets, struct slice topic, struct slice group,
                    int32_t queue_id);
/* Any value is taken, also a smaller one, as the reference does. No memory is asked for but by the
 * first offset of a queue. A pair takes OFFSETS_QUEUES_MAX queues, what is beyond is dropped. */
enum { OFFSETS_QUEUES_MAX = 65536 };
void offsets_put(struct offsets *offsets, struct slice topic, struct slice group, int32_t queue_id,
                 int64_t queue_offset, int64_t now_ms);
/* The offset, which the table has no more; -1: none known. */
int64_t offsets_take(struct offsets *offsets, struct slice topic, struct slice group,
                     int32_t queue_id);
/* The offsets of one pair, by queue id; -1: no more. *cursor begins at 0. */
int32_t offsets_next_queue(const struct offsets *offsets, struct slice topic, struct slice group,
                           size_t *cursor, int64_t *queue_offset);
/* `to` gets the offsets that `from` has in the topic, and no others. Does nothing when it has none.
 */
void offsets_clone(struct offsets *offsets, struct slice topic, struct slice from, struct slice to,
                   int64_t now_ms);
bool offsets_are_empty(const struct offsets *offsets);
void offsets_remove_group(struct offsets *offsets, struct slice group);
void offsets_remove_topic(struct offsets *offsets, struct slice topic);
/* Of many topics whose queues began anew, the keys of `topics`, in one walk: where the queue has no
 * message nothing is known any more, and an offset beyond its end is 0. */
void offsets_begin_topics(struct offsets *offsets, const struct map *topics,
                          int64_t (*max_of)(void *ctx, struct slice topic, int32_t queue_id),
                          void *ctx);
/* Every (topic, group) that has at least one offset. */
bool offsets_next(const struct offsets *offsets, size_t *cursor, struct slice *topic,
                  struct slice *group);
bool offsets_changed(const struct offsets *offsets);
bool offsets_text_step(struct offsets *offsets, struct table_text *text);
/* The whole of it as a body: compact, and not counted as saved. */
void offsets_body(const struct offsets *offsets, struct buf *out);

/* ---- consumer filters: SQL expressions by group and topic (consumerFilter.json) ----------- */

struct filters;

/* A filter lives on when its group goes (it is dead then) and is alive when it comes back. */
struct filter_entry {
    struct slice topic;
    struct slice group;
    struct slice expression;
    struct slice expression_type;
    int64_t born_ms;
    int64_t dead_ms; /* not below born_ms: dead since */
    int64_t client_version;
    const struct sql_expr *sql;
};

/* Texts and compiled expressions of all groups; who would go beyond has no filter. The table's text
 * is made in one go, which this keeps short. */
enum { FILTERS_BYTES_MAX = 8 << 20 };
/* The whole file is forgotten when it was made with another shape of Bloom filter. */
MUST_CHECK int filters_open(const char *path, struct bloom_shape bloom, int64_t now_ms,
                            struct filters **filters);
void filters_free(struct filters *filters);
/* What a group subscribes to now. Filters by tag are none of this table's business; a newer version
 * with another expression replaces, or removes when it does not compile; the filters of topics that
 * are not named die. */
void filters_register(struct filters *filters, struct slice group, const struct subscription *subs,
                      int count, int64_t now_ms);
/* The group has no members any more. */
void filters_unregister(struct filters *filters, struct slice group, int64_t now_ms);
/* NULL: there is none. Valid until the next filters_register() of the group or filters_text(). */
const struct filter_entry *filters_get(const struct filters *filters, struct slice topic,
                                       struct slice group);
bool filters_next_of_group(const struct filters *filters, struct slice group, size_t *cursor,
                           const struct filter_entry **entry);
bool filters_changed(const struct filters *filters);
/* Forgets who has been dead for kept_dead_ms first. */
void filters_text(struct filters *filters, int64_t kept_dead_ms, int64_t now_ms, struct buf *out);

/* ---- delay offsets: how far each delay level has been delivered (delayOffset.json) ------- */

struct delay_offsets {
    int64_t next[DELAY_LEVELS_MAX + 1]; /* by level, from 1; -1: none */
};
/* ERR_NOT_FOUND: no file; *offsets is untouched. */
MUST_CHECK int delay_offsets_read(const char *path, struct delay_offsets *offsets);
/* `pretty`: as the file has it. */
void delay_offsets_text(const struct delay_offsets *offsets, int64_t now_ms, bool pretty,
                        struct buf *out);

/* ---- how groups read topics (messageRequestMode.json) ---------------------------------------- */

struct request_modes;
enum { REQUEST_MODES_MAX = 100000 };

MUST_CHECK int request_modes_open(const char *path, struct request_modes **modes);
void request_modes_free(struct request_modes *modes);
/* NULL: never set. */
const struct request_mode_setting *request_modes_get(const struct request_modes *modes,
                                                     struct slice topic, struct slice group);
/* Adds or replaces; the names are copied. ERR_TOO_BIG: there are too many. */
MUST_CHECK int request_modes_put(struct request_modes *modes,
                                 const struct request_mode_setting *setting);
/* Borrowed until the next put. */
struct request_mode_table request_modes_all(const struct request_modes *modes);
bool request_modes_changed(const struct request_modes *modes);
void request_modes_text(struct request_modes *modes, struct buf *out);

#endif
