/*
 * The receiving side of sd_notify(3): a datagram socket with a random abstract name. Any local user may send
 * to it, so each message carries its sender's pid as the kernel saw it; the owner ignores pids that are not
 * its children's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/attributes.h"

#define NOTICE_STATUS_BYTES   128
#define NOTICE_DATAGRAM_BYTES 2048

struct notice {
    pid_t pid; /* of the sender */
    bool ready;
    bool alive;
    uint64_t extend_ms; /* 0: not asked for */
    bool has_status;
    char status[NOTICE_STATUS_BYTES]; /* cut */
};

struct notify_socket;

/* Exits (EXIT_OS) when the system has no socket to give. */
struct notify_socket *notify_socket_open(void) MUST_USE;
void notify_socket_close(struct notify_socket *socket);

int notify_socket_fd(const struct notify_socket *socket);
/* As NOTIFY_SOCKET names it: "@...". */
const char *notify_socket_address(const struct notify_socket *socket);

/* False when nothing waits. Malformed messages give a notice with no field set. */
bool notify_socket_next(struct notify_socket *socket, struct notice *notice) MUST_USE;

/* Parses the text of a datagram (changed in place, NUL-terminated). */
void notice_parse(char *text, struct notice *notice);
