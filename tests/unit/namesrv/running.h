/* running.h - a name server that runs on a loop thread of its own, and blocking connections to it.
 */
#ifndef UNIT_NAMESRV_RUNNING_H
#define UNIT_NAMESRV_RUNNING_H

#include <pthread.h>

#include "namesrv/namesrv.h"
#include "wire/codes.h"
#include "wire/header.h"

struct running {
    struct loop *loop;
    struct workers *workers;
    struct namesrv *namesrv;
    struct namesrv_conf conf; /* change it before running_start() */
    pthread_t thread;
    char directory[64]; /* holds kv.json and namesrv.conf */
    struct arena arena; /* of requests and answers */
};

/* cmocka set-up and tear-down; the server is not started yet. */
int running_make(void **state);
int running_remove(void **state);

void running_start(struct running *r);
/* Waits until what was accepted is answered, then stops. */
void running_stop(struct running *r);

struct answer {
    struct header header;
    struct slice body;
};

/* A connection; -1 never. */
int running_connect(struct running *r);
/* `ext` is "key=value\nkey=value"; version 0: the current one. */
void running_send(struct running *r, int fd, int32_t code, int32_t version, int32_t flag,
                  const char *ext, struct slice body);
/* The next frame; false: the other side closed the connection. Fails the test after ten seconds. */
bool running_receive(struct running *r, int fd, struct answer *answer);
struct answer running_call(struct running *r, int fd, int32_t code, const char *ext,
                           struct slice body);
/* The text of an answer's field; NUL-terminated, "" when absent. */
const char *answer_ext(struct running *r, const struct answer *answer, const char *key);
const char *answer_body(struct running *r, const struct answer *answer);

/* A file of the directory, NUL-terminated; NULL when there is none. */
const char *running_file(struct running *r, const char *name);

#endif
