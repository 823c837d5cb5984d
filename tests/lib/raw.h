/*
 * Raw bytes on one connection, and what the server made of them, in one word per answer. Behind the bytes
 * goes a marker request, then the end of what we send: so it shows whether the server still knows where a
 * request begins.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/attributes.h"

struct raw {
    const char *bytes;
    size_t length;
    bool head;         /* the requests are HEADs: their answers have no body */
    size_t split;      /* the first write ends there; 0: one write */
    bool by_byte;      /* each byte in a write of its own */
    unsigned pause_ms; /* before each write */
};

/*
 * The statuses in order, "marker" for the marker's own answer, "closed" when the server closed in its place:
 * "200 404 marker", "201 400 closed". "html", "not-json", "open" and the like for what may never be.
 */
const char *raw_answers(unsigned port, const struct raw *raw) MUST_USE;
/* Bytes as C would write them, cut where they are long: for messages. */
const char *raw_describe(const char *bytes, size_t length) MUST_USE;
