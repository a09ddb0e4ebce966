#include "base/dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_one(const char *path)
{
    return mkdir(path, 0755) == 0 || errno == EEXIST ? 0 : errno;
}

int dirs_make(const char *path)
{
    char partial[PATH_MAX];
    int cause = make_one(path); /* mostly the last one is all that is missing */
    if (cause != ENOENT)
        return cause;
    if (snprintf(partial, sizeof partial, "%s", path) >= (int)sizeof partial)
        return ENAMETOOLONG;
    for (char *slash = partial; (slash = strchr(slash + 1, '/')) != NULL;) {
        *slash = '\0';
        cause = make_one(partial);
        if (cause != 0)
            return cause;
        *slash = '/';
    }
    return make_one(path);
}

int dirs_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == EACCES ? 0 : errno;
    int cause = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    return cause;
}
