/* The handlers of the subreddits domain, by the schema's names: one that is missing does not link. */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "engined/context.h"
#include "proto/schema_commands.h"
#include "proto/status.h"

#define X(name, id)                                                                                          \
    enum status name(struct context *context, const ProtobufCMessage *message, ProtobufCMessage **reply);
COMMANDS_OF_SUBREDDITS(X)
#undef X
