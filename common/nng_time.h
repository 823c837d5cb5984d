/*
 * NNG 1.5.2 times by CLOCK_REALTIME: its clock and its waits until a time of it (posix_config.h says so on
 * every system). When an administrator, or an NTP client that finds the clock far off, sets the time back an
 * hour, everything that NNG waits for comes an hour late: the next try to reach an engine, the end of a call.
 * Set forward, calls expire at once.
 *
 * So libnng's two references that make it so, clock_gettime and pthread_cond_timedwait, are pointed at
 * functions that take CLOCK_MONOTONIC for CLOCK_REALTIME (common/rebind.h): both or neither, for one alone
 * would make every wait end at once or never. Nobody else in the process is touched.
 */
#pragma once

/*
 * Whoever opens a socket of NNG calls this first (from the second time on it does nothing). Starts NNG's
 * threads: signals are to be blocked (transport_signals_block). What it did is then looked at from outside,
 * by nng_clock and nng_cv_until: if NNG does not time by CLOCK_MONOTONIC, for it is another version or linked
 * in another way, then all is left as it was and a warning says so. A version that does by itself is fine.
 */
void nng_time_start(void);
