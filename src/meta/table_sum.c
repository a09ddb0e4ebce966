#include "meta/table_sum.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/log.h"

enum { TEXT_BYTES = 256 };

static bool path_with(const char *path, const char *suffix, char out[PATH_MAX])
{
    int len = snprintf(out, PATH_MAX, "%s%s", path, suffix);
    return len >= 0 && len < PATH_MAX;
}

/* ---- text ------------------------------------------------------------------------------------ */

static size_t encode(const struct table_sums *sums, char text[TEXT_BYTES])
{
    size_t len = 0;
    assert(sums->count >= 0 && sums->count <= TABLE_SUMS_KEPT);
    for (int i = 0; i < sums->count; i++)
        len += (size_t)snprintf(text + len, TEXT_BYTES - len,
                                "%" PRIu32 " %" PRId64 " %" PRId64 "\n", sums->versions[i].crc,
                                sums->versions[i].bytes, sums->versions[i].modified_ns);
    uint32_t check = crc32_update(0, slice_of((const uint8_t *)text, len));
    len += (size_t)snprintf(text + len, TEXT_BYTES - len, "check %" PRIu32 "\n", check);
    assert(len < TEXT_BYTES);
    return len;
}

static void decode(const char *text, struct table_sums *sums)
{
    const char *at = text;
    struct table_sum *next = sums->versions;
    int used = 0;
    while (sums->count < TABLE_SUMS_KEPT &&
           sscanf(at, "%" SCNu32 " %" SCNd64 " %" SCNd64 "%n", &next->crc, &next->bytes,
                  &next->modified_ns, &used) == 3) {
        at += used + 1;
        sums->count++;
        next++;
    }
    /* The text is ours when it is what we would write of it. */
    char same[TEXT_BYTES];
    size_t len = encode(sums, same);
    if (sums->count == 0 || strlen(text) != len || memcmp(text, same, len) != 0)
        *sums = (struct table_sums){ .count = 0 };
}

/* ---- files ----------------------------------------------------------------------------------- */

void table_sums_read(const char *path, struct table_sums *sums)
{
    char name[PATH_MAX];
    char text[TEXT_BYTES];
    *sums = (struct table_sums){ .count = 0 };
    int fd = path_with(path, ".sum", name) ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    ssize_t len = read(fd, text, sizeof text - 1);
    close(fd);
    if (len <= 0)
        return;
    text[len] = 0;
    decode(text, sums);
}

static int write_text(const char *name, const char *text, size_t len)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return errno;
    ssize_t n = write(fd, text, len);
    int cause = n < 0 ? errno : (size_t)n < len ? ENOSPC : 0;
    return close(fd) != 0 && cause == 0 ? errno : cause;
}

/* Not synced: what a loss of power makes of it is known by its last line, or as too old. */
void table_sums_note(const char *path, struct slice text, int64_t modified_ns)
{
    char name[PATH_MAX];
    char fresh[PATH_MAX];
    char out[TEXT_BYTES];
    struct table_sums before;
    table_sums_read(path, &before);
    struct table_sums sums = { .versions = { { .crc = crc32_update(0, text),
                                               .bytes = (int64_t)text.len,
                                               .modified_ns = modified_ns },
                                             before.versions[0] },
                               .count = before.count == 0 ? 1 : TABLE_SUMS_KEPT };
    if (!path_with(path, ".sum", name) || !path_with(name, ".tmp", fresh))
        return;
    int cause = write_text(fresh, out, encode(&sums, out));
    if (cause == 0 && rename(fresh, name) != 0)
        cause = errno;
    if (cause != 0) {
        log_warn("table_sum_not_written path=%s errno=%s", name, err_errno_name(cause));
        unlink(fresh);
    }
}

bool table_sums_deny(const struct table_sums *sums, struct slice text, int64_t modified_ns)
{
    bool is_known = false;
    bool is_coarse = modified_ns % 1000000000 == 0; /* a file system that counts seconds */
    uint32_t crc = crc32_update(0, text);
    for (int i = 0; i < sums->count && !is_coarse; i++) {
        const struct table_sum *version = &sums->versions[i];
        if (version->modified_ns != modified_ns)
            continue;
        if (version->bytes == (int64_t)text.len && version->crc == crc)
            return false;
        is_known = true;
    }
    return is_known;
}
