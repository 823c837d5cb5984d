/* Between forum_main (the program that runs the tests) and forum (each test's own process): the environment.
 */
#pragma once

#include "tests/lib/forum.h"

#define FORUM_RUN_VARIABLE    "FORUMD_TEST_RUN"
#define FORUM_SHARED_VARIABLE "FORUMD_TEST_SHARED"

/* So that the tests' processes can attach. */
void forum_export(const struct forum *forum);
