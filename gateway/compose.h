/*
 * Answers made of two engines' replies: the second step of a route. What is shown always comes from its
 * owner. Pure: builds messages, sends nothing (request.c does).
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "gateway/routes.h"
#include "proto/schema.h"
#include "proto/schema_commands.h"

struct compose {
    enum command_index second;
    bool answer_is_first; /* the answer's type is that of the first reply, else of the second */
    /* The second request, in the arena; NULL: the first reply is enough. */
    ProtobufCMessage *(*ask)(struct arena *arena, const ProtobufCMessage *first);
    /* The answer, in the arena or one of the two. `second` is NULL when `ask` gave NULL. */
    ProtobufCMessage *(*join)(struct arena *arena, ProtobufCMessage *first, ProtobufCMessage *second);
};

extern const struct compose compose_feed;    /* ids in order -> the posts themselves */
extern const struct compose compose_profile; /* a user -> and the subreddits joined */

/* What a route that runs a command answers with. */
const struct schema_message *compose_answer_schema(const struct route *route);
