#include "tests/upgrade/old.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/keep.h"
#include "tests/lib/proc.h"
#include "tests/lib/wait.h"

#define BUILD_MS         240000 /* once; ./test has done it before */
#define ARGUMENTS_MAX    12
#define LINK_MAX         4096
#define PRESENT_VARIABLE "FORUMD_TEST_PRESENT"

const char *old_shell(const char *command)
{
    struct program_result result =
        program_run((const char *[]){"/bin/sh", "-c", command, NULL}, NULL, NULL, OLD_TOOL_MS);
    cr_assert_eq(result.exit_code, 0, "%s: %s", command, result.output);
    return result.output;
}

struct program_result old_run(const char *program, const char *const *arguments)
{
    const char *argv[ARGUMENTS_MAX] = {program};
    for (size_t i = 0; arguments[i] && i + 2 < ARGUMENTS_MAX; i++)
        argv[i + 1] = arguments[i];
    return program_run(argv, NULL, forum_run_directory(), OLD_TOOL_MS);
}

const char *old_programs(void)
{
    const char *const argv[] = {"/bin/sh", "-c",
                                "exec " FORUMD_SOURCE_DIR "/tests/upgrade/old-build 2>old-build.log", NULL};
    struct program_result result = program_run(argv, NULL, forum_run_directory(), BUILD_MS);
    const char *log = keep_file(keep_format("%s/old-build.log", forum_run_directory()), NULL);
    cr_assert_eq(result.exit_code, 0, "the earlier commit was not built: %s", log);
    size_t length = strcspn(result.output, "\n");
    if (length == 0) {
        printf("skipped: %s", log);
        fflush(stdout);
        cr_skip_test("%s", log);
    }
    return keep_copy(result.output, length);
}

const char *old_program(const char *name)
{
    return keep_format("%s/%s", old_programs(), name);
}

/* Wherever forum_start finds programs now. */
static const char *present_program(const char *name)
{
    const char *directory = getenv(PRESENT_VARIABLE);
    return directory ? keep_format("%s/%s", directory, name) : forum_executable(name);
}

const char *old_install(void)
{
    const char *programs = old_programs();
    char *directory = keep_format("%s/programs.XXXXXX", forum_run_directory());
    cr_assert(mkdtemp(directory), "%s: %s", directory, strerror(errno));
    old_shell(
        keep_format("cp %s/forumd %s/forumd-* %s/forumctl %s", programs, programs, programs, directory));
    cr_assert(setenv(PRESENT_VARIABLE, dirname(keep_format("%s", present_program("forumd"))), 1) == 0 &&
              setenv("FORUMD_BIN_DIR", directory, 1) == 0); /* each test has a process of its own */
    return directory;
}

void old_upgrade(const char *directory, const char *name)
{
    old_shell(keep_format("cp %s %s/%s.new && mv %s/%s.new %s/%s", present_program(name), directory, name,
                          directory, name, directory, name));
}

struct successors {
    struct forum *forum;
    const char *role;
    pid_t old[PROC_MAX];
    size_t count;
};

static bool have_successors(void *arg)
{
    const struct successors *successors = arg;
    pid_t pids[PROC_MAX];
    size_t count = forum_processes(successors->forum, successors->role, pids, PROC_MAX);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < successors->count; k++)
            if (pids[i] == successors->old[k])
                return false;
    return count == successors->count && forum_wait_ready(successors->forum, 0);
}

void old_replace(struct forum *forum, const char *role, int signal)
{
    struct successors successors = {.forum = forum, .role = role};
    successors.count = forum_processes(forum, role, successors.old, PROC_MAX);
    cr_assert(successors.count > 0, "no process \"%s\"", role);
    for (size_t i = 0; i < successors.count; i++)
        cr_assert(kill(successors.old[i], signal) == 0, "%s: %s", role, strerror(errno));
    cr_assert(wait_until(have_successors, &successors, FORUM_START_MS), "%s did not come back", role);
}

size_t old_running(const struct forum *forum, const char *role)
{
    pid_t pids[PROC_MAX];
    size_t old = 0, count = forum_processes(forum, role, pids, PROC_MAX);
    for (size_t i = 0; i < count; i++) {
        char link[LINK_MAX] = "";
        if (readlink(keep_format("/proc/%d/exe", (int)pids[i]), link, sizeof(link) - 1) > 0)
            old += strstr(link, " (deleted)") != NULL;
    }
    return old;
}

void old_check_clean(const char *state)
{
    struct program_result result =
        old_run(present_program("forumctl"), (const char *[]){"check", state, NULL});
    cr_assert(result.exit_code == 0 && !strstr(result.output, "note:"), "exit code %d: %s", result.exit_code,
              result.output);
}
