/*
 * The other end of transport_test: a listener that does what the first byte of each message says. A process
 * of its own, because it is killed and stopped, and because NNG does not survive a fork.
 *
 *   transport_server URL TALLY      prints "ready" once it listens; exit codes are the listener's
 *
 *   e...  echo               h...  hold until 'r' or 'q'        r  answer what is held, in reverse; then this
 *   d     drop               x     add a byte to TALLY, then die of SIGKILL before answering
 *   bNNNN answer NNNN (host order) bytes of 'b'                 c  CPU time used so far, uint64_t in
 * microseconds q     answer what is held with 2 MiB each, then this; close at once and exit
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/fatal.h"
#include "common/limits.h"
#include "common/log.h"
#include "engined/listener.h"

enum { FAREWELL_BYTES = 2 << 20, DRAIN_MS = 5000 };

struct server {
    struct listener *listener;
    const char *tally_path;
    struct inbound *held[LIMIT_INBOUND];
    size_t held_count;
};

static void answer_filled(struct inbound *inbound, char fill, size_t length)
{
    uint8_t *bytes = xmalloc(length);

    memset(bytes, fill, length);
    inbound_answer(inbound, bytes, length);
    free(bytes);
}

static void do_echo(struct server *server, struct inbound *inbound)
{
    size_t length;
    const uint8_t *bytes = inbound_bytes(inbound, &length);

    (void)server;
    inbound_answer(inbound, bytes, length);
}

static void do_hold(struct server *server, struct inbound *inbound)
{
    ensure(inbound_owner(inbound) == NULL);
    inbound_set_owner(inbound, server);
    server->held[server->held_count++] = inbound;
}

static void do_release(struct server *server, struct inbound *inbound)
{
    while (server->held_count > 0) {
        struct inbound *held = server->held[--server->held_count];

        ensure(inbound_owner(held) == server);
        do_echo(server, held);
    }
    do_echo(server, inbound);
}

static void do_drop(struct server *server, struct inbound *inbound)
{
    (void)server;
    inbound_drop(inbound);
}

static void do_die(struct server *server, struct inbound *inbound)
{
    int fd = open(server->tally_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    (void)inbound;
    ensure(fd >= 0 && write(fd, "x", 1) == 1);
    raise(SIGKILL);
}

static void do_big(struct server *server, struct inbound *inbound)
{
    size_t length;
    const uint8_t *bytes = inbound_bytes(inbound, &length);
    uint32_t wanted;

    (void)server;
    ensure(length == 1 + sizeof(wanted));
    memcpy(&wanted, bytes + 1, sizeof(wanted));
    answer_filled(inbound, 'b', wanted);
}

static void do_cpu(struct server *server, struct inbound *inbound)
{
    struct rusage usage;
    uint64_t us;

    (void)server;
    ensure(getrusage(RUSAGE_SELF, &usage) == 0);
    us = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
         (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    inbound_answer(inbound, (const uint8_t *)&us, sizeof(us));
}

static void do_count(struct server *server, struct inbound *inbound)
{
    uint8_t count = (uint8_t)server->held_count;

    inbound_answer(inbound, &count, sizeof(count));
}

static void do_quit(struct server *server, struct inbound *inbound)
{
    while (server->held_count > 0)
        answer_filled(server->held[--server->held_count], 'q', FAREWELL_BYTES);
    answer_filled(inbound, 'q', FAREWELL_BYTES);
    listener_close(server->listener, DRAIN_MS);
    exit(EXIT_SUCCESS);
}

static void server_obey(struct server *server, struct inbound *inbound)
{
    static const struct {
        char order;
        void (*obey)(struct server *server, struct inbound *inbound);
    } orders[] = {{'e', do_echo}, {'h', do_hold}, {'r', do_release}, {'d', do_drop}, {'x', do_die},
                  {'b', do_big},  {'c', do_cpu},  {'n', do_count},   {'q', do_quit}};
    size_t length;
    const uint8_t *bytes = inbound_bytes(inbound, &length);

    for (size_t i = 0; i < ARRAY_LEN(orders) && length > 0; i++) {
        if (orders[i].order == (char)bytes[0]) {
            orders[i].obey(server, inbound);
            return;
        }
    }
    inbound_drop(inbound);
}

int main(int argc, char **argv)
{
    static struct server server;

    log_open("transport_server", LOG_LEVEL_INFO);
    if (argc != 3)
        fatal_exit(EXIT_USAGE, "usage: transport_server URL TALLY");
    ensure(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
    server.tally_path = argv[2];
    server.listener = listener_open(argv[1]);
    ensure(puts("ready") >= 0 && fflush(stdout) == 0);
    for (;;) {
        struct pollfd wait = {.fd = listener_fd(server.listener), .events = POLLIN};
        struct inbound *inbound;

        ensure(poll(&wait, 1, -1) == 1);
        while ((inbound = listener_next(server.listener)) != NULL)
            server_obey(&server, inbound);
    }
}
