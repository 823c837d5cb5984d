#include "gateway/auth.h"

#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "gateway/message_fields.h"

static const struct schema_message *route_request(const struct route *route)
{
    return schema_commands[route->command].request;
}

/* What follows "Bearer" (RFC 6750, section 2.1); NULL: another scheme, or nothing follows. */
static const char *bearer_token(const char *authorization)
{
    static const char scheme[] = "Bearer";
    if (strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0 ||
        authorization[sizeof(scheme) - 1] != ' ')
        return NULL;
    authorization += sizeof(scheme) - 1;
    authorization += strspn(authorization, " ");
    return *authorization != '\0' ? authorization : NULL;
}

enum status auth_identify(struct token_checker *checker, const struct closed_sessions *closed,
                          const char *authorization, struct identity *identity)
{
    struct token token;
    *identity = (struct identity){.user = 0};
    if (authorization == NULL)
        return STATUS_OK;
    const char *text = bearer_token(authorization);
    if (text == NULL || token_checker_open(checker, text, strlen(text), &token) != TOKEN_FINE)
        return STATUS_INVALID_TOKEN;
    if (token.user_id == 0) /* what forumctl proves itself with is nobody's token */
        return STATUS_INVALID_TOKEN;
    switch (closed_sessions_find(closed, token.user_id, token.session, clock_wall_ms())) {
    case SESSION_CLOSED:
        return STATUS_INVALID_TOKEN;
    case SESSION_UNKNOWN:
        return STATUS_SESSIONS_UNKNOWN;
    case SESSION_OPEN:
        break;
    }
    identity->user = token.user_id;
    identity->session = token.session;
    memcpy(identity->name, token.name, sizeof(identity->name));
    return STATUS_OK;
}

bool auth_needs_token(const struct route *route)
{
    return route->auth == ROUTE_ACTOR && message_actor_field(route_request(route)) == NULL;
}

/* A GET names its actor in path or query, if at all; a POST's body is looked into later. */
static bool may_name_an_actor(const struct route *route, const struct text_param *params, size_t count)
{
    if (auth_needs_token(route))
        return false;
    const struct schema_field *actor = message_actor_field(route_request(route));
    if (actor == NULL || strcmp(route->method, "GET") != 0)
        return true;
    for (size_t i = 0; i < count; i++)
        if (strcmp(params[i].name, actor->name) == 0)
            return true;
    return false;
}

enum status auth_admit(enum auth_mode mode, const struct route *route, const struct identity *identity,
                       const struct text_param *params, size_t param_count)
{
    if (identity->user != 0 || route->auth == ROUTE_PUBLIC)
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

enum status auth_actor(const struct route *route, const struct identity *identity, ProtobufCMessage *message,
                       uint64_t *actor)
{
    const struct schema_message *schema = route_request(route);
    const struct schema_field *field = message_actor_field(schema);
    uint64_t named = 0;
    *actor = 0;
    if (field != NULL && message_u64(schema, message, field->name, &named) && identity->user != 0 &&
        named != identity->user)
        return STATUS_FORBIDDEN;
    /* Who registers or logs in is nobody yet, whatever token comes along. */
    if (route->auth == ROUTE_PUBLIC && strcmp(route->method, "GET") != 0)
        return STATUS_OK;
    *actor = identity->user != 0 ? identity->user : named;
    if (route->auth == ROUTE_PAIR && *actor != 0 && !is_one_of_the_pair(schema, message, *actor))
        return STATUS_FORBIDDEN;
    message_set_u64(schema, message, "session", identity->session);
    return STATUS_OK;
}
