/*
 * One client request from the match in the route table to its answer: checks, decoding, the users that must
 * exist, the frame to the engine, a second step where the route says so. Worker's thread only.
 */
#pragma once

#include <stdint.h>

#include "common/attributes.h"
#include "gateway/admission.h"
#include "gateway/cache.h"
#include "gateway/closed_sessions.h"
#include "gateway/engine_board.h"
#include "gateway/engine_client.h"
#include "gateway/engine_pages.h"
#include "gateway/http_server.h"
#include "gateway/known_keys.h"
#include "gateway/known_users.h"
#include "gateway/metrics.h"
#include "gateway/options.h"
#include "gateway/rates.h"
#include "gateway/request_ids.h"
#include "gateway/signed_post.h"
#include "gateway/token_checker.h"
#include "proto/domains.h"

#define REQUESTS_KEPT     1024 /* slots kept for reuse */
#define REQUEST_QUERY_MAX 32   /* parameters in a query */
#define REQUEST_HELD_KEPT 4096 /* bytes that a slot may keep for reuse */
#define REQUEST_TOUCH_MS  1000 /* how long a notice of presence may wait for its engine */

/* What requests work with; the worker's, and outlives them. */
struct request_services {
    const struct gateway_options *options;
    struct engine_client *engines[DOMAIN_COUNT]; /* by domain; [DOMAIN_ENGINE] is NULL */
    struct engine_board *board;
    struct known_users *users;
    struct known_keys *keys;
    struct signed_posts *signed_posts;
    struct token_checker *tokens;
    const struct closed_sessions *closed;
    struct engine_pages *pages;
    struct cache *cache;
    struct metrics *metrics;
    struct admission *admission;
    struct request_ids *ids;
    const struct rates *rates;
    uint64_t started_ms; /* of this worker, CLOCK_MONOTONIC */
};

struct requests; /* all of a worker's */
struct request;

struct requests *requests_new(const struct request_services *services) MUST_USE;
/* After the server and the engine clients: nothing may come back any more. NULL is fine. */
void requests_free(struct requests *requests);

/* For http_server_new. */
void requests_hooks(struct requests *requests, struct http_hooks *hooks);
/* At the end of each turn: tells who acted. When it is due next: requests_next_ms. */
void requests_turn(struct requests *requests, uint64_t now_ms);
uint64_t requests_next_ms(const struct requests *requests);
