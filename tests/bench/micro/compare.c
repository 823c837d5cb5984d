#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/fatal.h"
#include "tests/bench/micro/micro.h"

#define ROWS_MAX       256
#define NAME_MAX_CHARS 47

struct row {
    char name[NAME_MAX_CHARS + 1];
    double ns, instructions;
};

struct table {
    struct row rows[ROWS_MAX];
    size_t count;
};

static void read_table(const char *path, struct table *table)
{
    char line[256];
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fatal_exit(EXIT_DATA, "cannot open %s: %s", path, strerror(errno));
    while (fgets(line, sizeof(line), file) != NULL) {
        struct row *row = &table->rows[table->count];
        if (line[0] == '#')
            continue;
        if (table->count == ROWS_MAX ||
            sscanf(line, "%47s %lf %lf", row->name, &row->ns, &row->instructions) != 3)
            fatal_exit(EXIT_DATA, "%s: this is no table of microbenchmarks: %s", path, line);
        table->count++;
    }
    fclose(file);
}

static const struct row *find(const struct table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->rows[i].name, name) == 0)
            return &table->rows[i];
    return NULL;
}

static void print_change(double a, double b)
{
    if (a <= 0 || b <= 0)
        printf(" %12s %12s %8s", "-", "-", "-");
    else
        printf(" %12.1f %12.1f %+7.1f%%", a, b, (b / a - 1) * 100);
}

void micro_compare(const char *path_a, const char *path_b)
{
    static struct table a, b;
    read_table(path_a, &a);
    read_table(path_b, &b);
    printf("%-32s %12s %12s %8s %12s %12s %8s\n", "case", "ns A", "ns B", "change", "instr. A", "instr. B",
           "change");
    for (size_t i = 0; i < a.count; i++) {
        const struct row *other = find(&b, a.rows[i].name);
        if (other == NULL)
            continue;
        printf("%-32s", a.rows[i].name);
        print_change(a.rows[i].ns, other->ns);
        print_change(a.rows[i].instructions, other->instructions);
        printf("\n");
    }
}
