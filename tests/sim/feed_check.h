/* Whether a page of a feed shows what it may. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "tests/sim/client.h"

/* True if each post of the page is of one of the subreddits. Else says on stderr which is not. */
bool feed_holds_only(const struct answer *page, const char *username, const uint64_t *subreddits,
                     size_t count) MUST_USE;
