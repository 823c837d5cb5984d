/* The public socket: bound by the master, or taken over from systemd. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/attributes.h"

/* `address` as in common/listen_address.h -> bound, listening, non-blocking, CLOEXEC. When the service
 * manager passed a socket (LISTEN_FDS, sd_listen_fds(3)) that one is taken instead. An address that is taken
 * is tried for `patience_ms` (the workers of a master that was killed let go of it when they notice); -1 when
 * `lifeline_fd` ends meanwhile. Exits with one clear line when it cannot be had. */
int listen_socket_open(const char *address, uint64_t patience_ms, int lifeline_fd) MUST_USE;

/* Whether only this machine can reach it, by the address that it is bound to. */
bool listen_socket_is_loopback(int fd) MUST_USE;
