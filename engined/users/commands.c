#include "engined/users/commands.h"

#include "engined/users/users_state.h"
#include "proto/users.pb-c.h"

static uint64_t next_user_id(struct users *users)
{
    if (users->next_user_id == 0) {
        uint64_t last = 0;
        (void)query_one_u64(users->last_id, &last);
        users->next_user_id = last + 1;
    }
    return users->next_user_id;
}

uint64_t users_find_by_name(struct users *users, const char *username)
{
    uint64_t user_id = 0;
    query_bind(users->id_by_name, "s", username);
    (void)query_one_u64(users->id_by_name, &user_id);
    return user_id;
}

enum status users_hash_password(struct context *context, const char *password, const char **hash)
{
    bool matches;
    if (password == NULL)
        return STATUS_OK;
    switch (context_password(context, &(struct password_check){.new_password = password}, &matches, hash)) {
    case PASSWORD_PENDING:
        return STATUS_DEFERRED;
    case PASSWORD_REFUSED:
        return STATUS_OVERLOADED;
    case PASSWORD_READY:
        break;
    }
    return *hash != NULL ? STATUS_OK : STATUS_OVERLOADED;
}

enum status users_create(struct context *context, const ProtobufCMessage *message, ProtobufCMessage **reply)
{
    const Pb__UsersCreate *request = (const Pb__UsersCreate *)message;
    struct users *users = context->state;
    if (request->username == NULL || (request->public_key != NULL) != request->has_key_algorithm)
        return STATUS_BAD_FRAME;
    if (users_find_by_name(users, request->username) != 0)
        return STATUS_USERNAME_TAKEN;
    const char *hash = NULL;
    enum status status = users_hash_password(context, request->password, &hash);
    if (status != STATUS_OK)
        return status;
    Pb__UserCreated event = PB__USER_CREATED__INIT;
    event.has_user_id = event.has_created_at = true;
    event.user_id = next_user_id(users);
    event.created_at = context->now_ms;
    event.username = request->username;
    event.public_key = request->public_key;
    event.has_key_algorithm = request->has_key_algorithm;
    event.key_algorithm = request->key_algorithm;
    context_emit(context, &event.base);
    if (hash != NULL)
        users_set_credential(users, event.user_id, hash);
    presence_touch(users->presence, event.user_id, context->now_ms);

    Pb__UserRegistered *registered = arena_alloc_raw(context->arena, sizeof(*registered));
    pb__user_registered__init(registered);
    registered->has_user_id = registered->has_karma = registered->has_created_at = true;
    registered->user_id = event.user_id;
    registered->created_at = event.created_at;
    registered->username = event.username;
    registered->public_key = event.public_key;
    registered->has_key_algorithm = event.has_key_algorithm;
    registered->key_algorithm = event.key_algorithm;
    *reply = &registered->base;
    return STATUS_OK;
}

static enum status reply_profile(struct context *context, uint64_t user_id, ProtobufCMessage **reply)
{
    struct users *users = context->state;
    Pb__UserProfile *profile = arena_alloc_raw(context->arena, sizeof(*profile));
    pb__user_profile__init(profile);
    query_bind(users->profile, "u", user_id);
    bool found = query_row(users->profile);
    if (found) {
        profile->has_user_id = profile->has_created_at = profile->has_is_online = true;
        profile->has_karma = profile->has_post_karma = profile->has_comment_karma = true;
        profile->user_id = user_id;
        profile->username = query_text(users->profile, 0, context->arena);
        profile->created_at = query_u64(users->profile, 1);
        profile->post_karma = query_i64(users->profile, 2);
        profile->comment_karma = query_i64(users->profile, 3);
        profile->karma = profile->post_karma + profile->comment_karma;
        profile->is_online = presence_is_online(users->presence, user_id, context->now_ms);
    }
    query_done(users->profile);
    *reply = &profile->base;
    return found ? STATUS_OK : STATUS_USER_NOT_FOUND;
}

enum status users_get_by_name(struct context *context, const ProtobufCMessage *message,
                              ProtobufCMessage **reply)
{
    const Pb__UsersGetByName *request = (const Pb__UsersGetByName *)message;
    if (request->username == NULL)
        return STATUS_BAD_FRAME;
    uint64_t user_id = users_find_by_name(context->state, request->username);
    return user_id != 0 ? reply_profile(context, user_id, reply) : STATUS_USER_NOT_FOUND;
}

enum status users_get(struct context *context, const ProtobufCMessage *message, ProtobufCMessage **reply)
{
    const Pb__UsersGet *request = (const Pb__UsersGet *)message;
    return reply_profile(context, request->user_id, reply);
}

char *users_find_name(struct users *users, uint64_t user_id, struct arena *arena)
{
    query_bind(users->get, "u", user_id);
    char *name = query_row(users->get) ? query_text(users->get, 0, arena) : NULL;
    query_done(users->get);
    return name;
}

/* NULL: no such user. */
static Pb__UserKey *find_key(struct users *users, uint64_t user_id, struct arena *arena)
{
    Pb__UserKey *key = NULL;
    query_bind(users->key_get, "u", user_id);
    if (query_row(users->key_get)) {
        key = arena_alloc_raw(arena, sizeof(*key));
        pb__user_key__init(key);
        key->has_user_id = true;
        key->user_id = user_id;
        key->username = query_text(users->key_get, 0, arena);
        key->public_key = query_text(users->key_get, 1, arena);
        key->has_key_algorithm = key->public_key != NULL;
        if (key->has_key_algorithm)
            key->key_algorithm = (Pb__KeyAlgorithm)query_i64(users->key_get, 2);
    }
    query_done(users->key_get);
    return key;
}

enum status users_get_key(struct context *context, const ProtobufCMessage *message, ProtobufCMessage **reply)
{
    const Pb__UsersGet *request = (const Pb__UsersGet *)message;
    Pb__UserKey *key = find_key(context->state, request->user_id, context->arena);
    if (key == NULL)
        return STATUS_USER_NOT_FOUND;
    *reply = &key->base;
    return STATUS_OK;
}

enum status users_keys(struct context *context, const ProtobufCMessage *message, ProtobufCMessage **reply)
{
    const Pb__UsersKeys *request = (const Pb__UsersKeys *)message;
    struct arena *arena = context->arena;
    Pb__UserKeys *keys = arena_alloc_raw(arena, sizeof(*keys));
    pb__user_keys__init(keys);
    keys->items = arena_alloc_raw(arena, request->n_user_ids * sizeof(keys->items[0]));
    for (size_t i = 0; i < request->n_user_ids; i++) {
        Pb__UserKey *key = find_key(context->state, request->user_ids[i], arena);
        if (key != NULL)
            keys->items[keys->n_items++] = key;
    }
    *reply = &keys->base;
    return STATUS_OK;
}

enum status users_resolve(struct context *context, const ProtobufCMessage *message, ProtobufCMessage **reply)
{
    const Pb__UsersResolve *request = (const Pb__UsersResolve *)message;
    struct arena *arena = context->arena;
    Pb__UsersResolved *resolved = arena_alloc_raw(arena, sizeof(*resolved));
    pb__users_resolved__init(resolved);
    resolved->user_ids = arena_alloc_raw(arena, request->n_user_ids * sizeof(resolved->user_ids[0]));
    resolved->usernames = arena_alloc_raw(arena, request->n_user_ids * sizeof(resolved->usernames[0]));
    for (size_t i = 0; i < request->n_user_ids; i++) {
        char *username = users_find_name(context->state, request->user_ids[i], arena);
        if (username == NULL)
            continue;
        resolved->user_ids[resolved->n_user_ids++] = request->user_ids[i];
        resolved->usernames[resolved->n_usernames++] = username;
    }
    *reply = &resolved->base;
    return STATUS_OK;
}

enum status users_touch(struct context *context, const ProtobufCMessage *message, ProtobufCMessage **reply)
{
    const Pb__UsersTouch *request = (const Pb__UsersTouch *)message;
    struct users *users = context->state;
    for (size_t i = 0; i < request->n_user_ids; i++)
        if (request->user_ids[i] != 0)
            presence_touch(users->presence, request->user_ids[i], context->now_ms);
    Pb__UsersTouched *touched = arena_alloc_raw(context->arena, sizeof(*touched));
    pb__users_touched__init(touched);
    *reply = &touched->base;
    return STATUS_OK;
}
