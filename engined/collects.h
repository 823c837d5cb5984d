/*
 * Answers to deferred frames on their way back: per sending process the answers decided and not yet
 * collected, and the collect it holds open. Answers that nobody collects are forgotten when their frame's
 * deadline has passed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "engined/timing.h"
#include "proto/frame.h"

struct collects;

/* A collect that is to be answered now: the owner sends `batch` (not yet sealed) to `message`. */
typedef void (*collect_answer_fn)(void *arg, void *message, struct batch *batch);

struct collects *collects_new(collect_answer_fn answer, void *arg) MUST_USE;
void collects_free(struct collects *collects);

/* Keeps a decided frame's answer (payload copied), and what is to be told of its time (NULL: nothing). False:
 * too many wait (LIMIT_DECIDED); it is lost, and its sender's deadline passes. */
bool collects_add(struct collects *collects, uint64_t sender, const struct reply_frame *reply,
                  const struct frame_time *time, uint64_t deadline_ms) MUST_USE;
/* A collect came in; an older one of the same sender is answered empty. */
void collects_hold(struct collects *collects, uint64_t sender, void *message, uint64_t serial,
                   uint64_t deadline_ms);
/* Answers each collect that has something, or whose deadline is near; forgets what is too old. `run` is this
 * engine's run id. */
void collects_turn(struct collects *collects, uint64_t run, uint64_t now_ms);
/* When collects_turn is due without anything happening; UINT64_MAX: never. */
uint64_t collects_next_ms(const struct collects *collects);
size_t collects_waiting(const struct collects *collects);
