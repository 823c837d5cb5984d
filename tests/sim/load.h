/* `load`: many users of popular and less popular subreddits, some of them offline. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/attributes.h"
#include "tests/sim/forum.h"

#define LOAD_USERS_MAX      1000000
#define LOAD_SUBREDDITS_MAX 100000
#define LOAD_OFFLINE_MS     2000 /* the mean time that a user stays offline */
#define LOAD_RECENT         32   /* posts and comments of a subreddit that users still find */

struct load_options {
    unsigned users, subreddits, clients;
    double zipf;         /* exponent of the subreddits' popularity */
    double offline;      /* the fraction of users that are offline at any time, 0 <= x < 1 */
    double newcomers;    /* the fraction of operations that are registrations, after which nothing comes */
    unsigned duration_s; /* 0: as long as `operations` takes */
    uint64_t operations; /* 0: as many as `duration_s` gives room for */
    bool endless;        /* neither: until it is interrupted, which is then its good end */
    unsigned rate; /* operations/s that arrive, whether or not earlier ones are answered; 0: each client waits
                      for its answer */
    uint64_t seed;
    bool quiet;
};

/* Makes the users and subreddits, applies the load, reports. True unless the setup failed or not a single
 * operation succeeded. */
bool load_run(struct forum *forum, const struct load_options *options) MUST_USE;
