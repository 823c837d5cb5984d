/* What a request has engines do. Internal to request.c. */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#include "gateway/message_fields.h"
#include "gateway/request_state.h"

/* Runs the route's command: verifies what is signed, looks up the users that must exist and are not known
 * here, sends the frame, and answers with what comes back. `key` is the client's Idempotency-Key or NULL.
 * request->actor is set. */
void request_run_command(struct request *request, ProtobufCMessage *message, const char *key);

/* The same from the look-up on, once nothing about the message is left to be verified. It is in
 * requests->packed, too. */
void request_run_packed(struct request *request, const ProtobufCMessage *message);

/* Sends the users engine who acted, if that is due. */
void requests_tell_presence(struct requests *requests, uint64_t now_ms);
