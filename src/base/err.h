/* err.h - what a call that can fail returns: 0, or one of these negative codes.
 *
 * Only "the world failed" is told this way. A client that asked wrongly gets a response code of the
 * protocol (wire/codes.h); a broken promise of our own code is an assert. Whoever knows most (path,
 * offset, errno) logs the failure once; callers pass the code up in silence. After a failure
 * everything is as it was before the call.
 *
 * The codes stand in the order of what a caller may do: come again, let it be, go by what there is,
 * give up on what it asked.
 *
 * Threads    any: no state.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define MUST_CHECK __attribute__((warn_unused_result))

enum err {
    /* not now: the same may do later */
    ERR_WOULD_BLOCK = -1, /* cannot be done without waiting; try on a worker or later */
    ERR_NO_MEMORY = -2,   /* allocation refused */
    ERR_DISK_FULL = -3,   /* no space or quota left */
    ERR_TIMEOUT = -4,     /* the deadline passed first */
    ERR_LOCKED = -5,      /* another process owns it */
    /* not so: the same will never do */
    ERR_TOO_BIG = -6,     /* longer than a bound allows */
    ERR_INVALID = -7,     /* an argument from outside that is not allowed */
    ERR_UNSUPPORTED = -8, /* valid, but not something this program does */
    /* what there is, or is not: as often an answer as a failure */
    ERR_NOT_FOUND = -9,   /* no such file, key, queue or record */
    ERR_EXISTS = -10,     /* already there */
    ERR_INCOMPLETE = -11, /* a prefix of something valid: more bytes are needed */
    ERR_CORRUPT = -12,    /* bytes that do not follow their format */
    /* no more: what was asked has failed or gone */
    ERR_IO = -13,     /* a read, write, sync or map failed; the log line says which */
    ERR_CLOSED = -14, /* the peer or the owner has gone or is going */
    ERR_LAST = ERR_CLOSED,
};

/* The code's name in lower case without prefix, e.g. "disk_full"; "ok" for 0. Static text. */
const char *err_name(int err);

/* What people look up of an errno value, e.g. "ENOSPC", for a line of the log. Static text. */
const char *err_errno_name(int errno_value);

/* Maps an errno value (> 0) to a code; what has no code of its own becomes ERR_IO. */
int err_from_errno(int errno_value);

#endif
