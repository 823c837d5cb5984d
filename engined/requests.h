/*
 * The request table: the answers of decided writes by request id, so that a write which comes again gets its
 * first answer and has no second effect. Looked at when a command is decided, written in the transaction that
 * decides it. Only 2xx answers are kept.
 *
 * Times (now_ms, expires_ms) are wall time as it was when the engine started, and without steps since: a
 * clock that is set forward may not make an engine forget what is about to be tried again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "engined/store.h"
#include "proto/frame.h"

struct requests;

struct requests *requests_open(struct store *store) MUST_USE;
void requests_close(struct requests *requests);
void requests_rolled_back(struct requests *requests);

enum requests_found {
    REQUEST_NEW,
    REQUEST_KNOWN,    /* *reply, *length: the first answer, in the arena */
    REQUEST_MISMATCH, /* the id was used for another command or payload */
};
/* `now_ms`: what a client's id has to outlive. A worker's own never comes again, so it counts as long as it
 * is there. */
enum requests_found requests_find(struct requests *requests, const struct request_id *id,
                                  uint64_t fingerprint, uint64_t now_ms, struct arena *arena,
                                  const uint8_t **reply, size_t *length) MUST_USE;

/* Whether one more client key may be remembered. */
bool requests_has_room(const struct requests *requests) MUST_USE;
/* `client`: the id was made from an Idempotency-Key. */
void requests_remember(struct requests *requests, const struct request_id *id, bool client,
                       uint64_t fingerprint, uint64_t expires_ms, const uint8_t *reply, size_t length);
/* Forgets what expired before now_ms, `rows` of each kind at most; workers' own ids only if that is said. */
void requests_prune(struct requests *requests, uint64_t now_ms, uint64_t rows, bool workers_too);
