#include "base/err.h"

#include <errno.h>
#include <string.h>

const char *err_name(int err)
{
    static const char *const names[] = {
        [0] = "ok",
        [-ERR_WOULD_BLOCK] = "would_block",
        [-ERR_NO_MEMORY] = "no_memory",
        [-ERR_DISK_FULL] = "disk_full",
        [-ERR_TIMEOUT] = "timeout",
        [-ERR_LOCKED] = "locked",
        [-ERR_TOO_BIG] = "too_big",
        [-ERR_INVALID] = "invalid",
        [-ERR_UNSUPPORTED] = "unsupported",
        [-ERR_NOT_FOUND] = "not_found",
        [-ERR_EXISTS] = "exists",
        [-ERR_INCOMPLETE] = "incomplete",
        [-ERR_CORRUPT] = "corrupt",
        [-ERR_IO] = "io",
        [-ERR_CLOSED] = "closed",
    };
    int index = -err;
    if (index < 0 || index >= (int)(sizeof(names) / sizeof(names[0])))
        return "unknown";
    return names[index];
}

const char *err_errno_name(int errno_value)
{
    const char *name = strerrorname_np(errno_value);
    return name != NULL ? name : "unknown";
}

int err_from_errno(int errno_value)
{
    switch (errno_value) {
    case ENOMEM:
        return ERR_NO_MEMORY;
    case ENOSPC:
    case EDQUOT:
        return ERR_DISK_FULL;
    case ENOENT:
        return ERR_NOT_FOUND;
    case EEXIST:
        return ERR_EXISTS;
    case EAGAIN:
        return ERR_WOULD_BLOCK;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    case ECONNRESET:
    case ECONNREFUSED:
    case EPIPE:
        return ERR_CLOSED;
    case EINVAL:
        return ERR_INVALID;
    default:
        return ERR_IO;
    }
}
