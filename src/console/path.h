/* path.h - what a request's path and Host header say.
 *
 * Threads    any: no state.
 */
#ifndef CONSOLE_PATH_H
#define CONSOLE_PATH_H

#include "base/arena.h"

enum { PATH_WORDS_MAX = 4 };

/* Does the path have the pattern's segments? Each "*" of the pattern stands for one that is not
 * empty, and comes out in `words` with its %XX decoded. Never true of a path that is not well
 * formed, or of a word that holds a NUL. */
bool path_matches(const char *pattern, struct slice path, struct arena *arena,
                  struct slice words[PATH_WORDS_MAX]);

/* A page of another origin can make its own name resolve to this machine (DNS rebinding) and would
 * be of the same origin as the console then. Its browser sends that name; so only what cannot be
 * such a name is taken: numeric addresses, localhost and `name` (NULL: none), with or without a
 * port. */
bool host_is_ours(struct slice host, const char *name);

#endif
