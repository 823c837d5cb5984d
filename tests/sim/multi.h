/* `multi`: five users at once, loadtest_user_N and testsubN with N from `first`. */
#pragma once

#include <stdbool.h>

#include "common/attributes.h"
#include "tests/sim/forum.h"

#define MULTI_USERS 5

/*
 * Three posts each; everyone joins three subreddits, comments, votes, reposts, writes a message and reads the
 * feed. Users and subreddits that are there already are used as they are. True if all of it came out as it
 * should. Not from inside an agent.
 */
bool multi_run(struct forum *forum, unsigned first, bool quiet) MUST_USE;
