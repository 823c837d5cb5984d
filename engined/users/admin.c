/* What administrators do to accounts (forumctl user, forumctl token). Workers could ask for it, too, and must
 * not get it: so each command is proven with the key that tokens are signed with, which no worker has. */
#include <string.h>

#include "common/limits.h"
#include "engined/users/commands.h"
#include "engined/users/users_state.h"
#include "proto/token.h"
#include "proto/users.pb-c.h"

/* STATUS_OK: an administrator asks, and there is such a user. */
static enum status find_user(struct context *context, const char *proof, const char *username,
                             uint64_t *user_id)
{
    if (!context_is_admin(context, proof))
        return STATUS_FORBIDDEN;
    if (username == NULL)
        return STATUS_BAD_FRAME;
    *user_id = users_find_by_name(context->state, username);
    return *user_id != 0 ? STATUS_OK : STATUS_USER_NOT_FOUND;
}

/* Of a row of `account` or `accounts`. */
static Pb__UserAccount *account_of_row(struct query *row, struct arena *arena)
{
    Pb__UserAccount *account = arena_alloc_raw(arena, sizeof(*account));
    pb__user_account__init(account);
    account->has_user_id = account->has_created_at = account->has_sessions = true;
    account->has_open_sessions = account->has_password = account->has_has_key = true;
    account->user_id = query_u64(row, 0);
    account->username = query_text(row, 1, arena);
    account->created_at = query_u64(row, 2);
    account->sessions = query_u64(row, 3);
    account->open_sessions = query_u64(row, 4);
    account->password = query_u64(row, 5) != 0;
    account->has_key = query_u64(row, 6) != 0;
    return account;
}

enum status users_admin_list(struct context *context, const ProtobufCMessage *message,
                             ProtobufCMessage **reply)
{
    const Pb__UsersAdminList *request = (const Pb__UsersAdminList *)message;
    struct users *users = context->state;
    if (!context_is_admin(context, request->proof))
        return STATUS_FORBIDDEN;
    Pb__UserAccounts *page = arena_alloc_raw(context->arena, sizeof(*page));
    pb__user_accounts__init(page);
    page->items = arena_alloc_raw(context->arena, LIMIT_ADMIN_PAGE * sizeof(page->items[0]));
    query_bind(users->accounts, "uu", request->after_user_id, (uint64_t)LIMIT_ADMIN_PAGE);
    while (query_row(users->accounts))
        page->items[page->n_items++] = account_of_row(users->accounts, context->arena);
    query_done(users->accounts);
    *reply = &page->base;
    return STATUS_OK;
}

enum status users_admin_get(struct context *context, const ProtobufCMessage *message,
                            ProtobufCMessage **reply)
{
    const Pb__UsersAdminGet *request = (const Pb__UsersAdminGet *)message;
    struct users *users = context->state;
    uint64_t user_id;
    enum status status = find_user(context, request->proof, request->username, &user_id);
    if (status != STATUS_OK)
        return status;
    query_bind(users->account, "u", user_id);
    if (query_row(users->account))
        *reply = &account_of_row(users->account, context->arena)->base;
    query_done(users->account);
    return *reply != NULL ? STATUS_OK : STATUS_USER_NOT_FOUND;
}

enum status users_admin_set_password(struct context *context, const ProtobufCMessage *message,
                                     ProtobufCMessage **reply)
{
    const Pb__UsersAdminSetPassword *request = (const Pb__UsersAdminSetPassword *)message;
    uint64_t user_id;
    enum status status = find_user(context, request->proof, request->username, &user_id);
    if (status == STATUS_OK && request->new_password == NULL)
        status = STATUS_BAD_FRAME;
    const char *hash = NULL;
    if (status == STATUS_OK)
        status = users_hash_password(context, request->new_password, &hash);
    if (status != STATUS_OK)
        return status;
    Pb__UserPasswordChanged event = PB__USER_PASSWORD_CHANGED__INIT;
    event.has_user_id = event.has_changed_at = true;
    event.user_id = user_id;
    event.changed_at = context->now_ms;
    context_emit(context, &event.base);
    users_set_credential(context->state, user_id, hash);
    users_close_all(context, user_id, 0);
    Pb__UserPasswordSet *done = arena_alloc_raw(context->arena, sizeof(*done));
    pb__user_password_set__init(done);
    done->has_user_id = done->has_changed_at = true;
    done->user_id = user_id;
    done->changed_at = context->now_ms;
    *reply = &done->base;
    return STATUS_OK;
}

enum status users_admin_close(struct context *context, const ProtobufCMessage *message,
                              ProtobufCMessage **reply)
{
    const Pb__UsersAdminClose *request = (const Pb__UsersAdminClose *)message;
    uint64_t user_id;
    enum status status = find_user(context, request->proof, request->username, &user_id);
    if (status != STATUS_OK)
        return status;
    if (request->session != 0 && !users_session_is_open(context->state, user_id, request->session))
        return STATUS_INVALID_TOKEN;
    if (request->session != 0)
        users_close_session(context, user_id, request->session);
    else
        users_close_all(context, user_id, 0);
    Pb__UserLoggedOut *done = arena_alloc_raw(context->arena, sizeof(*done));
    pb__user_logged_out__init(done);
    done->has_user_id = done->has_all = true;
    done->user_id = user_id;
    done->all = request->session == 0;
    *reply = &done->base;
    return STATUS_OK;
}

enum status users_admin_issue(struct context *context, const ProtobufCMessage *message,
                              ProtobufCMessage **reply)
{
    const Pb__UsersAdminIssue *request = (const Pb__UsersAdminIssue *)message;
    uint64_t user_id;
    enum status status = find_user(context, request->proof, request->username, &user_id);
    if (status == STATUS_OK && (request->life_ms == 0 || request->life_ms > TOKEN_LIFE_MS))
        status = STATUS_BAD_FRAME;
    if (status != STATUS_OK)
        return status;
    uint64_t session = users_session_count(context->state, user_id) + 1;
    users_open_session(context, user_id, session);
    Pb__UserSession *issued = arena_alloc_raw(context->arena, sizeof(*issued));
    pb__user_session__init(issued);
    issued->has_user_id = issued->has_expires_at = issued->has_session = true;
    issued->user_id = user_id;
    issued->username = users_find_name(context->state, user_id, context->arena);
    issued->session = session;
    issued->expires_at = context->now_ms + request->life_ms;
    *reply = &issued->base;
    return STATUS_OK;
}

/* Whoever asks again has proven it again. */
enum status users_complete_issued(struct context *context, const ProtobufCMessage *request,
                                  ProtobufCMessage *reply, bool replayed)
{
    const Pb__UsersAdminIssue *issue = (const Pb__UsersAdminIssue *)request;
    Pb__UserSession *issued = (Pb__UserSession *)reply;
    if (replayed && !context_is_admin(context, issue->proof))
        return STATUS_FORBIDDEN;
    struct token token = {.user_id = issued->user_id,
                          .session = (uint32_t)issued->session,
                          .issued_ms = issued->expires_at - issue->life_ms,
                          .expires_ms = issued->expires_at};
    strncpy(token.name, issued->username, ACTOR_NAME_MAX);
    issued->token = context_token(context, &token);
    return issued->token != NULL ? STATUS_OK : STATUS_OVERLOADED;
}
