/* Percent-encoding (RFC 3986) as it comes in paths and queries. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/attributes.h"

/* The decoded text, terminated, in the arena (a NUL may be in it). False on a malformed escape. */
bool percent_decode(struct arena *arena, const char *text, size_t length, bool plus_is_space,
                    const char **decoded, size_t *decoded_length) MUST_USE;
