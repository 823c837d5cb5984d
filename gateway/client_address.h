/*
 * Where a request comes from: the other end of its connection, or, where that is a proxy that is trusted,
 * what the proxy says. Pure.
 *
 * Exactly one header is looked at, the one that the proxies are known to write (--proxy-header): a proxy that
 * writes one passes the other on as the client sent it. Proxies append, so the header is read from its right
 * end, as long as the hop that wrote the entry is trusted; the first address that is not on the list is the
 * client. Anything that cannot be read ends the walk at the hop that wrote it - a malformed entry, a missing
 * one, "unknown" or a made-up name (RFC 7239, section 6) - so what a client put at the left end can hide no
 * more than itself.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/attributes.h"

#define CLIENT_ADDRESS_BYTES 16
#define CLIENT_ADDRESS_TEXT  46 /* INET6_ADDRSTRLEN */

/* IPv6; IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2), so that a mapped address and its IPv4 are one. All zero:
 * not known (a Unix socket). */
struct client_address {
    uint8_t bytes[CLIENT_ADDRESS_BYTES];
};

struct client_network {
    struct client_address address;
    unsigned bits; /* of the 128 */
};

enum proxy_header {
    PROXY_X_FORWARDED_FOR,
    PROXY_FORWARDED, /* RFC 7239 */
};

struct trusted_proxies; /* networks */

/* Addresses and networks, comma-separated: "127.0.0.1, 10.0.0.0/8, fd00::/8". NULL: *wrong is the first item
 * that is none (its length in *wrong_length), or the list is too long (LIMIT_TRUSTED_PROXIES; length 0). To
 * be freed with free. */
struct trusted_proxies *trusted_proxies_parse(const char *list, const char **wrong,
                                              size_t *wrong_length) MUST_USE;
bool trusted_proxies_have(const struct trusted_proxies *proxies,
                          const struct client_address *address) MUST_USE;

/* NULL or of another family: not known. */
struct client_address client_address_of(const struct sockaddr *address) MUST_USE;
/* "192.0.2.1", "2001:db8::1"; no zone, no brackets. */
bool client_address_parse(const char *text, size_t length, struct client_address *address) MUST_USE;
/* IPv4 in dots; "unknown". Returns `out`. */
const char *client_address_format(const struct client_address *address, char out[static CLIENT_ADDRESS_TEXT]);
/* What one customer has: an IPv4 address, a /64 of IPv6. */
struct client_address client_address_network(const struct client_address *address) MUST_USE;

/* "Forwarded", "X-Forwarded-For" */
const char *proxy_header_name(enum proxy_header header);
/* `lines`: the header's lines in their order. Proxies are believed only as far as they are on the list. */
struct client_address client_address_find(const struct trusted_proxies *proxies, enum proxy_header header,
                                          const char *const *lines, size_t count,
                                          const struct client_address *peer) MUST_USE;
