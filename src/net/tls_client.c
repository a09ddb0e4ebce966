/* tls_client.c - TLS on connections we opened. */
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "net/tls_internal.h"

struct tls_client {
    SSL_CTX *context;
};

int tls_client_new(const struct tls_conf *given, struct tls_client **made)
{
    struct tls_conf conf;
    char reason[TLS_REASON_BYTES] = "";
    *made = NULL;
    if (!given->client_enable)
        return 0;
    int err = tls_conf_load(given, &conf);
    if (err != 0)
        return err;
    struct tls_client *client = calloc(1, sizeof *client);
    err = client == NULL ? ERR_NO_MEMORY : tls_context_for_client(&conf, &client->context, reason);
    tls_conf_fini(&conf);
    if (err != 0) {
        log_error("tls_not_usable reason=\"%s\"", reason);
        free(client);
        return err;
    }
    *made = client;
    return 0;
}

void tls_client_free(struct tls_client *client)
{
    if (client == NULL)
        return;
    SSL_CTX_free(client->context);
    free(client);
}

void tls_connect(struct tls_client *client, struct conn *conn, int64_t timeout_ms)
{
    struct tls *tls = tls_new(conn);
    if (tls == NULL || tls_set_session(tls, client->context) != 0)
        memory_none(0);
    conn_set_ready_deadline(conn, timeout_ms);
    conn->has_unread =
        true; /* begun by a read, later in this pass: the caller still has the conn */
    conn_input_wanted(conn);
}
