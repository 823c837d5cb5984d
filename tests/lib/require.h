/* Assertions of this library. They fail the test that runs, and where none runs (forum_main, before the
 * first) end the program with the message: Criterion's own can't be told from there. */
#pragma once

#include <stdbool.h>

#include "common/attributes.h"
#include "tests/lib/keep.h"

#define REQUIRE(condition, ...)                                                                              \
    ((condition) ? (void)0 : require_failed(__FILE__, __LINE__, keep_format(__VA_ARGS__)))

NO_RETURN void require_failed(const char *file, int line, const char *message);
