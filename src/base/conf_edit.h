/* conf_edit.h - changes some keys of a properties text and leaves the rest as people wrote it.
 *
 * Threads    any: no state.
 */
#ifndef BASE_CONF_EDIT_H
#define BASE_CONF_EDIT_H

#include "base/bytes.h"

/* Appends `text` to `out` with the keys of `changes` (properties text, too; the last one counts
 * when a key stands twice) set to their values: in their places where the text has them, else at
 * its end. Comments, order and other lines stay byte for byte.
 * Threads: any. Errors: none. */
void conf_edit(struct slice text, struct slice changes, struct buf *out);

#endif
