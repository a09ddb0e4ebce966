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
#include "store/store.h"

struct message_filter {
    struct tag_filter tags;
    const struct sql_expr *sql; /* NULL: tags decide alone */
};

/* The expression type of a subscription: tags for "TAG", empty and absent. */
bool message_filter_is_by_tag(struct slice type);

/* ERR_INVALID: the text is no expression of its type, or there is no such type; *error says why
 * (its text only, for tags). The filter of tags borrows from `text`. */
MUST_CHECK int message_filter_compile(struct slice type, struct slice text, struct arena *arena,
                                      struct message_filter *filter, struct sql_error *error);

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
