/*
 * What this engine died of. A request that trips an assert comes again after each restart: from the worker
 * that retries it, then from the client. So whoever dies writes down which request it was deciding, in the
 * file DOMAIN.crashes, and its successors refuse one that LIMIT_CRASHES of them died of, for a while. Only
 * deaths of the process's own making count (SIGABRT, SIGSEGV and the like, on the actor's thread): a kill
 * from outside says nothing about the request it hit.
 *
 * The notes help availability, no more: they are not synced, and when the file cannot be used there are none.
 * One per process (signal handlers need a place they know). Actor's thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/attributes.h"
#include "proto/trace.h"

struct crashes;

/* Reads DIR/NAME.crashes, forgets what is too old, and begins to watch. `now_ms` is wall time. */
struct crashes *crashes_open(const char *dir, const char *name, uint64_t now_ms) MUST_USE;
void crashes_close(struct crashes *crashes);

/* From now until crashes_decided a death is this request's. `fingerprint`: of what it asks, not of its id;
 * not 0. `trace`: for the last line in the log; what it names must stay until then. */
void crashes_deciding(struct crashes *crashes, uint64_t fingerprint, uint16_t command, uint64_t now_ms,
                      const struct trace *trace);
void crashes_decided(struct crashes *crashes);
/* Too many died of it: it must not be decided. */
bool crashes_blame(const struct crashes *crashes, uint64_t fingerprint, uint64_t now_ms) MUST_USE;
