/* forumctl status and top, of whole servers. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/program.h"
#include "tests/lib/wait.h"

#define RUN_MS 20000

/* `command` and its flags, parted by spaces. */
static struct program_result ctl(const struct forum *forum, const char *command)
{
    const char *shell = keep_format("exec %s %s --listen 127.0.0.1:%u --port-base %u --state-dir %s",
                                    forum_executable("forumctl"), command, forum_port(forum),
                                    forum_engines_port_base(forum), forum_state_directory(forum));
    return program_run((const char *[]){"/bin/sh", "-c", shell, NULL}, NULL, NULL, RUN_MS);
}

/* The line of a process in a table; NULL: there is none. */
static const char *line_of(const char *table, const char *process)
{
    const char *at = strstr(table, keep_format("\n%s ", process));
    return at != NULL ? keep_copy(at + 1, strcspn(at + 1, "\n")) : NULL;
}

static const char *const processes[] = {"gateway", "master",     "worker 1",    "worker 2",
                                        "users",   "subreddits", "posts",       "comments",
                                        "dms",     "feed",       "passwords 1", "passwords 2"};

Test(status, shows_every_process_and_says_0_when_all_are_up)
{
    struct forum *forum = forum_start(NULL);
    make_user(forum);
    struct program_result result = ctl(forum, "status --interval 100");
    cr_assert_eq(result.exit_code, 0, "%s", result.output);
    for (size_t i = 0; i < ARRAY_LEN(processes); i++) {
        const char *line = line_of(result.output, processes[i]);
        cr_assert(line && strstr(line, " up "), "%s: %s", processes[i], result.output);
    }
    const char *pid = keep_format(" %d ", (int)forum_process(forum, "forumd-engined: posts"));
    cr_assert(strstr(line_of(result.output, "posts"), pid), "no %s: %s", pid, result.output);
    result = ctl(forum, "status --json --interval 0");
    cr_assert_eq(result.exit_code, 0, "%s", result.output);
    cr_assert(strstr(result.output, "{\"status\":\"ok\",\"processes\":[{\"process\":\"gateway\""));
    cr_assert(strstr(result.output, "\"process\":\"users\",\"state\":\"up\""), "%s", result.output);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
    result = ctl(forum, "status --interval 0");
    cr_assert_eq(result.exit_code, 1, "%s", result.output);
    cr_assert(strstr(line_of(result.output, "gateway"), " down "), "%s", result.output);
    cr_assert(strstr(line_of(result.output, "users"), " down "), "%s", result.output);
}

Test(status, tells_a_process_that_does_not_answer_from_one_that_is_not_there)
{
    struct forum *forum = forum_start(
        &(struct forum_spec){.workers = 1, .flags = (const char *[]){"--hang-timeout=60000", NULL}});
    pid_t engine = forum_process(forum, "forumd-engined: comments");
    cr_assert_eq(kill(engine, SIGSTOP), 0);
    struct program_result result = ctl(forum, "status --interval 0");
    cr_assert_eq(result.exit_code, 1, "%s", result.output);
    const char *line = line_of(result.output, "comments");
    cr_assert(strstr(line, " silent ") && strstr(line, keep_format(" %d ", (int)engine)), "%s", line);
    cr_assert(strstr(line_of(result.output, "posts"), " up "), "%s", result.output);
    cr_assert_eq(kill(engine, SIGCONT), 0);
    pid_t worker = forum_process(forum, "forumd-gateway: worker");
    cr_assert_eq(kill(worker, SIGSTOP), 0);
    result = ctl(forum, "status --interval 0");
    cr_assert_eq(kill(worker, SIGCONT), 0);
    cr_assert_eq(result.exit_code, 1, "%s", result.output);
    cr_assert(strstr(line_of(result.output, "gateway"), " silent "), "%s", result.output);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(status, shows_a_restarted_process_with_its_restarts)
{
    struct forum *forum = forum_start(NULL);
    forum_kill_and_wait_for_another(forum, "forumd-engined: dms");
    struct program_result result = ctl(forum, "status --json --interval 0");
    const char *dms = strstr(result.output, "\"process\":\"dms\"");
    cr_assert(dms && strstr(keep_copy(dms, strcspn(dms, "}")), "\"restarts\":1"), "%s", result.output);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

static void loopback_up(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0);
    close(fd);
}

/* Of a forum in another network namespace, as those of systemd's PrivateNetwork are. */
Test(status, joins_the_network_of_the_engines)
{
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    cr_assert(home >= 0);
    if (unshare(CLONE_NEWNET) != 0)
        cr_skip_test("only root may make network namespaces");
    loopback_up();
    struct forum *forum = forum_start(NULL);
    cr_assert_eq(setns(home, CLONE_NEWNET), 0);
    struct program_result result = ctl(forum, "status --interval 0");
    cr_assert_eq(result.exit_code, 1, "%s", result.output);
    cr_assert(strstr(line_of(result.output, "gateway"), " down "), "it is not to be seen from here: %s",
              result.output);
    cr_assert(strstr(line_of(result.output, "users"), " up "), "%s", result.output);
    cr_assert(strstr(line_of(result.output, "passwords 2"), " up "), "%s", result.output);
    const char *backup = keep_format("%s/backup", forum_state_directory(forum));
    result = program_run((const char *[]){forum_executable("forumctl"), "backup", backup, "--state-dir",
                                          forum_state_directory(forum), "--port-base",
                                          keep_format("%u", forum_engines_port_base(forum)), NULL},
                         NULL, NULL, RUN_MS);
    cr_assert_eq(result.exit_code, 0, "a backup joins it likewise: %s", result.output);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(top, is_a_table_again_and_again_where_there_is_no_terminal)
{
    struct forum *forum = forum_start(NULL);
    struct program_result result = ctl(forum, "top --rounds 2 --interval 100 </dev/null");
    cr_assert_eq(result.exit_code, 0, "%s", result.output);
    const char *second = strstr(strstr(result.output, "PROCESS") + 1, "PROCESS");
    cr_assert(second && !strstr(result.output, "\033"), "%s", result.output);
    const char *typed = keep_format("(sleep 1; printf q) | script -qec '%s top --interval 60000 --listen "
                                    "127.0.0.1:%u --port-base %u --state-dir %s' /dev/null",
                                    forum_executable("forumctl"), forum_port(forum),
                                    forum_engines_port_base(forum), forum_state_directory(forum));
    result = program_run((const char *[]){"/bin/sh", "-c", typed, NULL}, NULL, NULL, RUN_MS);
    cr_assert_eq(result.exit_code, 0, "q ends it: %s", result.output);
    cr_assert(strstr(result.output, "\033[?1049h") && strstr(result.output, "\033[?1049l"), "%s",
              result.output);
    cr_assert(strstr(result.output, "All is up. q ends."), "%s", result.output);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.shared = false});
}
