/* `forumd-sim load` beside a fault, and `forumd-sim verify` after it: what was acknowledged against what the
 * server holds. */
#pragma once

#include <stdbool.h>

#include "common/attributes.h"
#include "tests/lib/forum.h"

struct sim_load;

struct sim_load_spec {
    const char *record; /* file that says what was acknowledged; appended to */
    unsigned clients;   /* 0: 64 */
    unsigned long long seed;
    const char *const *flags; /* more, NULL-terminated; NULL: none */
};

/* Starts it; it goes on until sim_load_stop. */
struct sim_load *sim_load_start(const struct forum *forum, const struct sim_load_spec *spec) MUST_USE;
/* Tells it to stop and waits until its record is complete. Returns what it said. */
const char *sim_load_stop(struct sim_load *load);
/* Lines of the record so far: outcomes of writes. */
unsigned sim_load_recorded(const char *record);
/* NULL when the server holds just what the record says, else what `forumd-sim verify` said. */
const char *sim_load_verify(const struct forum *forum, const char *record) MUST_USE;
