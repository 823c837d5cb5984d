/* forumd-sim as the load of a fault test: it starts, it is applied, it ends, and then everything is compared.
 */
#pragma once

#include <stdbool.h>

#include "common/attributes.h"
#include "tests/fault/trace.h"
#include "tests/lib/forum.h"

#define LOAD_SETUP_MS  60000
#define LOAD_STOP_MS   60000
#define LOAD_VERIFY_MS 120000

struct load;

struct load_spec {
    const char *name; /* of its files, beside the test's own */
    unsigned clients;
    unsigned rate;            /* operations/s; 0: each client goes on as soon as it is answered */
    unsigned retries;         /* with the same key */
    unsigned timeout_ms;      /* of a try; 0: 10 s */
    const char *const *flags; /* more, NULL-terminated; NULL: none */
    bool accompanied;         /* the test writes, too: what no load asked for may be there */
};

/* Returns when its users and subreddits are made and the load is on. Fails the test if they cannot be. */
struct load *load_start(const struct forum *forum, const struct load_spec *spec) MUST_USE;
/* What it asked until now. */
struct trace *load_trace(const struct load *load) MUST_USE;
/* Waits until `count` more requests were answered 2xx. False: not within the time. */
bool load_wait_served(struct load *load, size_t count, unsigned timeout_ms) MUST_USE;
/* Ends it, in order; fails the test when it does not. Its trace is whole then. */
struct trace *load_stop(struct load *load) MUST_USE;
/* Reads the server back and compares it with itself and with what these loads (NULL-terminated; all were
 * stopped) were told. Fails the test unless they agree; returns the comparison's last line. */
const char *load_verify(const struct forum *forum, struct load *const *loads) MUST_USE;
