#include "console/console.h"

#include <stdlib.h>

#include "base/memory.h"
#include "console/api.h"
#include "console/assets.h"

/* Connections to brokers and name servers that nobody asks for any more are closed. */
enum { CONNECT_TIMEOUT_MS = 3000, CONNECTION_KEPT_MS = 30000 };

struct console {
    char *name; /* NULL: none */
    struct tls_client *tls;
    struct api api;
    struct http *http;
};

static void on_request(void *ctx, struct http_request *request)
{
    struct console *console = ctx;
    struct asset asset;
    if (asset_at(request->path, &asset))
        http_answer_asset(request, asset.content_type, asset.body);
    else if (!api_takes(&console->api, request))
        http_answer_error(request, HTTP_NOT_FOUND, "the console has nothing at %.*s",
                          SLICE_FMT(request->path));
}

static int open_client(struct console *console, struct loop *loop,
                       const struct console_options *options)
{
    struct client_options client_options;
    client_options_init(&client_options);
    client_options.connect_timeout_ms = CONNECT_TIMEOUT_MS;
    client_options.idle_ms = CONNECTION_KEPT_MS;
    client_options.workers = options->workers;
    client_options.tls = console->tls;
    int err = client_new(loop, &client_options, &console->api.client);
    if (err != 0)
        return err;
    err = routes_new(loop, console->api.client, options->name_servers, &console->api.routes);
    if (err != 0)
        client_free(console->api.client);
    return err;
}

int console_start(struct loop *loop, const struct console_options *options,
                  struct console **started)
{
    struct console *console = calloc(1, sizeof *console);
    if (console == NULL)
        return ERR_NO_MEMORY;
    if (options->name != NULL)
        console->name = memory_text(slice_str(options->name));
    int err = tls_client_new(options->tls, &console->tls);
    if (err != 0)
        goto fail;
    err = open_client(console, loop, options);
    if (err != 0)
        goto fail_tls;
    const struct http_options http_options = { .host = options->host,
                                               .port = options->port,
                                               .name = console->name,
                                               .failure_level = options->failure_level,
                                               .on_request = on_request,
                                               .ctx = console };
    err = http_start(loop, &http_options, &console->http);
    if (err != 0)
        goto fail_client;
    log_info("console_started address=%s port=%d", options->host, http_port(console->http));
    *started = console;
    return 0;
fail_client:
    client_free(console->api.client);
    routes_free(console->api.routes);
fail_tls:
    tls_client_free(console->tls);
fail:
    free(console->name);
    free(console);
    return err;
}

int console_port(const struct console *console)
{
    return http_port(console->http);
}

void console_stop(struct console *console)
{
    http_stop_accepting(console->http);
    console->api.is_ending = true;
    client_free(console->api.client);
    http_free(console->http);
    routes_free(console->api.routes);
    tls_client_free(console->tls);
    free(console->name);
    free(console);
}
