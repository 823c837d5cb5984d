/* The header fields of an answer. Strings live in the arena or are static. */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "gateway/http_server.h"
#include "gateway/routes.h"
#include "proto/schema.h"

/* `value` must stay until the answer is given. */
void answer_add(struct http_answer *answer, const char *name, const char *value);

/* Fields of the message that its schema shows as headers: Link (from a cursor), X-Total-Count, X-Feed-Stale.
 * `target` is the request's path and query: the next page's is the same with another `after`. */
void answer_add_fields(struct http_answer *answer, struct arena *arena, const char *target,
                       const struct schema_message *schema, const ProtobufCMessage *message);
/* Location of what was made: the route's text and the first id, or with :field in it filled in. */
void answer_add_location(struct http_answer *answer, struct arena *arena, const struct route *route,
                         const struct schema_message *schema, const ProtobufCMessage *message);
/* A strong ETag of the body, in the arena. */
const char *answer_etag(const struct http_answer *answer, struct arena *arena) MUST_USE;
/* If-None-Match (may be NULL) names it: then 304 is the answer. */
bool answer_etag_is_named(const char *etag, const char *if_none_match) MUST_USE;
/* CORS: for an origin (may be NULL) on the list. `allow` is not NULL when it answers a preflight. */
void answer_add_cors(struct http_answer *answer, const char *origins, const char *origin, const char *allow);
