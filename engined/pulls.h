/*
 * The source's side of following: pulls held open until there are events that the follower wants, answered no
 * sooner than LIMIT_PULL_GAP_MS after the follower's last answer - at once when it asked where the head is,
 * because then a read waits there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "engined/event_log.h"
#include "proto/engine.pb-c.h"
#include "proto/frame.h"

struct pulls;

/* A pull that is to be answered now. */
typedef void (*pull_answer_fn)(void *arg, void *message, uint64_t serial, const struct request_id *id,
                               const Pb__EventsPulled *pulled);

/* `run`: of this process, which the answers tell. */
struct pulls *pulls_new(struct event_log *log, uint64_t run, pull_answer_fn answer, void *arg) MUST_USE;
void pulls_free(struct pulls *pulls);

/* A pull came in. At most one a follower: an older one is answered empty. */
void pulls_hold(struct pulls *pulls, uint64_t follower, void *message, uint64_t serial,
                const struct request_id *id, const Pb__EventsPull *pull, uint64_t deadline_ms);
/* The follower asked for the head: it wants all up to there at once. */
void pulls_hurry(struct pulls *pulls, uint64_t follower);
/* Answers what is due. After the commit, outside any transaction that writes. */
void pulls_turn(struct pulls *pulls, struct arena *arena, uint64_t now_ms);
uint64_t pulls_next_ms(const struct pulls *pulls);
