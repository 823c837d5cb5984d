/* How far something long is, on stderr: a bar that moves at a terminal, else a line when it is done. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool terminal;
    const char *what;
    uint64_t began_ms, shown_ms;
};

/* `what` must stay. */
void progress_begin(struct progress *progress, const char *what);
/* `total` 0: not known yet. Cheap: shows at most ten times a second. */
void progress_show(struct progress *progress, uint64_t done, uint64_t total);
/* Printed as "WHAT: RESULT (0.3 s)". */
void progress_end(struct progress *progress, const char *result);
/* Takes the bar away without a line. */
void progress_clear(struct progress *progress);
