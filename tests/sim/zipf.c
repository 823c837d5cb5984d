#include "tests/sim/zipf.h"

#include <math.h>
#include <stdlib.h>

#include "tests/sim/memory.h"

struct zipf {
    size_t count;
    double cumulative[]; /* sum of the weights of ranks 0 .. i */
};

struct zipf *zipf_new(size_t n, double s)
{
    struct zipf *zipf = mem_alloc(sizeof *zipf + n * sizeof zipf->cumulative[0]);
    double sum = 0;

    zipf->count = n;
    for (size_t i = 0; i < n; i++) {
        sum += pow((double)(i + 1), -s);
        zipf->cumulative[i] = sum;
    }
    return zipf;
}

void zipf_free(struct zipf *zipf)
{
    free(zipf);
}

size_t zipf_draw(const struct zipf *zipf, struct random *random)
{
    double point = random_unit(random) * zipf->cumulative[zipf->count - 1];
    size_t low = 0, high = zipf->count - 1;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (zipf->cumulative[middle] > point) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}
