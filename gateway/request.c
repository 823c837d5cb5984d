#include "gateway/request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "gateway/auth.h"
#include "gateway/json_decode.h"
#include "gateway/percent.h"
#include "gateway/request_cache.h"
#include "gateway/request_engine.h"
#include "gateway/request_rates.h"
#include "gateway/request_state.h"

#define KEY_MAX_CHARS 64

static struct request *request_obtain(struct requests *requests)
{
    struct request *request = TAILQ_FIRST(&requests->unused);
    if (request == NULL) {
        request = xcalloc(1, sizeof(*request));
        request->requests = requests;
    } else {
        TAILQ_REMOVE(&requests->unused, request, link);
        requests->unused_count--;
    }
    TAILQ_INSERT_TAIL(&requests->busy, request, link);
    return request;
}

static void take_id_text(struct request *request)
{
    const char *given = http_exchange_header(request->exchange, "X-Request-Id");
    request->id_given = request_take_id(request->requests, given, given != NULL ? strlen(given) : 0,
                                        &request->number, request->id_text);
}

static struct request *request_begin(struct requests *requests, struct http_exchange *exchange)
{
    struct request *request = request_obtain(requests);
    uint64_t now_us = clock_monotonic_us();
    request->exchange = exchange;
    request->route = NULL;
    request->method = http_exchange_method(exchange);
    request->arrival_us = now_us;
    request->deadline_ms = now_us / 1000 + requests->services.options->deadline_ms;
    request->allow[0] = '\0';
    request->client_known = false;
    request->guarded = false;
    request->rate = (struct rate_verdict){.limit = 0};
    request->retry_after_s = 0;
    request->actor = 0;
    request->actor_name[0] = '\0';
    request->identity = (struct identity){.user = 0};
    request->flags = 0;
    request->unknown_count = 0;
    request->held_length = 0;
    request->keep = false;
    request->engine = NULL;
    request->batch_size = 0;
    request->times = (struct engine_times){0};
    request->asked_us = request->answered_us = 0;
    request->replayed = false;
    http_exchange_set_owner(exchange, request);
    take_id_text(request);
    return request;
}

/* A body must say that it is JSON. Without that rule a foreign web page could post from its visitor's
 * browser: only types that forms can send, or none, go out without asking first (Fetch standard,
 * CORS-safelisted request-header). */
static bool content_type_is_json(const char *type)
{
    static const char json[] = "application/json";
    if (type == NULL)
        return false;
    if (strncasecmp(type, json, sizeof(json) - 1) != 0)
        return false;
    type += sizeof(json) - 1;
    type += strspn(type, " \t");
    if (*type == '\0')
        return true;
    if (*type != ';')
        return false;
    type += 1 + strspn(type + 1, " \t");
    return strcasecmp(type, "charset=utf-8") == 0 || strcasecmp(type, "charset=\"utf-8\"") == 0 ||
           *type == '\0';
}

/* None is decoded here. */
static bool is_coded(const char *content_encoding)
{
    return content_encoding != NULL && strcasecmp(content_encoding, "identity") != 0;
}

/* True with *key NULL when there is none. */
static bool take_key(const struct request *request, const char **key)
{
    *key = http_exchange_header(request->exchange, "Idempotency-Key");
    if (*key == NULL)
        return true;
    size_t length = strlen(*key);
    if (length < 1 || length > KEY_MAX_CHARS)
        return false;
    for (size_t i = 0; i < length; i++)
        if ((*key)[i] < '!' || (*key)[i] > '~')
            return false;
    return true;
}

/* Adds the query's parameters behind those of the path. False: malformed, or too many. */
static bool take_query(struct arena *arena, const char *query, struct text_param *params, size_t *count,
                       size_t max)
{
    while (*query != '\0') {
        size_t length = strcspn(query, "&"), name_length = strcspn(query, "=&"), ignored;
        struct text_param *param = &params[*count];
        bool has_value = name_length < length;
        if (length > 0) {
            if (*count == max || !percent_decode(arena, query, name_length, true, &param->name, &ignored) ||
                !percent_decode(arena, query + name_length + has_value, length - name_length - has_value,
                                true, &param->value, &param->length))
                return false;
            param->from_path = false;
            (*count)++;
        }
        query += length;
        query += *query == '&';
    }
    return true;
}

/* Who the token says it is; false: answered. */
static bool request_identify(struct request *request, struct decode_input *input)
{
    const struct request_services *services = &request->requests->services;
    enum status status =
        auth_identify(services->tokens, services->closed,
                      http_exchange_header(request->exchange, "Authorization"), &request->identity);
    if (status == STATUS_OK)
        status = auth_admit((enum auth_mode)services->options->auth, request->route, &request->identity,
                            input->params, input->param_count);
    if (status != STATUS_OK)
        request_answer_status(request, status, NULL);
    input->actor = request->identity.user;
    return status == STATUS_OK;
}

/* A client that forgot it sent no body that anybody could read. */
static bool says_no_length(const struct request *request)
{
    return http_exchange_header(request->exchange, "Content-Length") == NULL &&
           http_exchange_header(request->exchange, "Transfer-Encoding") == NULL;
}

static void request_serve(struct request *request, struct decode_input *input, const char *key)
{
    struct field_errors errors;
    ProtobufCMessage *message;
    if (!request_identify(request, input))
        return;
    /* Where the token says who acts there may be nothing left to say: logging out, joining. */
    if (input->body != NULL && input->body_length == 0 && request->identity.user != 0) {
        input->body = "{}";
        input->body_length = 2;
    }
    enum status status = json_decode(input, request->requests->arena, &message, &errors);
    if (status == STATUS_INVALID_JSON && says_no_length(request)) {
        request_answer_status(request, STATUS_LENGTH_REQUIRED, NULL);
        return;
    }
    if (status != STATUS_OK) {
        request_answer_status(request, status, &errors);
        return;
    }
    status = auth_actor(request->route, &request->identity, message, &request->actor);
    if (status != STATUS_OK)
        request_answer_status(request, status, NULL);
    else if (request_admit_actor(request, message)) {
        request_cache_begin(request, message);
        request_run_command(request, message, key);
    }
}

static void request_check_post(struct request *request, struct decode_input *input)
{
    const char *key;
    const char *type = http_exchange_header(request->exchange, "Content-Type");
    input->body = http_exchange_body(request->exchange, &input->body_length);
    if (((type != NULL || input->body_length > 0) && !content_type_is_json(type)) ||
        is_coded(http_exchange_header(request->exchange, "Content-Encoding"))) {
        request_answer_status(request, STATUS_UNSUPPORTED_MEDIA_TYPE, NULL);
        return;
    }
    if (!take_key(request, &key)) {
        request_answer_status(request, STATUS_INVALID_KEY, NULL);
        return;
    }
    if (input->body == NULL)
        input->body = "";
    request_serve(request, input, key);
}

static void request_check_get(struct request *request, struct decode_input *input, struct text_param *params,
                              const char *query)
{
    if (!take_query(request->requests->arena, query, params, &input->param_count,
                    ROUTE_PARAMS_MAX + REQUEST_QUERY_MAX)) {
        request_answer_status(request, STATUS_BAD_REQUEST, NULL);
        return;
    }
    request_serve(request, input, NULL);
}

/* No row for this path, or none for this method. */
static void request_unmatched(struct request *request, bool path_known, const char *target)
{
    if (strcmp(request->method, "OPTIONS") == 0 && (path_known || strcmp(target, "*") == 0))
        request_answer_options(request, request->allow);
    else
        request_answer_status(request, path_known ? STATUS_METHOD_NOT_ALLOWED : STATUS_NOT_FOUND, NULL);
}

/* False: it was refused, and is no more. */
static bool request_admit(struct request *request)
{
    struct admission *admission = request->requests->services.admission;
    if (admission_is_full(admission, request->arrival_us)) {
        admission_refused(admission, request->arrival_us);
        request_answer_status(request, STATUS_OVERLOADED, NULL);
        return false;
    }
    admission_admitted(admission);
    return true;
}

static enum route_match request_match(struct request *request, const char *target, size_t path_length,
                                      struct decode_input *input, struct text_param *params)
{
    struct arena *arena = request->requests->arena;
    const char *path = arena_strndup(arena, target, path_length);
    input->params = params;
    return route_match(request->method, path, arena, &request->route, params, &input->param_count,
                       request->allow, sizeof(request->allow));
}

static void on_request(void *arg, struct http_exchange *exchange)
{
    struct requests *requests = arg;
    arena_reset(requests->arena);
    struct request *request = request_begin(requests, exchange);
    const char *target = http_exchange_target(exchange);
    size_t path_length = strcspn(target, "?");
    struct text_param params[ROUTE_PARAMS_MAX + REQUEST_QUERY_MAX];
    struct decode_input input = {.schema = NULL};
    enum route_match match = ROUTE_FOUND;
    bool maybe_kept = (request->route = request_cached_route(request, target)) != NULL;
    if (!maybe_kept)
        match = request_match(request, target, path_length, &input, params);
    if (match != ROUTE_FOUND) {
        request_unmatched(request, match == ROUTE_NO_METHOD, target);
        return;
    }
    if (!request_admit_address(request))
        return;
    if (request->route->kind == ROUTE_LOCAL) {
        request->route->local(request);
        return;
    }
    if (!request_admit(request) || (maybe_kept && request_answer_from_cache(request, target)))
        return;
    if (maybe_kept)
        ensure(request_match(request, target, path_length, &input, params) == ROUTE_FOUND);
    input.schema = schema_commands[request->route->command].request;
    input.check = request->route->check;
    if (strcmp(request->method, "POST") == 0)
        request_check_post(request, &input);
    else
        request_check_get(request, &input, params,
                          target[path_length] == '?' ? target + path_length + 1 : "");
}

/* The slot stays until what was asked for it comes back. */
static void on_gone(void *arg, void *owner)
{
    struct request *request = owner;
    (void)arg;
    if (request != NULL)
        request->exchange = NULL;
}

static void on_refused(void *arg, const struct sockaddr *peer, enum status status, const char *detail,
                       struct http_answer *answer)
{
    struct requests *requests = arg;
    arena_reset(requests->arena);
    requests_refused(requests, peer, status, detail, answer);
}

static size_t on_refuse(void *arg, const char *bytes, size_t length, const char *date,
                        char out[HTTP_REFUSAL_BYTES])
{
    struct requests *requests = arg;
    struct admission *admission = requests->services.admission;
    uint64_t now_us = clock_monotonic_us();
    if (!admission_is_full(admission, now_us))
        return 0;
    size_t written = requests_shed(requests, bytes, length, date, out);
    if (written > 0)
        admission_refused(admission, now_us);
    return written;
}

void requests_hooks(struct requests *requests, struct http_hooks *hooks)
{
    *hooks = (struct http_hooks){
        .request = on_request, .gone = on_gone, .refused = on_refused, .refuse = on_refuse, .arg = requests};
}

struct requests *requests_new(const struct request_services *services)
{
    struct requests *requests = xcalloc(1, sizeof(*requests));
    requests->services = *services;
    requests->arena = arena_new();
    slow_log_open(&requests->slow, services->options->slow_ms);
    TAILQ_INIT(&requests->unused);
    TAILQ_INIT(&requests->busy);
    return requests;
}

static void list_free(struct request_list *list)
{
    struct request *request;
    while ((request = TAILQ_FIRST(list)) != NULL) {
        TAILQ_REMOVE(list, request, link);
        free(request->held);
        free(request);
    }
}

void requests_free(struct requests *requests)
{
    if (requests == NULL)
        return;
    list_free(&requests->unused);
    list_free(&requests->busy);
    arena_free(requests->arena);
    text_dispose(&requests->body);
    text_dispose(&requests->packed);
    text_dispose(&requests->openapi);
    text_dispose(&requests->shed_fields);
    text_dispose(&requests->shed_body);
    free(requests);
}

void requests_turn(struct requests *requests, uint64_t now_ms)
{
    requests_tell_presence(requests, now_ms);
    slow_log_turn(&requests->slow, now_ms);
}

uint64_t requests_next_ms(const struct requests *requests)
{
    return known_users_next_ms(requests->services.users);
}
