#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "common/log.h"
#include "gateway/access_log.h"
#include "gateway/answer.h"
#include "gateway/problem.h"
#include "gateway/request_cache.h"
#include "gateway/request_rates.h"
#include "gateway/request_state.h"
#include "gateway/shed.h"

#define TYPE_JSON        "application/json"
#define TYPE_PROBLEM     "application/problem+json"
#define RETRY_AFTER_S    "1"
#define ENGINE_CACHE     "cache" /* in the log, in the place of who was asked */
#define ALLOW_EVERYWHERE "GET, HEAD, POST, OPTIONS"

static bool id_is_fine(const char *given, size_t length)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    if (length == 0 || length > REQUEST_ID_TEXT_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        if (memchr(allowed, given[i], sizeof(allowed) - 1) == NULL)
            return false;
    return true;
}

bool request_take_id(struct requests *requests, const char *given, size_t length, uint64_t *number,
                     char out[static REQUEST_ID_TEXT_MAX + 1])
{
    bool fine = id_is_fine(given, length);
    struct trace trace = {.sender = requests->services.ids->run_id, .number = ++requests->last_number};
    *number = trace.number;
    if (!fine) {
        (void)!trace_text(&trace, out);
        return false;
    }
    memcpy(out, given, length);
    out[length] = '\0';
    return true;
}

void request_release(struct request *request)
{
    struct requests *requests = request->requests;
    TAILQ_REMOVE(&requests->busy, request, link);
    if (request->held_capacity > REQUEST_HELD_KEPT) {
        free(request->held);
        request->held = NULL;
        request->held_capacity = 0;
    }
    if (requests->unused_count >= REQUESTS_KEPT) {
        free(request->held);
        free(request);
        return;
    }
    TAILQ_INSERT_HEAD(&requests->unused, request, link);
    requests->unused_count++;
}

static size_t route_index(const struct route *route)
{
    return route != NULL ? (size_t)(route - routes) : METRICS_NO_ROUTE;
}

static void request_log(struct request *request, unsigned http_status, uint64_t took_us)
{
    const char *target = http_exchange_target(request->exchange);
    char client[CLIENT_ADDRESS_TEXT];
    struct access_entry entry = {
        .client = client_address_format(request_client(request), client),
        .method = request->method,
        .route = request->route != NULL ? request->route->path : NULL,
        .path = arena_strndup(request->requests->arena, target, strcspn(target, "?")),
        .status = http_status,
        .took_us = took_us,
        .request_id = request->id_text,
        .engine = request->engine,
        .batch_size = request->batch_size,
    };
    access_log_write(&entry);
}

static void add_common(struct request *request, struct http_answer *answer, const char *preflight)
{
    const struct request_services *services = &request->requests->services;
    answer_add(answer, "X-Request-Id", request->id_text);
    answer_add_cors(answer, services->options->cors_origins,
                    http_exchange_header(request->exchange, "Origin"), preflight);
    request_add_rate_fields(request, answer);
}

static void request_tell_slow(const struct request *request, unsigned http_status, uint64_t took_us)
{
    uint64_t end_us = request->arrival_us + took_us;
    struct slow_request slow = {
        .id = request->id_text,
        .method = request->method,
        .route = request->route != NULL ? request->route->path : NULL,
        .status = http_status,
        .engine = request->engine,
        .batch_size = request->batch_size,
        .took_us = took_us,
        .begin_us = request->asked_us != 0 ? request->asked_us - request->arrival_us : took_us,
        .end_us = request->answered_us != 0 ? end_us - request->answered_us : 0,
        .times = request->times,
    };
    slow_log_write(&request->requests->slow, end_us / 1000, &slow);
}

/* The end of a request. */
static void request_finish(struct request *request, struct http_answer *answer)
{
    struct requests *requests = request->requests;
    uint64_t took_us = clock_monotonic_us() - request->arrival_us;
    metrics_request(requests->services.metrics, route_index(request->route), answer->status, took_us);
    if (requests->services.options->access_log && log_enabled(LOG_LEVEL_INFO))
        request_log(request, answer->status, took_us);
    if (slow_log_wants(&requests->slow, took_us))
        request_tell_slow(request, answer->status, took_us);
    request_rates_finish(request, answer->status);
    http_exchange_answer(request->exchange, answer);
    request_release(request);
}

bool request_is_read(const struct request *request)
{
    return strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
}

/* The answer may be kept by clients, who ask for it again by its ETag. */
static void add_validator(struct request *request, struct http_answer *answer, const char *etag)
{
    answer_add(answer, "Cache-Control", "no-cache");
    answer_add(answer, "ETag", etag);
    if (answer_etag_is_named(etag, http_exchange_header(request->exchange, "If-None-Match")))
        answer->status = 304;
}

static void finish_with_body(struct request *request, struct http_answer *answer, const char *content_type)
{
    struct requests *requests = request->requests;
    size_t own_headers = answer->header_count;
    answer->body = requests->body.bytes;
    answer->body_length = requests->body.length;
    add_common(request, answer, NULL);
    if (answer->status == 200 && request_is_read(request)) {
        const char *etag = answer_etag(answer, requests->arena);
        request_cache_keep(request, answer, own_headers, etag);
        add_validator(request, answer, etag);
    }
    if (answer->status != 304)
        answer_add(answer, "Content-Type", content_type);
    request_finish(request, answer);
}

void request_answer_kept(struct request *request, const struct cached *kept)
{
    struct http_answer answer = {
        .status = 200,
        .body = kept->body,
        .body_length = kept->body_length,
        .body_done = cached_done,
        .body_arg = (void *)(uintptr_t)kept,
    };
    request->engine = ENGINE_CACHE;
    for (size_t i = 0; i < kept->header_count; i++)
        answer_add(&answer, kept->headers[i].name, kept->headers[i].value);
    add_common(request, &answer, NULL);
    add_validator(request, &answer, kept->etag);
    if (answer.status != 304)
        answer_add(&answer, "Content-Type", TYPE_JSON);
    request_finish(request, &answer);
}

/* `retry_after` NULL: the usual. */
static void add_status_fields(struct http_answer *answer, unsigned http_status, const char *allow,
                              const char *retry_after)
{
    answer->status = http_status;
    if (http_status == 405)
        answer_add(answer, "Allow", allow);
    if (http_status == 503 || http_status == 429)
        answer_add(answer, "Retry-After", retry_after != NULL ? retry_after : RETRY_AFTER_S);
}

void request_answer_body(struct request *request, unsigned http_status, const char *content_type)
{
    struct http_answer answer = {0};
    add_status_fields(&answer, http_status, request->allow, NULL);
    finish_with_body(request, &answer, content_type);
}

static bool has_token(const struct schema_message *schema)
{
    unsigned index;
    return schema_field_by_name(schema, "token", &index) != NULL;
}

void request_answer_message(struct request *request, const struct schema_message *schema,
                            const ProtobufCMessage *message)
{
    struct requests *requests = request->requests;
    struct http_answer answer = {.status = request->route->success};
    text_clear(&requests->body);
    json_encode(&requests->body, schema, message);
    answer_add_fields(&answer, requests->arena, http_exchange_target(request->exchange), schema, message);
    answer_add_location(&answer, requests->arena, request->route, schema, message);
    if (has_token(schema)) /* RFC 6749, section 5.1 */
        answer_add(&answer, "Cache-Control", "no-store");
    if (request->replayed)
        answer_add(&answer, "Idempotent-Replayed", "true");
    finish_with_body(request, &answer, TYPE_JSON);
}

void request_answer_status(struct request *request, enum status status, const struct field_errors *errors)
{
    struct requests *requests = request->requests;
    struct http_answer answer = {0};
    add_status_fields(&answer, status_row(status)->http, request->allow, request_retry_after(request));
    if (answer.status == 401) /* RFC 6750, section 3 */
        answer_add(&answer, "WWW-Authenticate",
                   status == STATUS_INVALID_TOKEN ? "Bearer error=\"invalid_token\"" : "Bearer");
    text_clear(&requests->body);
    problem_encode(&requests->body, status, NULL, errors);
    finish_with_body(request, &answer, TYPE_PROBLEM);
}

void request_answer_options(struct request *request, const char *allow)
{
    struct http_answer answer = {.status = 204};
    bool preflight = http_exchange_header(request->exchange, "Access-Control-Request-Method") != NULL;
    if (allow[0] == '\0')
        allow = ALLOW_EVERYWHERE;
    answer_add(&answer, "Allow", allow);
    add_common(request, &answer, preflight ? allow : NULL);
    request_finish(request, &answer);
}

void requests_refused(struct requests *requests, const struct sockaddr *peer, enum status status,
                      const char *detail, struct http_answer *answer)
{
    struct client_address address = client_address_of(peer); /* what a proxy says of it was not read */
    char client[CLIENT_ADDRESS_TEXT];
    char *id_text = arena_alloc(requests->arena, REQUEST_ID_TEXT_MAX + 1);
    struct access_entry entry = {.client = client_address_format(&address, client),
                                 .method = "",
                                 .path = "-",
                                 .status = status_row(status)->http,
                                 .request_id = id_text};
    uint64_t number;
    (void)!request_take_id(requests, NULL, 0, &number, id_text);
    text_clear(&requests->body);
    problem_encode(&requests->body, status, detail, NULL);
    add_status_fields(answer, entry.status, ALLOW_EVERYWHERE, NULL);
    answer_add(answer, "X-Request-Id", id_text);
    answer_add(answer, "Content-Type", TYPE_PROBLEM);
    answer->body = requests->body.bytes;
    answer->body_length = requests->body.length;
    metrics_request(requests->services.metrics, METRICS_NO_ROUTE, entry.status, 0);
    if (requests->services.options->access_log && log_enabled(LOG_LEVEL_INFO))
        access_log_write(&entry);
}

static void make_shed_texts(struct requests *requests)
{
    if (requests->shed_body.length > 0)
        return;
    problem_encode(&requests->shed_body, STATUS_OVERLOADED, NULL, NULL);
    text_append_string(&requests->shed_fields, "\r\nRetry-After: " RETRY_AFTER_S
                                               "\r\nContent-Type: " TYPE_PROBLEM "\r\nContent-Length: ");
    text_append_u64(&requests->shed_fields, requests->shed_body.length);
    text_append_string(&requests->shed_fields, "\r\n\r\n");
    text_append(&requests->shed_fields, "", 1);
}

size_t requests_shed(struct requests *requests, const char *bytes, size_t length, const char *date,
                     char out[HTTP_REFUSAL_BYTES])
{
    const char *origins = requests->services.options->cors_origins;
    struct shed_request given = shed_request_read(bytes, length, origins != NULL && origins[0] != '\0');
    char id_text[REQUEST_ID_TEXT_MAX + 1];
    uint64_t number;
    if (!given.plain)
        return 0;
    make_shed_texts(requests);
    (void)!request_take_id(requests, given.id, given.id_length, &number, id_text);
    struct shed_answer answer = {.date = date,
                                 .id = id_text,
                                 .fields = requests->shed_fields.bytes,
                                 .body = requests->shed_body.bytes,
                                 .body_length = requests->shed_body.length};
    /* No line in the access log: a flood of requests must not be one of lines. admission.c tells the sum. */
    metrics_request(requests->services.metrics, METRICS_NO_ROUTE, 503, 0);
    return shed_answer_write(&answer, out, HTTP_REFUSAL_BYTES);
}
