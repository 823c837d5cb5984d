#include "common/notify_socket.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fatal.h"

#define NAME_RANDOM_BYTES 16
#define NAME_PREFIX       "@forumd-notify-"

struct notify_socket {
    int fd;
    char address[sizeof(NAME_PREFIX) + 2 * NAME_RANDOM_BYTES];
};

static void make_name(struct notify_socket *notify)
{
    unsigned char random[NAME_RANDOM_BYTES];
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        fatal_exit(EXIT_OS, "cannot get random bytes: %s", strerror(errno));
    char *end = stpcpy(notify->address, NAME_PREFIX);
    for (size_t i = 0; i < sizeof(random); i++)
        end += sprintf(end, "%02x", random[i]);
}

struct notify_socket *notify_socket_open(void)
{
    struct notify_socket *notify = xcalloc(1, sizeof(*notify));
    make_name(notify);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(notify->address);
    memcpy(address.sun_path, notify->address, length);
    address.sun_path[0] = '\0'; /* abstract: nothing to clean up after a kill */
    socklen_t address_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    int on = 1;
    notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (notify->fd < 0 || setsockopt(notify->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) != 0 ||
        bind(notify->fd, (struct sockaddr *)&address, address_length) != 0)
        fatal_exit(EXIT_OS, "cannot open the notify socket: %s", strerror(errno));
    return notify;
}

void notify_socket_close(struct notify_socket *notify)
{
    if (!notify)
        return;
    close(notify->fd);
    free(notify);
}

int notify_socket_fd(const struct notify_socket *notify)
{
    return notify->fd;
}

const char *notify_socket_address(const struct notify_socket *notify)
{
    return notify->address;
}

static void parse_line(const char *line, struct notice *notice)
{
    static const char extend[] = "EXTEND_TIMEOUT_USEC=";
    static const char status[] = "STATUS=";
    if (strcmp(line, "READY=1") == 0) {
        notice->ready = true;
    } else if (strcmp(line, "WATCHDOG=1") == 0) {
        notice->alive = true;
    } else if (strncmp(line, extend, sizeof(extend) - 1) == 0) {
        notice->extend_ms = strtoull(line + sizeof(extend) - 1, NULL, 10) / 1000;
    } else if (strncmp(line, status, sizeof(status) - 1) == 0) {
        notice->has_status = true;
        snprintf(notice->status, sizeof(notice->status), "%s", line + sizeof(status) - 1);
    }
}

void notice_parse(char *text, struct notice *notice)
{
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
        parse_line(line, notice);
}

bool notify_socket_next(struct notify_socket *notify, struct notice *notice)
{
    char text[NOTICE_DATAGRAM_BYTES + 1];
    /* Room for the credentials alone: descriptors that a sender adds are not taken. */
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct iovec vector = {.iov_base = text, .iov_len = NOTICE_DATAGRAM_BYTES};
    struct msghdr message = {
        .msg_iov = &vector,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes),
    };
    ssize_t length;
    do {
        length = recvmsg(notify->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (length < 0 && errno == EINTR);
    if (length < 0)
        return false;
    *notice = (struct notice){0};
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_CREDENTIALS)
        return true;
    struct ucred credentials;
    memcpy(&credentials, CMSG_DATA(header), sizeof(credentials));
    notice->pid = credentials.pid;
    if (!(message.msg_flags & MSG_TRUNC)) {
        text[length] = '\0';
        notice_parse(text, notice);
    }
    return true;
}
