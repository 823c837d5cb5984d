/*
 * Lines of an export -> events of the domains, applied to new files: the one code that changes tables is the
 * domains' own. Each line is checked like what a client sends, and against what came before it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"

struct import;

/* `dir` is empty but for keys. */
struct import *import_open(const char *dir) MUST_USE;
void import_close(struct import *import);

#define IMPORT_WHY_BYTES 512
/* False: why[IMPORT_WHY_BYTES] names the field and the rule. Without the newline. */
bool import_line(struct import *import, const char *line, size_t length, char *why) MUST_USE;
/* Behind the last line: commits. */
bool import_finish(struct import *import, char *why) MUST_USE;
