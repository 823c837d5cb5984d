/*
 * What the requests of a forumd-sim run came to (its --trace), and which engines each needed. Times are
 * CLOCK_MONOTONIC in us, as the test's own (trace_now_us).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"

enum engine {
    ENGINE_USERS,
    ENGINE_SUBREDDITS,
    ENGINE_POSTS,
    ENGINE_COMMENTS,
    ENGINE_DMS,
    ENGINE_FEED,
};
#define ENGINE_COUNT (ENGINE_FEED + 1)
extern const char *const engine_names[ENGINE_COUNT];

#define NEEDS(engine) (1u << (engine))
#define NEEDS_ALL     (NEEDS(ENGINE_COUNT) - 1)

struct trace_request {
    uint64_t sent_us, answered_us;
    const char *operation;
    unsigned needs;  /* NEEDS() of the engines without which it cannot be answered */
    unsigned status; /* 0: no answer; then `trouble` is "reset", "refused", "timeout" or "other" */
    const char *trouble;
    unsigned tries;
    bool replayed, stale;
};

struct trace {
    struct trace_request *requests;
    size_t count;
};

/* What is there until now; lives until the test ends. Fails the test when it cannot be read. */
struct trace *trace_read(const char *path) MUST_USE;

uint64_t trace_now_us(void) MUST_USE;
uint64_t trace_took_us(const struct trace_request *request) MUST_USE;
/* 2xx, or the 409 that says that an earlier try, whose answer got lost, had come true. */
bool trace_is_good(const struct trace_request *request) MUST_USE;
/* Some of it was under way between these times. */
bool trace_overlaps(const struct trace_request *request, uint64_t from_us, uint64_t to_us) MUST_USE;
/* For messages. */
const char *trace_describe(const struct trace_request *request) MUST_USE;
