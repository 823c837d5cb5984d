/*
 * One engine without sockets: the actor with a private database in a temporary directory, a clock that the
 * test sets, and the other engines played by the test. For unit tests of handlers, folds and restarts.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "engined/domain.h"
#include "proto/token.h"

struct harness;

struct harness *harness_open(const struct domain *domain);
void harness_close(struct harness *harness); /* removes the directory */

uint64_t harness_now_ms(const struct harness *harness); /* starts at 1,700,000,000,000 */
void harness_advance_ms(struct harness *harness, uint64_t ms);
/* The wall clock alone steps, also back. */
void harness_step_wall_ms(struct harness *harness, int64_t by_ms);
/* Frames from now on have this long (default LIMIT_DEADLINE_MS); 0: they come in expired. */
void harness_set_deadline_ms(struct harness *harness, uint64_t deadline_ms);

/* Decides one command in a batch of its own and commits. *reply (may be NULL) is NULL unless STATUS_OK; valid
 * until close. A command that defers is driven on: its look-ups are answered from harness_know, barriers by
 * what harness_feed_event queued. STATUS_DEFERRED comes back only when nothing more can be answered. */
enum status harness_run(struct harness *harness, uint64_t actor, const char *actor_name, uint16_t command,
                        const ProtobufCMessage *request, ProtobufCMessage **reply);
/* The same under a client's Idempotency-Key (hashed with the actor); *replayed says whether the stored answer
 * was given. */
enum status harness_run_keyed(struct harness *harness, uint64_t actor, const char *actor_name,
                              uint16_t command, const ProtobufCMessage *request, const char *key,
                              ProtobufCMessage **reply, bool *replayed);

/* The same command `count` times (LIMIT_BATCH_FRAMES at most), each with its own message, in one batch:
 * decided and committed in one turn, driven on where it defers. Answers are only counted: returns how many
 * were STATUS_OK. For measuring: nothing is kept until close. */
size_t harness_run_many(struct harness *harness, uint64_t actor, const char *actor_name, uint16_t command,
                        const ProtobufCMessage *const *requests, size_t count);

/* From now on the owner of the domain's look-up knows this id (and name). Others are missing. */
void harness_know(struct harness *harness, unsigned lookup, uint64_t id, const char *name);
/* An event appears in the log of another engine (seq counts up by itself) and is pulled and folded before
 * this returns. */
void harness_feed_event(struct harness *harness, enum domain_id source, const ProtobufCMessage *event);
/* The other engine's log is a new one (restored backup), empty: the next harness_feed_event or barrier finds
 * out. */
void harness_reset_source(struct harness *harness, enum domain_id source);

/* Closes and opens again on the same files. */
void harness_restart(struct harness *harness);
/* Empties the owned tables, applies the event log again, and compares all tables before and after: true when
 * equal. */
bool harness_rebuild_is_equal(struct harness *harness);
/* Bytes that are no batch, or not sealed with the key: true when the engine dropped them. */
bool harness_drops(struct harness *harness, const uint8_t *bytes, size_t length);
/* How many rows a table of the engine's file has. */
uint64_t harness_rows(struct harness *harness, const char *table);
/* Events in the engine's own log. */
uint64_t harness_head_seq(struct harness *harness);

/* The token's content; false: it is none of this engine, or has expired. */
bool harness_token(struct harness *harness, const char *text, struct token *token);
/* As the engine signs: `text` has TOKEN_TEXT_MAX. */
void harness_sign(struct harness *harness, struct token *token, char *text);
/* The password processes, played by the harness: how often they were asked; whether they answer. */
unsigned harness_passwords_asked(const struct harness *harness);
void harness_passwords_away(struct harness *harness, bool away);
const char *harness_directory(const struct harness *harness); /* where the engine's file is */

/* The source has a page of versions from now on, of this run, that says where its log ends; its answers tell
 * the run `told` (0: none). */
void harness_publish(struct harness *harness, enum domain_id source, uint64_t run, uint64_t told);
/* The page says that the log ends so far behind where it does, and is that much another one. */
void harness_publish_log(struct harness *harness, enum domain_id source, uint64_t id_offset,
                         uint64_t seq_offset);
/* How often a source was asked where its log ends. */
unsigned harness_heads_asked(const struct harness *harness);
