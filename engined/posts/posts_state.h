/*
 * What the posts domain keeps while it is open, shared by its handlers (commands.c), reads (read.c) and
 * events (apply.c).
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "engined/domain.h"
#include "engined/ranking/ranks.h"
#include "engined/store.h"
#include "proto/posts.pb-c.h"

/* Ranks kept in memory (ranks.h): about 100 MB. */
#define POSTS_RANK_ENTRIES_MAX (4u << 20)

/* Index into the domain's look-ups. */
enum posts_lookup { POSTS_LOOKUP_SUBREDDIT };

struct posts {
    struct store *store;
    struct ranks *ranks;
    uint64_t next_post_id; /* 0: to be counted anew */

    struct query *last_id, *exists, *get, *of_author, *scores_of_subreddit;
    struct query *vote_get, *vote_put, *vote_delete, *vote_target;
    struct query *post_insert, *score_insert, *score_update;
    struct query *comments_add, *comments_forget;
    struct query *clear_posts, *clear_scores, *clear_votes;
};

/* What read.c takes a post from: the columns in its order. */
#define POST_COLUMNS                                                                                         \
    "p.post_id, p.subreddit_id, p.author_id, p.created_at, p.original_post_id, p.subreddit_name, "           \
    "p.author_username, p.title, p.url, p.content, s.upvotes, s.downvotes, c.comment_count"
#define POST_TABLES                                                                                          \
    "posts p CROSS JOIN scores s ON s.subreddit_id = p.subreddit_id AND s.post_id = p.post_id "              \
    "LEFT JOIN comment_counts c ON c.post_id = p.post_id "

/* read.c: a post as it is now, in the arena, with the actor's vote (0: nobody's). NULL: there is none. */
Pb__Post *post_find(struct posts *posts, uint64_t post_id, uint64_t actor, struct arena *arena) MUST_USE;
/* An author's posts older than `before`, at most `limit`, newest first; returns how many. */
size_t posts_find_of_author(struct posts *posts, uint64_t author, uint64_t before, size_t limit,
                            uint64_t actor, struct arena *arena, Pb__Post **found) MUST_USE;
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
