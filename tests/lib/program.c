#include "tests/lib/program.h"
#include "tests/lib/require.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/forum.h"
#include "tests/lib/keep.h"

struct program {
    struct keeper *keeper;
    const char *output_path;
};

struct program *program_start(const char *const *argv, const char *const *env, const char *directory)
{
    struct program *program = keep_alloc(sizeof(*program));
    char *path = keep_format("%s/program.XXXXXX", forum_run_directory());
    int fd = mkstemp(path);
    REQUIRE(fd >= 0, "no file for the output in %s", forum_run_directory());
    close(fd);
    program->output_path = path;
    program->keeper = keeper_start(&(struct keeper_spec){
        .argv = argv, .env = env, .directory = directory, .output = path, .hold_fd = -1});
    return program;
}

const char *program_output(const struct program *program)
{
    const char *text = keep_file(program->output_path, NULL);
    return text ? text : "";
}

struct keeper *program_keeper(const struct program *program)
{
    return program->keeper;
}

struct program_result program_finish(struct program *program, unsigned timeout_ms)
{
    struct program_result result = {.exit_code = -2};
    int status;
    if (keeper_wait(program->keeper, timeout_ms, &status))
        result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    keeper_end(program->keeper);
    result.output = program_output(program);
    return result;
}

struct program_result program_run(const char *const *argv, const char *const *env, const char *directory,
                                  unsigned timeout_ms)
{
    return program_finish(program_start(argv, env, directory), timeout_ms);
}
