#include "tests/sim/headers.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/sim/memory.h"
#include "tests/sim/text.h"

void headers_clear(struct reply_headers *headers)
{
    free(headers->next);
    *headers = (struct reply_headers){0};
}

/* The path of an absolute URL; the text itself if it is none. */
static const char *path_of(const char *url)
{
    const char *authority = strstr(url, "://");
    const char *query = strchr(url, '?');
    const char *path;

    if (authority == NULL || (query != NULL && query < authority)) {
        return url;
    }
    path = strchr(authority + 3, '/');
    return path != NULL ? path : "/";
}

/* RFC 8288: <url>; param; param, <url>; param */
static char *next_of(char *value)
{
    char *start = value;

    while ((start = strchr(start, '<')) != NULL) {
        char *end = strchr(start, '>');
        char *rest, *relation;

        if (end == NULL) {
            return NULL;
        }
        rest = strchr(end, '<');
        relation = strstr(end, "rel=");
        if (relation != NULL && (rest == NULL || relation < rest) &&
            strncmp(relation + 4 + (relation[4] == '"'), "next", 4) == 0) {
            *end = '\0';
            return mem_text(path_of(start + 1));
        }
        start = end;
    }
    return NULL;
}

static void take(struct reply_headers *headers, const char *name, char *value)
{
    if (strcasecmp(name, "Link") == 0) {
        free(headers->next);
        headers->next = next_of(value);
    } else if (strcasecmp(name, "Retry-After") == 0) {
        headers->retry_after_s = (unsigned)strtoul(value, NULL, 10);
    } else if (strcasecmp(name, "Idempotent-Replayed") == 0) {
        headers->replayed = strcasecmp(value, "true") == 0;
    } else if (strcasecmp(name, "X-Feed-Stale") == 0) {
        headers->stale = true;
    }
}

void headers_add(struct reply_headers *headers, const char *line, size_t length)
{
    char *copy = mem_text_part(line, length);
    char *colon = strchr(copy, ':');

    if (colon != NULL) {
        *colon = '\0';
        text_trim(colon + 1);
        take(headers, copy, colon + 1);
    }
    free(copy);
}
