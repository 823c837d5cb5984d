#include "tests/unit/rebind_module.h"

#include <time.h>

time_t rebind_module_now(void)
{
    struct timespec now;
    return clock_gettime(CLOCK_REALTIME, &now) == 0 ? now.tv_sec : 0;
}
