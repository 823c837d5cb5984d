/* The benchmark measures nothing that is not durable: it finds out by itself, from the engines that run. */
#include <string.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/program.h"

#define RUN_MS 60000

static struct program_result run_with(const char *fault)
{
    const char *const argv[] = {FORUMD_SOURCE_DIR "/tests/bench/run",
                                "--quick",
                                "--peers",
                                "none",
                                "--workloads",
                                "get_post",
                                "--bin",
                                FORUMD_BIN_DIR,
                                NULL};
    const char *const env[] = {fault, NULL};
    return program_run(argv, env, NULL, RUN_MS);
}

Test(bench, measures_a_forum_whose_writes_are_durable)
{
    struct program_result result = run_with("FORUMD_BENCH_TEST=1");
    cr_assert_eq(result.exit_code, 0, "%s", result.output);
    cr_assert(strstr(result.output, "Side by side"), "%s", result.output);
}

Test(bench, refuses_a_forum_that_syncs_less)
{
    static const char *const faults[] = {"FORUMD_FAULT_SYNCHRONOUS=normal", "FORUMD_FAULT_SYNCHRONOUS=off"};
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        struct program_result result = run_with(faults[i]);
        cr_assert_eq(result.exit_code, 1, "%s: %s", faults[i], result.output);
        cr_assert(strstr(result.output, "refused: the users engine runs with synchronous="), "%s",
                  result.output);
        cr_assert_null(strstr(result.output, "Side by side"), "%s", result.output);
    }
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.timeout_s = 0});
}
