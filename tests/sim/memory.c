#include "tests/sim/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { FIRST_CAPACITY = 16 };

void sim_fatal(int code, const char *format, ...)
{
    va_list arguments;

    fputs("forumd-sim: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(code);
}

static void *check_memory(void *memory)
{
    if (memory == NULL) {
        sim_fatal(EX_OSERR, "out of memory");
    }
    return memory;
}

void *mem_alloc(size_t size)
{
    return check_memory(malloc(size > 0 ? size : 1));
}

void *mem_zeroed(size_t count, size_t size)
{
    return check_memory(calloc(count > 0 ? count : 1, size));
}

void *mem_resize(void *old, size_t size)
{
    return check_memory(realloc(old, size > 0 ? size : 1));
}

char *mem_text(const char *text)
{
    return check_memory(strdup(text));
}

char *mem_text_part(const char *text, size_t length)
{
    char *copy = mem_alloc(length + 1);

    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *mem_format(const char *format, ...)
{
    va_list arguments;
    char *text = NULL;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0) {
        text = NULL;
    }
    va_end(arguments);
    return check_memory(text);
}

void *mem_grow(void *items, size_t count, size_t *capacity, size_t item_size)
{
    if (count < *capacity) {
        return items;
    }
    *capacity = *capacity > 0 ? *capacity * 2 : FIRST_CAPACITY;
    if (*capacity > SIZE_MAX / item_size) {
        sim_fatal(EX_OSERR, "out of memory");
    }
    return mem_resize(items, *capacity * item_size);
}
