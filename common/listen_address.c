#include "common/listen_address.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define HOST_BYTES 256
#define PORT_MAX   65535

/* Splits at the last colon; brackets around an IPv6 address are taken off. */
static bool split_address(const char *address, char host[static HOST_BYTES], const char **port)
{
    const char *colon = strrchr(address, ':');
    if (colon == NULL || colon == address)
        return false;
    size_t length = (size_t)(colon - address);
    if (address[0] == '[') {
        if (address[length - 1] != ']' || length < 3)
            return false;
        address++;
        length -= 2;
    } else if (memchr(address, ':', length) != NULL) {
        return false; /* "::1:8080" could mean two things */
    }
    if (length >= HOST_BYTES)
        return false;
    memcpy(host, address, length);
    host[length] = '\0';
    *port = colon + 1;
    return true;
}

/* getaddrinfo alone takes 0, and numbers beyond 16 bits. */
static bool is_port(const char *text)
{
    return text[0] != '\0' && strlen(text) <= 5 && text[strspn(text, "0123456789")] == '\0' &&
           strtoul(text, NULL, 10) >= 1 && strtoul(text, NULL, 10) <= PORT_MAX;
}

struct addrinfo *listen_address_resolve(const char *address)
{
    char host[HOST_BYTES];
    const char *port;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (!split_address(address, host, &port) || !is_port(port) ||
        getaddrinfo(host, port, &hints, &found) != 0)
        return NULL;
    return found;
}

bool socket_address_is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)address;
        return ntohl(four->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)address;
        return IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
    }
    return false;
}

bool listen_address_is_loopback(const char *address)
{
    struct addrinfo *found = listen_address_resolve(address);
    bool loopback = found != NULL;
    for (const struct addrinfo *each = found; each != NULL; each = each->ai_next)
        loopback &= socket_address_is_loopback(each->ai_addr);
    if (found != NULL)
        freeaddrinfo(found);
    return loopback;
}

unsigned listen_address_port(const char *address)
{
    struct addrinfo *found = listen_address_resolve(address);
    if (found == NULL)
        return 0;
    /* The port has the same place in both families. */
    unsigned port = ntohs(((const struct sockaddr_in *)(const void *)found->ai_addr)->sin_port);
    freeaddrinfo(found);
    return port;
}
