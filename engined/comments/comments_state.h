/*
 * What the comments domain keeps while it is open, shared by its handlers (commands.c, list.c), reads
 * (read.c) and events (apply.c).
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "engined/check_rows.h"
#include "engined/comments/threads.h"
#include "engined/context.h"
#include "engined/store.h"
#include "proto/comments.pb-c.h"

/* check.c */
extern const struct domain_checks comments_checks;

/* Tree nodes kept in memory (threads.h): 64 MB. */
#define COMMENTS_THREAD_NODES_MAX (2u << 20)

/* No comment has more besides its texts: 15 tags, varints of 10 bytes, and lengths; of nested replies, too.
 */
#define COMMENT_FIXED_BYTES_MAX 256

/* Index into the domain's look-ups. */
enum comments_lookup { COMMENTS_LOOKUP_POST };

struct comments {
    struct store *store;
    struct threads *threads;
    uint64_t next_comment_id; /* 0: to be counted anew */

    struct query *last_id, *place, *get, *of_author, *tallies_of_post;
    struct query *vote_get, *vote_put, *vote_delete, *vote_target;
    struct query *comment_insert, *tally_insert, *tally_votes, *tally_reply;
    struct query *clear_comments, *clear_tallies, *clear_votes;
};

/* What read.c takes a comment from: the columns in its order. */
#define COMMENT_COLUMNS                                                                                      \
    "c.comment_id, c.post_id, c.author_id, c.parent_id, c.depth, c.created_at, c.author_username, "          \
    "c.content, t.upvotes, t.downvotes, t.reply_count"
#define COMMENT_TABLES                                                                                       \
    "comments c CROSS JOIN tallies t ON t.post_id = c.post_id AND t.comment_id = c.comment_id "

/* read.c: a comment as it is now, in the arena, with the actor's vote (0: nobody's). NULL: there is none. */
Pb__Comment *comment_find(struct comments *comments, uint64_t comment_id, uint64_t actor,
                          struct arena *arena) MUST_USE;
/* An author's comments older than `before`, at most `limit`, newest first; returns how many. */
size_t comments_find_of_author(struct comments *comments, uint64_t author, uint64_t before, size_t limit,
                               uint64_t actor, struct arena *arena, Pb__Comment **found) MUST_USE;
/* Just made by this event, seen by its author. Shares the event's texts. */
Pb__Comment *comment_of_event(const Pb__CommentCreated *event, struct arena *arena) MUST_USE;
/* Where it stands; false: there is none. `depth` may be NULL. */
bool comment_place(struct comments *comments, uint64_t comment_id, uint64_t *post_id,
                   uint32_t *depth) MUST_USE;
/* -1, 0 or 1. */
int comment_vote_of(struct comments *comments, uint64_t comment_id, uint64_t user) MUST_USE;
Pb__VoteType comment_vote_type(int vote);
/* Not below the comment's packed size, its replies excepted. */
size_t comment_bytes_bound(const Pb__Comment *comment) MUST_USE;

/* commands.c: STATUS_OK: the post exists. */
enum status comments_find_post(struct context *context, uint64_t post_id) MUST_USE;

/* apply.c */
void comments_apply_created(void *state, struct arena *arena, const ProtobufCMessage *message);
void comments_apply_vote_changed(void *state, struct arena *arena, const ProtobufCMessage *message);
