/*
 * Steps of the wall clock, as the kernel makes them: clock_step_shim.c (LD_PRELOAD) adds to CLOCK_REALTIME
 * what a shared file says, and ends waits of condition variables until a time of that clock by the clock as
 * it is then, not as it was when they began. libfaketime does not: it computes once, at its begin, how long
 * such a wait is. CLOCK_MONOTONIC is left alone.
 */
#pragma once

#include <stdint.h>

/* Environment of the shim: a file that holds an int64_t, the offset in milliseconds. */
#define CLOCK_STEP_VARIABLE "FORUMD_CLOCK_STEP"
/* Set: nng_clock says CLOCK_REALTIME, as that of an NNG which times by something else would. */
#define CLOCK_STEP_OTHER_NNG_VARIABLE "FORUMD_CLOCK_STEP_OTHER_NNG"
