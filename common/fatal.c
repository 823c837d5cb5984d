#include "common/fatal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/log.h"

void fatal_exit(enum exit_code code, const char *format, ...)
{
    char line[LOG_LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    log_error("%s", line);
    fflush(stdout);
    /* Not exit(): handlers of libraries must not touch files after storage said "unknown". */
    _exit(code);
}

void fatal_invariant(const char *condition, const char *file, int line)
{
    log_error("broken invariant condition=\"%s\" at=%s:%d errno=%d", condition, file, line, errno);
    abort();
}

NO_RETURN static void out_of_memory(size_t size)
{
    log_error("out of memory bytes=%zu", size);
    abort();
}

void *xmalloc(size_t size)
{
    void *memory = malloc(size ? size : 1);
    if (!memory)
        out_of_memory(size);
    return memory;
}

void *xcalloc(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size ? size : 1);
    if (!memory)
        out_of_memory(size);
    return memory;
}

void *xrealloc(void *old, size_t size)
{
    void *memory = realloc(old, size ? size : 1);
    if (!memory)
        out_of_memory(size);
    return memory;
}

char *xstrdup(const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        out_of_memory(strlen(text) + 1);
    return copy;
}
