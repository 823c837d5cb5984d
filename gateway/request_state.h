/* A request under way. Internal to request*.c, answer.c and local.c. */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/arena.h"
#include "gateway/auth.h"
#include "gateway/client_address.h"
#include "gateway/json_encode.h"
#include "gateway/login_guard.h"
#include "gateway/rate_limit.h"
#include "gateway/request.h"
#include "gateway/routes.h"
#include "gateway/slow_log.h"
#include "proto/trace.h"

#define REQUEST_ID_TEXT_MAX TRACE_TEXT_MAX
#define REQUEST_ALLOW_BYTES 64

struct request {
    struct requests *requests;
    TAILQ_ENTRY(request) link;      /* in `unused` or `busy` */
    struct http_exchange *exchange; /* NULL: the client is gone */
    const struct route *route;      /* NULL: none matched */
    const char *method;
    uint64_t arrival_us;
    uint64_t deadline_ms;
    uint64_t number; /* among the worker's requests */
    char id_text[REQUEST_ID_TEXT_MAX + 1];
    bool id_given;                   /* by the client */
    char allow[REQUEST_ALLOW_BYTES]; /* methods of the path; where the route does not take this one */

    /* Limits (request_rates.h). */
    struct client_address client;
    bool client_known;
    bool guarded; /* `login` counts as a failure until it is known better */
    struct rate_verdict rate;
    uint64_t retry_after_s; /* 0: no limit was met */
    struct login_attempt login;
    struct identity identity; /* by its token */

    /* The frame to the engine. */
    uint64_t actor;
    char actor_name[ACTOR_NAME_MAX + 1];
    struct request_id id;
    uint16_t flags;
    uint64_t unknown[ROUTE_USERS_MAX + 1]; /* users that the look-up must find */
    size_t unknown_count;

    /* What must outlast a step: the command while users are looked up, then the first reply of a composed
     * answer. */
    uint8_t *held;
    size_t held_length, held_capacity;

    /* The cache (request_cache.h). */
    bool keep; /* the answer may be given again as long as `basis` holds */
    struct basis basis;
    uint32_t basis_keys[BASIS_KEYS_MAX];

    /* For the answer and the log. */
    const char *engine; /* asked first; NULL: none */
    unsigned batch_size;
    struct engine_times times;
    uint64_t asked_us;    /* when an engine was asked first; 0: none was */
    uint64_t answered_us; /* when one answered last */
    bool replayed;
    struct engine_waiter waiter; /* /ready, /metrics */
};

TAILQ_HEAD(request_list, request);

struct requests {
    struct request_services services;
    struct request_list unused, busy;
    size_t unused_count;
    uint64_t last_number; /* of a request */
    struct slow_log slow;
    struct arena *arena;     /* emptied at the beginning of each step of any request */
    struct text body;        /* of the answer being made */
    struct text packed;      /* of the message being sent */
    struct text openapi;     /* made on first need */
    struct text shed_fields; /* of a refusal's answer; likewise */
    struct text shed_body;
};

/* Each of these answers and ends the request, which is then no more. */
void request_answer_message(struct request *request, const struct schema_message *schema,
                            const ProtobufCMessage *message);
/* The body is requests->body. */
void request_answer_body(struct request *request, unsigned http_status, const char *content_type);
/* One that is kept, and held for this request. */
void request_answer_kept(struct request *request, const struct cached *kept);
/* A problem where the status is one; `errors` may be NULL. */
void request_answer_status(struct request *request, enum status status, const struct field_errors *errors);
/* OPTIONS of a path with these methods. */
void request_answer_options(struct request *request, const char *allow);

/* The answer to what never became a request (struct http_hooks). */
void requests_refused(struct requests *requests, const struct sockaddr *peer, enum status status,
                      const char *detail, struct http_answer *answer);

/* GET or HEAD. */
bool request_is_read(const struct request *request) MUST_USE;

/* After the answer, or when nobody waits for it any more. */
void request_release(struct request *request);
/* The next request's number and name: the client's (then true), if it can stand in a log and a header as it
 * is; else one of our own. */
bool request_take_id(struct requests *requests, const char *given, size_t length, uint64_t *number,
                     char out[static REQUEST_ID_TEXT_MAX + 1]);

/* The answer of http_hooks.refuse; 0: this one cannot be refused so. */
size_t requests_shed(struct requests *requests, const char *bytes, size_t length, const char *date,
                     char out[HTTP_REFUSAL_BYTES]) MUST_USE;
