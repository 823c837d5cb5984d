/*
 * Whether a worker can serve one more request now: the worker's own part of overload control
 * (gateway/DESIGN.md, "Admission"). Pure: the caller brings the time, CLOCK_MONOTONIC in us. Worker's thread
 * only.
 *
 * A worker's queue is what its sockets hold, and how long a request waits there is how long the loop's turns
 * are. So a turn admits requests for a limited time, and refuses the rest of those it reads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "gateway/metrics.h"

struct admission;

/* `metrics` must outlive it. */
struct admission *admission_new(struct metrics *metrics) MUST_USE;
/* NULL is fine. */
void admission_free(struct admission *admission);

/* Something happened: the first call of a turn is its beginning. */
void admission_event(struct admission *admission, uint64_t now_us);
/* Whether a request that was just read is to be refused. Then one of the other two, for each. */
bool admission_is_full(struct admission *admission, uint64_t now_us) MUST_USE;
void admission_admitted(struct admission *admission);
void admission_refused(struct admission *admission, uint64_t now_us);
void admission_turn_over(struct admission *admission, uint64_t now_us);
