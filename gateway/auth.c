#include "gateway/auth.h"

#include <stdbool.h>
#include <string.h>

#include "gateway/message_fields.h"

static const struct schema_message *route_request(const struct route *route)
{
    return schema_commands[route->command].request;
}

/* A GET names its actor in path or query, if at all; a POST's body is looked into later. */
static bool may_name_an_actor(const struct route *route, const struct text_param *params, size_t count)
{
    if (route->kind == ROUTE_UNAVAILABLE)
        return false;
    const struct schema_field *actor = message_actor_field(route_request(route));
    if (actor == NULL || strcmp(route->method, "GET") != 0)
        return true;
    for (size_t i = 0; i < count; i++)
        if (strcmp(params[i].name, actor->name) == 0)
            return true;
    return false;
}

enum status auth_admit(enum auth_mode mode, const struct route *route, const char *authorization,
                       const struct text_param *params, size_t param_count)
{
    if (authorization != NULL)
        return STATUS_INVALID_TOKEN;
    if (route->auth == ROUTE_PUBLIC)
        return STATUS_OK;
    if (mode == AUTH_REQUIRED || !may_name_an_actor(route, params, param_count))
        return STATUS_UNAUTHENTICATED;
    return STATUS_OK;
}

static bool is_one_of_the_pair(const struct schema_message *schema, const ProtobufCMessage *message,
                               uint64_t actor)
{
    uint64_t a = 0, b = 0;
    return (message_u64(schema, message, "a", &a) && a == actor) ||
           (message_u64(schema, message, "b", &b) && b == actor);
}

enum status auth_actor(const struct route *route, const ProtobufCMessage *message, uint64_t *actor)
{
    const struct schema_message *schema = route_request(route);
    const struct schema_field *field = message_actor_field(schema);
    *actor = 0;
    if (field != NULL && message_u64(schema, message, field->name, actor) && route->auth == ROUTE_PAIR &&
        !is_one_of_the_pair(schema, message, *actor))
        return STATUS_FORBIDDEN;
    return STATUS_OK;
}
