/* Waiting for a condition, with a deadline. No test sleeps for a time and hopes. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/attributes.h"

/* CLOCK_MONOTONIC */
uint64_t wait_now_ms(void) MUST_USE;

/* Asks `done` again and again (after 1 ms, at most every 20 ms) until it says true or `timeout_ms` are over.
 * Returns what it said last. */
bool wait_until(bool (*done)(void *arg), void *arg, unsigned timeout_ms) MUST_USE;
