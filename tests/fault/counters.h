/* What engines keep of one another, held against its owners: read from the engines' files, past forumd. */
#pragma once

#include "common/attributes.h"
#include "tests/lib/forum.h"

#define COUNTERS_SETTLE_MS 10000 /* for the queues to be drained */

/* NULL when karma is the sum of votes, comment_count the number of comments, member_count that of members,
 * and the feed knows just the memberships and posts that there are; else what differed to the last. */
const char *counters_differences(const struct forum *forum) MUST_USE;
/* NULL when SQLite finds every file whole; else what it said. */
const char *counters_damage(const struct forum *forum) MUST_USE;
