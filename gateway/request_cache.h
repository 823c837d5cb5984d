/*
 * A request and the cache: what it takes for its answer to be kept, and for one that is kept to be given
 * instead of asking. Internal to request*.c.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "common/attributes.h"
#include "gateway/http_server.h"

struct request;
struct route;

/* The row that the target leads to, if an answer to it is kept; NULL: find out. */
const struct route *request_cached_route(const struct request *request, const char *target);
/* True: it was answered, and is no more. Its route is that of request_cached_route, its address was admitted.
 */
bool request_answer_from_cache(struct request *request, const char *target) MUST_USE;

/* Before any engine is asked for the answer. */
void request_cache_begin(struct request *request, const ProtobufCMessage *message);
/* The reply of the route's command is here. */
void request_cache_learn(struct request *request, const ProtobufCMessage *reply);
/* The answer is here, 200; its first `own_headers` headers are not the request's. */
void request_cache_keep(struct request *request, const struct http_answer *answer, size_t own_headers,
                        const char *etag);
