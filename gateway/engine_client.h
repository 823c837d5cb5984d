/*
 * A worker's side of one engine: requests wait here, go out in batches, and come back by a callback, once
 * each, at their deadline at the latest. Worker's thread only.
 *
 * In flight: one batch, and one collect from the first deferred frame on. A frame that was with an engine
 * that died is a suspect: it goes out again under its request id, alone in its batch, LIMIT_FRAME_RETRIES
 * times at most; the last time nothing else goes out until it is decided, so that what dies of it takes
 * nothing along. After a batch that was not answered in time the circuit is open: new requests are refused at
 * once until a ping is answered.
 *
 * What waits is bounded by time: requests beyond what the engine decides in LIMIT_QUEUE_MS are refused,
 * unless it is not there at all - then they wait for its return. Retries and further steps are never refused
 * so.
 *
 * Answers are as much work as requests are, and a batch has up to LIMIT_BATCH_FRAMES of them. So that no turn
 * is that long, `enough` may interrupt: the rest of a reply is held for the next turns. The engine goes on
 * meanwhile, until LIMIT_REPLIES_HELD are held. When its connection breaks, or another run of it answers, all
 * that is held is done with first.
 *
 * It knows neither NNG nor the clock: both come through the transport (engine_links.c has the real one), so
 * tests drive it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "common/caller.h"
#include "gateway/metrics.h"
#include "gateway/request_ids.h"
#include "proto/domains.h"
#include "proto/engine.pb-c.h"
#include "proto/frame.h"
#include "proto/status.h"

#define ENGINE_PROBE_GAP_MS     100 /* between two pings while the circuit is open */
#define ENGINE_PROBE_TIMEOUT_MS 1000
#define ENGINE_COLLECT_GAP_MS   100 /* before the next try, after a collect that failed */
#define ENGINE_GRACE_MS         100 /* a batch may be answered that long after the last of its requests expired */
#define ENGINE_COLLECT_SLACK_MS 1000 /* a collect is answered at most that long after its deadline */

#define ENGINE_PENDING_BYTES (64u << 20) /* payloads of all requests of one client */

/* Contracts as in common/caller.h. */
struct engine_transport {
    void *(*call_new)(void *peer, call_done_fn done, void *arg);
    void (*call_start)(void *call, const uint8_t *bytes, size_t length, uint64_t timeout_ms);
    void (*call_cancel)(void *call);
    uint64_t (*now_us)(void *peer); /* CLOCK_MONOTONIC */
};

struct engine_client_config {
    enum domain_id domain;
    const struct engine_transport *transport;
    void *peer; /* for call_new and now_us */
    const struct mac_key *key;
    struct request_ids *ids;
    struct metrics *metrics;
    uint64_t *run; /* gets the run of the engine that answers; NULL: nobody asks */
    /* Asked after each answer: whether this turn had enough of them. NULL: never. */
    bool (*enough)(void *arg);
    void *enough_arg;
};

struct engine_client;

/* What config points to must outlive the client. */
struct engine_client *engine_client_new(const struct engine_client_config *config) MUST_USE;
/* Ends its calls; no callback runs any more. NULL is fine. */
void engine_client_free(struct engine_client *client);

struct engine_request {
    uint16_t command;
    uint16_t flags; /* REQUEST_CLIENT_KEY or 0 */
    struct request_id id;
    uint64_t actor;         /* 0: nobody */
    const char *actor_name; /* "" when nobody */
    const uint8_t *payload; /* copied */
    size_t length;
    uint64_t deadline_ms; /* CLOCK_MONOTONIC */
    bool admitted;        /* a further step of a request that an engine has worked on already */
    uint64_t trace;       /* the number of the client's request (proto/trace.h); 0: it is for none */
    const char *given_id; /* what the client called it; NULL: nothing. Must stay until `done` */
};

/* Where a request's time went, as far as it was told; sums over its steps. */
struct engine_times {
    uint64_t queue_us;        /* waited for its batch */
    uint64_t hop_us;          /* on the way there and back, and until this process looked */
    uint64_t engine_queue_us; /* waited for the engine's turn */
    uint64_t decide_us;       /* the turn, up to its commit */
    uint64_t commit_us;
    uint64_t parked_us;       /* waited for something that the engine asked another for ... */
    Pb__ParkedFor parked_for; /* ... the longest time for this */
    uint64_t lost_us;         /* with an engine that died, or did not answer */
    unsigned steps;
};
/* "nothing", "lookup", "sources" or "password"; what a newer engine may say besides is "other". */
const char *engine_parked_for(const struct engine_times *times);
void engine_times_add(struct engine_times *sum, const struct engine_times *times);

struct engine_reply {
    uint16_t status; /* enum status; any but STATUS_DEFERRED */
    uint16_t flags;  /* enum reply_flags */
    const uint8_t *payload;
    size_t length;
    unsigned batch_size; /* frames in the batch it went out with; 0: it never did */
    struct engine_times times;
};
/* The payload is valid during the call only. May send, on any client; may not free one. */
typedef void (*engine_reply_fn)(void *arg, const struct engine_reply *reply);

/* STATUS_OK: taken; `done` runs once, later. Else it is refused with that status and `done` does not run. */
enum status engine_client_send(struct engine_client *client, const struct engine_request *request,
                               engine_reply_fn done, void *arg) MUST_USE;

/* At the end of each turn of the loop: sends what waits, if nothing is in flight. */
void engine_client_flush(struct engine_client *client);
/* Answers that are held, deadlines, probes. To be called when engine_client_next_ms has come. */
void engine_client_tick(struct engine_client *client);
/* UINT64_MAX: nothing is due; 0: in each turn. */
uint64_t engine_client_next_ms(const struct engine_client *client);

/* Requests that wait or are under way, those included that nobody waits for any more. */
size_t engine_client_pending(const struct engine_client *client);
/* It did not answer in time, and has not since: its requests are refused. */
bool engine_client_circuit_open(const struct engine_client *client);
enum domain_id engine_client_domain(const struct engine_client *client);
