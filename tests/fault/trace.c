#include "tests/fault/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/lib/keep.h"
#include "tests/lib/require.h"

#define WORD_BYTES    16
#define CONFLICT      409
#define FIRST_ROOM    4096
#define WORDS_OF_LINE 8

const char *const engine_names[ENGINE_COUNT] = {
    [ENGINE_USERS] = "users", [ENGINE_SUBREDDITS] = "subreddits",
    [ENGINE_POSTS] = "posts", [ENGINE_COMMENTS] = "comments",
    [ENGINE_DMS] = "dms",     [ENGINE_FEED] = "feed",
};

/* A new post may have to ask for its subreddit, a first comment for its post, a first message for its
 * recipient: those are look-ups of what may not be known yet. Who acts is known to a worker from the second
 * time on, and what comes from followed engines (karma, counts, a feed's news) is not waited for beyond 200
 * ms. */
static const struct {
    const char *operation;
    unsigned needs;
} operations[] = {
    {"register", NEEDS(ENGINE_USERS)},
    {"create", NEEDS(ENGINE_SUBREDDITS)},
    {"join", NEEDS(ENGINE_SUBREDDITS)},
    {"leave", NEEDS(ENGINE_SUBREDDITS)},
    {"post", NEEDS(ENGINE_POSTS) | NEEDS(ENGINE_SUBREDDITS)},
    {"repost", NEEDS(ENGINE_POSTS) | NEEDS(ENGINE_SUBREDDITS)},
    {"comment", NEEDS(ENGINE_COMMENTS) | NEEDS(ENGINE_POSTS)},
    {"vote_post", NEEDS(ENGINE_POSTS)},
    {"vote_comment", NEEDS(ENGINE_COMMENTS)},
    {"message", NEEDS(ENGINE_DMS) | NEEDS(ENGINE_USERS)},
    {"feed", NEEDS(ENGINE_FEED) | NEEDS(ENGINE_POSTS)},
    {"profile", NEEDS(ENGINE_USERS) | NEEDS(ENGINE_SUBREDDITS)},
    {"read", NEEDS_ALL},
};

static const char *const troubles[] = {"none", "refused", "timeout", "reset", "other"};

/* False: a line that is not one, or not whole yet. */
static bool parse(const char *line, struct trace_request *request)
{
    unsigned long long sent_us, answered_us;
    unsigned replayed, stale;
    char operation[WORD_BYTES], trouble[WORD_BYTES];
    if (sscanf(line, "%llu %llu %15s %u %15s %u %u %u\n", &sent_us, &answered_us, operation, &request->status,
               trouble, &request->tries, &replayed, &stale) != WORDS_OF_LINE)
        return false;
    request->sent_us = sent_us;
    request->answered_us = answered_us;
    request->replayed = replayed;
    request->stale = stale;
    for (size_t i = 0; i < ARRAY_LEN(troubles); i++)
        if (strcmp(trouble, troubles[i]) == 0)
            request->trouble = troubles[i];
    for (size_t i = 0; i < ARRAY_LEN(operations); i++)
        if (strcmp(operation, operations[i].operation) == 0) {
            request->operation = operations[i].operation;
            request->needs = operations[i].needs;
        }
    return request->trouble && request->operation;
}

static void add(struct trace *trace, size_t *room, const struct trace_request *request)
{
    if (trace->count == *room) {
        *room = *room ? 2 * *room : FIRST_ROOM;
        trace->requests = realloc(trace->requests, *room * sizeof(*trace->requests));
        REQUIRE(trace->requests, "out of memory");
    }
    trace->requests[trace->count++] = *request;
}

struct trace *trace_read(const char *path)
{
    struct trace *trace = keep_alloc(sizeof(*trace));
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0, size = 0;
    ssize_t length;
    REQUIRE(file, "no trace %s", path);
    while ((length = getline(&line, &size, file)) > 0 && line[length - 1] == '\n') {
        struct trace_request request = {0};
        REQUIRE(parse(line, &request), "%s: not a line of a trace: %s", path, line);
        add(trace, &room, &request);
    }
    free(line);
    fclose(file);
    return trace;
}

uint64_t trace_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t trace_took_us(const struct trace_request *request)
{
    return request->answered_us - request->sent_us;
}

bool trace_is_good(const struct trace_request *request)
{
    return (request->status >= 200 && request->status < 300) || request->status == CONFLICT;
}

bool trace_overlaps(const struct trace_request *request, uint64_t from_us, uint64_t to_us)
{
    return request->sent_us <= to_us && request->answered_us >= from_us;
}

const char *trace_describe(const struct trace_request *request)
{
    return keep_format("%s -> status %u, trouble %s, after %.1f ms and %u tries", request->operation,
                       request->status, request->trouble, (double)trace_took_us(request) / 1000,
                       request->tries);
}
