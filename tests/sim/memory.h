/* Allocation that cannot fail, and the way this program ends on its own account. */
#pragma once

#include <stddef.h>

#include "common/attributes.h"

/* One line to stderr, then exit(code). Codes are those of sysexits.h. */
NO_RETURN PRINTF_LIKE(2, 3) void sim_fatal(int code, const char *format, ...);

/* Abort with one line when memory is out. Free with free(). */
void *mem_alloc(size_t size) MUST_USE;
void *mem_zeroed(size_t count, size_t size) MUST_USE;
void *mem_resize(void *old, size_t size) MUST_USE;
char *mem_text(const char *text) MUST_USE;
char *mem_text_part(const char *text, size_t length) MUST_USE;
PRINTF_LIKE(1, 2) char *mem_format(const char *format, ...) MUST_USE;

/* Makes room for one more item in an array of `count` of `*capacity`. Returns the (moved) array. */
void *mem_grow(void *items, size_t count, size_t *capacity, size_t item_size) MUST_USE;
