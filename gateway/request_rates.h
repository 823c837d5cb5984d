/* The limits of one request: on its address as soon as its route is known, on its user as soon as that is
 * known, on guessing passwords before one is looked at. Internal to request*.c. */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "common/attributes.h"
#include "gateway/client_address.h"
#include "gateway/http_server.h"

struct request;

/* Each returns false where it answered the request, with 429; the request is then no more. */
bool request_admit_address(struct request *request) MUST_USE;
bool request_admit_actor(struct request *request, const ProtobufCMessage *message) MUST_USE;

/* Of a request that is answered: whether its password was right. */
void request_rates_finish(struct request *request, unsigned http_status);
/* RateLimit-Limit, -Remaining and -Reset (draft-ietf-httpapi-ratelimit-headers-06) of the stricter of the two
 * buckets, where there is one. */
void request_add_rate_fields(struct request *request, struct http_answer *answer);
/* Seconds for Retry-After, as text; NULL: no limit was met. */
const char *request_retry_after(struct request *request);

/* Where it comes from. */
const struct client_address *request_client(struct request *request);
