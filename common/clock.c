#include "common/clock.h"

#include <time.h>

#include "common/fatal.h"

static struct timespec clock_read(clockid_t id)
{
    struct timespec now;
    ensure(clock_gettime(id, &now) == 0);
    return now;
}

static uint64_t timespec_ms(struct timespec time)
{
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

uint64_t clock_monotonic_ms(void)
{
    return timespec_ms(clock_read(CLOCK_MONOTONIC));
}

uint64_t clock_monotonic_us(void)
{
    struct timespec now = clock_read(CLOCK_MONOTONIC);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_wall_ms(void)
{
    return timespec_ms(clock_read(CLOCK_REALTIME));
}
