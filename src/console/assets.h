/* assets.h - the page: the files of web/, in the program as they stand.
 *
 * Threads    any: constants.
 */
#ifndef CONSOLE_ASSETS_H
#define CONSOLE_ASSETS_H

#include "base/slice.h"

struct asset {
    const char *content_type;
    struct slice body;
};

/* False: there is none at this path of a URL. */
bool asset_at(struct slice path, struct asset *asset);

#endif
