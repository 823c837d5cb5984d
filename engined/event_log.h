/*
 * The engine's event log: seq ascending from 1 without gaps, kept whole. Appended to inside the transaction
 * that applies the events.
 */
#pragma once

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

uint64_t event_log_id(const struct event_log *log);
uint64_t event_log_head(const struct event_log *log);    /* seq of the last event, 0: none */
uint64_t event_log_last_ms(const struct event_log *log); /* its time */

void event_log_append(struct event_log *log, uint32_t type, uint64_t at_ms, const uint8_t *payload,
                      size_t length);
/* The transaction was rolled back. */
void event_log_rolled_back(struct event_log *log);

/* Fills a pull's answer: events after `after_seq` of the given types, within LIMIT_PULL_EVENTS and
 * LIMIT_PULL_BYTES. In the arena. */
void event_log_read(struct event_log *log, uint64_t after_seq, const uint32_t *types, size_t type_count,
                    struct arena *arena, Pb__EventsPulled *out);

/* Calls `visit` for each event in order. */
void event_log_each(struct event_log *log,
                    void (*visit)(void *arg, uint32_t type, const uint8_t *payload, size_t length),
                    void *arg);
