#include "tests/lib/ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCKS ((PORTS_END - PORTS_FIRST) / PORTS_BLOCK)

int ports_free(unsigned port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1;
    int ok = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
             bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 1) == 0;
    close(fd);
    return ok;
}

static int block_free(unsigned first)
{
    for (unsigned port = first; port < first + PORTS_BLOCK; port++)
        if (!ports_free(port))
            return 0;
    return 1;
}

static int lock_block(unsigned first)
{
    char path[64];
    snprintf(path, sizeof(path), "/tmp/forumd-test-ports.%u", (unsigned)geteuid());
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return -1;
    snprintf(path, sizeof(path), "/tmp/forumd-test-ports.%u/%u", (unsigned)geteuid(), first);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    close(fd);
    return -1;
}

unsigned ports_take(int *lock_fd)
{
    unsigned start = (unsigned)getpid() * 7;
    for (unsigned i = 0; i < BLOCKS; i++) {
        unsigned first = PORTS_FIRST + (start + i) % BLOCKS * PORTS_BLOCK;
        int fd = lock_block(first);
        if (fd < 0)
            continue;
        if (block_free(first)) {
            *lock_fd = fd;
            return first;
        }
        close(fd);
    }
    return 0;
}
