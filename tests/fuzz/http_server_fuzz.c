/*
 * head_checker.c against evhttp: a real connection to http_server.c, and what reaches the handler is exactly
 * what the checker saw as requests. Whatever the bytes, no handler is called for a request that the checker
 * did not see whole.
 * Input: a byte that seeds the cuts, from 192 on of a server that refuses early what it can; then what a
 * client sends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "common/limits.h"
#include "common/log.h"
#include "gateway/head_checker.h"
#include "gateway/http_server.h"
#include "tests/fuzz/fuzz.h"

#define CONNECTIONS_MAX 4
#define PIECES_MAX      4
#define INPUT_MAX       4096 /* fits the socket's buffers: nobody waits for us to read */
#define TURNS_MAX       2000

struct world {
    struct event_base *base;
    struct http_server *server;
    struct sockaddr_in address;
    uint64_t requests;
    bool overloaded;
};

static void on_request(void *arg, struct http_exchange *exchange)
{
    struct world *world = arg;
    const char *target = http_exchange_target(exchange);
    ensure(target[0] == '/' || strcmp(target, "*") == 0);
    ensure(http_exchange_method(exchange)[0] != '\0');
    world->requests++;
    http_exchange_answer(exchange, &(struct http_answer){.status = 204});
}

static void on_gone(void *arg, void *owner)
{
    (void)arg, (void)owner;
}

static void on_refused(void *arg, const struct sockaddr *peer, enum status status, const char *detail,
                       struct http_answer *answer)
{
    (void)arg, (void)peer;
    ensure(detail == NULL || detail[0] != '\0');
    answer->status = status_row((uint16_t)status)->http;
}

/* As a worker with too much to do: before evhttp makes anything of a request. */
static size_t on_refuse(void *arg, const char *bytes, size_t length, const char *date,
                        char out[HTTP_REFUSAL_BYTES])
{
    struct world *world = arg;
    (void)date;
    if (!world->overloaded)
        return 0;
    struct head_checker *checker = head_checker_new();
    ensure(head_checker_feed(checker, bytes, length) == HEAD_MORE && head_checker_requests(checker) == 1);
    head_checker_free(checker);
    world->requests++;
    return (size_t)snprintf(out, HTTP_REFUSAL_BYTES, "HTTP/1.1 503 \r\nContent-Length: 0\r\n\r\n");
}

static void open_world(struct world *world)
{
    socklen_t length = sizeof(world->address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    world->address = (struct sockaddr_in){.sin_family = AF_INET};
    world->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ensure(fd >= 0 && bind(fd, (struct sockaddr *)&world->address, length) == 0 && listen(fd, 16) == 0);
    ensure(getsockname(fd, (struct sockaddr *)&world->address, &length) == 0);
    world->base = event_base_new();
    const struct http_timeouts timeouts = {HTTP_HEAD_TIMEOUT_MS, HTTP_BODY_TIMEOUT_MS, HTTP_ANSWER_TIMEOUT_MS,
                                           HTTP_IDLE_TIMEOUT_MS};
    struct http_hooks hooks = {
        .request = on_request, .gone = on_gone, .refused = on_refused, .refuse = on_refuse, .arg = world};
    world->server =
        http_server_new(world->base, fd, CONNECTIONS_MAX, &timeouts, &hooks, metrics_open(-1, 1, 0));
}

static void turn(struct world *world)
{
    ensure(event_base_loop(world->base, EVLOOP_NONBLOCK) >= 0);
    http_server_turn(world->server, clock_monotonic_ms());
}

static void turn_until_connections(struct world *world, size_t count)
{
    for (int i = 0; i < TURNS_MAX && http_server_connections(world->server) != count; i++)
        turn(world);
    ensure(http_server_connections(world->server) == count);
}

/* libFuzzer's own alarm may interrupt it. */
static void connect_to(const struct world *world, int fd)
{
    int result;
    do {
        result = connect(fd, (const struct sockaddr *)&world->address, sizeof(world->address));
    } while (result != 0 && (errno == EINTR || errno == EALREADY));
    ensure(result == 0 || errno == EISCONN);
}

static void send_pieces(struct world *world, int fd, const uint8_t *data, size_t size, uint32_t seed)
{
    size_t pieces = 1 + fuzz_random(&seed) % PIECES_MAX;
    for (size_t i = 0, at = 0; at < size; i++) {
        size_t piece = i + 1 == pieces ? size - at : 1 + fuzz_random(&seed) % (size - at);
        if (send(fd, data + at, piece, MSG_NOSIGNAL) != (ssize_t)piece)
            break; /* refused and closed */
        at += piece;
        turn(world);
        turn(world);
    }
    (void)shutdown(fd, SHUT_WR);
}

/* What a strict look at the same bytes says. False: evhttp may stop earlier, for a request asks it to close.
 */
static bool all_are_kept_alive(const uint8_t *data, size_t size)
{
    static const char connection[] = "connection", old[] = "HTTP/1.0";
    for (size_t i = 0; i + sizeof(connection) - 1 <= size; i++)
        if (strncasecmp((const char *)data + i, connection, sizeof(connection) - 1) == 0)
            return false;
    return memmem(data, size, old, sizeof(old) - 1) == NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;
    struct fuzz_input input = {data, size < INPUT_MAX ? size : INPUT_MAX};
    uint32_t seed = fuzz_byte(&input);
    struct linger at_once = {.l_onoff = 1, .l_linger = 0}; /* or the ports run out */
    if (world.base == NULL)
        open_world(&world);
    world.requests = 0;
    world.overloaded = seed >= 192;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ensure(fd >= 0);
    connect_to(&world, fd);
    turn_until_connections(&world, 1);
    send_pieces(&world, fd, input.at, input.left, seed);
    for (;;) { /* it ends: the server saw our end */
        char ignored[4096];
        turn(&world);
        ssize_t got = recv(fd, ignored, sizeof(ignored), MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            break;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
    turn_until_connections(&world, 0);

    struct head_checker *checker = head_checker_new();
    (void)!head_checker_feed(checker, (const char *)input.at, input.left);
    ensure(world.requests <= head_checker_requests(checker));
    if (all_are_kept_alive(input.at, input.left))
        ensure(world.requests == head_checker_requests(checker));
    head_checker_free(checker);
    return 0;
}
