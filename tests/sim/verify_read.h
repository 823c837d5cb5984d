/* Reads all that the API shows into a state, with many requests at once. */
#pragma once

#include "common/attributes.h"
#include "tests/sim/record.h"
#include "tests/sim/state.h"
#include "tests/sim/verify.h"

#define VERIFY_WHOLE_FEEDS      50         /* users whose feed is read to its end */
#define VERIFY_WHOLE_FEED_PAGES 50         /* unless it is longer */
#define VERIFY_CONVERSATIONS    200        /* pairs of users whose conversation is read */
#define VERIFY_PAGES_MAX        (1u << 20) /* of one list */
#define VERIFY_MISSING_MAX                                                                                   \
    10000 /* users that are named somewhere and not there: then no more are asked for */

struct state *verify_read(struct client *client, const struct record *record,
                          const struct verify_options *options) MUST_USE;
