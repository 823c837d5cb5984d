/* What the clients need of an answer's headers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct reply_headers {
    char *next; /* path and query of Link rel="next"; owned */
    unsigned retry_after_s;
    bool replayed, stale;
};

void headers_clear(struct reply_headers *headers);
/* One line as libcurl hands it out, with or without its CR LF; lines of no interest are passed over. */
void headers_add(struct reply_headers *headers, const char *line, size_t length);
