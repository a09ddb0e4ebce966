/* message_filter.h - which messages a subscription takes: by tag, or by an SQL92 expression.
 *
 * A filter is asked twice. The queue's entry comes first: it has the hash of the tag, and costs no
 * look into the log. What may match is asked again with the record's properties, when the filter
 * looks at these at all.
 *
 *     message_filter_compile(type, text) ──> filter ──> message_filter_of_get(): for store_get()
 *                                                └───> message_filter_takes(): for an arrival
 *
 * Ownership  what a filter points to lives in the arena it was compiled in or kept in.
 * Threads    compiling and keeping: the broker's loop. A filter that is not changed may be asked on
 *            any thread.
 */
#ifndef BROKER_MESSAGE_FILTER_H
#define BROKER_MESSAGE_FILTER_H

#include "filter/sql.h"
#include "filter/tags.h"
#include "meta/meta.h"
#include "store/store.h"

/* How messages are asked that a retry topic has from this one. */
struct retry_origin {
    struct slice topic;
    const struct sql_expr *sql;
};

struct message_filter {
    struct tag_filter tags;
    const struct sql_expr *sql; /* NULL: tags decide alone */
    /* Of a retry topic, instead of sql: what came from any other topic is taken. */
    const struct retry_origin *origins;
    int origin_count;
};

/* ERR_INVALID: the text is no expression of its type, or there is no such type; *error says why
 * (its text only, for tags). The filter of tags borrows from `text`. */
MUST_CHECK int message_filter_compile(struct slice type, struct slice text, struct arena *arena,
                                      struct message_filter *filter, struct sql_error *error);

/* Makes it the filter of a group's retry topic (filterSupportRetry): each message is asked by the
 * expression that the group has for the topic the message came from. Borrows from the table. */
void message_filter_for_retry(struct message_filter *filter, const struct filters *filters,
                              struct slice group, struct arena *arena);

/* Copies what the filter points to into the arena, without the texts of tags. */
void message_filter_keep(struct message_filter *filter, struct arena *arena);
/* How much that is. */
size_t message_filter_bytes(const struct message_filter *filter);

bool message_filter_takes_all(const struct message_filter *filter);
bool message_filter_takes(const struct message_filter *filter, int64_t tags_code,
                          struct slice properties);

/* Makes the request ask the filter, which must outlive it. */
void message_filter_of_get(struct message_filter *filter, struct store_get_request *request);

#endif
