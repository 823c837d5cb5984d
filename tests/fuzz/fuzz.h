/* What the fuzz targets share. A broken promise ends the process by `ensure`, which libFuzzer reports. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input, taken from the front. */
struct fuzz_input {
    const uint8_t *at;
    size_t left;
};
/* 0 when nothing is left. */
static inline uint8_t fuzz_byte(struct fuzz_input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->at++;
}

/* Small, seeded by the input: the same input is always cut at the same places. */
static inline uint32_t fuzz_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}
