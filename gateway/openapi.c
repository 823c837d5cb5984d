#include "gateway/openapi.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "common/attributes.h"
#include "common/fatal.h"
#include "common/version.h"
#include "gateway/auth.h"
#include "gateway/compose.h"
#include "gateway/json_writer.h"
#include "gateway/openapi_schema.h"
#include "gateway/problem.h"
#include "gateway/routes.h"
#include "proto/status.h"

#define NAME_MAX_BYTES 160

static bool is_get(const struct route *route)
{
    return strcmp(route->method, "GET") == 0;
}

/* What the worker answers by itself has no message: its schema stands here. */
static const struct local_answer {
    const char *path, *content_type, *schema;
    uint16_t also; /* a second status with the same body, 0: none */
} local_answers[] = {
    {"/", "application/json",
     "{\"type\":\"object\",\"required\":[\"name\",\"version\",\"links\"],\"properties\":{\"name\":{\"const\":"
     "\"forumd\"},\"version\":{\"type\":\"string\"},\"links\":{\"type\":\"object\",\"additionalProperties\":"
     "{\"type\":\"string\"}}}}",
     0},
    {"/health", "application/json",
     "{\"type\":\"object\",\"required\":[\"status\",\"version\",\"worker_pid\",\"uptime_ms\"],\"properties\":"
     "{\"status\":{\"const\":\"healthy\"},\"version\":{\"type\":\"string\"},\"worker_pid\":{\"type\":"
     "\"integer\"},\"uptime_ms\":{\"type\":\"integer\",\"minimum\":0}}}",
     0},
    {"/ready", "application/json",
     "{\"type\":\"object\",\"required\":[\"status\",\"sessions\",\"engines\"],\"properties\":{\"sessions\":{"
     "\"enum\":[\"known\",\"unknown\"]},\"status\":{\"enum\":"
     "[\"ready\",\"degraded\"]},\"engines\":{\"type\":\"object\",\"additionalProperties\":{\"type\":"
     "\"object\",\"required\":[\"up\",\"state\",\"latency_us\",\"queue\",\"restarts\",\"storage\"],"
     "\"properties\":"
     "{\"up\":{\"type\":\"boolean\"},\"state\":{\"enum\":[\"up\",\"down\",\"silent\"]},\"latency_us\":{"
     "\"type\":[\"integer\",\"null\"]},\"queue\":{\"type\":"
     "[\"integer\",\"null\"]},\"restarts\":{\"type\":[\"integer\",\"null\"]},\"storage\":{\"enum\":[\"ok\","
     "\"unavailable\",null]}}}}}}",
     503},
    {"/metrics", "text/plain", "{\"type\":\"string\"}", 0},
    {"/openapi.json", "application/json", "{\"type\":\"object\",\"required\":[\"openapi\",\"paths\"]}", 0},
};

static const struct local_answer *local_answer_of(const struct route *route)
{
    for (size_t i = 0; i < ARRAY_LEN(local_answers); i++)
        if (strcmp(local_answers[i].path, route->path) == 0)
            return &local_answers[i];
    fatal_invariant("each local route has its schema in local_answers", __FILE__, __LINE__);
}

/* Headers that answers carry: referred to from the answers, written once. */
static const struct {
    const char *name, *description, *schema;
} headers[] = {
    {"X-Request-Id", "the request's own if it was well-formed", "{\"type\":\"string\"}"},
    {"ETag", "of this very body; If-None-Match takes it", "{\"type\":\"string\"}"},
    {"Link", "the next page: <...>; rel=\"next\"; missing on the last one", "{\"type\":\"string\"}"},
    {"X-Total-Count", "how many there are, where it is known", "{\"type\":\"integer\",\"minimum\":0}"},
    {"X-Feed-Stale", "parts of the server that could not be asked", "{\"type\":\"string\"}"},
    {"Location", "of what was made", "{\"type\":\"string\"}"},
    {"Idempotent-Replayed", "true: the first answer to this Idempotency-Key", "{\"const\":\"true\"}"},
    {"RateLimit-Limit", "requests at once, where requests are limited", "{\"type\":\"integer\"}"},
    {"RateLimit-Remaining", "how many would be served now", "{\"type\":\"integer\"}"},
    {"RateLimit-Reset", "seconds until all are there again; of a 429, until one is",
     "{\"type\":\"integer\"}"},
    {"Retry-After", "seconds", "{\"type\":\"integer\",\"minimum\":0}"},
    {"Allow", "methods of this path", "{\"type\":\"string\"}"},
    {"WWW-Authenticate", "how to authenticate", "{\"type\":\"string\"}"},
};

static void header_refer(struct json_writer *writer, const char *name)
{
    char reference[NAME_MAX_BYTES];
    snprintf(reference, sizeof(reference), "#/components/headers/%s", name);
    json_open(writer, name, '{');
    json_string(writer, "$ref", reference);
    json_close(writer, '}');
}

/* Which problems a route can answer with, beside those that any HTTP request can meet (the default). */
enum problem_scope {
    ON_COMMANDS = 1,
    ON_POSTS = 2,
    ON_WRITES = 4,
    ON_ACTORS = 8,
    ON_LIMITED = 16,
    NAMED_NOWHERE = 0,
};

static const struct problem {
    uint16_t http;
    const char *header;
    unsigned scope;
} problems[] = {
    {400, NULL, ON_COMMANDS | ON_POSTS},
    {401, "WWW-Authenticate", ON_ACTORS},
    {403, NULL, ON_ACTORS},
    {404, NULL, ON_COMMANDS},
    {405, "Allow", NAMED_NOWHERE},
    {408, NULL, NAMED_NOWHERE},
    {409, NULL, ON_WRITES},
    {411, NULL, NAMED_NOWHERE},
    {413, NULL, ON_POSTS},
    {414, NULL, NAMED_NOWHERE},
    {415, NULL, ON_POSTS},
    {417, NULL, NAMED_NOWHERE},
    {422, NULL, ON_WRITES},
    {429, "Retry-After", ON_WRITES | ON_LIMITED},
    {431, NULL, NAMED_NOWHERE},
    {500, NULL, NAMED_NOWHERE},
    {501, NULL, NAMED_NOWHERE},
    {503, "Retry-After", ON_COMMANDS},
    {505, NULL, NAMED_NOWHERE},
};

static const struct status_code {
    uint16_t http;
    const char *code;
} codes[] = {
#define X(number, NAME, http, code, field, detail) {http, code},
    STATUS_TABLE(X)
#undef X
};

static unsigned scope_of(const struct route *route)
{
    unsigned scope = NAMED_NOWHERE;
    if (!is_get(route))
        scope |= ON_POSTS;
    if (route->kind == ROUTE_COMMAND)
        scope |= ON_COMMANDS;
    if (route->kind == ROUTE_COMMAND && !is_get(route))
        scope |= ON_WRITES;
    if (route->kind == ROUTE_COMMAND)
        scope |= ON_ACTORS; /* a bad token is one everywhere */
    if (route_rate_class(route) != RATE_NONE)
        scope |= ON_LIMITED;
    return scope;
}

/* "/api/posts/:post_id/vote" -> "/api/posts/{post_id}/vote" */
static void path_template(const char *path, char *out)
{
    size_t length = 0;
    bool in_param = false;
    for (; *path != '\0'; path++) {
        ensure(length + 3 < NAME_MAX_BYTES);
        if (*path == '/' && in_param) {
            out[length++] = '}';
            in_param = false;
        }
        out[length++] = *path == ':' ? '{' : *path;
        in_param = in_param || *path == ':';
    }
    if (in_param)
        out[length++] = '}';
    out[length] = '\0';
}

/* "get_posts_by_post_id_comments": unique because method and path are. */
static void operation_id(const struct route *route, char *out)
{
    const char *path = strncmp(route->path, "/api/", 5) == 0 ? route->path + 4 : route->path;
    size_t length = 0;
    for (const char *c = route->method; *c != '\0'; c++)
        out[length++] = (char)tolower((unsigned char)*c);
    if (path[1] == '\0')
        path = "/root";
    for (; *path != '\0'; path++) {
        ensure(length + 4 < NAME_MAX_BYTES);
        if (*path == ':')
            length += (size_t)sprintf(out + length, "by_");
        else
            out[length++] = isalnum((unsigned char)*path) ? *path : '_';
    }
    out[length] = '\0';
}

/* Groups operations: what follows /api/. */
static void tag_of(const struct route *route, char *out)
{
    const char *path = strncmp(route->path, "/api/", 5) == 0 ? route->path + 5 : "server";
    size_t length = strcspn(path, "/");
    ensure(length < NAME_MAX_BYTES);
    memcpy(out, path, length);
    out[length] = '\0';
}

static bool is_in_path(const struct route *route, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = strchr(route->path, ':'); at != NULL; at = strchr(at + 1, ':'))
        if (strncmp(at + 1, name, length) == 0 && (at[1 + length] == '/' || at[1 + length] == '\0'))
            return true;
    return false;
}

static const struct schema_message *request_of(const struct route *route)
{
    return route->kind == ROUTE_COMMAND ? schema_commands[route->command].request : NULL;
}

static void write_field_parameter(struct json_writer *writer, const struct schema_message *message,
                                  unsigned index, const char *in, bool required)
{
    const struct schema_field *field = &message->fields[index];
    json_open(writer, NULL, '{');
    json_string(writer, "name", field->name);
    json_string(writer, "in", in);
    json_bool(writer, "required", required);
    openapi_request_field(writer, "schema", message, index, false);
    json_close(writer, '}');
}

static void refer_parameter(struct json_writer *writer, const char *name)
{
    char reference[NAME_MAX_BYTES];
    snprintf(reference, sizeof(reference), "#/components/parameters/%s", name);
    json_open(writer, NULL, '{');
    json_string(writer, "$ref", reference);
    json_close(writer, '}');
}

static void write_parameters(struct json_writer *writer, const struct route *route)
{
    const struct schema_message *message = request_of(route);
    json_open(writer, "parameters", '[');
    for (unsigned i = 0; message != NULL && i < message->descriptor->n_fields; i++) {
        const struct schema_field *field = &message->fields[i];
        if (is_in_path(route, field->name))
            write_field_parameter(writer, message, i, "path", true);
        else if (is_get(route) && !field->internal)
            write_field_parameter(writer, message, i, "query", field->required);
    }
    refer_parameter(writer, "X-Request-Id");
    refer_parameter(writer, is_get(route) ? "If-None-Match" : "Idempotency-Key");
    json_close(writer, ']');
}

static bool is_body_field(const struct route *route, const struct schema_field *field)
{
    return !field->internal && !is_in_path(route, field->name);
}

static void write_body_schema(struct json_writer *writer, const struct route *route)
{
    const struct schema_message *message = request_of(route);
    unsigned count = message != NULL ? message->descriptor->n_fields : 0;
    json_open(writer, "schema", '{');
    json_string(writer, "type", "object");
    json_open(writer, "required", '[');
    for (unsigned i = 0; i < count; i++)
        if (is_body_field(route, &message->fields[i]) && message->fields[i].required)
            json_string(writer, NULL, message->fields[i].name);
    json_close(writer, ']');
    json_open(writer, "properties", '{');
    for (unsigned i = 0; i < count; i++)
        if (is_body_field(route, &message->fields[i]))
            openapi_request_field(writer, message->fields[i].name, message, i, true);
    json_close(writer, '}');
    json_close(writer, '}');
}

static void write_request_body(struct json_writer *writer, const struct route *route)
{
    json_open(writer, "requestBody", '{');
    json_bool(writer, "required", true);
    json_open(writer, "content", '{');
    json_open(writer, "application/json", '{');
    write_body_schema(writer, route);
    for (int i = 0; i < 3; i++)
        json_close(writer, '}');
}

static void refer_rate_headers(struct json_writer *writer)
{
    header_refer(writer, "RateLimit-Limit");
    header_refer(writer, "RateLimit-Remaining");
    header_refer(writer, "RateLimit-Reset");
}

static void write_success_headers(struct json_writer *writer, const struct route *route)
{
    const struct schema_message *answer = route->kind == ROUTE_COMMAND ? compose_answer_schema(route) : NULL;
    json_open(writer, "headers", '{');
    header_refer(writer, "X-Request-Id");
    header_refer(writer, is_get(route) ? "ETag" : "Idempotent-Replayed");
    if (route->location != NULL)
        header_refer(writer, "Location");
    if (route_rate_class(route) != RATE_NONE)
        refer_rate_headers(writer);
    for (unsigned i = 0; answer != NULL && i < answer->descriptor->n_fields; i++)
        if (answer->fields[i].header != NULL)
            header_refer(writer, answer->fields[i].header);
    json_close(writer, '}');
}

static void write_local_content(struct json_writer *writer, const struct local_answer *answer)
{
    json_open(writer, "content", '{');
    json_open(writer, answer->content_type, '{');
    json_raw(writer, "schema", answer->schema);
    json_close(writer, '}');
    json_close(writer, '}');
}

static void write_success(struct json_writer *writer, const struct route *route)
{
    char http[8];
    snprintf(http, sizeof(http), "%u", route->success);
    json_open(writer, http, '{');
    json_string(writer, "description", problem_title(route->success));
    write_success_headers(writer, route);
    if (route->kind == ROUTE_LOCAL) {
        write_local_content(writer, local_answer_of(route));
    } else {
        json_open(writer, "content", '{');
        json_open(writer, "application/json", '{');
        openapi_reply(writer, "schema", compose_answer_schema(route));
        json_close(writer, '}');
        json_close(writer, '}');
    }
    json_close(writer, '}');
}

static void refer_response(struct json_writer *writer, const char *key, const char *name)
{
    char reference[NAME_MAX_BYTES];
    snprintf(reference, sizeof(reference), "#/components/responses/%s", name);
    json_open(writer, key, '{');
    json_string(writer, "$ref", reference);
    json_close(writer, '}');
}

static void write_local_also(struct json_writer *writer, const struct local_answer *answer)
{
    char http[8];
    if (answer->also == 0)
        return;
    snprintf(http, sizeof(http), "%u", answer->also);
    json_open(writer, http, '{');
    json_string(writer, "description", problem_title(answer->also));
    write_local_content(writer, answer);
    json_close(writer, '}');
}

static void write_responses(struct json_writer *writer, const struct route *route)
{
    char http[8];
    json_open(writer, "responses", '{');
    write_success(writer, route);
    if (is_get(route))
        refer_response(writer, "304", "NotModified");
    for (size_t i = 0; i < ARRAY_LEN(problems); i++) {
        snprintf(http, sizeof(http), "%u", problems[i].http);
        if ((problems[i].scope & scope_of(route)) != 0)
            refer_response(writer, http, http);
    }
    if (route->kind == ROUTE_LOCAL)
        write_local_also(writer, local_answer_of(route));
    refer_response(writer, "default", "Problem");
    json_close(writer, '}');
}

/* Without a token a user may act where the server runs with --auth open, unless the request cannot say who.
 * With one, reading shows more (my_vote). */
static void write_security(struct json_writer *writer, const struct route *route)
{
    json_open(writer, "security", '[');
    if (route->kind == ROUTE_COMMAND)
        json_raw(writer, NULL, "{\"bearer\":[]}");
    if (route->kind != ROUTE_COMMAND || !auth_needs_token(route))
        json_raw(writer, NULL, "{}");
    json_close(writer, ']');
}

static void write_operation(struct json_writer *writer, const struct route *route)
{
    char method[8] = "", name[NAME_MAX_BYTES];
    for (size_t i = 0; route->method[i] != '\0' && i < sizeof(method) - 1; i++)
        method[i] = (char)tolower((unsigned char)route->method[i]);
    json_open(writer, method, '{');
    operation_id(route, name);
    json_string(writer, "operationId", name);
    json_string(writer, "summary", route->summary);
    tag_of(route, name);
    json_open(writer, "tags", '[');
    json_string(writer, NULL, name);
    json_close(writer, ']');
    write_security(writer, route);
    write_parameters(writer, route);
    if (!is_get(route))
        write_request_body(writer, route);
    write_responses(writer, route);
    json_close(writer, '}');
}

static bool path_was_before(size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(routes[i].path, routes[index].path) == 0)
            return true;
    return false;
}

static void write_paths(struct json_writer *writer)
{
    char template[NAME_MAX_BYTES];
    json_open(writer, "paths", '{');
    for (size_t i = 0; i < route_count; i++) {
        if (path_was_before(i))
            continue;
        path_template(routes[i].path, template);
        json_open(writer, template, '{');
        for (size_t j = i; j < route_count; j++)
            if (strcmp(routes[j].path, routes[i].path) == 0)
                write_operation(writer, &routes[j]);
        json_close(writer, '}');
    }
    json_close(writer, '}');
}

static void write_problem_schema(struct json_writer *writer)
{
    json_open(writer, "Problem", '{');
    json_string(writer, "description", "RFC 9457");
    json_string(writer, "type", "object");
    json_raw(writer, "required", "[\"type\",\"title\",\"status\",\"detail\",\"code\"]");
    json_open(writer, "properties", '{');
    json_raw(writer, "type", "{\"type\":\"string\",\"pattern\":\"^/problems/[a-z_]+$\"}");
    json_raw(writer, "title", "{\"type\":\"string\"}");
    json_raw(writer, "status", "{\"type\":\"integer\",\"minimum\":400,\"maximum\":599}");
    json_raw(writer, "detail", "{\"type\":\"string\"}");
    json_open(writer, "code", '{');
    json_open(writer, "enum", '[');
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (codes[i].http >= 400)
            json_string(writer, NULL, codes[i].code);
    json_close(writer, ']');
    json_close(writer, '}');
    json_raw(writer, "errors",
             "{\"type\":\"array\",\"minItems\":1,\"description\":\"every bad field\",\"items\":{\"type\":"
             "\"object\",\"required\":[\"field\",\"code\",\"detail\"],\"properties\":{\"field\":{\"type\":"
             "\"string\"},\"code\":{\"type\":\"string\",\"pattern\":\"^[a-z_]+$\"},\"detail\":{\"type\":"
             "\"string\"}}}}");
    json_close(writer, '}');
    json_close(writer, '}');
}

static void write_schemas(struct json_writer *writer)
{
    struct openapi_seen seen = {.count = 0};
    json_open(writer, "schemas", '{');
    for (size_t i = 0; i < route_count; i++)
        if (routes[i].kind == ROUTE_COMMAND)
            openapi_reply_components(writer, &seen, compose_answer_schema(&routes[i]));
    write_problem_schema(writer);
    json_close(writer, '}');
}

static void write_problem_content(struct json_writer *writer)
{
    json_raw(writer, "content",
             "{\"application/problem+json\":{\"schema\":{\"$ref\":\"#/components/schemas/Problem\"}}}");
}

static void write_problem_response(struct json_writer *writer, const struct problem *problem)
{
    char http[8], description[1024];
    size_t length = (size_t)snprintf(description, sizeof(description), "%s:", problem_title(problem->http));
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (codes[i].http == problem->http && length < sizeof(description))
            length +=
                (size_t)snprintf(description + length, sizeof(description) - length, " %s", codes[i].code);
    ensure(length < sizeof(description));
    snprintf(http, sizeof(http), "%u", problem->http);
    json_open(writer, http, '{');
    json_string(writer, "description", description);
    json_open(writer, "headers", '{');
    header_refer(writer, "X-Request-Id");
    if (problem->header != NULL)
        header_refer(writer, problem->header);
    json_close(writer, '}');
    write_problem_content(writer);
    json_close(writer, '}');
}

static void write_component_responses(struct json_writer *writer)
{
    json_open(writer, "responses", '{');
    json_open(writer, "NotModified", '{');
    json_string(writer, "description", "what If-None-Match names is still right");
    json_open(writer, "headers", '{');
    header_refer(writer, "X-Request-Id");
    header_refer(writer, "ETag");
    json_close(writer, '}');
    json_close(writer, '}');
    for (size_t i = 0; i < ARRAY_LEN(problems); i++)
        write_problem_response(writer, &problems[i]);
    json_open(writer, "Problem", '{');
    json_string(writer, "description", "any other problem");
    write_problem_content(writer);
    json_close(writer, '}');
    json_close(writer, '}');
}

static void write_component_headers(struct json_writer *writer)
{
    json_open(writer, "headers", '{');
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        json_open(writer, headers[i].name, '{');
        json_string(writer, "description", headers[i].description);
        json_raw(writer, "schema", headers[i].schema);
        json_close(writer, '}');
    }
    json_close(writer, '}');
}

static void write_component_parameters(struct json_writer *writer)
{
    json_open(writer, "parameters", '{');
    json_raw(writer, "X-Request-Id",
             "{\"name\":\"X-Request-Id\",\"in\":\"header\",\"description\":\"comes back, and stands in the "
             "log\",\"schema\":{\"type\":\"string\"}}");
    json_raw(
        writer, "Idempotency-Key",
        "{\"name\":\"Idempotency-Key\",\"in\":\"header\",\"description\":\"the request takes effect once, "
        "and gets its first answer again for 24 hours\",\"schema\":{\"type\":\"string\",\"pattern\":"
        "\"^[!-~]{1,64}$\"}}");
    json_raw(
        writer, "If-None-Match",
        "{\"name\":\"If-None-Match\",\"in\":\"header\",\"description\":\"an ETag seen before\",\"schema\":"
        "{\"type\":\"string\"}}");
    json_close(writer, '}');
}

static void write_components(struct json_writer *writer)
{
    json_open(writer, "components", '{');
    write_schemas(writer);
    write_component_responses(writer);
    write_component_headers(writer);
    write_component_parameters(writer);
    json_raw(writer, "securitySchemes", "{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\"}}");
    json_close(writer, '}');
}

void openapi_encode(struct text *out)
{
    struct json_writer writer = {.out = out};
    json_open(&writer, NULL, '{');
    json_string(&writer, "openapi", "3.1.0");
    json_open(&writer, "info", '{');
    json_string(&writer, "title", "forumd");
    json_string(&writer, "version", version_text);
    json_string(&writer, "description",
                "A forum server. Each GET answers to HEAD too, each path to OPTIONS. Lists are bare arrays; "
                "Link leads to the next page.");
    json_close(&writer, '}');
    json_raw(&writer, "servers", "[{\"url\":\"/\"}]");
    write_paths(&writer);
    write_components(&writer);
    json_close(&writer, '}');
}
