/* What an import is going to make, known before the first request: all packages, all people, who wrote where.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "tests/sim/names.h"

#define IMPORT_NOBODY "unknown maintainer"

struct import_package {
    char *name; /* its directory's */
    char *path;
    size_t name_position; /* in `subreddits` */
    size_t creator;       /* position in `people`: the oldest release's maintainer */
};

struct import_member {
    size_t person, package;
};

struct import_plan {
    struct import_package *packages; /* by name; only those with an entry */
    size_t package_count, package_capacity;
    struct name_book *subreddits, *people;
    struct import_member *members; /* who wrote in which package, its creator aside; each pair once */
    size_t member_count, member_capacity;
    uint64_t posts, comments;
};

/* NULL, with one line to stderr, if the directory cannot be read. Unreadable changelogs are named and passed
 * over. */
struct import_plan *import_plan_new(const char *directory, bool replies) MUST_USE;
void import_plan_free(struct import_plan *plan);
