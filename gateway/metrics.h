/*
 * Counters of all workers in one shared page (a memfd that the master makes and every worker maps): a slot
 * each, which outlives the worker. Relaxed C11 atomics, no locks: a worker killed at any instruction leaves
 * them usable. Any worker can print the sums. Gauges count while their worker's loop turns.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "gateway/json_encode.h"
#include "proto/domains.h"

/* How large the memfd must be; for the master. */
size_t metrics_page_bytes(unsigned slots) MUST_USE;

struct metrics; /* a worker's view: the page and its own slot */

/* `fd` -1 (unit tests): a private page. A page laid out by another version of the program is left alone, and
 * counted into a private one. Sets the slot's gauges to 0: its last worker is gone. Exits (EXIT_OS) when it
 * cannot be mapped. */
struct metrics *metrics_open(int fd, unsigned slots, unsigned slot) MUST_USE;
/* For the master: it reads and counts nothing. */
struct metrics *metrics_view(int fd, unsigned slots) MUST_USE;
void metrics_close(struct metrics *metrics);

/* Counted by name; counters only grow. */
#define METRICS_TABLE(X)                                                                                     \
    X(WORKERS, "gateway_workers_up", "gauge", "worker processes whose loop turns")                           \
    X(WORKER_STARTS, "gateway_worker_starts_total", "counter", "workers started, by reloads too")            \
    X(WORKER_RESTARTS, "gateway_worker_restarts_total", "counter", "workers started again after a death")    \
    X(RESIDENT_BYTES, "gateway_resident_memory_bytes", "gauge", "memory that the workers have")              \
    X(CONNECTIONS, "http_connections", "gauge", "open client connections")                                   \
    X(CONNECTIONS_MAX, "http_connections_max", "gauge", "client connections that there may be")              \
    X(ACCEPTED, "http_accepted_total", "counter", "client connections accepted")                             \
    X(REFUSED_HEADS, "http_refused_heads_total", "counter", "requests refused by the head checker")          \
    X(CLIENT_TIMEOUTS, "http_client_timeouts_total", "counter",                                              \
      "connections closed at a deadline for the client")                                                     \
    X(CLIENTS_GONE, "http_clients_gone_total", "counter", "clients that left before their answer")           \
    X(LIMITED_REGISTER, "http_limited_register_total", "counter",                                            \
      "requests refused by the limit of registrations")                                                      \
    X(LIMITED_LOGIN, "http_limited_login_total", "counter", "requests refused by the limit of log-ins")      \
    X(LIMITED_WRITE, "http_limited_write_total", "counter", "requests refused by the limit of writes")       \
    X(LIMITED_READ, "http_limited_read_total", "counter", "requests refused by the limit of reads")          \
    X(LOGINS_SLOWED, "http_logins_slowed_total", "counter",                                                  \
      "passwords not looked at because of failures before")                                                  \
    X(BATCHES, "gateway_batches_total", "counter", "batches sent to engines")                                \
    X(FRAMES, "gateway_frames_total", "counter", "request frames sent to engines")                           \
    X(DEFERRED, "gateway_deferred_total", "counter", "frames that engines deferred")                         \
    X(RETRIES, "gateway_retries_total", "counter", "frames sent again after an engine died")                 \
    X(RESETS, "gateway_resets_total", "counter", "calls that ended with a broken connection")                \
    X(TIMEOUTS, "gateway_timeouts_total", "counter", "batches that were not answered in time")               \
    X(EXPIRED, "gateway_expired_total", "counter", "requests that met their deadline")                       \
    X(OVERLOADED, "gateway_overloaded_total", "counter", "requests refused because a queue was full")        \
    X(SHED_WORKER, "gateway_shed_worker_total", "counter", "requests refused because a worker was behind")   \
    X(SHED_ENGINE, "gateway_shed_engine_total", "counter", "requests refused because an engine was behind")  \
    X(CIRCUIT_REFUSED, "gateway_circuit_refused_total", "counter",                                           \
      "requests refused while a circuit was open")                                                           \
    X(CACHE_HITS, "gateway_cache_hits_total", "counter", "answers given again")                              \
    X(CACHE_MISSES, "gateway_cache_misses_total", "counter", "reads that could have been in the cache")      \
    X(CACHE_OUTDATED, "gateway_cache_outdated_total", "counter",                                             \
      "kept answers of which something had changed")                                                         \
    X(CACHE_EVICTED, "gateway_cache_evicted_total", "counter", "kept answers that had to make room")         \
    X(CACHE_ENTRIES, "gateway_cache_entries", "gauge", "answers kept")                                       \
    X(CACHE_BYTES, "gateway_cache_bytes", "gauge", "memory that they take")                                  \
    X(BAD_MACS, "gateway_bad_macs_total", "counter", "replies dropped because of a wrong MAC")               \
    X(BAD_REPLIES, "gateway_bad_replies_total", "counter", "replies dropped because they could not be read")

enum metric {
#define X(NAME, name, type, help) METRIC_##NAME,
    METRICS_TABLE(X)
#undef X
        METRIC_COUNT,
};

void metrics_add(struct metrics *metrics, enum metric metric, int64_t amount);
/* For gauges that are not counted up and down. */
void metrics_set(struct metrics *metrics, enum metric metric, int64_t value);
/* What waits for an engine or is with it, and whether its circuit is open. */
void metrics_engine(struct metrics *metrics, enum domain_id domain, size_t pending, bool circuit_open);
/* The route's index in routes[], or METRICS_NO_ROUTE. */
#define METRICS_NO_ROUTE ((size_t)-1)
void metrics_request(struct metrics *metrics, size_t route, unsigned http_status, uint64_t took_us);
void metrics_batch(struct metrics *metrics, unsigned frames);

/* What each of the gateway's processes says of itself in the page, for forumctl status and /metrics. */
struct metrics_process {
    uint64_t started_ms; /* CLOCK_MONOTONIC, like all times here */
    unsigned restarts;   /* since its supervisor runs */
};
/* A worker, once: it serves in its slot from now on, until metrics_close. */
void metrics_worker_begin(struct metrics *metrics, const struct metrics_process *process);
/* In each of the worker's turns, once a second at least: the gauges of who does not are left out. */
void metrics_worker_turn(struct metrics *metrics, uint64_t now_ms);

/* The master's place in the page that it made. */
struct metrics_master;
struct metrics_master *metrics_master_open(int fd, unsigned slots, unsigned workers,
                                           const struct metrics_process *process) MUST_USE;
void metrics_master_turn(struct metrics_master *master, uint64_t now_ms);
void metrics_master_close(struct metrics_master *master);

/* Prometheus text of the sums over all slots; a gauge's over those that are alive. */
void metrics_print(const struct metrics *metrics, uint64_t now_ms, struct text *out);
/* Requests answered so far, of all kinds; 0 while the page is another version's. */
uint64_t metrics_requests(const struct metrics *metrics) MUST_USE;
/* One value, summed; for tests and /metrics. */
int64_t metrics_sum(const struct metrics *metrics, enum metric metric) MUST_USE;
