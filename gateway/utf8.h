/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing beyond U+10FFFF. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/attributes.h"

/* The length of the one well-formed sequence that starts at `at` (1 to 4), 0 if there is none. `left` > 0. */
size_t utf8_sequence(const char *at, size_t left) MUST_USE;
bool utf8_is_valid(const char *text, size_t length) MUST_USE;
/* Takes off what Unicode calls White_Space (PropList.txt 15.0) at both ends. `text` must be valid. */
void utf8_trim(const char **text, size_t *length);
