#include "tests/sim/differences.h"

#include <stdarg.h>
#include <stdlib.h>

#include "tests/sim/memory.h"

enum { LINE_BYTES = 512 };

struct differences {
    char **lines;
    size_t kept, capacity, count;
};

struct differences *differences_new(void)
{
    return mem_zeroed(1, sizeof(struct differences));
}

void differences_free(struct differences *differences)
{
    if (differences != NULL) {
        for (size_t i = 0; i < differences->kept; i++) {
            free(differences->lines[i]);
        }
        free(differences->lines);
        free(differences);
    }
}

void differences_add(struct differences *differences, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;

    differences->count++;
    if (differences->kept >= DIFFERENCES_KEPT_MAX) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    differences->lines =
        mem_grow(differences->lines, differences->kept, &differences->capacity, sizeof differences->lines[0]);
    differences->lines[differences->kept++] = mem_text(line);
}

size_t differences_count(const struct differences *differences)
{
    return differences->count;
}

const char *differences_at(const struct differences *differences, size_t at)
{
    return differences->lines[at];
}

void differences_print(const struct differences *differences, FILE *out)
{
    for (size_t i = 0; i < differences->kept; i++) {
        fprintf(out, "difference: %s\n", differences->lines[i]);
    }
    if (differences->count > differences->kept) {
        fprintf(out, "difference: and %zu more\n", differences->count - differences->kept);
    }
}
