/* The two clocks. Only main loops read them; handlers get the time in their context. */
#pragma once

#include <stdint.h>

/* CLOCK_MONOTONIC: deadlines, durations. Comparable between processes of one boot. */
uint64_t clock_monotonic_ms(void);
uint64_t clock_monotonic_us(void);

/* CLOCK_REALTIME since 1970: what a user sees. May step; whoever needs it to never go back keeps the maximum.
 */
uint64_t clock_wall_ms(void);
