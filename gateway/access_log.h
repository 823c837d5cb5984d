/* One structured line per request, at info; kept by common/log.h until the turn of the loop ends. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct access_entry {
    const char *client; /* its address */
    const char *method;
    const char *route; /* "/api/posts/:post_id"; NULL: none matched */
    const char *path;  /* as it came, without the query */
    unsigned status;
    uint64_t took_us;
    const char *request_id;
    const char *engine; /* NULL: none was asked */
    unsigned batch_size;
};

void access_log_write(const struct access_entry *entry);
