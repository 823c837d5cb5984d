/* --verify: reads the server back and compares it with what was acknowledged. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/attributes.h"
#include "tests/sim/client.h"
#include "tests/sim/record.h"

/*
 * Counters that one engine keeps of another's trail by milliseconds, and other clients may be at work:
 * differences count only if they are still there when all is read again, this long after they were first
 * seen.
 */
#define VERIFY_DEADLINE_MS 5000
#define VERIFY_RETRIES     5  /* of a read */
#define VERIFY_PAUSE_MS    20 /* between two readings */

struct verify_options {
    unsigned agents; /* that read at once */
    uint64_t seed;   /* chooses the users whose whole feed is read */
    bool quiet;
};

/* Says what was read, and names each difference on stdout. True if there is none. Not from inside an agent.
 */
bool verify(struct client *client, const struct record *record,
            const struct verify_options *options) MUST_USE;
