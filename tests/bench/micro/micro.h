/*
 * Microbenchmarks: each measures one step alone, in this process, so that two builds can be compared. The
 * main thread alone; only what a case starts itself (an engine's checkpoint helper) runs beside it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"

struct micro_case {
    const char *name;   /* stands in the first column; the same in all builds that are to be compared */
    unsigned parameter; /* whatever open takes it for */
    void *(*open)(unsigned parameter)MUST_USE; /* not measured */
    /* Does at least `wanted` operations (of a batch: whole ones); returns how many. */
    uint64_t (*run)(void *state, uint64_t wanted) MUST_USE;
    void (*close)(void *state); /* not measured */
};

extern const struct micro_case codec_cases[];
extern const size_t codec_case_count;
extern const struct micro_case engine_cases[];
extern const size_t engine_case_count;

struct micro_figure {
    double ns, instructions; /* of one operation; instructions < 0: there is no counter */
    uint64_t operations;
};
/* The median of MICRO_ROUNDS rounds that take `round_ms` each, behind one that is not counted. */
#define MICRO_ROUNDS 5
struct micro_figure micro_measure(const struct micro_case *micro, unsigned round_ms) MUST_USE;

/* Prints how B differs from A, both written by this program. Exits (EXIT_DATA) on other files. */
void micro_compare(const char *path_a, const char *path_b);
