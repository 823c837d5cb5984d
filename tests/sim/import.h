/* `import`: Debian changelogs as a forum: package -> subreddit, release -> post, bullet -> comment,
 * maintainer -> user. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/attributes.h"
#include "tests/sim/forum.h"

#define IMPORT_DEFAULT_DIRECTORY "/usr/share/doc"
#define IMPORT_PACKAGES_MAX      100000

struct import_options {
    const char *directory; /* its subdirectories' changelog.Debian.gz */
    unsigned clients;
    bool replies;  /* sub-bullets become replies, not a part of their bullet */
    uint64_t seed; /* of the votes */
    bool quiet;
};

/*
 * Keys are made of package and version: what a server has had within a day is not added again. True if all of
 * it is there at the end. Not from inside an agent.
 */
bool import_run(struct forum *forum, const struct import_options *options) MUST_USE;
