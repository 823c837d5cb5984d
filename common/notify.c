#include "common/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fatal.h"
#include "common/log.h"

/* How long a message that must not be lost (READY, STOPPING, EXTEND_TIMEOUT) waits for room in the receiver's
 * queue. */
#define NOTIFY_SEND_WAIT_MS  1000
#define NOTIFY_MESSAGE_BYTES 512

struct notify {
    int fd; /* -1: nobody listens */
    struct sockaddr_un address;
    socklen_t address_length;
    uint64_t watchdog_ms; /* 0: none */
    uint64_t alive_ms;    /* when WATCHDOG=1 was sent last */
};

static bool notify_address(struct notify *notify, const char *path)
{
    size_t length = strlen(path);
    if ((path[0] != '/' && path[0] != '@') || length < 2 || length >= sizeof(notify->address.sun_path))
        return false;
    notify->address.sun_family = AF_UNIX;
    memcpy(notify->address.sun_path, path, length + 1);
    /* An abstract name begins with NUL and has no terminator; a path counts its own. */
    if (path[0] == '@')
        notify->address.sun_path[0] = '\0';
    notify->address_length =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (path[0] == '@' ? 0 : 1));
    return true;
}

static uint64_t watchdog_from_environment(void)
{
    const char *interval = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    if (!interval || (pid && strtol(pid, NULL, 10) != (long)getpid()))
        return 0;
    uint64_t interval_us = strtoull(interval, NULL, 10);
    return interval_us >= 1000 ? interval_us / 1000 : 0;
}

unsigned notify_restarts(void)
{
    const char *restarts = getenv("FORUMD_RESTARTS");
    return restarts != NULL ? (unsigned)strtoul(restarts, NULL, 10) : 0;
}

struct notify *notify_open(void)
{
    struct notify *notify = xcalloc(1, sizeof(*notify));
    const char *path = getenv("NOTIFY_SOCKET");
    notify->fd = -1;
    if (path && !notify_address(notify, path)) {
        log_warn("unusable notify socket NOTIFY_SOCKET is neither a path nor @abstract");
    } else if (path) {
        struct timeval wait = {.tv_sec = NOTIFY_SEND_WAIT_MS / 1000};
        notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (notify->fd < 0 || setsockopt(notify->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) != 0)
            fatal_exit(EXIT_OS, "cannot open a notify socket: %s", strerror(errno));
        notify->watchdog_ms = watchdog_from_environment();
    }
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return notify;
}

void notify_close(struct notify *notify)
{
    if (!notify)
        return;
    if (notify->fd >= 0)
        close(notify->fd);
    free(notify);
}

/* False if there was no room, or no receiver any more. */
static bool notify_send(const struct notify *notify, const char *text, int flags)
{
    if (notify->fd < 0)
        return true;
    ssize_t sent;
    do {
        sent = sendto(notify->fd, text, strlen(text), flags | MSG_NOSIGNAL,
                      (const struct sockaddr *)&notify->address, notify->address_length);
    } while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

static void notify_send_surely(const struct notify *notify, const char *text)
{
    if (!notify_send(notify, text, 0))
        log_warn("notify message lost message=\"%s\" error=\"%s\"", text, strerror(errno));
}

void notify_ready(struct notify *notify)
{
    notify_send_surely(notify, "READY=1");
}

void notify_stopping(struct notify *notify)
{
    notify_send_surely(notify, "STOPPING=1");
}

void notify_extend_timeout(struct notify *notify, uint64_t timeout_ms)
{
    char text[NOTIFY_MESSAGE_BYTES];
    snprintf(text, sizeof(text), "EXTEND_TIMEOUT_USEC=%llu", (unsigned long long)timeout_ms * 1000);
    notify_send_surely(notify, text);
}

void notify_status(struct notify *notify, const char *format, ...)
{
    char text[NOTIFY_MESSAGE_BYTES] = "STATUS=";
    size_t prefix = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + prefix, sizeof(text) - prefix, format, args);
    va_end(args);
    /* A newline would begin another assignment. */
    for (char *at = text; *at; at++) {
        if (*at == '\n')
            *at = ' ';
    }
    if (!notify_send(notify, text, MSG_DONTWAIT))
        log_debug("notify status lost error=\"%s\"", strerror(errno));
}

void notify_alive(struct notify *notify, uint64_t now_ms)
{
    if (notify->watchdog_ms == 0 || now_ms - notify->alive_ms < notify->watchdog_ms / 2)
        return;
    /* Without room now, the next turn tries again. */
    if (notify_send(notify, "WATCHDOG=1", MSG_DONTWAIT))
        notify->alive_ms = now_ms;
}

uint64_t notify_interval_ms(const struct notify *notify)
{
    if (notify->watchdog_ms == 0)
        return UINT64_MAX;
    /* A turn may come just before half of the interval, and send nothing: the next one is then a quarter
     * later. */
    uint64_t quarter_ms = notify->watchdog_ms / 4;
    return quarter_ms ? quarter_ms : 1;
}
