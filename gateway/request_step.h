/*
 * What the steps of a request are made of: an engine is asked, its reply is read, the next one is asked.
 * Internal to request_*.c.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "gateway/request_state.h"
#include "proto/schema_commands.h"

/* Nothing that an earlier step left in the arena is used any more. */
void request_step_begin(struct request *request);

void request_pack(struct text *out, const ProtobufCMessage *message);
/* Copies what must outlast this step to request->held. */
void request_hold(struct request *request, const void *bytes, size_t length);

/* Sends a command for the request; what the engine's queue refuses is answered at once. */
void request_send(struct request *request, enum command_index command, const struct request_id *id,
                  const void *payload, size_t length, engine_reply_fn done);

/* So that the engine knows which request the frame is for. */
void request_mark(struct request *request, struct engine_request *frame);
/* For the slow-request log; request_reply_usable does it, too. */
void request_take_times(struct request *request, const struct engine_reply *reply);
/* True: the reply is good, and somebody waits for it. Else the request has ended here. */
bool request_reply_usable(struct request *request, const struct engine_reply *reply) MUST_USE;
/* The command's reply, in the arena. NULL: it cannot be read, and the request has ended here. */
ProtobufCMessage *request_unpack(struct request *request, enum command_index command, const uint8_t *payload,
                                 size_t length) MUST_USE;
