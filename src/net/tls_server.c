/* tls_server.c - handshakes as a server: a worker that has the keys, and the loop around it.
 *
 * The worker is one thread, made for the first TLS connection: the context is its own from then on,
 * so that no lock is needed to exchange it when the files have changed. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/listener.h"
#include "net/tls_internal.h"

enum { WATCHED_FILES = 3 };
enum { LOOK_EACH_NS = 1000000000 };

/* What tells that a file is another than before. */
struct stamp {
    int64_t inode;
    int64_t bytes;
    int64_t changed_ns;
};

struct tls_server {
    struct loop *loop;
    struct tls_conf conf;
    enum tls_mode mode;
    struct workers *worker; /* NULL until it is needed */
    int jobs_out;
    struct list shaking; /* struct tls, oldest first */
    int shaking_count;

    /* the worker's, once there is one */
    SSL_CTX *context; /* NULL: none that is good */
    struct stamp stamps[WATCHED_FILES];
    int64_t looked_ns;
    char reason[TLS_REASON_BYTES];
};

/* ---- the context and its files -------------------------------------------------------------- */

static void read_stamps(const struct tls_server *server, struct stamp stamps[WATCHED_FILES])
{
    const char *paths[WATCHED_FILES] = { server->conf.key_path, server->conf.cert_path,
                                         server->conf.trust_cert_path };
    for (int i = 0; i < WATCHED_FILES; i++) {
        struct stat file;
        stamps[i] = (struct stamp){ 0 };
        if (paths[i][0] != '\0' && stat(paths[i], &file) == 0)
            stamps[i] =
                (struct stamp){ (int64_t)file.st_ino, file.st_size,
                                file.st_mtim.tv_sec * INT64_C(1000000000) + file.st_mtim.tv_nsec };
    }
}

/* The stamps are taken first: a file that changes while it is read is read again. */
static int load(struct tls_server *server)
{
    SSL_CTX *context = NULL;
    struct stamp stamps[WATCHED_FILES];
    read_stamps(server, stamps);
    int err = tls_context_for_server(&server->conf, &context, server->reason);
    memcpy(server->stamps, stamps, sizeof stamps);
    if (err != 0) {
        log_error("tls_not_usable reason=\"%s\" keeps_the_one_before=%s", server->reason,
                  server->context != NULL ? "yes" : "no");
        return err;
    }
    bool kernel = (SSL_CTX_get_options(context) & SSL_OP_ENABLE_KTLS) != 0;
    log_info("tls_certificate_loaded from=%s kernel_tls=%s",
             server->conf.test_mode ? "self-signed" : server->conf.cert_path,
             kernel ? "yes" : "no");
    SSL_CTX_free(server->context);
    server->context = context;
    return 0;
}

/* Worker. Loads what changed; what is no good is tried again when it changes once more. */
static void refresh(struct tls_server *server)
{
    struct stamp stamps[WATCHED_FILES];
    int64_t now_ns = clock_monotonic_ns();
    if (server->conf.test_mode) {
        if (server->context == NULL)
            (void)load(server); /* the reason is kept */
        return;
    }
    if (now_ns - server->looked_ns < LOOK_EACH_NS)
        return;
    server->looked_ns = now_ns;
    read_stamps(server, stamps);
    if (memcmp(stamps, server->stamps, sizeof stamps) != 0)
        (void)load(server); /* the context before stays */
}

/* ---- life ----------------------------------------------------------------------------------- */

static enum tls_mode mode_of(const char *text)
{
    return strcmp(text, "disabled") == 0    ? TLS_DISABLED
           : strcmp(text, "enforcing") == 0 ? TLS_ENFORCING
                                            : TLS_PERMISSIVE;
}

/* Files are tried now, so that whoever starts the server is told. */
static int first_load(struct tls_server *server)
{
    if (server->conf.test_mode) {
        if (server->conf.cert_path[0] != '\0')
            log_warn("tls_test_mode tls.server.certPath is not used: tls.test.mode.enable is true");
        return 0;
    }
    return load(server) == 0 || server->mode != TLS_ENFORCING ? 0 : ERR_INVALID;
}

int tls_server_new(struct loop *loop, const struct tls_conf *given, struct tls_server **made)
{
    struct tls_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return ERR_NO_MEMORY;
    int err = tls_conf_load(given, &server->conf);
    if (err != 0) {
        free(server);
        return err;
    }
    server->loop = loop;
    server->mode = mode_of(server->conf.server_mode);
    list_init(&server->shaking);
    if (server->mode != TLS_DISABLED)
        err = first_load(server);
    if (err != 0) {
        tls_server_free(server);
        return err;
    }
    *made = server;
    return 0;
}

void tls_server_free(struct tls_server *server)
{
    if (server == NULL)
        return;
    assert(server->jobs_out == 0 && list_empty(&server->shaking));
    if (server->worker != NULL)
        workers_free(server->worker);
    SSL_CTX_free(server->context);
    tls_conf_fini(&server->conf);
    free(server);
}

enum tls_mode tls_server_mode(const struct tls_server *server)
{
    return server->mode;
}

bool tls_server_is_idle(const struct tls_server *server)
{
    return server->jobs_out == 0;
}

/* ---- the first step, on the worker ---------------------------------------------------------- */

static void run_first_step(struct job *job)
{
    struct tls *tls = list_entry(job, struct tls, job);
    struct tls_server *server = tls->server;
    refresh(server);
    if (server->context == NULL) {
        memcpy(tls->reason, server->reason, sizeof tls->reason);
        tls->step = TLS_STEP_FAILED;
    } else if (tls_set_session(tls, server->context) != 0) {
        tls_error_text(tls->reason);
        tls->step = TLS_STEP_FAILED;
    } else {
        tls->step = tls_shake(tls);
    }
}

static void first_step_done(struct job *job)
{
    struct tls *tls = list_entry(job, struct tls, job);
    struct conn *conn = tls->conn;
    tls->is_at_work = false;
    tls->server->jobs_out--;
    if (!conn->is_open) {
        close(tls->fd);
        tls_free(tls);
        conn->tls = NULL;
    } else {
        tls_note_step(tls, tls->step);
    }
    if (conn->is_open) {
        conn->has_unread = true; /* the worker may have read more than it used */
        conn_resume_input(conn);
    }
    conn_unref(conn);
}

void tls_server_forget(struct tls *tls)
{
    if (list_empty(&tls->link))
        return;
    list_remove(&tls->link);
    tls->server->shaking_count--;
}

/* NULL: no memory. */
static struct tls *begin(struct tls_server *server, struct conn *conn, struct slice first)
{
    struct tls *tls = tls_new(conn);
    if (tls == NULL)
        return NULL;
    tls->server = server;
    list_append(&server->shaking, &tls->link);
    server->shaking_count++;
    tls->first = malloc(first.len);
    if (tls->first == NULL)
        return NULL;
    memcpy(tls->first, first.data, first.len);
    tls->first_bytes = first.len;
    tls->job = (struct job){ .run = run_first_step, .done = first_step_done };
    return tls;
}

void tls_accept(struct tls_server *server, struct conn *conn, struct slice first)
{
    assert(server->mode != TLS_DISABLED && first.len > 0);
    if (server->shaking_count == TLS_SHAKING_MAX)
        conn_close(list_entry(server->shaking.next, struct tls, link)->conn, "tls_crowded_out");
    struct tls *tls = begin(server, conn, first);
    int err = tls == NULL ? ERR_NO_MEMORY : 0;
    if (err == 0 && server->worker == NULL)
        err = workers_new("tls", 1, 2 * TLS_SHAKING_MAX, &server->worker);
    if (err == 0) {
        conn_pause_input(conn);
        err = workers_submit(server->worker, server->loop, &tls->job);
    }
    if (err != 0) {
        conn_close(conn, "tls_busy");
        return;
    }
    tls->is_at_work = true;
    server->jobs_out++;
    conn_ref(conn);
}

/* ---- a hello --------------------------------------------------------------------------------
 *
 *   0      1         3          5
 *   | 0x16 | version | length   | 0x01 ...      a record of the handshake, with a ClientHello in it
 */
enum { RECORD_HANDSHAKE = 0x16, RECORD_HEAD_BYTES = 5, RECORD_BYTES_MAX = 16384 };
enum { VERSION_MAJOR = 3, CLIENT_HELLO = 1 };

int tls_hello_check(struct slice first, size_t *need)
{
    const uint8_t *at = first.data;
    assert(first.len > 0);
    if (at[0] != RECORD_HANDSHAKE || (first.len > 1 && at[1] != VERSION_MAJOR))
        return ERR_CORRUPT;
    if (first.len <= RECORD_HEAD_BYTES) {
        *need = RECORD_HEAD_BYTES + 1;
        return ERR_INCOMPLETE;
    }
    size_t len = get_be16(at + 3);
    if (len == 0 || len > RECORD_BYTES_MAX || at[RECORD_HEAD_BYTES] != CLIENT_HELLO)
        return ERR_CORRUPT;
    *need = RECORD_HEAD_BYTES + len;
    return first.len < *need ? ERR_INCOMPLETE : 0;
}
