#include "net/tls_conf.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

static const struct conf_row role_rows[] = { TLS_ROLE_ROWS(struct tls_conf, ) };
static const struct conf_table role_table = { role_rows, sizeof role_rows / sizeof role_rows[0] };

static const struct conf_row password_rows[] = {
    CONF_STRING(struct tls_conf, key_password, "tls.server.keyPassword", "", CONF_AT_START,
                "password of tls.server.keyPath"),
    CONF_STRING(struct tls_conf, client_key_password, "tls.client.keyPassword", "", CONF_AT_START,
                "password of tls.client.keyPath"),
};
static const struct conf_table password_table = { password_rows,
                                                  sizeof password_rows / sizeof password_rows[0] };

static const struct conf_row file_rows[] = {
    TLS_FILE_ROWS(struct tls_conf, ),
    CONF_STRING(struct tls_conf, key_password, "tls.server.keyPassword", "", CONF_AT_START, ""),
    CONF_STRING(struct tls_conf, client_key_password, "tls.client.keyPassword", "", CONF_AT_START,
                ""),
};
static const struct conf_table file_table = { file_rows, sizeof file_rows / sizeof file_rows[0] };

void tls_conf_init(struct tls_conf *conf)
{
    conf_init(&role_table, conf);
    conf_init(&password_table, conf);
}

void tls_conf_fini(struct tls_conf *conf)
{
    conf_fini(&role_table, conf);
    conf_fini(&password_table, conf);
}

/* A line of the log per complaint. */
static void say(struct slice complaints)
{
    while (complaints.len > 0) {
        struct slice line = slice_cut(&complaints, '\n');
        log_warn("tls_setting %.*s", SLICE_FMT(line));
    }
}

static int read_file(struct tls_conf *conf)
{
    struct buf complaints = BUF_INIT;
    if (access(conf->config_file, F_OK) != 0)
        return 0;
    int err = conf_read_file(&file_table, conf, conf->config_file, &complaints);
    say(buf_slice(&complaints));
    buf_fini(&complaints);
    return err == 0 ? 0 : ERR_INVALID;
}

static bool is_one_of(const char *key, const char *value, const char *a, const char *b,
                      const char *c)
{
    if (strcmp(value, a) == 0 || strcmp(value, b) == 0 || strcmp(value, c) == 0)
        return true;
    log_error("setting_refused key=%s value=\"%s\" allowed=\"%s, %s, %s\"", key, value, a, b, c);
    return false;
}

int tls_conf_load(const struct tls_conf *given, struct tls_conf *conf)
{
    conf_copy(&role_table, conf, given, sizeof *given);
    conf_init(&password_table, conf);
    int err = read_file(conf);
    if (err == 0 &&
        (!is_one_of("tls.server.mode", conf->server_mode, "disabled", "permissive", "enforcing") ||
         !is_one_of("tls.server.need.client.auth", conf->client_auth, "none", "optional",
                    "require")))
        err = ERR_INVALID;
    if (err != 0)
        tls_conf_fini(conf);
    return err;
}
