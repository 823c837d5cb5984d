/* Whether a state agrees with itself. */
#pragma once

#include "tests/sim/differences.h"
#include "tests/sim/state_index.h"

void compare_state(const struct state_index *index, struct differences *differences);
