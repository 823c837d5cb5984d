#include "common/latency.h"

size_t latency_bucket(uint64_t us)
{
    size_t bucket = 0;
    while (bucket < LATENCY_BUCKETS && us > (uint64_t)LATENCY_FIRST_US << bucket)
        bucket++;
    return bucket;
}

uint64_t latency_quantile_us(const uint64_t counts[static LATENCY_BUCKETS + 1], unsigned percent)
{
    uint64_t total = 0, so_far = 0;
    for (size_t i = 0; i <= LATENCY_BUCKETS; i++)
        total += counts[i];
    if (total == 0)
        return 0;
    size_t bucket = 0;
    while (bucket < LATENCY_BUCKETS && (so_far += counts[bucket]) * 100 < total * percent)
        bucket++;
    if (bucket == LATENCY_BUCKETS)
        bucket--;
    return (uint64_t)LATENCY_FIRST_US << bucket;
}
