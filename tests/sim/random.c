#include "tests/sim/random.h"

#include <sys/random.h>
#include <sysexits.h>

#include "tests/sim/hash.h"
#include "tests/sim/memory.h"

void random_seed(struct random *random, uint64_t seed)
{
    for (unsigned i = 0; i < 4; i++) {
        seed += UINT64_C(0x9e3779b97f4a7c15);
        random->state[i] = hash_finish(seed);
    }
}

static uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return (value << bits) | (value >> (64 - bits));
}

uint64_t random_next(struct random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t random_below(struct random *random, uint64_t bound)
{
    /* Refuses the incomplete last stretch, so that every number is as likely as any other. */
    uint64_t first = -bound % bound;
    uint64_t number;

    do {
        number = random_next(random);
    } while (number < first);
    return number % bound;
}

double random_unit(struct random *random)
{
    return (double)(random_next(random) >> 11) * 0x1.0p-53;
}

uint64_t random_system(void)
{
    uint64_t number;

    if (getrandom(&number, sizeof number, 0) != sizeof number) {
        sim_fatal(EX_OSERR, "the system gives no random numbers");
    }
    return number;
}
