/* tls_context.c - keys and certificates: from files, or one made for the occasion. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "net/tls_internal.h"

enum { MADE_VALID_SECONDS = 10 * 365 * 86400, READ_AHEAD_BYTES = 32768 };

void tls_error_text(char reason[TLS_REASON_BYTES])
{
    unsigned long code = ERR_peek_error();
    const char *text = "connection lost";
    if (code == 0 && errno != 0)
        text = strerror(errno);
    else if (code != 0 && ERR_SYSTEM_ERROR(code))
        text = strerror(ERR_GET_REASON(code));
    else if (code != 0)
        text = ERR_reason_error_string(code);
    snprintf(reason, TLS_REASON_BYTES, "%s", text == NULL ? "unknown error" : text);
    ERR_clear_error();
}

/* A file that could not be used. */
static int refuse(const char *key, const char *path, char reason[TLS_REASON_BYTES])
{
    char text[TLS_REASON_BYTES];
    tls_error_text(text);
    if (path[0] == '\0')
        snprintf(reason, TLS_REASON_BYTES, "%s is not set", key);
    else
        snprintf(reason, TLS_REASON_BYTES, "%s=%.80s: %.50s", key, path, text);
    return ERR_INVALID;
}

/* ---- a certificate made at need ------------------------------------------------------------- */

static bool set_name(X509 *certificate)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"ramjet", -1,
                                      -1, 0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1;
}

/* Self-signed, on the curve P-256: its signatures cost a tenth of RSA's. */
static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    if (certificate == NULL)
        return NULL;
    if (X509_set_version(certificate, 2) != 1 ||
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) != 1 ||
        X509_gmtime_adj(X509_getm_notBefore(certificate), -86400) == NULL ||
        X509_gmtime_adj(X509_getm_notAfter(certificate), MADE_VALID_SECONDS) == NULL ||
        X509_set_pubkey(certificate, key) != 1 || !set_name(certificate) ||
        X509_sign(certificate, key, EVP_sha256()) == 0) {
        X509_free(certificate);
        return NULL;
    }
    return certificate;
}

static int use_made_certificate(SSL_CTX *context, char reason[TLS_REASON_BYTES])
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = key == NULL ? NULL : make_certificate(key);
    bool done = certificate != NULL && SSL_CTX_use_certificate(context, certificate) == 1 &&
                SSL_CTX_use_PrivateKey(context, key) == 1;
    X509_free(certificate);
    EVP_PKEY_free(key);
    if (!done)
        tls_error_text(reason);
    return done ? 0 : ERR_INVALID;
}

/* ---- certificates from files ---------------------------------------------------------------- */

static int give_password(char *into, int into_bytes, int for_writing, void *ctx)
{
    (void)for_writing;
    const char *password = ctx;
    size_t len = strlen(password);
    if (len > (size_t)into_bytes)
        return -1;
    memcpy(into, password, len);
    return (int)len;
}

struct identity {
    const char *cert_key; /* the names of the settings, for complaints */
    const char *cert_path;
    const char *key_key;
    const char *key_path;
    char *password;
};

static int use_files(SSL_CTX *context, const struct identity *identity,
                     char reason[TLS_REASON_BYTES])
{
    errno = 0;
    if (SSL_CTX_use_certificate_chain_file(context, identity->cert_path) != 1)
        return refuse(identity->cert_key, identity->cert_path, reason);
    SSL_CTX_set_default_passwd_cb(context, give_password);
    SSL_CTX_set_default_passwd_cb_userdata(context, identity->password);
    int read = SSL_CTX_use_PrivateKey_file(context, identity->key_path, SSL_FILETYPE_PEM);
    SSL_CTX_set_default_passwd_cb(context, NULL);
    if (read != 1 || SSL_CTX_check_private_key(context) != 1)
        return refuse(identity->key_key, identity->key_path, reason);
    return 0;
}

/* Whom to believe: the certificates of a file, or the system's. */
static int trust(SSL_CTX *context, const char *key, const char *path, char reason[TLS_REASON_BYTES])
{
    if (path[0] == '\0')
        return SSL_CTX_set_default_verify_paths(context) == 1 ? 0 : refuse(key, "", reason);
    return SSL_CTX_load_verify_locations(context, path, NULL) == 1 ? 0 : refuse(key, path, reason);
}

static int believe_all(int is_good, X509_STORE_CTX *store)
{
    (void)is_good;
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

/* ---- contexts ------------------------------------------------------------------------------- */

/* Asked once: without it each connection would have the kernel look for a module to load. */
static bool kernel_offers_tls(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool offers =
        setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") == 0 || errno == ENOTCONN;
    close(fd);
    return fault_value("tls.kernel_offers", offers) != 0;
}

static SSL_CTX *new_context(const SSL_METHOD *method, const struct tls_conf *conf)
{
    SSL_CTX *context = SSL_CTX_new(method);
    if (context == NULL)
        return NULL;
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                     SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context,
                                   SSL_SESS_CACHE_OFF); /* tickets need no memory of ours */
    SSL_CTX_set_max_cert_list(context, TLS_CERT_LIST_MAX);
    if (conf->kernel_enable && kernel_offers_tls()) {
        SSL_CTX_set_options(context, SSL_OP_ENABLE_KTLS);
    } else {
        SSL_CTX_set_read_ahead(context, 1); /* a record's head and body in one call */
        SSL_CTX_set_default_read_buffer_len(context, READ_AHEAD_BYTES);
    }
    return context;
}

static void ask_clients(SSL_CTX *context, const struct tls_conf *conf)
{
    static const unsigned char name[] = "ramjet";
    int mode = SSL_VERIFY_NONE;
    if (!conf->test_mode && strcmp(conf->client_auth, "optional") == 0)
        mode = SSL_VERIFY_PEER;
    else if (!conf->test_mode && strcmp(conf->client_auth, "require") == 0)
        mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context, mode, conf->auth_client ? NULL : believe_all);
    SSL_CTX_set_session_id_context(context, name, sizeof name - 1);
}

static int fill_server(SSL_CTX *context, const struct tls_conf *conf, char reason[TLS_REASON_BYTES])
{
    const struct identity identity = { "tls.server.certPath", conf->cert_path, "tls.server.keyPath",
                                       conf->key_path, conf->key_password };
    ask_clients(context, conf);
    if (conf->test_mode)
        return use_made_certificate(context, reason);
    int err = use_files(context, &identity, reason);
    if (err == 0 && conf->auth_client)
        err = trust(context, "tls.server.trustCertPath", conf->trust_cert_path, reason);
    return err;
}

static int fill_client(SSL_CTX *context, const struct tls_conf *conf, char reason[TLS_REASON_BYTES])
{
    const struct identity identity = { "tls.client.certPath", conf->client_cert_path,
                                       "tls.client.keyPath", conf->client_key_path,
                                       conf->client_key_password };
    bool checks = !conf->test_mode && conf->client_auth_server;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, checks ? NULL : believe_all);
    int err = 0;
    if (!conf->test_mode && conf->client_cert_path[0] != '\0')
        err = use_files(context, &identity, reason);
    if (err == 0 && checks)
        err = trust(context, "tls.client.trustCertPath", conf->client_trust_cert_path, reason);
    return err;
}

static int make(const SSL_METHOD *method, const struct tls_conf *conf,
                int (*fill)(SSL_CTX *context, const struct tls_conf *conf,
                            char reason[TLS_REASON_BYTES]),
                SSL_CTX **made, char reason[TLS_REASON_BYTES])
{
    ERR_clear_error();
    SSL_CTX *context = new_context(method, conf);
    if (context == NULL) {
        tls_error_text(reason);
        return ERR_INVALID;
    }
    int err = fill(context, conf, reason);
    if (err != 0) {
        SSL_CTX_free(context);
        return err;
    }
    *made = context;
    return 0;
}

int tls_context_for_server(const struct tls_conf *conf, SSL_CTX **context,
                           char reason[TLS_REASON_BYTES])
{
    return make(TLS_server_method(), conf, fill_server, context, reason);
}

int tls_context_for_client(const struct tls_conf *conf, SSL_CTX **context,
                           char reason[TLS_REASON_BYTES])
{
    return make(TLS_client_method(), conf, fill_client, context, reason);
}
