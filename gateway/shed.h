/*
 * The cheapest refusal: from the bytes of a request to the bytes of its 503, without evhttp, routes or JSON
 * between. Pure; it knows bytes only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/attributes.h"

/* What of a request the refusal depends on. */
struct shed_request {
    bool plain;     /* it may be refused here; else it must go the long way */
    const char *id; /* X-Request-Id as the client gave it, not terminated; NULL: none */
    size_t id_length;
};

/*
 * `bytes` begin with a head that the head checker passed. Plain are GET and POST of HTTP/1.1 that want
 * neither the connection closed nor CORS fields (`cors`: some origin may have them), and do not ask how the
 * server is.
 */
struct shed_request shed_request_read(const char *bytes, size_t length, bool cors) MUST_USE;

struct shed_answer {
    const char *date, *id;
    const char *fields; /* all others: they begin and end with CR LF, and the empty line is in them */
    const char *body;
    size_t body_length;
};
/* Writes the whole answer, which keeps the connection open; returns its length, 0 when it does not fit. */
size_t shed_answer_write(const struct shed_answer *answer, char *out, size_t max) MUST_USE;
