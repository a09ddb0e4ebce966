/* tags.h - tag subscriptions: "a || b" against the hash of a message's TAGS property.
 *
 * The broker compares hashes only, as the consume queue stores no more; consumers compare the text.
 * Pure functions; any thread.
 */
#ifndef FILTER_TAGS_H
#define FILTER_TAGS_H

#include "base/arena.h"
#include "base/err.h"

/* The expression type of a subscription: tags for "TAG", empty and absent. */
bool expression_is_by_tag(struct slice type);

struct tag_filter {
    bool all;             /* every message matches; codes and tags are empty */
    const int32_t *codes; /* java_hash() of each tag */
    const struct slice *tags;
    int count;
};

/* Parses a subscription text. Absent, empty and "*" take everything; blanks around tags do not
 * count; a text of blanks alone is a filter that nothing matches. Arrays live in the arena, the
 * tags borrow from `expression`. ERR_INVALID: separators only ("||"). */
MUST_CHECK int tag_filter_parse(struct slice expression, struct arena *arena,
                                struct tag_filter *filter);

bool tag_filter_matches(const struct tag_filter *filter, int64_t tags_code);

#endif
