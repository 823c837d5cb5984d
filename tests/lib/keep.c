#include "tests/lib/keep.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Chained so that leak checkers see that nothing is lost. Any thread may push. */
struct kept {
    struct kept *next;
    max_align_t bytes[];
};
static _Atomic(struct kept *) kept_first;

void *keep_alloc(size_t size)
{
    struct kept *kept = calloc(1, sizeof(*kept) + size);
    if (!kept)
        abort();
    kept->next = atomic_load(&kept_first);
    while (!atomic_compare_exchange_weak(&kept_first, &kept->next, kept))
        ;
    return kept->bytes;
}

char *keep_copy(const char *bytes, size_t length)
{
    char *copy = keep_alloc(length + 1);
    if (length > 0)
        memcpy(copy, bytes, length);
    return copy;
}

char *keep_format(const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    if (length < 0)
        abort();
    char *text = keep_alloc((size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

char *keep_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    char *bytes = NULL;
    size_t used = 0, capacity = 0, got;
    do {
        if (used == capacity) {
            capacity = capacity ? capacity * 2 : 65536;
            bytes = realloc(bytes, capacity);
            if (!bytes)
                abort();
        }
        got = fread(bytes + used, 1, capacity - used, file);
        used += got;
    } while (got > 0);
    fclose(file);
    char *copy = keep_copy(bytes, used);
    free(bytes);
    if (length)
        *length = used;
    return copy;
}
