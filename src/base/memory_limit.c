#include "base/memory_limit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 8192 };

/* The file's text, cut at TEXT_MAX - 1 bytes; false: it cannot be read. */
static bool read_text(const char *path, char text[TEXT_MAX])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, TEXT_MAX - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* "max", and what version 1 says for it (a number near INT64_MAX), are no limit. */
static int64_t limit_in(const char *path)
{
    char text[TEXT_MAX];
    if (!read_text(path, text) || text[0] < '0' || text[0] > '9')
        return INT64_MAX;
    errno = 0;
    long long limit = strtoll(text, NULL, 10);
    return errno != 0 || limit <= 0 ? INT64_MAX : limit;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Of the group and all above it, to the root of the tree. */
static int64_t limit_from(const char *root, const char *tree, const char *group, const char *file)
{
    char path[PATH_MAX], at[PATH_MAX];
    int64_t limit = INT64_MAX;
    snprintf(at, sizeof at, "%s", group);
    for (;;) {
        int len = snprintf(path, sizeof path, "%s%s%s/%s", root, tree, at, file);
        if (len > 0 && (size_t)len < sizeof path)
            limit = least(limit, limit_in(path));
        char *slash = strrchr(at, '/');
        if (slash == NULL)
            return limit;
        *slash = '\0';
    }
}

static bool names_memory(const char *controllers)
{
    for (const char *at = controllers; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, "memory", 6) == 0 && (at[6] == ',' || at[6] == '\0'))
            return true;
    }
    return false;
}

int64_t memory_limit_of_groups(const char *root, const char *groups)
{
    char text[TEXT_MAX], *rest = NULL;
    int64_t limit = INT64_MAX;
    snprintf(text, sizeof text, "%s", groups);
    /* lines of "number:controllers:path"; version 2 is number 0 without controllers */
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char *controllers = strchr(line, ':');
        char *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
        if (group == NULL)
            continue;
        *group++ = '\0';
        controllers++;
        if (controllers[0] == '\0')
            limit = least(limit, limit_from(root, "", group, "memory.max"));
        else if (names_memory(controllers))
            limit = least(limit, limit_from(root, "/memory", group, "memory.limit_in_bytes"));
    }
    return limit;
}

int64_t memory_limit_bytes(void)
{
    char groups[TEXT_MAX];
    int64_t limit = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    if (read_text("/proc/self/cgroup", groups))
        limit = least(limit, memory_limit_of_groups("/sys/fs/cgroup", groups));
    return limit;
}
