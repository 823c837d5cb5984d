/*
 * The formulas of API.md "Ranking" (Reddit's published _sorts.pyx). Pure. Larger ranks first; ties: newer
 * first, then larger id.
 */
#pragma once

#include <stdint.h>

double ranking_hot(uint64_t up, uint64_t down, uint64_t created_ms);
double ranking_top(uint64_t up, uint64_t down);
/* Lower bound of the Wilson score interval at z = 1.281551565545. */
double ranking_best(uint64_t up, uint64_t down);
double ranking_controversial(uint64_t up, uint64_t down);
/* Votes per hour of age at `now_ms`; only meaningful within RANKING_RISING_MS of creation. */
double ranking_rising(uint64_t up, uint64_t down, uint64_t created_ms, uint64_t now_ms);
#define RANKING_RISING_MS (12ull * 3600 * 1000)
