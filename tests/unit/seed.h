/* Random tests print what they were made from; UNIT_SEED=n repeats one. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline unsigned seed_print(void)
{
    const char *given = getenv("UNIT_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    fprintf(stderr, "UNIT_SEED=%u\n", seed);
    return seed;
}
