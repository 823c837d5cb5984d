/*
 * The engine's event log: seq ascending from 1 without gaps, kept whole. Appended to inside the transaction
 * that applies the events.
 *
 * A place in it is a timeline's id and a seq. Each process that appends begins a timeline with its first
 * event (not at its start, so that a full disk hinders no start). So a follower's place tells whether what it
 * read is still the beginning of this log, also after an older copy of the file was put back and has grown
 * again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "engined/store.h"
#include "proto/engine.pb-c.h"

struct event_log;

/* The tables exist already (schema.sql). Gives the log its random id when it is new. */
struct event_log *event_log_open(struct store *store) MUST_USE;
void event_log_close(struct event_log *log);

uint64_t event_log_id(const struct event_log *log);      /* of the timeline that the head is in */
uint64_t event_log_head(const struct event_log *log);    /* seq of the last event, 0: none */
uint64_t event_log_last_ms(const struct event_log *log); /* its time */

/* Whether who read up to `seq` when `id` was the log's id has read what this log begins with. `id` 0: who
 * read nothing yet. */
bool event_log_holds(const struct event_log *log, uint64_t id, uint64_t seq) MUST_USE;

void event_log_append(struct event_log *log, uint32_t type, uint64_t at_ms, const uint8_t *payload,
                      size_t length);
/* The transaction was rolled back. */
void event_log_rolled_back(struct event_log *log);

/* Fills a pull's answer: events after `after_seq` of the given types, within LIMIT_PULL_EVENTS,
 * LIMIT_PULL_BYTES and LIMIT_PULL_SCAN. In the arena. */
void event_log_read(struct event_log *log, uint64_t after_seq, const uint32_t *types, size_t type_count,
                    struct arena *arena, Pb__EventsPulled *out);

/* Calls `visit` for each event in order. */
void event_log_each(struct event_log *log,
                    void (*visit)(void *arg, uint32_t type, const uint8_t *payload, size_t length),
                    void *arg);
