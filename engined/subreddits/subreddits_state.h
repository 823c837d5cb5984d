/* What the subreddits domain keeps while it is open, shared by its handlers (commands.c, list.c) and events
 * (apply.c). */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "engined/check_rows.h"
#include "engined/store.h"
#include "proto/subreddits.pb-c.h"

/* check.c */
extern const struct domain_checks subreddits_checks;

/* Ids in one answer to `joined`: they fit a reply frame however large they are. */
#define SUBREDDITS_JOINED_MAX 100000

/* The orders of a list: Pb__SubredditsList__Sort. */
#define SUBREDDITS_SORTS 3

struct subreddits {
    struct store *store;
    uint64_t next_subreddit_id; /* 0: to be counted anew */

    struct query *last_id, *id_by_name, *get, *name;
    struct query *list[SUBREDDITS_SORTS];
    struct query *member_count, *is_member, *joined;
    struct query *insert, *count_members, *member_insert, *member_delete;
    struct query *clear_subreddits, *clear_memberships;
};

/* What subreddit_of_row takes a subreddit from. */
#define SUBREDDIT_COLUMNS "subreddit_id, creator_id, member_count, created_at, name, description"

/* commands.c */
Pb__Subreddit *subreddit_of_row(struct query *row, struct arena *arena) MUST_USE;
/* Ids are counted without gaps: one less is how many there are. */
uint64_t subreddits_next_id(struct subreddits *subreddits) MUST_USE;

/* apply.c */
void subreddits_apply_created(void *state, struct arena *arena, const ProtobufCMessage *message);
void subreddits_apply_joined(void *state, struct arena *arena, const ProtobufCMessage *message);
void subreddits_apply_left(void *state, struct arena *arena, const ProtobufCMessage *message);
