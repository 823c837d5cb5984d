/* What the other tests rely on: that nothing outlives a test, and that waiting ends. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/proc.h"
#include "tests/lib/program.h"
#include "tests/lib/wait.h"

/* Prints the pid of a grandchild that left its session and ignores all it can. */
#define LEAVE_A_STRAY "setsid sh -c 'trap \"\" TERM INT HUP; echo $$; while :; do sleep 1; done' & wait"

static const char *const shell[] = {"/bin/sh", "-c", LEAVE_A_STRAY, NULL};

static bool has_a_line(void *arg)
{
    return strchr(program_output(arg), '\n') != NULL;
}

static bool is_gone(void *arg)
{
    return !proc_alive(*(pid_t *)arg);
}

static bool is_removed(void *arg)
{
    return access(arg, F_OK) != 0;
}

Test(keeper, kills_what_its_program_left_behind)
{
    struct program *program = program_start(shell, NULL, NULL);
    cr_assert(wait_until(has_a_line, program, 5000));
    pid_t stray = (pid_t)atoi(program_output(program));
    cr_assert(proc_alive(stray));
    keeper_end(program_keeper(program));
    cr_assert(!proc_alive(stray));
}

Test(keeper, ends_and_removes_its_directory_when_the_test_is_killed)
{
    char *directory = keep_format("%s/XXXXXX", forum_run_directory());
    cr_assert(mkdtemp(directory));
    int pids[2];
    cr_assert(pipe(pids) == 0);
    pid_t test = fork();
    if (test == 0) {
        struct keeper *keeper =
            keeper_start(&(struct keeper_spec){.argv = shell, .remove = directory, .hold_fd = -1});
        pid_t both[] = {keeper_program(keeper), keeper_pid(keeper)};
        if (write(pids[1], both, sizeof(both)) != sizeof(both))
            _exit(1);
        pause();
    }
    pid_t both[2];
    cr_assert(read(pids[0], both, sizeof(both)) == sizeof(both));
    cr_assert(proc_alive(both[0]) && proc_alive(both[1]));
    kill(test, SIGKILL);
    waitpid(test, NULL, 0);
    cr_assert(wait_until(is_gone, &both[0], 5000));
    cr_assert(wait_until(is_gone, &both[1], 5000));
    cr_assert(wait_until(is_removed, directory, 5000));
}

Test(program, says_how_it_ended_and_what_it_printed)
{
    const char *const argv[] = {"/bin/sh", "-c", "echo out; echo err >&2; exit 7", NULL};
    struct program_result result = program_run(argv, NULL, NULL, 5000);
    cr_assert_eq(result.exit_code, 7);
    cr_assert_str_eq(result.output, "out\nerr\n");
}

Test(program, is_killed_at_its_deadline)
{
    const char *const argv[] = {"/bin/sleep", "1000", NULL};
    cr_assert_eq(program_run(argv, NULL, NULL, 20).exit_code, -2);
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

Test(wait, gives_up_at_its_deadline)
{
    uint64_t start = wait_now_ms();
    cr_assert(!wait_until(never, NULL, 50));
    cr_assert_geq(wait_now_ms() - start, 50);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.timeout_s = 30});
}
