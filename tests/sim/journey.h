/* `journey`: one user's way through the forum, told line by line. */
#pragma once

#include <stdbool.h>

#include "common/attributes.h"
#include "tests/sim/forum.h"

/* True if each step came out as it should. Not from inside an agent. */
bool journey_run(struct forum *forum) MUST_USE;
