/* Who and what a load is made of, and what of it can still be found: the memory of the simulated users. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "tests/sim/forum.h"
#include "tests/sim/load.h"
#include "tests/sim/random.h"
#include "tests/sim/zipf.h"

struct load_user {
    struct account account;
    uint32_t *joined; /* positions of subreddits */
    size_t joined_count, joined_capacity;
    uint64_t last_message, last_sender; /* received; 0: none */
    uint64_t turns_at_us;               /* goes offline or comes back; 0: never */
    bool offline, returning, busy;
};

struct load_post {
    uint64_t id, original;
};

struct load_comment {
    uint64_t id, post;
    unsigned depth;
};

struct load_subreddit {
    uint64_t id;
    struct load_post *posts;       /* the last LOAD_RECENT, as a ring; NULL before the first */
    struct load_comment *comments; /* likewise */
    uint64_t post_count, comment_count;
};

struct load_world {
    const struct load_options *options;
    struct load_user *users;
    struct load_subreddit *subreddits; /* by falling popularity */
    struct zipf *popularity;
    struct random random;
};

struct load_world *load_world_new(const struct load_options *options) MUST_USE;
void load_world_free(struct load_world *world);

bool load_user_is_in(const struct load_user *user, uint32_t subreddit);
void load_user_join(struct load_user *user, uint32_t subreddit);
void load_user_leave(struct load_user *user, uint32_t subreddit);

/* Someone who is online and not in the middle of something, marked busy; NULL if there seems to be none right
 * now. */
struct load_user *load_world_pick_user(struct load_world *world, uint64_t now_us) MUST_USE;
/* By popularity. */
uint32_t load_world_pick_subreddit(struct load_world *world);
/* The same among those that the user joined. False if there are none. */
bool load_world_pick_joined(struct load_world *world, const struct load_user *user,
                            uint32_t *subreddit) MUST_USE;
/* One that can be found in the subreddit, or NULL. */
const struct load_post *load_world_pick_post(struct load_world *world, uint32_t subreddit);
const struct load_comment *load_world_pick_comment(struct load_world *world, uint32_t subreddit);

void load_world_add_post(struct load_world *world, uint32_t subreddit, struct load_post post);
void load_world_add_comment(struct load_world *world, uint32_t subreddit, struct load_comment comment);
