/* Repeatable random numbers: xoshiro256** (Blackman, Vigna 2018), seeded by SplitMix64. */
#pragma once

#include <stdint.h>

struct random {
    uint64_t state[4];
};

void random_seed(struct random *random, uint64_t seed);
uint64_t random_next(struct random *random);
/* 0 .. bound-1, evenly; bound > 0. */
uint64_t random_below(struct random *random, uint64_t bound);
/* 0 <= x < 1 */
double random_unit(struct random *random);

/* From the system: for seeds and names that no other run has. */
uint64_t random_system(void);
