#include "bench/options.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const value_names[] = {
    [CONF_BOOL_T] = "",
    [CONF_INT_T] = "N",
    [CONF_I64_T] = "N",
    [CONF_STRING_T] = "TEXT",
};

static void print_option(const char *key, const char *value_name, const char *text,
                         const char *fallback)
{
    char left[40];
    snprintf(left, sizeof left, "--%s %s", key, value_name);
    printf("  %-22s %s", left, text);
    if (fallback != NULL && fallback[0] != '\0' && strcmp(fallback, "false") != 0)
        printf(" (%s)", fallback);
    printf("\n");
}

static void print_help(const struct options *o)
{
    printf("usage: ramjet %s [options]\n\n%s\n\n", o->usage, o->text);
    for (int i = 0; i < o->repeated_count; i++)
        print_option(o->repeated[i].key, o->repeated[i].value_name, o->repeated[i].text, NULL);
    for (size_t i = 0; i < o->table->count; i++) {
        const struct conf_row *row = &o->table->rows[i];
        print_option(row->key, value_names[row->type], row->text, row->fallback);
    }
}

static int complain(const struct options *o, const char *what, const char *argument)
{
    fprintf(stderr, "ramjet %s: %s%s (--help lists the options)\n", o->usage, what, argument);
    return ERR_INVALID;
}

static const struct repeated_option *find_repeated(const struct options *o, const char *key)
{
    for (int i = 0; i < o->repeated_count; i++)
        if (strcmp(o->repeated[i].key, key) == 0)
            return &o->repeated[i];
    return NULL;
}

static bool is_flag(const struct options *o, const char *key)
{
    for (size_t i = 0; i < o->table->count; i++)
        if (strcmp(o->table->rows[i].key, key) == 0)
            return o->table->rows[i].type == CONF_BOOL_T;
    return false;
}

static int set_value(const struct options *o, const char *key, const char *value)
{
    const struct repeated_option *repeated = find_repeated(o, key);
    if (repeated != NULL)
        return repeated->take(o->ctx, value);
    struct buf complaints = BUF_INIT;
    int err = conf_set(o->table, o->values, slice_str(key), slice_str(value), &complaints);
    if (err != 0) /* a complaint is a line */
        fprintf(stderr, "ramjet %s: %.*s", o->usage, SLICE_FMT(buf_slice(&complaints)));
    buf_fini(&complaints);
    return err;
}

enum options_outcome options_parse(const struct options *o, int argc, char **argv)
{
    conf_init(o->table, o->values);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(o);
            return OPTIONS_HELP;
        }
        if (strncmp(argv[i], "--", 2) != 0) {
            complain(o, "not an option: ", argv[i]);
            return OPTIONS_WRONG;
        }
        const char *key = argv[i] + 2, *value = "true";
        if (!is_flag(o, key)) {
            if (i + 1 == argc) {
                complain(o, "no value for ", argv[i]);
                return OPTIONS_WRONG;
            }
            value = argv[++i];
        }
        if (set_value(o, key, value) != 0)
            return OPTIONS_WRONG;
    }
    return OPTIONS_RUN;
}

const char *option_named_value(const char *text, char *name, size_t name_cap)
{
    const char *sign = strchr(text, '=');
    name[0] = '\0';
    if (sign == NULL)
        return text;
    snprintf(name, name_cap, "%.*s", (int)(sign - text), text);
    return sign + 1;
}

int option_address(const char *text, struct sockaddr_in *address)
{
    char host[256];
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text || colon[1] == '\0' || (size_t)(colon - text) >= sizeof host)
        return ERR_INVALID;
    snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    const struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        return ERR_NOT_FOUND;
    memcpy(address, found->ai_addr, sizeof *address);
    freeaddrinfo(found);
    return 0;
}
