/* Where in a state each id stands, and what its rows add up to. */
#pragma once

#include "common/attributes.h"
#include "tests/sim/state.h"
#include "tests/sim/table.h"

/* Places are positions + 1 of the first row of an id. */
struct state_index {
    const struct state *state;
    struct table *subreddits, *posts, *comments, *users; /* id -> place */
    struct table *messages;                              /* id -> place */
    struct table *joined;                                /* user, subreddit -> rows */
    struct table *message_readers;                       /* message, reader -> rows */
};

struct state_index *state_index_new(const struct state *state) MUST_USE;
void state_index_free(struct state_index *index);

/* NULL if there is none. */
const struct state_subreddit *state_index_subreddit(const struct state_index *index, uint64_t id);
const struct state_post *state_index_post(const struct state_index *index, uint64_t id);
const struct state_comment *state_index_comment(const struct state_index *index, uint64_t id);
const struct state_user *state_index_user(const struct state_index *index, uint64_t id);
/* The first row found of that message. */
const struct state_message *state_index_message(const struct state_index *index, uint64_t id);
