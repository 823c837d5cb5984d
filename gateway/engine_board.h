/*
 * How the engines are: pings all of them in parallel for /ready and /metrics, on calls of their own. Askers
 * that come while a round is under way share it. Worker's thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/attributes.h"
#include "gateway/engine_client.h"
#include "proto/domains.h"
#include "proto/engine.pb-c.h"

#define ENGINE_BOARD_TIMEOUT_MS 500

struct engine_board;

/* `peers` by domain, as in engine_client_config. What is pointed to must outlive the board. */
struct engine_board *engine_board_new(const struct engine_transport *transport, void *const *peers,
                                      const struct mac_key *key, struct request_ids *ids) MUST_USE;
/* Waiters are forgotten. NULL is fine. */
void engine_board_free(struct engine_board *board);

/* Memory is the asker's; must stay until it was called back. */
struct engine_waiter {
    TAILQ_ENTRY(engine_waiter) link;
    void (*done)(void *arg);
    void *arg;
};
/* Calls back once, later, after ENGINE_BOARD_TIMEOUT_MS at most. */
void engine_board_ask(struct engine_board *board, struct engine_waiter *waiter);

enum engine_condition {
    ENGINE_DOWN,   /* no process listens: it ended, starts, or waits to be started again */
    ENGINE_SILENT, /* one does, and did not answer in time */
    ENGINE_UP,
};
const char *engine_condition_name(enum engine_condition condition);

struct engine_state {
    bool up; /* answered in the last round */
    enum engine_condition condition;
    uint64_t latency_us;     /* of its answer */
    Pb__EngineStatus status; /* zero where it is not up; its texts are not kept */
    bool was_up;             /* this worker has had an answer of it */
    uint64_t restarts;       /* as it said last; while it is down, too */
};
/* As the last round found it. */
const struct engine_state *engine_board_state(const struct engine_board *board, enum domain_id domain);
