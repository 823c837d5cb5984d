/* The judgement of --verify: pure, so that a test can plant each kind of fault. */
#pragma once

#include "common/attributes.h"
#include "tests/sim/differences.h"
#include "tests/sim/record.h"
#include "tests/sim/state.h"

/*
 * Every way in which the state contradicts itself (ids or names twice or missing, counters that are not what
 * their parts add up to, feeds beyond what was joined) or the record (acknowledged things that are not there
 * or differ, things there that were never asked for).
 */
struct differences *compare(const struct record *record, const struct state *state) MUST_USE;
