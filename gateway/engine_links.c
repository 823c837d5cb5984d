#include "gateway/engine_links.h"

#include <stdlib.h>

#include "common/caller.h"
#include "common/clock.h"
#include "common/fatal.h"
#include "common/limits.h"
#include "gateway/session_follower.h"

struct engine_links {
    struct metrics *metrics;
    struct caller_hub *hub;
    struct caller *callers[DOMAIN_COUNT];
    struct engine_client *clients[DOMAIN_COUNT];
    struct engine_board *board;
    struct session_follower *follower;
    unsigned answers;    /* worked on in this turn */
    uint64_t answers_us; /* when the first of them was done */
    unsigned turns;
};

static void *link_call_new(void *peer, call_done_fn done, void *arg)
{
    return call_new(peer, done, arg);
}

static void link_call_start(void *call, const uint8_t *bytes, size_t length, uint64_t timeout_ms)
{
    call_start(call, bytes, length, timeout_ms);
}

static void link_call_cancel(void *call)
{
    call_cancel(call);
}

static uint64_t link_now_us(void *peer)
{
    (void)peer;
    return clock_monotonic_us();
}

static const struct engine_transport nng_transport = {
    .call_new = link_call_new,
    .call_start = link_call_start,
    .call_cancel = link_call_cancel,
    .now_us = link_now_us,
};

/* How long the answers of a turn may take together; their writing, at its end, takes about as long again. */
static bool answers_are_enough(void *arg)
{
    struct engine_links *links = arg;
    uint64_t now_us = clock_monotonic_us();
    if (links->answers++ == 0)
        links->answers_us = now_us;
    return links->answers >= LIMIT_TURN_ANSWERS_MIN &&
           now_us - links->answers_us >= LIMIT_TURN_ANSWERS_MS * 1000u;
}

struct engine_links *engine_links_open(unsigned port_base, const struct mac_key *key, struct request_ids *ids,
                                       struct metrics *metrics, struct closed_sessions *closed,
                                       struct engine_pages *pages)
{
    struct engine_links *links = xcalloc(1, sizeof(*links));
    void *peers[DOMAIN_COUNT] = {0};
    links->metrics = metrics;
    links->hub = caller_hub_new();
    for (int i = DOMAIN_FIRST; i < DOMAIN_COUNT; i++) {
        char url[DOMAIN_URL_MAX];
        domain_url(port_base, (enum domain_id)i, url);
        peers[i] = links->callers[i] = caller_open(links->hub, url);
        struct engine_client_config config = {
            .domain = (enum domain_id)i,
            .transport = &nng_transport,
            .peer = links->callers[i],
            .key = key,
            .ids = ids,
            .metrics = metrics,
            .run = engine_pages_run(pages, (enum domain_id)i),
            .enough = answers_are_enough,
            .enough_arg = links,
        };
        links->clients[i] = engine_client_new(&config);
    }
    links->board = engine_board_new(&nng_transport, peers, key, ids);
    links->follower = session_follower_new(&nng_transport, peers[DOMAIN_USERS], key, ids, closed);
    return links;
}

void engine_links_close(struct engine_links *links)
{
    if (links == NULL)
        return;
    session_follower_free(links->follower);
    engine_board_free(links->board);
    for (int i = DOMAIN_FIRST; i < DOMAIN_COUNT; i++) {
        engine_client_free(links->clients[i]);
        caller_close(links->callers[i]);
    }
    caller_hub_free(links->hub);
    free(links);
}

struct engine_client *engine_links_client(const struct engine_links *links, enum domain_id domain)
{
    return links->clients[domain];
}

struct engine_board *engine_links_board(const struct engine_links *links)
{
    return links->board;
}

int engine_links_fd(const struct engine_links *links)
{
    return caller_hub_fd(links->hub);
}

void engine_links_dispatch(struct engine_links *links)
{
    caller_hub_dispatch(links->hub);
}

bool engine_links_stuck(struct engine_links *links, uint64_t now_ms)
{
    return caller_hub_stuck(links->hub, now_ms);
}

void engine_links_turn(struct engine_links *links, uint64_t now_ms)
{
    enum { ENGINES = DOMAIN_COUNT - DOMAIN_FIRST };
    unsigned first = links->turns++ % ENGINES; /* each in turn is the first whose held answers get the time */
    if (session_follower_next_ms(links->follower) <= now_ms)
        session_follower_tick(links->follower);
    for (unsigned i = 0; i < ENGINES; i++) {
        struct engine_client *client = links->clients[DOMAIN_FIRST + (first + i) % ENGINES];
        if (engine_client_next_ms(client) <= now_ms)
            engine_client_tick(client);
    }
    links->answers = 0;
    for (int i = DOMAIN_FIRST; i < DOMAIN_COUNT; i++)
        engine_client_flush(links->clients[i]);
    for (int i = DOMAIN_FIRST; i < DOMAIN_COUNT; i++) {
        const struct engine_client *client = links->clients[i];
        metrics_engine(links->metrics, (enum domain_id)i, engine_client_pending(client),
                       engine_client_circuit_open(client));
    }
}

uint64_t engine_links_next_ms(const struct engine_links *links)
{
    uint64_t next_ms = session_follower_next_ms(links->follower);
    for (int i = DOMAIN_FIRST; i < DOMAIN_COUNT; i++) {
        uint64_t own_ms = engine_client_next_ms(links->clients[i]);
        if (own_ms < next_ms)
            next_ms = own_ms;
    }
    return next_ms;
}
