/* Strict base64 (RFC 4648), by libsodium: letters of the alphabet and padding, no bits left over. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"

/* `variant`: sodium_base64_VARIANT_... False: malformed, or of more than `size` bytes. */
bool base64_decode(const char *text, size_t length, int variant, uint8_t *bytes, size_t size,
                   size_t *decoded) MUST_USE;
