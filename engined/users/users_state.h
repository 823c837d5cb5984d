/* What the users domain keeps while it is open, shared by its handlers (commands.c), events (apply.c) and
 * folds (fold.c). */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "engined/check_rows.h"
#include "engined/domain.h"
#include "engined/store.h"
#include "engined/users/presence.h"
#include "engined/versions.h"

/* check.c */
extern const struct domain_checks users_checks;

/* check.c */
extern const struct domain_checks users_checks;

struct users {
    struct store *store;
    struct presence *presence;
    uint64_t next_user_id; /* 0: to be counted anew */

    struct query *last_id, *id_by_name, *get, *profile, *insert, *clear;
    struct query *sessions_get, *session_opened, *sessions_closed, *session_close, *session_closed_get;
    struct query *sessions_forget_upto, *sessions_forget_old, *closed_clear;
    struct query *account, *accounts;
    struct query *credential_get, *credential_put;
    struct query *key_get, *key_insert, *keys_clear;
    struct query *post_karma_add, *post_karma_forget, *comment_karma_add, *comment_karma_forget;
};

/* apply.c */
void users_apply_created(void *state, struct arena *arena, const ProtobufCMessage *message);

void users_apply_session_opened(void *state, struct arena *arena, const ProtobufCMessage *message);
void users_apply_sessions_closed(void *state, struct arena *arena, const ProtobufCMessage *message);
void users_apply_password_changed(void *state, struct arena *arena, const ProtobufCMessage *message);

/* commands.c. 0: nobody has this name. */
uint64_t users_find_by_name(struct users *users, const char *username);
/* *hash stays as it is when there is no password. As command_fn: deferred until a process has hashed it. */
enum status users_hash_password(struct context *context, const char *password, const char **hash);
/* NULL: no such user. */
char *users_find_name(struct users *users, uint64_t user_id, struct arena *arena);

/* accounts.c. */
enum status users_complete_registered(struct context *context, const ProtobufCMessage *request,
                                      ProtobufCMessage *reply, bool replayed);
enum status users_complete_session(struct context *context, const ProtobufCMessage *request,
                                   ProtobufCMessage *reply, bool replayed);
enum status users_complete_password(struct context *context, const ProtobufCMessage *request,
                                    ProtobufCMessage *reply, bool replayed);

/* accounts.c: these emit. `except` 0: without exception. */
void users_open_session(struct context *context, uint64_t user_id, uint64_t session);
void users_close_session(struct context *context, uint64_t user_id, uint64_t session);
void users_close_all(struct context *context, uint64_t user_id, uint64_t except);
/* admin.c */
enum status users_complete_issued(struct context *context, const ProtobufCMessage *request,
                                  ProtobufCMessage *reply, bool replayed);

/* sessions.c. How many the user ever opened; 0: no such user. */
uint64_t users_session_count(struct users *users, uint64_t user_id);
bool users_session_is_open(struct users *users, uint64_t user_id, uint64_t session) MUST_USE;

/* The hash of the user's password in the arena; NULL: there is none. */
const char *users_credential(struct users *users, uint64_t user_id, struct arena *arena);
/* The one table that a decision writes itself: credentials are in no event. Only next to an event. */
void users_set_credential(struct users *users, uint64_t user_id, const char *hash);

/* fold.c: votes on what users wrote, of the posts and of the comments engine. */
void users_fold_post_votes(void *state, struct arena *arena, const struct followed_event *events,
                           size_t count);
void users_forget_post_votes(void *state);
void users_fold_comment_votes(void *state, struct arena *arena, const struct followed_event *events,
                              size_t count);
void users_forget_comment_votes(void *state);

/* touch.c */
void users_touch_created(void *state, const ProtobufCMessage *event, struct versions *versions);
void users_touch_karma(void *state, struct arena *arena, const struct followed_event *events, size_t count,
                       struct versions *versions);
