/* What the users domain keeps while it is open, shared by its handlers (commands.c), events (apply.c) and
 * folds (fold.c). */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#include "common/arena.h"
#include "engined/domain.h"
#include "engined/store.h"
#include "engined/users/presence.h"

struct users {
    struct store *store;
    struct presence *presence;
    uint64_t next_user_id; /* 0: to be counted anew */

    struct query *last_id, *id_by_name, *get, *profile, *insert, *clear;
    struct query *post_karma_add, *post_karma_forget, *comment_karma_add, *comment_karma_forget;
};

/* apply.c */
void users_apply_created(void *state, struct arena *arena, const ProtobufCMessage *message);

/* fold.c: votes on what users wrote, of the posts and of the comments engine. */
void users_fold_post_votes(void *state, struct arena *arena, const struct followed_event *events,
                           size_t count);
void users_forget_post_votes(void *state);
void users_fold_comment_votes(void *state, struct arena *arena, const struct followed_event *events,
                              size_t count);
void users_forget_comment_votes(void *state);
