#include "gateway/request_engine.h"

#include <sodium.h>
#include <string.h>

#include "common/clock.h"
#include "gateway/compose.h"
#include "gateway/request_cache.h"
#include "gateway/request_signed.h"
#include "gateway/request_step.h"
#include "proto/schema_commands.h"
#include "proto/users.pb-c.h"

static void on_second(void *arg, const struct engine_reply *reply)
{
    struct request *request = arg;
    const struct route *route = request->route;
    if (!request_reply_usable(request, reply))
        return;
    ProtobufCMessage *first = request_unpack(request, route->command, request->held, request->held_length);
    if (first == NULL)
        return;
    ProtobufCMessage *second = request_unpack(request, route->compose->second, reply->payload, reply->length);
    if (second == NULL)
        return;
    request_answer_posts(request, compose_answer_schema(route),
                         route->compose->join(request->requests->arena, first, second));
}

static void compose_first(struct request *request, const struct engine_reply *reply, ProtobufCMessage *first)
{
    struct requests *requests = request->requests;
    const struct compose *compose = request->route->compose;
    struct request_id id;
    ProtobufCMessage *ask = compose->ask(requests->arena, first);
    if (ask == NULL) {
        request_answer_posts(request, compose_answer_schema(request->route),
                             compose->join(requests->arena, first, NULL));
        return;
    }
    request_hold(request, reply->payload, reply->length);
    request_pack(&requests->packed, ask);
    request_ids_next(requests->services.ids, &id);
    request_send(request, compose->second, &id, requests->packed.bytes, requests->packed.length, on_second);
}

static void on_reply(void *arg, const struct engine_reply *reply)
{
    struct request *request = arg;
    const struct route *route = request->route;
    if (!request_reply_usable(request, reply))
        return;
    ProtobufCMessage *message = request_unpack(request, route->command, reply->payload, reply->length);
    if (message == NULL)
        return;
    request->replayed = (reply->flags & REPLY_REPLAYED) != 0;
    request_cache_learn(request, message);
    if (route->compose != NULL)
        compose_first(request, reply, message);
    else
        request_answer_posts(request, schema_commands[route->command].reply, message);
}

static void touch_actor(struct request *request)
{
    if (request->actor != 0)
        known_users_touch(request->requests->services.users, request->actor, clock_monotonic_ms());
}

static void set_actor_name(struct request *request, const char *name)
{
    size_t length = strnlen(name, ACTOR_NAME_MAX);
    memcpy(request->actor_name, name, length);
    request->actor_name[length] = '\0';
}

/* False: one of them is not among the users found. */
static bool all_found(struct request *request, const Pb__UsersResolved *found)
{
    size_t seen = 0;
    for (size_t i = 0; i < found->n_user_ids && i < found->n_usernames; i++) {
        known_users_learn(request->requests->services.users, found->user_ids[i], found->usernames[i]);
        for (size_t k = 0; k < request->unknown_count; k++)
            seen += request->unknown[k] == found->user_ids[i];
        if (found->user_ids[i] == request->actor)
            set_actor_name(request, found->usernames[i]);
    }
    return seen == request->unknown_count;
}

static void on_users_resolved(void *arg, const struct engine_reply *reply)
{
    struct request *request = arg;
    request->engine = NULL; /* the log names the engine that decides */
    if (!request_reply_usable(request, reply))
        return;
    ProtobufCMessage *found = request_unpack(request, CMD_users_resolve, reply->payload, reply->length);
    if (found == NULL)
        return;
    if (!all_found(request, (const Pb__UsersResolved *)found)) {
        request_answer_status(request, STATUS_USER_NOT_FOUND, NULL);
        return;
    }
    touch_actor(request);
    request_send(request, request->route->command, &request->id, request->held, request->held_length,
                 on_reply);
}

static void resolve_users(struct request *request)
{
    struct requests *requests = request->requests;
    Pb__UsersResolve ask = PB__USERS_RESOLVE__INIT;
    struct request_id id;
    request_hold(request, requests->packed.bytes, requests->packed.length);
    ask.n_user_ids = request->unknown_count;
    ask.user_ids = request->unknown;
    request_pack(&requests->packed, &ask.base);
    request_ids_next(requests->services.ids, &id);
    request_send(request, CMD_users_resolve, &id, requests->packed.bytes, requests->packed.length,
                 on_users_resolved);
}

static void need_user(struct request *request, uint64_t user)
{
    const char *name = known_users_name(request->requests->services.users, user);
    if (name != NULL) {
        if (user == request->actor)
            set_actor_name(request, name);
        return;
    }
    for (size_t i = 0; i < request->unknown_count; i++)
        if (request->unknown[i] == user)
            return;
    request->unknown[request->unknown_count++] = user;
}

/* Where nobody acts yet the request itself is the key's scope: secrets aside, because the id is kept. */
static void request_id_of_message(struct request *request, const struct schema_command *command,
                                  const ProtobufCMessage *message, const char *key)
{
    struct arena *arena = request->requests->arena;
    ProtobufCMessage *copy = arena_copy(arena, message, command->request->descriptor->sizeof_message);
    schema_drop_unprinted(command->request, copy);
    size_t length = protobuf_c_message_get_packed_size(copy);
    uint8_t *bytes = arena_alloc_raw(arena, length);
    protobuf_c_message_pack(copy, bytes);
    request_id_of_request(&request->id, command->id, bytes, length, key);
}

static void choose_id(struct request *request, const struct schema_command *command,
                      const ProtobufCMessage *message, const char *key)
{
    if (key == NULL) {
        request_ids_next(request->requests->services.ids, &request->id);
        return;
    }
    request->flags = REQUEST_CLIENT_KEY;
    if (strlen(key) >= REQUEST_LONG_KEY_CHARS)
        request->flags |= REQUEST_LONG_KEY;
    if (request->actor != 0)
        request_id_of_key(&request->id, request->actor, key);
    else
        request_id_of_message(request, command, message, key);
}

/* The actor's name comes with the token; without one the users engine knows it. */
static void need_actor(struct request *request)
{
    if (request->actor != 0 && request->actor == request->identity.user) {
        set_actor_name(request, request->identity.name);
        known_users_learn(request->requests->services.users, request->actor, request->identity.name);
    } else if (request->actor != 0) {
        need_user(request, request->actor);
    }
}

void request_run_packed(struct request *request, const ProtobufCMessage *message)
{
    struct requests *requests = request->requests;
    const struct route *route = request->route;
    const struct schema_message *schema = schema_commands[route->command].request;
    need_actor(request);
    for (size_t i = 0; i < ROUTE_USERS_MAX && route->users[i] != NULL; i++) {
        uint64_t user;
        if (message_u64(schema, message, route->users[i], &user))
            need_user(request, user);
    }
    if (request->unknown_count > 0) {
        resolve_users(request);
        return;
    }
    touch_actor(request);
    request_send(request, route->command, &request->id, requests->packed.bytes, requests->packed.length,
                 on_reply);
    if (schema_has_secrets(schema))
        sodium_memzero(requests->packed.bytes, requests->packed.capacity);
}

void request_run_command(struct request *request, ProtobufCMessage *message, const char *key)
{
    choose_id(request, &schema_commands[request->route->command], message, key);
    request_pack(&request->requests->packed, message);
    if (signed_post_is_request(message))
        request_run_signed(request, (Pb__PostsCreate *)message);
    else
        request_run_packed(request, message);
}

static void on_told(void *arg, const struct engine_reply *reply)
{
    (void)arg, (void)reply; /* presence that gets lost comes again with the user's next act */
}

void requests_tell_presence(struct requests *requests, uint64_t now_ms)
{
    const struct request_services *services = &requests->services;
    const uint64_t *ids;
    size_t count = known_users_take(services->users, now_ms, &ids);
    if (count == 0)
        return;
    Pb__UsersTouch touch = PB__USERS_TOUCH__INIT;
    touch.n_user_ids = count;
    touch.user_ids = (uint64_t *)(uintptr_t)ids;
    request_pack(&requests->packed, &touch.base);
    struct engine_request frame = {
        .command = COMMAND_ID_users_touch,
        .actor_name = "",
        .payload = (const uint8_t *)requests->packed.bytes,
        .length = requests->packed.length,
        .deadline_ms = now_ms + REQUEST_TOUCH_MS,
    };
    request_ids_next(services->ids, &frame.id);
    (void)!engine_client_send(services->engines[DOMAIN_USERS], &frame, on_told, NULL);
}
