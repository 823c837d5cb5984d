/*
 * Token buckets as one 64-bit time each: the generic cell rate algorithm in its virtual scheduling form
 * (ITU-T I.371, annex A). The state is the theoretical arrival time: when the bucket will be full again. A
 * request is let through if that time, moved on by one interval, is no further ahead than the burst allows;
 * one that is refused moves nothing, so whoever waits as long as he is told is let through. One
 * compare-and-swap a request: workers together give out exactly the burst. Pure; times in ns of
 * CLOCK_MONOTONIC.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"

/* Classes of requests, each with a limit of its own: of what a user may do, and of what comes from one
 * address. */
#define RATE_CLASSES(X)                                                                                      \
    X(REGISTER, "register")                                                                                  \
    X(LOGIN, "login")                                                                                        \
    X(WRITE, "write")                                                                                        \
    X(READ, "read")

enum rate_class {
#define X(NAME, name) RATE_##NAME,
    RATE_CLASSES(X)
#undef X
        RATE_CLASS_COUNT,
    RATE_NONE = RATE_CLASS_COUNT, /* never limited */
};

#define RATE_COUNT_MAX   1000000u
#define RATE_PERIOD_MAX  (24ull * 3600 * 1000000000)     /* ns */
#define RATE_HORIZON_MAX (7 * 24ull * 3600 * 1000000000) /* ns until an empty bucket is full */

struct rate_limit {
    uint64_t interval_ns; /* one request is given back; 0: no limit */
    uint32_t burst;       /* requests at once */
};

struct rate_limits {
    struct rate_limit user, address;
};

/* "off", or COUNT/PERIOD[,burst=N][,address=N]: 10/1s,burst=20,address=4 is 10 a second and 20 at once for a
 * user, and 4 times that for an address (of several users behind one router). PERIOD is a number and ms, s,
 * m, h or d; the number may be missing. burst: COUNT if not given; address: 1. False: *reason says what is
 * wrong.
 */
bool rate_limits_parse(const char *text, struct rate_limits *limits, const char **reason) MUST_USE;

struct rate_verdict {
    bool refused;
    uint32_t limit;     /* the burst; 0: no limit */
    uint32_t remaining; /* requests that would be let through right now */
    uint64_t wait_ns;   /* refused: until one would be let through */
    uint64_t full_ns;   /* until the bucket is full */
};

/* One request. `limit` has an interval. */
struct rate_verdict rate_take(_Atomic uint64_t *state, const struct rate_limit *limit,
                              uint64_t now_ns) MUST_USE;
/* The stricter of two verdicts: refused, or with less remaining. */
const struct rate_verdict *rate_stricter(const struct rate_verdict *a, const struct rate_verdict *b) MUST_USE;
