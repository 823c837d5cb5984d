/*
 * The steps that signatures need: the author's key before a signed post is created, the authors' keys before
 * signed posts are shown. Internal to request_*.c.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "gateway/request_state.h"
#include "proto/posts.pb-c.h"

/* Runs the command (request_run_packed) if the actor signed that post, which is in requests->packed, too. */
void request_run_signed(struct request *request, Pb__PostsCreate *post);

/* request_answer_message, once it is said of each signed post in the answer whether it verifies. */
void request_answer_posts(struct request *request, const struct schema_message *schema,
                          const ProtobufCMessage *message);
