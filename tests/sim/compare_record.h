/* Whether a state is what was acknowledged. */
#pragma once

#include "tests/sim/differences.h"
#include "tests/sim/record.h"
#include "tests/sim/state_index.h"

void compare_record(const struct record *record, const struct state_index *index,
                    struct differences *differences);
