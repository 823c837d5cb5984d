/*
 * Durations counted in buckets whose bounds double: LATENCY_FIRST_US, twice that, ...; the last holds what is
 * longer than all bounds. What engines and workers keep, and how a quantile is read from it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define LATENCY_BUCKETS  16
#define LATENCY_FIRST_US 64

/* Which of the LATENCY_BUCKETS + 1 buckets it falls into. */
size_t latency_bucket(uint64_t us);
/* The upper bound of the bucket that `percent` of all are below or in; the bound of the last bounded one if
 * it is in the last. 0: nothing was counted. */
uint64_t latency_quantile_us(const uint64_t counts[static LATENCY_BUCKETS + 1], unsigned percent);
