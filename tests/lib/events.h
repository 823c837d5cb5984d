/* How many events each engine ever wrote: what shows that something changed nothing. */
#pragma once

#include "common/attributes.h"
#include "tests/lib/forum.h"

/* As text to compare, a line an engine. */
const char *events_counted(const struct forum *forum) MUST_USE;
