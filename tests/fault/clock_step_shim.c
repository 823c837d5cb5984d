/* The LD_PRELOAD side of clock_step.h: stands between a process and the C library. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tests/fault/clock_step.h"

#define NS_PER_MS 1000000
#define NS_PER_S  1000000000
#define SLICE_NS  (10 * NS_PER_MS) /* how late a wait may notice a step */

/* glibc's pthread_condattr_setclock: in the flags of a condition variable, this bit says CLOCK_MONOTONIC. */
#define GLIBC_COND_MONOTONIC 2

uint64_t nng_clock(void);

static struct {
    const _Atomic int64_t *offset_ms;
    uint64_t (*nng_clock)(void); /* NULL: this process has no NNG */
    bool other_nng;
} shim;

__attribute__((noreturn)) static void give_up(const char *what)
{
    dprintf(2, "clock_step_shim: %s: %s\n", what, strerror(errno));
    abort();
}

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv(CLOCK_STEP_VARIABLE);
    shim.other_nng = getenv(CLOCK_STEP_OTHER_NNG_VARIABLE) != NULL;
    shim.nng_clock = (uint64_t(*)(void))dlsym(RTLD_NEXT, "nng_clock");
    if (path == NULL)
        return;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *page = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED)
        give_up(path);
    close(fd);
    shim.offset_ms = page;
}

static int64_t offset_ns(void)
{
    return shim.offset_ms == NULL ? 0 : atomic_load(shim.offset_ms) * NS_PER_MS;
}

static int64_t ns_of(struct timespec time)
{
    return (int64_t)time.tv_sec * NS_PER_S + time.tv_nsec;
}

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
}

/* The system call: others may stand in front of the library's function, as this shim does. */
static int64_t real_now_ns(clockid_t clock)
{
    struct timespec now;
    if (syscall(SYS_clock_gettime, clock, &now) != 0)
        give_up("clock_gettime");
    return ns_of(now);
}

static bool is_stepped(clockid_t clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
}

/* --- what programs call --- */

int clock_gettime(clockid_t clock, struct timespec *time)
{
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && is_stepped(clock))
        *time = timespec_of(ns_of(*time) + offset_ns());
    return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    (void)zone;
    struct timespec now = timespec_of(real_now_ns(CLOCK_REALTIME) + offset_ns());
    *time = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *time)
{
    time_t now = timespec_of(real_now_ns(CLOCK_REALTIME) + offset_ns()).tv_sec;
    if (time != NULL)
        *time = now;
    return now;
}

/* In slices, so that a step is noticed; the end of one that is not the last looks like a spurious wake-up,
 * which callers must expect. */
int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until)
{
    if (cond->__data.__wrefs & GLIBC_COND_MONOTONIC)
        return pthread_cond_clockwait(cond, mutex, CLOCK_MONOTONIC, until);
    int64_t left_ns = ns_of(*until) - offset_ns() - real_now_ns(CLOCK_REALTIME);
    if (left_ns <= SLICE_NS) {
        struct timespec end = timespec_of(real_now_ns(CLOCK_MONOTONIC) + (left_ns > 0 ? left_ns : 0));
        return pthread_cond_clockwait(cond, mutex, CLOCK_MONOTONIC, &end);
    }
    struct timespec end = timespec_of(real_now_ns(CLOCK_MONOTONIC) + SLICE_NS);
    int result = pthread_cond_clockwait(cond, mutex, CLOCK_MONOTONIC, &end);
    return result == ETIMEDOUT ? 0 : result;
}

uint64_t nng_clock(void)
{
    if (shim.other_nng || shim.nng_clock == NULL)
        return (uint64_t)((real_now_ns(CLOCK_REALTIME) + offset_ns()) / NS_PER_MS);
    return shim.nng_clock();
}
