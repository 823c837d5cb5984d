/* What a comparison found: one plain line each. */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "common/attributes.h"

#define DIFFERENCES_KEPT_MAX 10000 /* lines; more are only counted */

struct differences;

struct differences *differences_new(void) MUST_USE;
void differences_free(struct differences *differences);
PRINTF_LIKE(2, 3) void differences_add(struct differences *differences, const char *format, ...);
size_t differences_count(const struct differences *differences);
/* `at` < count and < DIFFERENCES_KEPT_MAX */
const char *differences_at(const struct differences *differences, size_t at);
/* "difference: ..." a line */
void differences_print(const struct differences *differences, FILE *out);
