/*
 * Answers that may be given again, as bytes. One is found by what was asked - target and token's user - and
 * only while nothing it rests on was raised (engine_pages.h). Worker's thread only.
 *
 * Bounded by bytes, all overhead included: what was not used since the hand last came by makes room (second
 * chance). One that is being sent is only referred to, and lives until its last client has it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "gateway/engine_pages.h"
#include "gateway/http_server.h"
#include "gateway/metrics.h"
#include "gateway/routes.h"

#define CACHE_HEADERS_MAX 2 /* Link, X-Total-Count */

struct cache;

/* What an answer is: its own fields, without those that each request has for itself. */
struct cached {
    const struct route *route;
    uint64_t user;  /* by token; 0: without one */
    uint64_t actor; /* who acts, also without a token; 0: nobody */
    const char *target;
    size_t target_length;
    struct http_header headers[CACHE_HEADERS_MAX]; /* names are static */
    size_t header_count;
    const char *etag; /* with its quotes */
    const char *body;
    size_t body_length;
    struct basis basis;
};

/* `bytes` 0: keeps nothing. */
struct cache *cache_new(size_t bytes, struct engine_pages *pages, struct metrics *metrics) MUST_USE;
/* When all that was referred to is let go. NULL is fine. */
void cache_free(struct cache *cache);
bool cache_is_on(const struct cache *cache) MUST_USE;

/* Where a target leads that somebody's answer is kept of; NULL: none. */
const struct route *cache_route(const struct cache *cache, const char *target, size_t length);
/* The answer, if it may be given again; NULL: ask. It is the cache's, and valid until the next cache_ call
 * unless it is held. */
const struct cached *cache_find(struct cache *cache, const char *target, size_t length,
                                uint64_t user) MUST_USE;
/* Keeps a copy of all of it. One of the same target and user makes way. Nothing happens to what is too large,
 * or is outdated already. */
void cache_keep(struct cache *cache, const struct cached *answer);

/* For http_answer.body_done: it is referred to from hold to done. */
void cached_hold(const struct cached *answer);
void cached_done(const void *body, size_t length, void *answer);
