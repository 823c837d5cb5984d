/* Field rules that need a look at the characters. Used by the gateway on what comes in; pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "proto/schema.h"

/* Code points in valid UTF-8. */
size_t rules_count_chars(const char *text, size_t length);
bool rules_pattern_matches(enum text_pattern pattern, const char *text, size_t length);
/* Says the pattern in words: "has only letters, digits, _ and -". */
const char *rules_pattern_words(enum text_pattern pattern);
