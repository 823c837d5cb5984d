/* A library that reads the clock; built in several ways, for rebind_test alone. */
#pragma once

#include <time.h>

/* By clock_gettime, CLOCK_REALTIME; 0: it failed. */
time_t rebind_module_now(void);
