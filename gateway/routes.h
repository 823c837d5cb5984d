/*
 * Every route, in one table: what serves requests, what /openapi.json shows, what the tests walk.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "gateway/json_decode.h"
#include "gateway/rate_limit.h"
#include "proto/schema.h"
#include "proto/schema_commands.h"

/* Who may: the rule of the route. In open mode, without a token, the actor is whom the request names. */
enum route_auth {
    ROUTE_PUBLIC, /* anybody */
    ROUTE_ACTOR,  /* a user: the request's actor field, or the token's where it has none */
    ROUTE_SELF,   /* only the user that the path names */
    ROUTE_PAIR,   /* only one of the two that the path names */
};

/* Whose password a request shows: wrong ones are slowed down (login_guard.h). */
enum route_guard {
    GUARD_NONE,
    GUARD_USERNAME, /* of the `username` in the body */
    GUARD_ACTOR,    /* the acting user's */
};

enum route_kind {
    ROUTE_COMMAND, /* a command of an engine */
    ROUTE_LOCAL,   /* answered by the worker */
};

/* Which limit counts the request (rate_limit.h). */
enum route_rate {
    RATED_BY_METHOD, /* GET: reads, POST: writes */
    RATED_AS_REGISTER,
    RATED_AS_LOGIN,
    RATED_NOT, /* for those who watch the server */
};

struct request; /* gateway/request.h */
typedef void (*local_fn)(struct request *request);

struct cache_rule; /* gateway/cache_rules.h */
struct compose;    /* gateway/compose.h: the second step of a composed answer */

#define ROUTE_USERS_MAX 2

struct route {
    const char *method; /* "GET" (serves HEAD too) or "POST" */
    const char *path;   /* "/api/posts/:post_id": the parameter's name is the field of the request message */
    enum route_kind kind;
    enum command_index command; /* ROUTE_COMMAND */
    local_fn local;             /* ROUTE_LOCAL */
    uint16_t success;           /* 200 or 201 */
    const char *location;       /* 201: "/api/posts/" + the reply's first id field */
    enum route_auth auth;
    enum route_rate rate;
    enum route_guard guard;
    const char *
        users[ROUTE_USERS_MAX]; /* fields of the request that must name existing users (404 user_not_found) */
    void (*check)(const ProtobufCMessage *message,
                  struct field_errors *errors); /* rules over several fields (json_decode.h); NULL: none */
    const struct compose *compose;              /* NULL: the reply is the answer */
    const struct cache_rule *cache;             /* what the answer rests on; NULL: it is never given again */
    const char *summary;
};

extern const struct route routes[];
extern const size_t route_count;

enum rate_class route_rate_class(const struct route *route) MUST_USE;

enum route_match { ROUTE_FOUND, ROUTE_NO_PATH, ROUTE_NO_METHOD };
/* Matches a raw path (no query) segment by segment, percent-decoding parameters into `scratch`. On
 * ROUTE_NO_METHOD `allow` gets the text for Allow
 * ("GET, HEAD, OPTIONS"). params must hold ROUTE_PARAMS_MAX. */
#define ROUTE_PARAMS_MAX 4
enum route_match route_match(const char *method, const char *path, struct arena *arena,
                             const struct route **route, struct text_param *params, size_t *param_count,
                             char *allow, size_t allow_size) MUST_USE;
