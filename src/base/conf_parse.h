/* conf_parse.h - the keys and values of a properties text, as java.util.Properties reads them.
 *
 *     # a comment        ! another
 *     key = value        key: value        key value
 *
 * A line that ends in a backslash goes on in the next. \n, \t, \r, \f and \uXXXX are what they are
 * in Java; any other character behind a backslash is itself.
 *
 * Threads    any: no state.
 */
#ifndef BASE_CONF_PARSE_H
#define BASE_CONF_PARSE_H

#include "base/bytes.h"
#include "base/err.h"

/* Calls `each` per key and value; `line` is where the pair begins, from 1 on. Blanks behind a value
 * do not count. Returns 0 or what `each` returned first. */
MUST_CHECK int conf_parse(struct slice properties,
                          int (*each)(void *ctx, int line, struct slice key, struct slice value),
                          void *ctx);

/* Of a line without its end: it ends in an odd number of backslashes, and the next belongs to it.
 */
bool conf_line_is_continued(struct slice line);
/* A comment is not continued, whatever it ends in. */
bool conf_line_is_comment(struct slice line);

#endif
