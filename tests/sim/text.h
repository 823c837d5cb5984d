/* Text from anywhere, made fit for the API: valid UTF-8, cut by code points. */
#pragma once

#include <stddef.h>

#include "common/attributes.h"

/*
 * The bytes as UTF-8: a byte that is not part of a valid sequence is taken as Latin-1; control characters but
 * tab and newline are left out. The caller frees.
 */
char *text_to_utf8(const char *bytes, size_t length) MUST_USE;
/* Code points of valid UTF-8. */
size_t text_length(const char *text);
/* Ends the (valid UTF-8) text after at most `max` code points. */
void text_cut(char *text, size_t max);
/* Takes white space (ASCII) off both ends, in place. */
void text_trim(char *text);

/* A text that grows. Start from {0}; `bytes` is NUL-terminated, or NULL while nothing was added; free() it.
 */
struct text_buffer {
    char *bytes;
    size_t length, capacity;
};

void text_add(struct text_buffer *buffer, const char *bytes, size_t length);
