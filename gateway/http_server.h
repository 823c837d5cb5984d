/*
 * HTTP over the shared listening socket: the only code that knows libevent's evhttp. It keeps what evhttp
 * lacks: the head checker in front of it, deadlines for each phase of a connection, a cap on connections,
 * answers in JSON only. Worker's thread only.
 *
 * One exchange (a request and its answer) at a time on a connection; a pipelined request waits until the one
 * before it is answered and read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "gateway/metrics.h"
#include "proto/status.h"

/* Deadlines where flags say nothing else */
#define HTTP_HEAD_TIMEOUT_MS   10000 /* a whole head, from its first byte */
#define HTTP_BODY_TIMEOUT_MS   20000 /* a whole body, from the end of its head */
#define HTTP_ANSWER_TIMEOUT_MS 30000 /* a client's reading of a whole answer */
#define HTTP_IDLE_TIMEOUT_MS   75000 /* nothing from a client: between requests, or from the beginning */
#define HTTP_LINGER_TIMEOUT_MS                                                                               \
    2000 /* after a refusal: for the client to read it; what it still sends is thrown away */
#define HTTP_DRAIN_IDLE_MS    5000        /* drain: idle connections are closed only after that */
#define HTTP_ACCEPTS_PER_TURN 16          /* so that workers share a burst */
#define HTTP_SLOW_PER_TURN    32          /* slow clients that are looked at, and late ones that are closed */
#define HTTP_DRIP_BYTES       64          /* whose request comes in such pieces, ... */
#define HTTP_DOZE_AFTER_MS    100         /* ... for so long, ... */
#define HTTP_DOZE_MS          200         /* ... is looked at that often only */
#define HTTP_UNSENT_BYTES     (32u << 10) /* of answers that the kernel keeps for a client that does not read */
#define HTTP_INPUT_BYTES      (512u << 10) /* read ahead on one connection: a whole body and more */

#define HTTP_REFUSAL_BYTES 1024

struct event_base;
struct sockaddr;
struct http_server;
struct http_exchange;

/* Deadlines for a client, ms. */
struct http_timeouts {
    unsigned head_ms, body_ms, answer_ms, idle_ms;
};

struct http_header {
    const char *name;
    const char *value; /* no CR, LF or NUL */
};

#define HTTP_ANSWER_HEADERS_MAX 24

struct http_answer {
    unsigned status;
    struct http_header headers[HTTP_ANSWER_HEADERS_MAX];
    size_t header_count;
    const char *body; /* copied; left out by itself where the method or status has none */
    size_t body_length;
    /* Not NULL: the body is not copied but referred to, and this runs once, now or later, when it is not any
     * more. */
    void (*body_done)(const void *body, size_t length, void *arg);
    void *body_arg;
};

struct http_hooks {
    /* A whole request. Exactly one http_exchange_answer must follow, now or later, unless `gone` comes first.
     */
    void (*request)(void *arg, struct http_exchange *exchange);
    /* The client of an unanswered exchange went away; `owner` is what http_exchange_set_owner gave. The
     * exchange is invalid from here on. */
    void (*gone)(void *arg, void *owner);
    /* Fills the answer to what never became a request: a refused head, a client that was too slow. Pointers
     * must live until the next call. `peer`: the other end; NULL: not known. */
    void (*refused)(void *arg, const struct sockaddr *peer, enum status status, const char *detail,
                    struct http_answer *answer);
    /*
     * Before anything is made of a request: `bytes` are one whole request, and nothing came behind it. More
     * than 0: so many bytes of `out` are its answer, which keeps the connection open, and it is not handed to
     * `request`.
     */
    size_t (*refuse)(void *arg, const char *bytes, size_t length, const char *date,
                     char out[HTTP_REFUSAL_BYTES]);
    void *arg;
};

/* `connections_max` open at a time; beyond, they wait in the listening socket. Exits (EXIT_OS) when the
 * socket cannot be used. */
struct http_server *http_server_new(struct event_base *base, int listen_fd, size_t connections_max,
                                    const struct http_timeouts *timeouts, const struct http_hooks *hooks,
                                    struct metrics *metrics) MUST_USE;
/* Closes all connections. */
void http_server_free(struct http_server *server);

/* After each turn's events: looks at clients that are slow. It may bring requests. */
void http_server_look(struct http_server *server, uint64_t now_ms);
/* At the end of each turn of the loop. */
void http_server_turn(struct http_server *server, uint64_t now_ms);
/* No more new connections; every answer from now on is the connection's last; idle ones are closed after
 * HTTP_DRAIN_IDLE_MS. */
void http_server_drain(struct http_server *server, uint64_t now_ms);
size_t http_server_connections(const struct http_server *server);
/* When a turn has something to do next; UINT64_MAX: when there is traffic. A turn is wanted every second at
 * least, to try again after a failed accept. */
uint64_t http_server_next_ms(const struct http_server *server);

/* Valid until the answer is given or `gone` was called. */
void http_exchange_set_owner(struct http_exchange *exchange, void *owner);
const char *
http_exchange_method(const struct http_exchange *exchange); /* "GET"; "" for none that HTTP/1.1 knows */
/* In origin form ("/a/b?c", also where the client sent the absolute one); "*" for OPTIONS. */
const char *http_exchange_target(const struct http_exchange *exchange);
/* The first of that name, without regard to case; NULL: none. */
const char *http_exchange_header(const struct http_exchange *exchange, const char *name);
/* All lines of that name, in their order; of more than `max` the last ones. */
size_t http_exchange_header_lines(const struct http_exchange *exchange, const char *name, const char **values,
                                  size_t max);
/* The other end of the connection; NULL: not known. */
const struct sockaddr *http_exchange_peer(const struct http_exchange *exchange);
const char *http_exchange_body(const struct http_exchange *exchange,
                               size_t *length); /* not terminated; NULL when empty */
void http_exchange_answer(struct http_exchange *exchange, const struct http_answer *answer);
