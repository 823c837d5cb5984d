/*
 * Memory of a test. A test's process is short, so whatever this library hands out lives until that process
 * ends, and no test frees anything. Never NULL: abort when memory is out.
 */
#pragma once

#include <stddef.h>

#include "common/attributes.h"

void *keep_alloc(size_t size) MUST_USE; /* zeroed */
PRINTF_LIKE(1, 2) MUST_USE char *keep_format(const char *format, ...);
char *keep_copy(const char *bytes, size_t length) MUST_USE; /* and a final NUL */
/* A whole file, or NULL if it can't be read. `length` may be NULL. */
char *keep_file(const char *path, size_t *length) MUST_USE;
