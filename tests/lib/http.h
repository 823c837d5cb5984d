/*
 * A plain blocking HTTP client for tests: it sends exactly what it is told, right or wrong, and reads what
 * comes. A connection per request unless one is opened by hand, so that requests are spread over all workers.
 * Answers live until the test ends.
 */
#pragma once

#include <json-c/json_types.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/attributes.h"

#define HTTP_TIMEOUT_MS 20000 /* a request and its answer as a whole */

struct reply {
    const char *request; /* "POST /api/posts/create {...}": for messages */
    unsigned status;     /* 0: no whole answer; `trouble` says why */
    const char *trouble;
    const char *head; /* status line and headers, as they came */
    const char *body; /* chunks put together; with a final NUL that is not counted */
    size_t length;
    struct json_object *json; /* NULL: the body is not JSON */
    bool closed;              /* the server closed the connection behind it */
};

/* A field's value (of its first line), or NULL. Names in any case. */
const char *http_header(const struct reply *reply, const char *name) MUST_USE;
/* "GET /x -> 404 {...}", cut where it is long. */
const char *http_describe(const struct reply *reply) MUST_USE;

/* Connections by hand: raw bytes, keep-alive, half-sent requests. */
struct connection;
struct connection *http_open(unsigned port) MUST_USE; /* fails the test when refused */
/* False when the other side closed or reset. */
bool http_write(struct connection *connection, const char *bytes, size_t length) MUST_USE;
/* Says that nothing more will come; answers can still be read. */
void http_end_writing(struct connection *connection);
/* Reads one head; true when it is that of an interim answer, "100 Continue". */
bool http_read_continue(struct connection *connection) MUST_USE;
/* Reads one answer; `head_only` for answers to HEAD. */
struct reply *http_read(struct connection *connection, bool head_only) MUST_USE;
/* True when the server closes within the time, without another byte. */
bool http_closed(struct connection *connection, unsigned timeout_ms) MUST_USE;
/* True when not a byte comes within the time, and the connection stays open. */
bool http_silent(struct connection *connection, unsigned timeout_ms) MUST_USE;
void http_close(struct connection *connection);

struct http_request {
    const char *method, *path;
    const char *headers; /* whole lines, each with its \r\n; NULL: none besides Host, Connection, Content-Type
                            and Content-Length */
    const char *body;    /* NULL: none */
    size_t body_length;  /* 0: strlen(body) */
    bool no_content_type;
};
/* One request on a connection of its own. Refused: status 0. */
struct reply *http_send(unsigned port, const struct http_request *request) MUST_USE;
