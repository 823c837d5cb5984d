/*
 * The subreddits that users joined, kept in memory as they are asked for: a table of JOINED_USERS_MAX places,
 * where users that fall on the same place push each other out, and lists longer than JOINED_LIST_MAX are not
 * kept. Bounded by 8 MB.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"

#define JOINED_USERS_MAX 8192
#define JOINED_LIST_MAX  128

struct joined;

struct joined *joined_new(void) MUST_USE;
void joined_free(struct joined *joined);

/* NULL: not kept (*count is 0 then). Valid until the next call of any other function. */
const uint64_t *joined_get(struct joined *joined, uint64_t user, size_t *count) MUST_USE;
void joined_keep(struct joined *joined, uint64_t user, const uint64_t *subreddits, size_t count);
/* The user joined or left one. */
void joined_drop(struct joined *joined, uint64_t user);
void joined_drop_all(struct joined *joined);
