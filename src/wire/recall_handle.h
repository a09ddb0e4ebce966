/* recall_handle.h - what a producer gets with a send and gives back to recall the message:
 * URL-safe base64 of "v1 topic brokerName deliverMs uniqKey".
 *
 * Threads any. A handle comes back from outside: nothing in it is believed before it was compared.
 */
#ifndef WIRE_RECALL_HANDLE_H
#define WIRE_RECALL_HANDLE_H

#include "base/arena.h"
#include "base/err.h"

enum { RECALL_HANDLE_TEXT_MAX = 4096 }; /* longer ones are no handles */

struct recall_handle {
    struct slice topic;
    struct slice broker_name;
    struct slice deliver_ms; /* text of a number */
    struct slice uniq_key;
};

/* The handle's text, in the arena. The parts hold no blanks. */
struct slice recall_handle_encode(const struct recall_handle *handle, struct arena *arena);

/* ERR_CORRUPT: not a handle. The parts are in the arena, each at least one byte long. */
MUST_CHECK int recall_handle_decode(struct slice text, struct arena *arena,
                                    struct recall_handle *handle);

#endif
