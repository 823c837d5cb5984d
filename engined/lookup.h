/*
 * Look-ups: what never changes once it is, asked of its owner on first need. All ids wanted in a turn go into
 * one request per row; one request a row is under way at a time. Positive answers are kept in the table
 * `known`; all answers of a turn are also seen by the commands decided again in that turn, so that "missing"
 * need not be stored.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "engined/domain.h"

struct lookups;

struct lookups *lookups_open(struct store *store, const struct lookup_row *rows, size_t count) MUST_USE;
void lookups_close(struct lookups *lookups);

/* PENDING: the id will be in the next request. */
enum lookup_result lookups_get(struct lookups *lookups, unsigned row, uint64_t id, struct arena *arena,
                               const char **name) MUST_USE;

/* The packed payload of the row's next request, or NULL when nothing is wanted or one is under way. Marks it
 * under way. */
const uint8_t *lookups_next_request(struct lookups *lookups, unsigned row, struct arena *arena,
                                    size_t *length);
/* The owner answered: `reply` is of the row's reply type. Seen by lookups_get until lookups_turn_over. */
void lookups_answered(struct lookups *lookups, unsigned row, const ProtobufCMessage *reply);
/* Keeps the positive answers of this turn; inside the transaction. */
void lookups_store(struct lookups *lookups);
/* No answer came. Who still waits wants its id again. */
void lookups_unanswered(struct lookups *lookups, unsigned row);
/* A command still waits for this id: it goes into the next request (a full request leaves some behind). */
void lookups_want(struct lookups *lookups, unsigned row, uint64_t id);
/* Whether this turn's answer covers the id: who waits for it may be decided again. */
bool lookups_decided(const struct lookups *lookups, unsigned row, uint64_t id);
void lookups_turn_over(struct lookups *lookups);
