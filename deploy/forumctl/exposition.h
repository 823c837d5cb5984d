/* Reads Prometheus's text format, as /metrics has it. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/attributes.h"

/* One sample; its texts point into what is read. */
struct sample {
    const char *name, *labels; /* labels: between the braces */
    size_t name_length, labels_length;
    double value;
};

/* The next sample; comments and lines that are none are passed over. `*at` begins at the text. */
bool sample_next(const char **at, struct sample *sample) MUST_USE;
bool sample_is(const struct sample *sample, const char *name) MUST_USE;
/* False: it has no such label. Cut to fit; escapes stay as they are. */
bool sample_label(const struct sample *sample, const char *label, char *out, size_t size) MUST_USE;
