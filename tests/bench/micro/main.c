/*
 * forumd-microbench                     measures all cases; a line each: name, ns and instructions an
 *                                       operation (-1: no counter), operations, separated by tabs
 * forumd-microbench compare A.tsv B.tsv shows how B differs
 */
#include <stdio.h>
#include <string.h>

#include "common/fatal.h"
#include "common/log.h"
#include "common/options.h"
#include "tests/bench/micro/micro.h"

static void measure_all(const struct micro_case *cases, size_t count, const char *only, unsigned round_ms)
{
    for (size_t i = 0; i < count; i++) {
        if (strstr(cases[i].name, only) == NULL)
            continue;
        struct micro_figure figure = micro_measure(&cases[i], round_ms);
        printf("%s\t%.1f\t%.1f\t%llu\n", cases[i].name, figure.ns, figure.instructions,
               (unsigned long long)figure.operations);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    unsigned round_ms = 300;
    const char *only = "";
    const struct option_row rows[] = {
        {"round", OPTION_UINT, &round_ms, 1, 60000, NULL, "MS",
         "of which each case takes five, and the median"},
        {"only", OPTION_STRING, &only, 0, 0, NULL, "TEXT", "cases with that in their names"},
    };
    size_t operands =
        options_parse("forumd-microbench [flags] [compare A.tsv B.tsv]", rows, ARRAY_LEN(rows), argc, argv);
    log_open("microbench", LOG_LEVEL_WARN);
    if (operands == 3 && strcmp(argv[argc - 3], "compare") == 0) {
        micro_compare(argv[argc - 2], argv[argc - 1]);
        return 0;
    }
    if (operands != 0)
        fatal_exit(EXIT_USAGE, "unexpected argument: %s", argv[argc - 1]);
    printf("# case\tns\tinstructions\toperations\n");
    measure_all(codec_cases, codec_case_count, only, round_ms);
    measure_all(engine_cases, engine_case_count, only, round_ms);
    return 0;
}
