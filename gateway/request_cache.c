#include "gateway/request_cache.h"

#include <string.h>

#include "gateway/cache.h"
#include "gateway/cache_rules.h"
#include "gateway/request_rates.h"
#include "gateway/request_state.h"
#include "gateway/request_step.h"

/* Whatever it is: its reply says which process answers. */
#define PING_MS 1000

const struct route *request_cached_route(const struct request *request, const char *target)
{
    const struct cache *cache = request->requests->services.cache;
    if (!cache_is_on(cache) || !request_is_read(request))
        return NULL;
    return cache_route(cache, target, strlen(target));
}

/* Presence is told of whom the worker knows by name. False: the long way finds the name out. */
static bool tell_actor(struct request *request, const struct cached *kept)
{
    struct known_users *users = request->requests->services.users;
    request->actor = kept->actor;
    if (request->actor == 0)
        return true;
    if (request->actor == request->identity.user)
        known_users_learn(users, request->actor, request->identity.name);
    if (known_users_name(users, request->actor) == NULL)
        return false;
    known_users_touch(users, request->actor, request->arrival_us / 1000);
    return true;
}

/*
 * What does not depend on the answer is looked at as on the long way: the token and its session, the limits
 * of address and user. What depends on nothing but target, token's user and mode came out well before, or
 * there would be no answer: the route's rule, who acts, the fields, and whether the users exist, who never
 * go.
 */
bool request_answer_from_cache(struct request *request, const char *target)
{
    const struct request_services *services = &request->requests->services;
    enum status status =
        auth_identify(services->tokens, services->closed,
                      http_exchange_header(request->exchange, "Authorization"), &request->identity);
    if (status != STATUS_OK)
        return false;
    const struct cached *kept = cache_find(services->cache, target, strlen(target), request->identity.user);
    if (kept == NULL || !tell_actor(request, kept))
        return false;
    cached_hold(kept);
    if (!request_admit_actor(request, NULL)) {
        cached_done(kept->body, kept->body_length, (void *)(uintptr_t)kept);
        return true;
    }
    metrics_add(services->metrics, METRIC_CACHE_HITS, 1);
    request_answer_kept(request, kept);
    return true;
}

static void on_pong(void *arg, const struct engine_reply *reply)
{
    (void)arg, (void)reply; /* engine_client.c has noted the run */
}

/* A feed rests on what engines say that a worker may never have asked. */
static void ask_for_runs(struct request *request)
{
    const struct request_services *services = &request->requests->services;
    for (unsigned i = 0; i < request->basis.owner_count; i++) {
        enum domain_id owner = request->basis.marks[i].owner;
        if (!engine_pages_wants_answer(services->pages, owner))
            continue;
        struct engine_request frame = {
            .command = COMMAND_ID_engine_ping,
            .actor_name = "",
            .deadline_ms = request->arrival_us / 1000 + PING_MS,
        };
        request_ids_next(services->ids, &frame.id);
        (void)!engine_client_send(services->engines[owner], &frame, on_pong, NULL);
    }
}

void request_cache_begin(struct request *request, const ProtobufCMessage *message)
{
    const struct request_services *services = &request->requests->services;
    const struct cache_rule *rule = request->route->cache;
    if (rule == NULL || !cache_is_on(services->cache))
        return;
    metrics_add(services->metrics, METRIC_CACHE_MISSES, 1);
    request->basis.keys = request->basis_keys;
    if (!cache_rule_begin(rule, schema_commands[request->route->command].request, message, &request->basis))
        return;
    request->keep = engine_pages_mark(services->pages, &request->basis);
    if (!request->keep)
        ask_for_runs(request);
}

void request_cache_learn(struct request *request, const ProtobufCMessage *reply)
{
    const struct route *route = request->route;
    request->keep = request->keep && cache_rule_end(route->cache, schema_commands[route->command].reply,
                                                    reply, &request->basis);
}

void request_cache_keep(struct request *request, const struct http_answer *answer, size_t own_headers,
                        const char *etag)
{
    const char *target = http_exchange_target(request->exchange);
    if (!request->keep || own_headers > CACHE_HEADERS_MAX)
        return;
    struct cached kept = {
        .route = request->route,
        .user = request->identity.user,
        .actor = request->actor,
        .target = target,
        .target_length = strlen(target),
        .header_count = own_headers,
        .etag = etag,
        .body = answer->body,
        .body_length = answer->body_length,
        .basis = request->basis,
    };
    memcpy(kept.headers, answer->headers, own_headers * sizeof(kept.headers[0]));
    cache_keep(request->requests->services.cache, &kept);
}
