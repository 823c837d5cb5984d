#include "engined/peers.h"

#include <stdlib.h>

#include "common/fatal.h"
#include "common/limits.h"
#include "proto/domains.h"

#define PEERS_MAX (DOMAIN_COUNT + LIMIT_PASSWORD_PROCESSES)

struct peer_call {
    struct peers *peers;
    struct ask ask;
    struct call *call; /* NULL until first needed */
};

struct peers {
    unsigned port_base;
    peers_answer_fn answer;
    void *arg;
    struct caller_hub *hub;
    struct caller *callers[PEERS_MAX]; /* engines, then password processes; NULL until first needed */
    struct peer_call calls[ASK_KINDS][DOMAIN_COUNT];
};

struct peers *peers_open(unsigned port_base, peers_answer_fn answer, void *arg)
{
    struct peers *peers = xcalloc(1, sizeof(*peers));
    peers->port_base = port_base;
    peers->answer = answer;
    peers->arg = arg;
    peers->hub = caller_hub_new();
    return peers;
}

void peers_close(struct peers *peers)
{
    for (int i = 0; i < PEERS_MAX; i++)
        if (peers->callers[i] != NULL)
            caller_close(peers->callers[i]);
    caller_hub_free(peers->hub);
    free(peers);
}

int peers_fd(const struct peers *peers)
{
    return caller_hub_fd(peers->hub);
}

void peers_dispatch(struct peers *peers)
{
    caller_hub_dispatch(peers->hub);
}

bool peers_stuck(struct peers *peers, uint64_t now_ms)
{
    return caller_hub_stuck(peers->hub, now_ms);
}

static void on_done(void *arg, enum call_result result, const uint8_t *bytes, size_t length)
{
    static const enum ask_result results[] = {
        [CALL_ANSWERED] = ASK_ANSWERED,
        [CALL_TIMED_OUT] = ASK_FAILED,
        [CALL_RESET] = ASK_RESET,
        [CALL_NOT_SENT] = ASK_FAILED,
    };
    struct peer_call *call = arg;
    call->peers->answer(call->peers->arg, call->ask, results[result], bytes, length);
}

static struct caller *caller_of(struct peers *peers, struct ask ask, enum domain_id to)
{
    char url[DOMAIN_URL_MAX];
    unsigned index = to == DOMAIN_PASSWORDS ? DOMAIN_COUNT + ask.index : to;
    if (peers->callers[index] == NULL) {
        if (to == DOMAIN_PASSWORDS)
            passwords_url(peers->port_base, ask.index, url);
        else
            domain_url(peers->port_base, to, url);
        peers->callers[index] = caller_open(peers->hub, url);
    }
    return peers->callers[index];
}

void peers_ask(struct peers *peers, struct ask ask, enum domain_id to, const uint8_t *bytes, size_t length,
               uint64_t timeout_ms)
{
    ensure(ask.index < DOMAIN_COUNT);
    struct peer_call *call = &peers->calls[ask.kind][ask.index];
    if (call->call == NULL) {
        call->peers = peers;
        call->ask = ask;
        call->call = call_new(caller_of(peers, ask, to), on_done, call);
    }
    call_start(call->call, bytes, length, timeout_ms);
}
