#include "common/nng_time.h"

#include <nng/nng.h>
#include <nng/supplemental/util/platform.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include "common/attributes.h"
#include "common/clock.h"
#include "common/fatal.h"
#include "common/log.h"
#include "common/rebind.h"

enum { PROBE_MS = 2 };

/* Stands for clock_gettime. */
static int steady_gettime(clockid_t clock, struct timespec *now)
{
    return clock_gettime(clock == CLOCK_REALTIME ? CLOCK_MONOTONIC : clock, now);
}

/* Stands for pthread_cond_timedwait, whatever clock the condition was made with: `until` is a time of NNG's
 * clock. */
static int steady_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
    return pthread_cond_clockwait(cond, mutex, CLOCK_MONOTONIC, until);
}

static bool clock_is_steady(void)
{
    uint64_t before_ms = clock_monotonic_ms();
    uint64_t now_ms = nng_clock();
    return before_ms <= now_ms && now_ms <= clock_monotonic_ms();
}

/* Ends whatever the outcome: a wait that took its end for a time of the wall clock would find it long past.
 */
static bool waits_are_steady(void)
{
    nng_mtx *mutex;
    nng_cv *cond;
    int error = 0;

    ensure(nng_mtx_alloc(&mutex) == 0 && nng_cv_alloc(&cond, mutex) == 0);
    nng_mtx_lock(mutex);
    nng_time until_ms = nng_clock() + PROBE_MS;
    while (error == 0)
        error = nng_cv_until(cond, until_ms);
    bool steady = error == NNG_ETIMEDOUT && nng_clock() >= until_ms;
    nng_mtx_unlock(mutex);
    nng_cv_free(cond);
    nng_mtx_free(mutex);
    return steady;
}

static void start(void)
{
    struct {
        const char *symbol;
        void *function;
        struct rebind_slot slot;
        void *old;
    } references[] = {
        {.symbol = "clock_gettime", .function = (void *)steady_gettime},
        {.symbol = "pthread_cond_timedwait", .function = (void *)steady_timedwait},
    };
    bool rebound = true;

    for (size_t i = 0; i < ARRAY_LEN(references); i++)
        rebound &= rebind_find((const void *)nng_version, references[i].symbol, &references[i].slot);
    for (size_t i = 0; rebound && i < ARRAY_LEN(references); i++)
        references[i].old = rebind_set(&references[i].slot, references[i].function);
    if (clock_is_steady() && waits_are_steady())
        return;
    for (size_t i = 0; rebound && i < ARRAY_LEN(references); i++)
        (void)!rebind_set(&references[i].slot, references[i].old);
    log_warn("NNG times by the wall clock: steps of that may delay or end calls and connections nng=%s "
             "rebound=%s",
             nng_version(), rebound ? "in vain" : "no");
}

void nng_time_start(void)
{
    /* Like the table, and NNG itself, it is the process's: not of a socket, of which there are several. */
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    ensure(pthread_once(&once, start) == 0);
}
