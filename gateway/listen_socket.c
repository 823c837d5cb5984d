#include "gateway/listen_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "common/listen_address.h"

#define BACKLOG         4096
#define FIRST_PASSED_FD 3 /* SD_LISTEN_FDS_START */
#define RETRY_MS        5

static void check_passed_socket(int fd)
{
    int listening = 0;
    socklen_t size = sizeof(listening);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || !listening)
        fatal_exit(EXIT_CONFIG, "the descriptor that the service manager passed is not a listening socket");
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0)
        fatal_exit(EXIT_OS, "the passed socket cannot be used: %s", strerror(errno));
}

/* -1: none was passed to this process. */
static int passed_socket(void)
{
    const char *pid = getenv("LISTEN_PID");
    const char *count = getenv("LISTEN_FDS");
    if (pid == NULL || count == NULL || strtol(pid, NULL, 10) != (long)getpid())
        return -1;
    if (strtol(count, NULL, 10) != 1)
        fatal_exit(EXIT_CONFIG, "the service manager passes %s sockets; one is expected", count);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    check_passed_socket(FIRST_PASSED_FD);
    return FIRST_PASSED_FD;
}

/* -1 and errno on failure. */
static int bind_socket(const struct addrinfo *at)
{
    int on = 1;
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, at->ai_protocol);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, at->ai_addr, at->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* True: the parent is gone. */
static bool pause_for_retry(int lifeline_fd)
{
    struct pollfd lifeline = {.fd = lifeline_fd, .events = POLLIN};
    return poll(&lifeline, 1, RETRY_MS) > 0;
}

int listen_socket_open(const char *address, uint64_t patience_ms, int lifeline_fd)
{
    int fd = passed_socket();
    if (fd >= 0)
        return fd;
    struct addrinfo *found = listen_address_resolve(address);
    if (found == NULL)
        fatal_exit(EXIT_USAGE, "--listen %s is not an address and port", address);
    uint64_t until_ms = clock_monotonic_ms() + patience_ms;
    while ((fd = bind_socket(found)) < 0) {
        if (errno != EADDRINUSE || clock_monotonic_ms() >= until_ms)
            fatal_exit(EXIT_UNAVAILABLE, "cannot listen on %s: %s", address, strerror(errno));
        if (pause_for_retry(lifeline_fd))
            break;
    }
    freeaddrinfo(found);
    return fd;
}

bool listen_socket_is_loopback(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);
    return getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
           socket_address_is_loopback((const struct sockaddr *)&address);
}
