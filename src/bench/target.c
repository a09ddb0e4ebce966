#include "bench/target.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

const char *target_named_value(const char *text, char *name, size_t name_cap)
{
    const char *sign = strchr(text, '=');
    name[0] = '\0';
    if (sign == NULL)
        return text;
    snprintf(name, name_cap, "%.*s", (int)(sign - text), text);
    return sign + 1;
}

int target_address(const char *text, struct sockaddr_in *address)
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
