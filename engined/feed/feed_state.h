/* What the feed domain keeps while it is open, shared by its handler (commands.c) and folds (fold.c). */
#pragma once

#include <stdint.h>

#include "common/arena.h"
#include "engined/check_rows.h"
#include "engined/domain.h"
#include "engined/feed/joined.h"
#include "engined/ranking/ranks.h"
#include "engined/store.h"

/* check.c */
extern const struct domain_checks feed_checks;

/* Ranks kept in memory (ranks.h): about 100 MB. */
#define FEED_RANK_ENTRIES_MAX (4u << 20)

struct feed {
    struct store *store;
    struct ranks *ranks;
    struct joined *joined;

    struct query *posts_of_subreddit, *subreddits_of_user;
    struct query *member_add, *member_remove, *post_add, *post_set_votes;
    struct query *forget_memberships, *forget_posts;
};

/* fold.c */
void feed_fold_subreddits(void *state, struct arena *arena, const struct followed_event *events,
                          size_t count);
void feed_forget_subreddits(void *state);
void feed_fold_posts(void *state, struct arena *arena, const struct followed_event *events, size_t count);
void feed_forget_posts(void *state);
