/*
 * A lean load generator: one thread, one epoll, keep-alive connections with one request at a time on each.
 * Open loop: requests fall due at a rate, whatever becomes of the earlier ones. Closed loop: each connection
 * asks again as soon as it was answered.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "tests/sim/histogram.h"

#define FLOOD_REQUEST_BYTES 4096 /* head and body */
#define FLOOD_HEAD_BYTES    2048 /* of an answer */
#define FLOOD_TAIL_MS       5000 /* after the time is over: for the last answers */

struct flood_spec {
    unsigned port;
    unsigned connections;
    double rate; /* requests a second; 0: closed loop */
    unsigned duration_ms;
    unsigned settle_ms; /* at first: what is sent then is counted, but not timed */
    uint64_t count_max; /* requests; 0: as many as the time gives */
    /* Writes the whole request `number` (0, 1, ...) to `out`; returns its length. */
    size_t (*make)(void *arg, uint64_t number, char *out, size_t max);
    /* What came for it; `head` is terminated and without the body. NULL: nobody wants to know. */
    void (*answered)(void *arg, uint64_t number, unsigned status, const char *head);
    /* Now and then (about every 100 ms) while it runs; NULL: nothing. */
    void (*meanwhile)(void *arg);
    void *arg;
};

struct flood_result {
    uint64_t sent;
    uint64_t good;                 /* 2xx, 304 */
    uint64_t shed;                 /* 503, 429 */
    uint64_t other;                /* any other status */
    uint64_t broken;               /* the connection ended, or the time did, before the answer */
    uint64_t unsent;               /* fell due, but no connection was free */
    unsigned other_status;         /* one of them */
    uint64_t duration_us;          /* of sending */
    struct histogram *good_us;     /* from the sending to the answer */
    struct histogram *shed_us;     /* likewise */
    struct histogram *shed_due_us; /* from when it fell due to the answer */
};

/* Fails the test when it cannot connect. */
void flood_run(const struct flood_spec *spec, struct flood_result *result);
void flood_result_dispose(struct flood_result *result);

double flood_good_rate(const struct flood_result *result) MUST_USE; /* a second */
double flood_sent_rate(const struct flood_result *result) MUST_USE;
/* One line to stdout. */
void flood_print(const char *name, const struct flood_result *result);
