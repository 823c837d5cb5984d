#include "engined/ranking/ranking.h"

#include <math.h>

/* Where reddit began to count: 2005-12-08 07:46:43 UTC. */
#define HOT_EPOCH_S 1134028003.0
/* One power of ten in score is worth as much as 12.5 h of age. */
#define HOT_SECONDS_PER_DECADE 45000.0
/* 80 % confidence, two-sided. */
#define BEST_Z 1.281551565545
/* The youngest are taken as this old: else the first vote on a post of a few milliseconds outranks
 * everything. */
#define RISING_MIN_AGE_MS 60000ull
#define HOUR_MS           3600000.0

static double score_of(uint64_t up, uint64_t down)
{
    return (double)up - (double)down;
}

double ranking_hot(uint64_t up, uint64_t down, uint64_t created_ms)
{
    double score = score_of(up, down);
    double order = log10(fmax(fabs(score), 1.0));
    double seconds = (double)created_ms / 1000.0 - HOT_EPOCH_S;
    return (score < 0 ? -order : order) + seconds / HOT_SECONDS_PER_DECADE;
}

double ranking_top(uint64_t up, uint64_t down)
{
    return score_of(up, down);
}

double ranking_best(uint64_t up, uint64_t down)
{
    double n = (double)up + (double)down;
    if (up == 0)
        return 0; /* exactly: rounding would rank what only has downvotes */
    double z2 = BEST_Z * BEST_Z;
    double p = (double)up / n;
    double centre = p + z2 / (2 * n);
    double spread = BEST_Z * sqrt(p * (1 - p) / n + z2 / (4 * n * n));
    return (centre - spread) / (1 + z2 / n);
}

double ranking_controversial(uint64_t up, uint64_t down)
{
    if (up == 0 || down == 0)
        return 0;
    double balance = up > down ? (double)down / (double)up : (double)up / (double)down;
    return pow((double)up + (double)down, balance);
}

double ranking_rising(uint64_t up, uint64_t down, uint64_t created_ms, uint64_t now_ms)
{
    uint64_t age_ms = now_ms > created_ms ? now_ms - created_ms : 0;
    if (age_ms < RISING_MIN_AGE_MS)
        age_ms = RISING_MIN_AGE_MS;
    return score_of(up, down) / ((double)age_ms / HOUR_MS);
}
