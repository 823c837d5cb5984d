#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/fatal.h"
#include "tests/bench/micro/micro.h"

#define NS_PER_S  1000000000ull
#define NS_PER_MS 1000000ull

static uint64_t now_ns(void)
{
    struct timespec now;
    ensure(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* User-space instructions of this thread, which everybody may count of themselves. -1 where the machine (a
 * virtual one) or the system has no such counter. */
static int open_counter(void)
{
    struct perf_event_attr attributes = {
        .type = PERF_TYPE_HARDWARE,
        .size = sizeof(attributes),
        .config = PERF_COUNT_HW_INSTRUCTIONS,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };
    return (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0);
}

static bool read_counter(int fd, uint64_t *value)
{
    return fd >= 0 && read(fd, value, sizeof(*value)) == sizeof(*value);
}

static int compare(const void *a, const void *b)
{
    double x = ((const struct micro_figure *)a)->ns, y = ((const struct micro_figure *)b)->ns;
    return (x > y) - (x < y);
}

static struct micro_figure measure_round(const struct micro_case *micro, void *state, uint64_t wanted, int fd)
{
    uint64_t before = 0, after = 0;
    bool counts = read_counter(fd, &before);
    uint64_t start_ns = now_ns();
    uint64_t operations = micro->run(state, wanted);
    uint64_t took_ns = now_ns() - start_ns;
    counts = counts && read_counter(fd, &after);
    ensure(operations >= wanted);
    return (struct micro_figure){
        .ns = (double)took_ns / (double)operations,
        .instructions = counts ? (double)(after - before) / (double)operations : -1,
        .operations = operations,
    };
}

struct micro_figure micro_measure(const struct micro_case *micro, unsigned round_ms)
{
    struct micro_figure rounds[MICRO_ROUNDS];
    int fd = open_counter();
    void *state = micro->open(micro->parameter);
    uint64_t wanted = 1;
    struct micro_figure warm = measure_round(micro, state, wanted, fd);
    /* What is done the first time takes longer: twice as many until they fill a quarter of a round. */
    while (warm.ns * (double)warm.operations < (double)(round_ms * NS_PER_MS) / 4) {
        wanted = 2 * warm.operations;
        warm = measure_round(micro, state, wanted, fd);
    }
    wanted = (uint64_t)((double)(round_ms * NS_PER_MS) / warm.ns) + 1;
    uint64_t operations = 0;
    for (size_t i = 0; i < MICRO_ROUNDS; i++) {
        rounds[i] = measure_round(micro, state, wanted, fd);
        operations += rounds[i].operations;
    }
    micro->close(state);
    if (fd >= 0)
        close(fd);
    qsort(rounds, MICRO_ROUNDS, sizeof(rounds[0]), compare);
    struct micro_figure median = rounds[MICRO_ROUNDS / 2];
    median.operations = operations;
    return median;
}
