/*
 * What the posts domain keeps while it is open, shared by its handlers (commands.c), reads (read.c) and
 * events (apply.c).
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "engined/check_rows.h"
#include "engined/domain.h"
#include "engined/posts/late_rows.h"
#include "engined/posts/post_cache.h"
#include "engined/ranking/ranks.h"
#include "engined/store.h"
#include "proto/posts.pb-c.h"

/* check.c */
extern const struct domain_checks posts_checks;

/* Ranks kept in memory (ranks.h): about 100 MB. */
#define POSTS_RANK_ENTRIES_MAX (4u << 20)

/* Posts kept in memory (post_cache.h). */
#define POSTS_CACHE_BYTES_MAX (32u << 20)

/* Index into the domain's look-ups. */
enum posts_lookup { POSTS_LOOKUP_SUBREDDIT };

struct posts {
    struct store *store;
    struct ranks *ranks;
    struct late_rows *late;
    struct post_cache *cache;
    uint64_t next_post_id; /* 0: to be counted anew */

    struct query *last_id, *exists, *get, *of_author, *scores_of_subreddit;
    struct query *vote_get, *vote_put, *vote_delete;
    struct query *post_insert, *score_update, *score_insert;
    struct query *comments_add, *comments_forget;
    struct query *clear_posts, *clear_of_author, *clear_scores, *clear_votes;
};

/* read.c: a post as it is now, in the arena, with the actor's vote (0: nobody's). NULL: there is none. */
Pb__Post *post_find(struct posts *posts, uint64_t post_id, uint64_t actor, struct arena *arena) MUST_USE;
/* The same without a vote and without copying; valid until anything else is called. */
const Pb__Post *post_peek(struct posts *posts, uint64_t post_id, struct arena *arena) MUST_USE;
/* -1, 0 or 1. */
int post_vote_of(struct posts *posts, uint64_t post_id, uint64_t user) MUST_USE;
Pb__VoteType post_vote_type(int vote);
/* Just made by this event, seen by its author. Shares the event's texts. */
Pb__Post *post_of_event(const Pb__PostCreated *event, struct arena *arena) MUST_USE;

/* apply.c */
void posts_apply_created(void *state, struct arena *arena, const ProtobufCMessage *message);
void posts_apply_vote_changed(void *state, struct arena *arena, const ProtobufCMessage *message);
/* Folds of the comments engine's events. */
void posts_fold_comments(void *state, struct arena *arena, const struct followed_event *events, size_t count);
void posts_forget_comments(void *state);
