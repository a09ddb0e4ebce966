/* Goal: any path and any Host header of an HTTP request are taken or refused; what is taken has
 * words without NUL, and a host that no page elsewhere can have. The first line is the path, the
 * rest the host. */
#include "fuzz.h"
#include "console/path.h"

#include <ctype.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct slice words[PATH_WORDS_MAX];
    struct slice host = slice_of(data, size);
    struct slice path = slice_cut(&host, '\n');
    arena_init(&arena);
    if (path_matches("/api/brokers/*/*/slow", path, &arena, words)) {
        for (int i = 0; i < 2; i++) {
            touch(words[i]);
            CHECK(words[i].len > 0 && words[i].len < path.len);
            CHECK(memchr(words[i].data, 0, words[i].len) == NULL);
        }
    }
    if (host_is_ours(host, NULL)) {
        for (size_t i = 0; i < host.len; i++)
            CHECK(isxdigit(host.data[i]) ||
                  memchr(".:[]localhostLOCALHOST", host.data[i], 22) != NULL);
    }
    arena_fini(&arena);
    return 0;
}
