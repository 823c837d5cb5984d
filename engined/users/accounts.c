/* Passwords, sessions and the tokens that stand for them. */
#include <string.h>

#include "engined/users/commands.h"
#include "engined/users/users_state.h"
#include "proto/token.h"
#include "proto/users.pb-c.h"

static char *token_of(struct context *context, uint64_t user_id, const char *name, uint64_t session,
                      uint64_t issued_ms)
{
    struct token token = {.user_id = user_id,
                          .session = (uint32_t)session,
                          .issued_ms = issued_ms,
                          .expires_ms = issued_ms + TOKEN_LIFE_MS};
    size_t length = strnlen(name, ACTOR_NAME_MAX);
    memcpy(token.name, name, length);
    token.name[length] = '\0';
    return context_token(context, &token);
}

/* What is to be answered while the check is not done; STATUS_OK when it is. */
static enum status check(struct context *context, const struct password_check *check, bool *matches,
                         const char **new_hash)
{
    switch (context_password(context, check, matches, new_hash)) {
    case PASSWORD_PENDING:
        return STATUS_DEFERRED;
    case PASSWORD_REFUSED:
        return STATUS_OVERLOADED;
    case PASSWORD_READY:
        break;
    }
    return STATUS_OK;
}

void users_open_session(struct context *context, uint64_t user_id, uint64_t session)
{
    Pb__UserSessionOpened event = PB__USER_SESSION_OPENED__INIT;
    event.has_user_id = event.has_session = event.has_opened_at = true;
    event.user_id = user_id;
    event.session = session;
    event.opened_at = context->now_ms;
    context_emit(context, &event.base);
}

void users_close_session(struct context *context, uint64_t user_id, uint64_t session)
{
    Pb__UserSessionsClosed event = PB__USER_SESSIONS_CLOSED__INIT;
    event.has_user_id = event.has_session = event.has_closed_at = true;
    event.user_id = user_id;
    event.session = session;
    event.closed_at = context->now_ms;
    context_emit(context, &event.base);
}

/* All that were ever opened; `except` 0: without exception. */
void users_close_all(struct context *context, uint64_t user_id, uint64_t except)
{
    Pb__UserSessionsClosed event = PB__USER_SESSIONS_CLOSED__INIT;
    event.has_user_id = event.has_upto = event.has_except = event.has_closed_at = true;
    event.user_id = user_id;
    event.upto = users_session_count(context->state, user_id);
    event.except = except;
    event.closed_at = context->now_ms;
    context_emit(context, &event.base);
}

static ProtobufCMessage *session_reply(struct context *context, uint64_t user_id, char *username,
                                       uint64_t session)
{
    Pb__UserSession *reply = arena_alloc_raw(context->arena, sizeof(*reply));
    pb__user_session__init(reply);
    reply->has_user_id = reply->has_expires_at = reply->has_session = true;
    reply->user_id = user_id;
    reply->username = username;
    reply->expires_at = context->now_ms + TOKEN_LIFE_MS;
    reply->session = session;
    return &reply->base;
}

/* Unknown users and those without a password take the same way, and time, as a wrong password. */
enum status users_login(struct context *context, const ProtobufCMessage *message, ProtobufCMessage **reply)
{
    const Pb__UsersLogin *request = (const Pb__UsersLogin *)message;
    struct users *users = context->state;
    bool matches;
    const char *new_hash;
    if (request->username == NULL || request->password == NULL)
        return STATUS_BAD_FRAME;
    uint64_t user_id = users_find_by_name(users, request->username);
    const char *hash = users_credential(users, user_id, context->arena);
    enum status status = check(context, &(struct password_check){.password = request->password, .hash = hash},
                               &matches, &new_hash);
    if (status != STATUS_OK)
        return status;
    if (!matches)
        return STATUS_INVALID_CREDENTIALS;
    uint64_t session = users_session_count(users, user_id) + 1;
    users_open_session(context, user_id, session);
    presence_touch(users->presence, user_id, context->now_ms);
    *reply = session_reply(context, user_id, users_find_name(users, user_id, context->arena), session);
    return STATUS_OK;
}

enum status users_logout(struct context *context, const ProtobufCMessage *message, ProtobufCMessage **reply)
{
    const Pb__UsersLogout *request = (const Pb__UsersLogout *)message;
    if (!users_session_is_open(context->state, context->actor, request->session))
        return STATUS_INVALID_TOKEN;
    if (request->all)
        users_close_all(context, context->actor, 0);
    else
        users_close_session(context, context->actor, request->session);
    Pb__UserLoggedOut *done = arena_alloc_raw(context->arena, sizeof(*done));
    pb__user_logged_out__init(done);
    done->has_user_id = done->has_all = true;
    done->user_id = context->actor;
    done->all = request->all;
    *reply = &done->base;
    return STATUS_OK;
}

/* The new hash, once it is there. */
static enum status change(struct context *context, const Pb__UsersSetPassword *request, const char **new_hash)
{
    struct password_check wanted = {.hash = users_credential(context->state, context->actor, context->arena),
                                    .new_password = request->new_password};
    bool matches;
    if (wanted.hash != NULL) {
        if (request->old_password == NULL)
            return STATUS_WRONG_PASSWORD;
        wanted.password = request->old_password;
    }
    enum status status = check(context, &wanted, &matches, new_hash);
    if (status != STATUS_OK)
        return status;
    if (!matches)
        return STATUS_WRONG_PASSWORD;
    return *new_hash != NULL ? STATUS_OK : STATUS_OVERLOADED;
}

enum status users_set_password(struct context *context, const ProtobufCMessage *message,
                               ProtobufCMessage **reply)
{
    const Pb__UsersSetPassword *request = (const Pb__UsersSetPassword *)message;
    struct users *users = context->state;
    const char *new_hash;
    if (request->new_password == NULL)
        return STATUS_BAD_FRAME;
    if (!users_session_is_open(users, context->actor, request->session))
        return STATUS_INVALID_TOKEN;
    enum status status = change(context, request, &new_hash);
    if (status != STATUS_OK)
        return status;
    Pb__UserPasswordChanged event = PB__USER_PASSWORD_CHANGED__INIT;
    event.has_user_id = event.has_changed_at = true;
    event.user_id = context->actor;
    event.changed_at = context->now_ms;
    context_emit(context, &event.base);
    users_set_credential(users, context->actor, new_hash);
    users_close_all(context, context->actor, request->session);
    Pb__UserPasswordSet *done = arena_alloc_raw(context->arena, sizeof(*done));
    pb__user_password_set__init(done);
    done->has_user_id = done->has_changed_at = true;
    done->user_id = context->actor;
    done->changed_at = context->now_ms;
    *reply = &done->base;
    return STATUS_OK;
}

enum status users_renew(struct context *context, const ProtobufCMessage *message, ProtobufCMessage **reply)
{
    const Pb__UsersRenew *request = (const Pb__UsersRenew *)message;
    struct users *users = context->state;
    if (!users_session_is_open(users, context->actor, request->session))
        return STATUS_INVALID_TOKEN;
    char *username = users_find_name(users, context->actor, context->arena);
    *reply = session_reply(context, context->actor, username, request->session);
    return STATUS_OK;
}

/* Whether who asks again may have the token that the first answer had. *proven only with STATUS_OK. */
static enum status prove(struct context *context, const char *password, uint64_t user_id, bool *proven)
{
    const char *hash = users_credential(context->state, user_id, context->arena), *new_hash;
    *proven = false;
    if (password == NULL) {
        *proven = hash == NULL && context->id_is_secret;
        return STATUS_OK;
    }
    return check(context, &(struct password_check){.password = password, .hash = hash}, proven, &new_hash);
}

enum status users_complete_registered(struct context *context, const ProtobufCMessage *request,
                                      ProtobufCMessage *reply, bool replayed)
{
    Pb__UserRegistered *registered = (Pb__UserRegistered *)reply;
    bool proven = true;
    if (replayed) {
        const char *password = ((const Pb__UsersCreate *)request)->password;
        enum status status = prove(context, password, registered->user_id, &proven);
        if (status != STATUS_OK)
            return status;
        proven = proven && users_session_is_open(context->state, registered->user_id, 1);
    }
    if (proven)
        registered->token =
            token_of(context, registered->user_id, registered->username, 1, registered->created_at);
    return STATUS_OK;
}

/* A log-in that is asked for again needs the password again, and gives its first session. */
enum status users_complete_session(struct context *context, const ProtobufCMessage *request,
                                   ProtobufCMessage *reply, bool replayed)
{
    Pb__UserSession *session = (Pb__UserSession *)reply;
    if (replayed) {
        bool proven;
        enum status status =
            prove(context, ((const Pb__UsersLogin *)request)->password, session->user_id, &proven);
        if (status != STATUS_OK)
            return status;
        if (!proven || !users_session_is_open(context->state, session->user_id, session->session))
            return STATUS_INVALID_CREDENTIALS;
    }
    session->token = token_of(context, session->user_id, session->username, session->session,
                              session->expires_at - TOKEN_LIFE_MS);
    return session->token != NULL ? STATUS_OK : STATUS_OVERLOADED;
}

/* Secrets are in no fingerprint: whether the same is asked for again shows only here. */
enum status users_complete_password(struct context *context, const ProtobufCMessage *request,
                                    ProtobufCMessage *reply, bool replayed)
{
    (void)reply;
    bool proven;
    if (!replayed)
        return STATUS_OK;
    enum status status =
        prove(context, ((const Pb__UsersSetPassword *)request)->new_password, context->actor, &proven);
    if (status == STATUS_OK && !proven)
        return STATUS_KEY_REUSED;
    return status;
}
