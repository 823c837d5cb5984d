/* The questions an engine asks other engines: one call (NNG context, common/caller.h) per kind and index.
 * Actor's thread. */
#pragma once

#include "common/attributes.h"
#include "common/caller.h"
#include "engined/engine.h"

struct peers;

/* How an answer reaches the engine: on the actor's thread, from peers_dispatch. */
typedef void (*peers_answer_fn)(void *arg, struct ask ask, enum ask_result result, const uint8_t *bytes,
                                size_t length);

struct peers *peers_open(unsigned port_base, peers_answer_fn answer, void *arg) MUST_USE;
void peers_close(struct peers *peers);

int peers_fd(const struct peers *peers); /* readable: dispatch */
void peers_dispatch(struct peers *peers);
/* In each turn: true when the process must end (caller_hub_stuck). */
bool peers_stuck(struct peers *peers, uint64_t now_ms) MUST_USE;
void peers_ask(struct peers *peers, struct ask ask, enum domain_id to, const uint8_t *bytes, size_t length,
               uint64_t timeout_ms);
