/* What an engine writes down of its own death, and what its successor makes of it. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/log.h"
#include "engined/crashes.h"

#define NOW_MS   1700000000000ull
#define POISON   4711
#define INNOCENT 4712
#define COMMAND  0x0301

static const struct trace NO_TRACE = {.number = 0};

static char dir[64], path[96];

static void make_dir(void)
{
    log_open("test", LOG_LEVEL_ERROR);
    snprintf(dir, sizeof(dir), "/tmp/forumd-crashes-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/posts.crashes", dir);
}

static void remove_dir(void)
{
    unlink(path);
    cr_assert_eq(rmdir(dir), 0);
}

TestSuite(crashes, .init = make_dir, .fini = remove_dir);

/* A process that dies of the signal, after it decided INNOCENT and while it decides `fingerprint` (0:
 * nothing). */
static void die(uint64_t fingerprint, int signal, uint64_t now_ms)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct crashes *crashes = crashes_open(dir, "posts", now_ms);
        crashes_deciding(crashes, INNOCENT, COMMAND, now_ms, &NO_TRACE);
        crashes_decided(crashes);
        if (fingerprint != 0)
            crashes_deciding(crashes, fingerprint, COMMAND, now_ms, &NO_TRACE);
        raise(signal);
        _exit(0);
    }
    cr_assert(waitpid(pid, &status, 0) == pid);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == signal, "it must still die of its signal: %d",
              status);
}

static bool is_blamed(uint64_t fingerprint, uint64_t now_ms)
{
    struct crashes *crashes = crashes_open(dir, "posts", now_ms);
    bool blamed = crashes_blame(crashes, fingerprint, now_ms);
    crashes_close(crashes);
    return blamed;
}

Test(crashes, are_forgiven_once_and_blamed_from_the_second_on)
{
    cr_assert_not(is_blamed(POISON, NOW_MS));
    die(POISON, SIGABRT, NOW_MS);
    cr_assert_not(is_blamed(POISON, NOW_MS));
    die(POISON, SIGABRT, NOW_MS);
    cr_assert(is_blamed(POISON, NOW_MS));
    cr_assert(is_blamed(POISON, NOW_MS), "it is remembered when nobody dies of it, too");
    cr_assert_not(is_blamed(INNOCENT, NOW_MS));
}

Test(crashes, are_forgotten_after_their_time)
{
    for (int i = 0; i < LIMIT_CRASHES; i++)
        die(POISON, SIGABRT, NOW_MS);
    cr_assert(is_blamed(POISON, NOW_MS + LIMIT_CRASH_MEMORY_MS - 1));
    struct crashes *crashes = crashes_open(dir, "posts", NOW_MS + 1);
    cr_assert_not(crashes_blame(crashes, POISON, NOW_MS + LIMIT_CRASH_MEMORY_MS), "also while it runs");
    crashes_close(crashes);
    cr_assert_not(is_blamed(POISON, NOW_MS + LIMIT_CRASH_MEMORY_MS + 1));
    die(POISON, SIGABRT, NOW_MS + LIMIT_CRASH_MEMORY_MS + 2);
    cr_assert_not(is_blamed(POISON, NOW_MS + LIMIT_CRASH_MEMORY_MS + 2));
}

Test(crashes, are_not_the_fault_of_a_request_when_somebody_else_kills)
{
    for (int i = 0; i < 2 * LIMIT_CRASHES; i++)
        die(POISON, i % 2 ? SIGKILL : SIGTERM, NOW_MS);
    cr_assert_not(is_blamed(POISON, NOW_MS));
}

Test(crashes, are_not_the_fault_of_a_request_that_was_decided_before)
{
    for (int i = 0; i < LIMIT_CRASHES; i++)
        die(0, SIGABRT, NOW_MS);
    cr_assert_not(is_blamed(INNOCENT, NOW_MS));
}

Test(crashes, are_bounded_and_the_newest_are_kept)
{
    for (int i = 0; i < LIMIT_CRASHES; i++)
        die(POISON, SIGABRT, NOW_MS);
    for (uint64_t i = 0; i < LIMIT_CRASHES_KEPT; i++)
        die(10000 + i, SIGABRT, NOW_MS + i);
    cr_assert_not(is_blamed(POISON, NOW_MS + 1000));
    struct stat info;
    cr_assert(stat(path, &info) == 0);
    cr_assert_leq(info.st_size, LIMIT_CRASHES_KEPT * 24);
    die(10000 + LIMIT_CRASHES_KEPT - 1, SIGABRT, NOW_MS + 1000);
    cr_assert(is_blamed(10000 + LIMIT_CRASHES_KEPT - 1, NOW_MS + 1000));
}

Test(crashes, do_without_a_file_that_cannot_be_opened_and_with_one_that_holds_rubbish)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    cr_assert(fd >= 0 && write(fd, "rubbish and half a record, of no use to anybody", 47) == 47);
    close(fd);
    cr_assert_not(is_blamed(POISON, NOW_MS));
    for (int i = 0; i < LIMIT_CRASHES; i++)
        die(POISON, SIGABRT, NOW_MS);
    cr_assert(is_blamed(POISON, NOW_MS));
    log_open("test", LOG_LEVEL_ERROR);
    struct crashes *crashes = crashes_open("/no/such/directory", "posts", NOW_MS);
    crashes_deciding(crashes, POISON, COMMAND, NOW_MS, &NO_TRACE);
    cr_assert_not(crashes_blame(crashes, POISON, NOW_MS));
    crashes_close(crashes);
}

Test(crashes, end_with_a_line_that_names_the_request)
{
    int ends[2], status;
    char line[256] = "";
    cr_assert_eq(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct crashes *crashes = crashes_open(dir, "posts", NOW_MS);
        dup2(ends[1], STDERR_FILENO);
        crashes_deciding(crashes, POISON, COMMAND, NOW_MS, &(struct trace){0xabc, 120, NULL});
        raise(SIGABRT); /* SIGSEGV is a sanitizer's, if there is one */
        _exit(0);
    }
    close(ends[1]);
    cr_assert(waitpid(pid, &status, 0) == pid);
    cr_assert_gt(read(ends[0], line, sizeof(line) - 1), 0);
    close(ends[0]);
    cr_assert_str_eq(line, "error  died deciding a request id=0000000000000abc-120 command=0x0301\n");
}
