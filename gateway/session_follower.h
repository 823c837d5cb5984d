/*
 * Follows the users engine's event log for sessions that were closed, and adds them to the page of
 * closed_sessions.h. One pull is under way at all times; the engine holds it until there is something, so
 * that a closed session is known here within milliseconds. Worker's thread only.
 *
 * As long as no worker ever had the whole list, it first asks where the log ends, which also makes the engine
 * answer the pulls up to there at once.
 */
#pragma once

#include <stdint.h>

#include "common/attributes.h"
#include "gateway/closed_sessions.h"
#include "gateway/engine_client.h"
#include "gateway/request_ids.h"

#define SESSION_FOLLOWER_GAP_MS 100 /* before the next try, after a question that failed */

struct session_follower;

/* `peer` is the users engine's, as in engine_client_config. What is pointed to must outlive it. */
struct session_follower *session_follower_new(const struct engine_transport *transport, void *peer,
                                              const struct mac_key *key, struct request_ids *ids,
                                              struct closed_sessions *closed) MUST_USE;
void session_follower_free(struct session_follower *follower); /* NULL is fine */

/* Asks when it is due. */
void session_follower_tick(struct session_follower *follower);
/* When it is due without anything happening (CLOCK_MONOTONIC); UINT64_MAX: a question is under way. */
uint64_t session_follower_next_ms(const struct session_follower *follower);
