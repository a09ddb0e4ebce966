/* announcement.h - the whole topic table as bodies of registrations, made in steps so that no pass
 * of the loop is long, however large the table.
 *
 * Most tables are one body. Beyond `part_topics` topics there are several parts, told one after the
 * other: a name server adds what it is told to what it knows. It believes a topic to be unchanged
 * when the data version is the one it knows, so each part but the last has a version of its own;
 * the last has the table's.
 *
 * Threads    the broker's loop; compressing is done by a worker.
 * Ownership  the body is the announcement's, until the next part or the end.
 * Errors     ERR_NO_MEMORY.
 */
#ifndef BROKER_ANNOUNCEMENT_H
#define BROKER_ANNOUNCEMENT_H

#include "broker/internal.h"

struct announcement;

/* `made` runs on the loop for each part, possibly before announcement_begin() or _next() returns.
 */
MUST_CHECK int announcement_new(struct broker *broker, void (*made)(void *ctx), void *ctx,
                                struct announcement **announcement);
void announcement_free(struct announcement *a);

/* From the first topic on. What changes in the table from here on may be in it or not. */
void announcement_begin(struct announcement *a);
/* The part after the one that was made; not behind the last. */
void announcement_next(struct announcement *a);
/* Drops the body: it was told, and another announcement may begin. */
void announcement_end(struct announcement *a);

/* Begun and not ended. */
bool announcement_is_under_way(const struct announcement *a);
/* A worker has it: it cannot be freed now. */
bool announcement_is_packing(const struct announcement *a);
/* Of the part that was made. */
bool announcement_is_last(const struct announcement *a);
struct slice announcement_body(const struct announcement *a);
/* topics_change_count() when it began. */
uint64_t announcement_change_count(const struct announcement *a);

/* A topic as name servers are told of it: what the broker as a whole may not do it may not. */
struct topic_config announced_topic(const struct broker *broker, const struct topic_config *config);

#endif
