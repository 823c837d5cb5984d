#include "tests/lib/wait.h"

#include <poll.h>
#include <stddef.h>
#include <time.h>

#define PAUSE_MAX_MS 20

uint64_t wait_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool wait_until(bool (*done)(void *arg), void *arg, unsigned timeout_ms)
{
    uint64_t deadline = wait_now_ms() + timeout_ms;
    long pause_ms = 1;
    while (!done(arg)) {
        if (wait_now_ms() >= deadline)
            return done(arg);
        ppoll(NULL, 0, &(struct timespec){.tv_nsec = pause_ms * 1000000}, NULL);
        pause_ms = pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS;
    }
    return true;
}
