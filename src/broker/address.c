/* address.c - the address a broker tells others. */
#include "broker/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>

#include "base/log.h"

void address_of_machine(char *text, size_t text_bytes)
{
    struct ifaddrs *interfaces = NULL;
    snprintf(text, text_bytes, "127.0.0.1");
    if (getifaddrs(&interfaces) != 0)
        return;
    for (const struct ifaddrs *i = interfaces; i != NULL; i = i->ifa_next) {
        if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_INET ||
            (i->ifa_flags & IFF_LOOPBACK) != 0 || (i->ifa_flags & IFF_UP) == 0)
            continue;
        const struct sockaddr_in *in4 = (const void *)i->ifa_addr;
        inet_ntop(AF_INET, &in4->sin_addr, text, (socklen_t)text_bytes);
        break;
    }
    freeifaddrs(interfaces);
}

int address_resolve(const char *text, struct host *host)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    int cause = getaddrinfo(text, NULL, &hints, &found);
    if (cause != 0) {
        log_error("setting_refused key=brokerIP1 value=\"%s\" reason=\"%s\"", text,
                  gai_strerror(cause));
        return ERR_INVALID;
    }
    *host = (struct host){ .is_v6 = found->ai_family == AF_INET6 };
    if (host->is_v6)
        memcpy(host->address,
               &((const struct sockaddr_in6 *)(const void *)found->ai_addr)->sin6_addr, 16);
    else
        memcpy(host->address, &((const struct sockaddr_in *)(const void *)found->ai_addr)->sin_addr,
               4);
    freeaddrinfo(found);
    return 0;
}

/* In place: what is stored by pieces and copied as a whole at once waits for all stores before. */
void address_host(const struct conn_address *address, struct host *host)
{
    *host = (struct host){ .is_v6 = address->sockaddr.ss_family == AF_INET6 };
    if (host->is_v6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address->sockaddr;
        memcpy(host->address, &in6->sin6_addr, sizeof in6->sin6_addr);
        host->port = ntohs(in6->sin6_port);
    } else {
        const struct sockaddr_in *in4 = (const struct sockaddr_in *)&address->sockaddr;
        memcpy(host->address, &in4->sin_addr, sizeof in4->sin_addr);
        host->port = ntohs(in4->sin_port);
    }
}
