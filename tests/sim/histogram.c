#include "tests/sim/histogram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/memory.h"

enum {
    PRECISION_BITS = 7, /* 128 buckets per power of two */
    STEPS = 1 << PRECISION_BITS,
    BUCKETS = (64 - PRECISION_BITS + 1) * STEPS,
};

struct histogram {
    uint64_t count;
    uint64_t max;
    uint64_t buckets[BUCKETS];
};

struct histogram *histogram_new(void)
{
    return mem_zeroed(1, sizeof(struct histogram));
}

void histogram_free(struct histogram *histogram)
{
    free(histogram);
}

static unsigned bucket_of(uint64_t value)
{
    unsigned shift;

    if (value < STEPS) {
        return (unsigned)value;
    }
    shift = 63 - (unsigned)__builtin_clzll(value) - PRECISION_BITS;
    return (shift + 1) * STEPS + (unsigned)((value >> shift) - STEPS);
}

/* The largest value that falls into the bucket. */
static uint64_t bucket_end(unsigned bucket)
{
    unsigned shift;

    if (bucket < STEPS) {
        return bucket;
    }
    shift = bucket / STEPS - 1;
    return ((uint64_t)(bucket % STEPS + STEPS) << shift) + ((UINT64_C(1) << shift) - 1);
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    histogram->buckets[bucket_of(value)]++;
    histogram->count++;
    if (value > histogram->max) {
        histogram->max = value;
    }
}

void histogram_reset(struct histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
}

uint64_t histogram_count(const struct histogram *histogram)
{
    return histogram->count;
}

uint64_t histogram_max(const struct histogram *histogram)
{
    return histogram->max;
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
    uint64_t rank = (uint64_t)ceil((double)histogram->count * percent / 100.0);
    uint64_t sum = 0;

    if (histogram->count == 0) {
        return 0;
    }
    for (unsigned bucket = 0; bucket < BUCKETS; bucket++) {
        sum += histogram->buckets[bucket];
        if (sum >= rank && sum > 0) {
            uint64_t end = bucket_end(bucket);

            return end < histogram->max ? end : histogram->max;
        }
    }
    return histogram->max;
}
