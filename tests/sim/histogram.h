/*
 * Counts of durations in buckets whose width grows with the value, as HdrHistogram's: exact below 128, and
 * within 1/128 (0.8 %) of the value above.
 */
#pragma once

#include <stdint.h>

#include "common/attributes.h"

struct histogram;

struct histogram *histogram_new(void) MUST_USE;
void histogram_free(struct histogram *histogram);
void histogram_add(struct histogram *histogram, uint64_t value);
void histogram_reset(struct histogram *histogram);
uint64_t histogram_count(const struct histogram *histogram);
uint64_t histogram_max(const struct histogram *histogram);
/*
 * The smallest recorded value such that at least `percent` (0 .. 100] of all are not above it (nearest rank),
 * to the bucket's precision. 0 if there are none.
 */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);
