#include "tests/fault/sim_load.h"

#include <signal.h>
#include <string.h>

#include "tests/lib/keep.h"
#include "tests/lib/program.h"
#include "tests/lib/require.h"

#define FLAGS_MAX      16
#define STOP_MS        20000
#define VERIFY_MS      60000
#define DURATION_S_MAX "600"

struct sim_load {
    struct program *program;
};

static const char *url_of(const struct forum *forum)
{
    return keep_format("http://127.0.0.1:%u", forum_port(forum));
}

struct sim_load *sim_load_start(const struct forum *forum, const struct sim_load_spec *spec)
{
    const char *argv[20 + FLAGS_MAX] = {forum_executable("forumd-sim"),
                                        "load",
                                        "--quiet",
                                        "--url",
                                        url_of(forum),
                                        "--record",
                                        spec->record,
                                        "--clients",
                                        keep_format("%u", spec->clients > 0 ? spec->clients : 64),
                                        "--seed",
                                        keep_format("%llu", spec->seed),
                                        "--duration",
                                        DURATION_S_MAX};
    size_t count = 13;
    for (size_t i = 0; spec->flags && spec->flags[i] && i < FLAGS_MAX; i++)
        argv[count++] = spec->flags[i];
    struct sim_load *load = keep_alloc(sizeof(*load));
    load->program = program_start(argv, NULL, forum_run_directory());
    return load;
}

const char *sim_load_stop(struct sim_load *load)
{
    kill(keeper_program(program_keeper(load->program)), SIGINT);
    struct program_result result = program_finish(load->program, STOP_MS);
    REQUIRE(result.exit_code >= 0, "forumd-sim load did not stop: %s", result.output);
    return result.output;
}

unsigned sim_load_recorded(const char *record)
{
    const char *text = keep_file(record, NULL);
    unsigned lines = 0;
    for (const char *at = text; at && (at = strchr(at, '\n')); at++)
        lines++;
    return lines;
}

const char *sim_load_verify(const struct forum *forum, const char *record)
{
    const char *const argv[] = {
        forum_executable("forumd-sim"), "verify", "--url", url_of(forum), "--record", record, NULL};
    struct program_result result = program_run(argv, NULL, forum_run_directory(), VERIFY_MS);
    return result.exit_code == 0 ? NULL : keep_format("exit code %d: %s", result.exit_code, result.output);
}
