/*
 * forumd-idle: holds many connections to a server on loopback, each after one request that was answered, as
 * clients do who keep theirs open. Says "N open" when all are, then waits until its input ends, and says how
 * many the server closed meanwhile.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fatal.h"
#include "common/log.h"
#include "common/options.h"

#define ANSWER_MS    5000
#define OTHER_FDS    16
#define ANSWER_BYTES 4096

static void allow_files(rlim_t count)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        fatal_exit(EXIT_OS, "getrlimit: %s", strerror(errno));
    if (limit.rlim_cur >= count)
        return;
    limit.rlim_cur = count;
    if (limit.rlim_max < count)
        limit.rlim_max = count;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        fatal_exit(EXIT_OS, "cannot have %llu files open: %s", (unsigned long long)count, strerror(errno));
}

static int connect_one(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        fatal_exit(EXIT_OS, "cannot connect to port %u: %s", port, strerror(errno));
    return fd;
}

static void ask(int fd)
{
    static const char request[] = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    char answer[ANSWER_BYTES];
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    if (write(fd, request, sizeof(request) - 1) != sizeof(request) - 1 || poll(&wait, 1, ANSWER_MS) != 1)
        fatal_exit(EXIT_UNAVAILABLE, "the server does not answer");
    ssize_t length = read(fd, answer, sizeof(answer));
    if (length < 12 || memcmp(answer, "HTTP/1.1 200", 12) != 0)
        fatal_exit(EXIT_UNAVAILABLE, "the server refuses: %.*s", length > 0 ? (int)length : 0, answer);
}

static unsigned count_closed(const int *fds, unsigned count)
{
    unsigned closed = 0;
    for (unsigned i = 0; i < count; i++) {
        char byte;
        ssize_t got = recv(fds[i], &byte, 1, MSG_DONTWAIT | MSG_PEEK);
        closed += got == 0 || (got < 0 && errno != EAGAIN);
    }
    return closed;
}

int main(int argc, char **argv)
{
    unsigned port = 8080, count = 10000;
    const struct option_row rows[] = {
        {"port", OPTION_UINT, &port, 1, 65535, NULL, "N", "of the server, on 127.0.0.1"},
        {"connections", OPTION_UINT, &count, 1, 25000, NULL, "N", "how many"},
    };
    if (options_parse("forumd-idle [flags]", rows, ARRAY_LEN(rows), argc, argv) != 0)
        fatal_exit(EXIT_USAGE, "unexpected argument: %s", argv[argc - 1]);
    log_open("idle", LOG_LEVEL_INFO);
    allow_files(count + OTHER_FDS);
    int *fds = xcalloc(count, sizeof(fds[0]));
    for (unsigned i = 0; i < count; i++) {
        fds[i] = connect_one(port);
        ask(fds[i]);
    }
    printf("%u open\n", count);
    fflush(stdout);
    while (getchar() != EOF) {
    }
    printf("%u closed\n", count_closed(fds, count));
    free(fds);
    return 0;
}
