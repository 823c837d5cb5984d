/* One line on a terminal that is drawn over and over; nothing where stderr is none. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/attributes.h"

#define PROGRESS_INTERVAL_US 100000 /* between two drawings */

struct progress {
    bool shown;
    uint64_t drawn_us;
};

void progress_start(struct progress *progress, bool quiet);
/* "what [=====     ] 12/50" */
void progress_bar(struct progress *progress, const char *what, uint64_t done, uint64_t total);
/* True if progress_line would be drawn now: for those to whom the text costs something. */
bool progress_due(const struct progress *progress);
PRINTF_LIKE(2, 3) void progress_line(struct progress *progress, const char *format, ...);
/* Takes the line away. */
void progress_end(struct progress *progress);
