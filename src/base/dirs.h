/* dirs.h - directories: made, and made durable.
 *
 * Errors     0, or the errno of the call that failed: whoever calls knows what for, and logs it.
 * Threads    any.
 */
#ifndef BASE_DIRS_H
#define BASE_DIRS_H

#include "base/err.h"

/* Makes the directory, and those above it that are missing. */
MUST_CHECK int dirs_make(const char *path);
/* Names that were made or removed in the directory stay so when power is lost. One that we may not
 * read is none that we made names in: 0. */
MUST_CHECK int dirs_sync(const char *path);

#endif
