#include "tests/fault/cores.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <string.h>

struct cores cores_choose(void)
{
    cpu_set_t set;
    int cpus[2], found = 0;
    cr_assert(sched_getaffinity(0, sizeof(set), &set) == 0, "sched_getaffinity: %s", strerror(errno));
    for (int cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++)
        if (CPU_ISSET(cpu, &set))
            cpus[found++] = cpu;
    if (found < 2)
        cr_skip_test("needs two CPUs: one for the server, one for its clients");
    return (struct cores){.server = cpus[0], .clients = cpus[1]};
}

void cores_stay_on(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    cr_assert(sched_setaffinity(0, sizeof(set), &set) == 0, "sched_setaffinity: %s", strerror(errno));
}
