/* tls_conf.h - the settings of TLS, under the reference's names.
 *
 * The reference takes them as system properties; here they are keys of broker.conf and
 * namesrv.conf. As there, what the file named by tls.config.file says goes over them. Passwords are
 * taken from that file alone: a server's own settings can be asked for over the network.
 *
 * Ownership  texts are heap copies; tls_conf_fini() frees them. The rows of a role own the texts of
 *            the struct they fill.
 * Threads    before the threads that use it; then read by any.
 */
#ifndef NET_TLS_CONF_H
#define NET_TLS_CONF_H

#include "base/conf.h"

struct tls_conf {
    char *server_mode; /* disabled, permissive, enforcing */
    char *config_file;
    bool client_enable;
    bool kernel_enable;
    bool test_mode;
    char *client_auth; /* none, optional, require */
    char *key_path;
    char *key_password;
    char *cert_path;
    bool auth_client;
    char *trust_cert_path;
    char *client_key_path;
    char *client_key_password;
    char *client_cert_path;
    bool client_auth_server;
    char *client_trust_cert_path;
};

/* Rows for a role's table: its struct is `s`, and `at` is what leads to the members from there,
 * e.g. `tls.`; nothing when `s` is struct tls_conf itself. */
/* clang-format off */
#define TLS_ROLE_ROWS(s, at)                                                                                           \
    CONF_STRING(s, at server_mode, "tls.server.mode", "permissive", CONF_AT_START, "permissive: TLS and plain on one port; disabled: plain only; enforcing: TLS only"), \
    CONF_STRING(s, at config_file, "tls.config.file", "/etc/rocketmq/tls.properties", CONF_AT_START, "file whose tls.* keys go over those given here, passwords of keys among them"), \
    CONF_BOOL(s, at client_enable, "tls.enable", false, CONF_AT_START, "connections to others are TLS"),               \
    CONF_BOOL(s, at kernel_enable, "tls.kernel.enable", true, CONF_AT_START, "let the kernel encrypt where it can"),   \
    TLS_FILE_ROWS(s, at)

/* What tls.config.file may hold, but for the passwords. */
#define TLS_FILE_ROWS(s, at)                                                                                           \
    CONF_BOOL(s, at test_mode, "tls.test.mode.enable", true, CONF_AT_START, "a certificate made at need instead of one from files; as a client, trust every server"), \
    CONF_STRING(s, at client_auth, "tls.server.need.client.auth", "none", CONF_AT_START, "none, optional, require: whether clients are asked for a certificate"), \
    CONF_STRING(s, at key_path, "tls.server.keyPath", "", CONF_AT_START, "private key of the server, PEM"),             \
    CONF_STRING(s, at cert_path, "tls.server.certPath", "", CONF_AT_START, "certificate of the server and its chain, PEM"), \
    CONF_BOOL(s, at auth_client, "tls.server.authClient", false, CONF_AT_START, "check the certificates of clients; else any will do"), \
    CONF_STRING(s, at trust_cert_path, "tls.server.trustCertPath", "", CONF_AT_START, "certificates that those of clients are checked against, PEM; empty: the system's"), \
    CONF_STRING(s, at client_key_path, "tls.client.keyPath", "", CONF_AT_START, "private key shown to other servers, PEM"), \
    CONF_STRING(s, at client_cert_path, "tls.client.certPath", "", CONF_AT_START, "certificate shown to other servers, PEM"), \
    CONF_BOOL(s, at client_auth_server, "tls.client.authServer", false, CONF_AT_START, "check the certificates of other servers; their names are not"), \
    CONF_STRING(s, at client_trust_cert_path, "tls.client.trustCertPath", "", CONF_AT_START, "certificates that those of other servers are checked against, PEM; empty: the system's")
/* clang-format on */

/* Why the keys of passwords have no effect as a role's settings. */
#define TLS_PASSWORDS_WHY "passwords are taken from the file of tls.config.file alone"

/* The defaults, without any file. */
void tls_conf_init(struct tls_conf *conf);
void tls_conf_fini(struct tls_conf *conf);

/* Makes `conf` from what a role was given and the file it names, if that exists. What is wrong is
 * logged: ERR_INVALID, and `conf` needs no fini. */
MUST_CHECK int tls_conf_load(const struct tls_conf *given, struct tls_conf *conf);

#endif
