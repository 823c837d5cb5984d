/* Zipf's distribution over ranks 0 .. n-1: rank r is drawn with a weight of 1 / (r+1)^s. */
#pragma once

#include <stddef.h>

#include "common/attributes.h"
#include "tests/sim/random.h"

struct zipf;

/* n > 0, s >= 0 (0: all alike). */
struct zipf *zipf_new(size_t n, double s) MUST_USE;
void zipf_free(struct zipf *zipf);
size_t zipf_draw(const struct zipf *zipf, struct random *random);
