/*
 * Who is acting, and whether they may. With a token its user acts, and nobody else can be named. Without one,
 * in open mode, the actor is whom the request names.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "gateway/closed_sessions.h"
#include "gateway/json_decode.h"
#include "gateway/options.h"
#include "gateway/routes.h"
#include "gateway/token_checker.h"
#include "proto/frame.h"
#include "proto/status.h"

/* By whose token the request came. */
struct identity {
    uint64_t user; /* 0: without one */
    uint32_t session;
    char name[ACTOR_NAME_MAX + 1];
};

/* `authorization` is that header's value; NULL: nobody. STATUS_OK, STATUS_INVALID_TOKEN, or
 * STATUS_SESSIONS_UNKNOWN. */
enum status auth_identify(struct token_checker *checker, const struct closed_sessions *closed,
                          const char *authorization, struct identity *identity) MUST_USE;

/* The route's rule, before anything else of the request is looked into. STATUS_OK or STATUS_UNAUTHENTICATED.
 */
enum status auth_admit(enum auth_mode mode, const struct route *route, const struct identity *identity,
                       const struct text_param *params, size_t param_count) MUST_USE;

/* Who acts (0: nobody) by the decoded request, which gets the token's session if it has a field for it.
 * STATUS_OK or STATUS_FORBIDDEN. */
enum status auth_actor(const struct route *route, const struct identity *identity, ProtobufCMessage *message,
                       uint64_t *actor) MUST_USE;

/* Only a token can say who acts: the request has no field for it. */
bool auth_needs_token(const struct route *route) MUST_USE;
