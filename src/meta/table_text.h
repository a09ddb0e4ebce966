/* table_text.h - walking a table for its text, for the tables of this room.
 *
 * Threads    the owner of the table.
 */
#ifndef META_TABLE_TEXT_H
#define META_TABLE_TEXT_H

#include "meta/meta.h"

/* Entries that a step adds: some tens of microseconds of work. */
enum { TABLE_TEXT_STEP = 128 };

/* True when the walk over `map` is to begin now: it is new, or entries were moved under it. The
 * outer object is then open; the caller writes what stands before the first entry. */
bool table_text_begins(struct table_text *text, const struct map *map);
/* All entries are there and their object is closed: closes the outer one. Returns true. */
bool table_text_whole(struct table_text *text);

#endif
