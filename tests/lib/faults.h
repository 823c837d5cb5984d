/* Arms fault points (common/fault.h) in processes that run. Only builds with FORUMD_FAULTS have any. */
#pragma once

#include <stdbool.h>

#include "common/attributes.h"

/* What is started from now on looks for faults in a directory of this test's own. */
void faults_open(void);
/* `role` is an engine's domain, or "worker". Seen by what comes in from now on. */
PRINTF_LIKE(3, 4) void faults_arm(const char *role, const char *point, const char *rule_format, ...);
void faults_disarm(const char *role, const char *point);
/* It did not fire yet (without `always`). */
bool faults_armed(const char *role, const char *point) MUST_USE;
