/* "127.0.0.1:8080", "[::1]:8080", "localhost:8080": where a server listens, as flags say it. */
#pragma once

#include <netdb.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "common/attributes.h"

/* NULL: not an address and a port (1-65535). To be freed with freeaddrinfo. */
struct addrinfo *listen_address_resolve(const char *address) MUST_USE;

/* Whether only this machine can reach it. False also for what cannot be resolved. */
bool listen_address_is_loopback(const char *address) MUST_USE;
/* 0 for what cannot be resolved. */
unsigned listen_address_port(const char *address) MUST_USE;

bool socket_address_is_loopback(const struct sockaddr *address) MUST_USE;
