/* api.h - the console's JSON over HTTP: the table of paths, and what is asked of whom for each.
 *
 * Only brokers that a name server lists are asked: the console is no way to anywhere else.
 *
 * Ownership  a request that is taken is answered, also when the client is freed.
 * Threads    the loop of the client.
 */
#ifndef CONSOLE_API_H
#define CONSOLE_API_H

#include "client/client.h"
#include "console/http.h"

struct api {
    struct client *client;
    struct routes *routes; /* the name servers */
    bool is_ending;        /* client_free() ends the calls: nothing more is to be called */
};

/* False: the path is not the api's, and the request still the caller's. */
bool api_takes(struct api *api, struct http_request *request);

#endif
