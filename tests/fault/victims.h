/* The kinds of processes of a forum, and the killing of one. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "common/attributes.h"
#include "tests/fault/trace.h"
#include "tests/lib/forum.h"

enum victim { /* the engines first, numbered as in enum engine */
              VICTIM_WORKER = ENGINE_COUNT,
              VICTIM_MASTER,
              VICTIM_LAUNCHER, /* takes all others along, and comes back only when it is started again */
};
#define VICTIM_COUNT (VICTIM_LAUNCHER + 1)

const char *victim_name(int victim) MUST_USE;
/* For forum_processes. */
const char *victim_role(int victim) MUST_USE;

struct outage {
    int victim;
    uint64_t from_us; /* the kill */
    uint64_t to_us;   /* another has its place, and /ready says 200 */
};
/* kill -9 of one of that kind (of several, one by `random`), and the wait until as many as before are there
 * and the forum is ready. Fails the test when that does not come true. Not for the launcher. */
struct outage victim_kill(struct forum *forum, int victim, uint64_t random) MUST_USE;
/* Another of the same state and restarts: what is asked in a seeded order. Changes *state; any but 0. */
uint64_t victim_random(uint64_t *state);
/* The number that an environment variable holds, or `otherwise`. */
uint64_t victim_setting(const char *variable, uint64_t otherwise) MUST_USE;
/* Waits, for that is what the test does here: events come at random times, not one after the other. */
void victim_pause_us(uint64_t us);
