/* What else may go wrong around the processes: descriptors that run out, strangers on the ports. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fault/counters.h"
#include "tests/fault/sim_load.h"
#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/proc.h"
#include "tests/lib/program.h"
#include "tests/lib/wait.h"

#define SETTLED_MS      10000
#define CROWD           80   /* connections that want in */
#define WORKER_FDS_OVER 20   /* more than a worker has at rest */
#define ROOM_MS         1500 /* a try each 100 ms, and first those in the queue who left */
#define QUIET_MS        1500
#define QUIET_CPU       0.3 /* of a core, of a process that has nothing to do */

static const char *const quiet[] = {"--access-log=off", NULL};

/* --- what a process has used --- */

/* CPU time, user and system. */
static double cpu_seconds(pid_t pid)
{
    const char *stat = keep_file(keep_format("/proc/%d/stat", (int)pid), NULL);
    unsigned long user, system;
    cr_assert(stat, "no process %d", (int)pid);
    cr_assert_eq(
        sscanf(strrchr(stat, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system),
        2);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

/* Its share of a core over a while of the watcher's own time. */
static double cpu_share(pid_t pid)
{
    double used = cpu_seconds(pid);
    uint64_t start_ms = wait_now_ms();
    (void)!wait_until(never, NULL, QUIET_MS);
    return (cpu_seconds(pid) - used) / ((double)(wait_now_ms() - start_ms) / 1000);
}

static void limit_fds(pid_t pid, unsigned count)
{
    struct rlimit limit = {.rlim_cur = count, .rlim_max = count};
    cr_assert(prlimit(pid, RLIMIT_NOFILE, &limit, NULL) == 0, "prlimit: %s", strerror(errno));
}

static unsigned fds_of(pid_t pid)
{
    const char *const argv[] = {"/bin/sh", "-c", keep_format("ls /proc/%d/fd | wc -l", (int)pid), NULL};
    return (unsigned)atoi(program_run(argv, NULL, NULL, SETTLED_MS).output);
}

static size_t log_length(const struct forum *forum)
{
    return strlen(forum_log(forum));
}

/* --- descriptors --- */

static bool answers_on(struct connection *connection)
{
    static const char request[] = "GET /api/users/user_1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    return http_write(connection, request, sizeof(request) - 1) &&
           http_read(connection, false)->status == 200;
}

static bool takes_new_connections(void *arg)
{
    return forum_get(arg, "/api/users/user_1")->status == 200;
}

static int connect_to(unsigned port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "port %u: %s", port,
              strerror(errno));
    return fd;
}

Test(descriptors, that_run_out_in_a_worker_hinder_only_new_connections_and_spin_nothing)
{
    struct forum *forum = forum_start(&(struct forum_spec){.workers = 1, .flags = quiet});
    make_user(forum);
    struct connection *old = http_open(forum_port(forum));
    cr_assert(answers_on(old));
    pid_t worker = forum_process(forum, "forumd-gateway: worker");
    limit_fds(worker, fds_of(worker) + WORKER_FDS_OVER);
    int crowd[CROWD];
    for (size_t i = 0; i < CROWD; i++)
        crowd[i] = connect_to(forum_port(forum));
    size_t length = log_length(forum);
    double share = cpu_share(worker);
    size_t grown = log_length(forum) - length;
    cr_assert(answers_on(old), "one that was there before is not served: %s", forum_log(forum));
    cr_assert_lt(share, QUIET_CPU, "a worker that can accept nobody uses %.2f of a core", share);
    cr_assert_lt(grown, 20000, "%zu bytes of log in %d ms: %.4000s", grown, QUIET_MS,
                 forum_log(forum) + length);
    for (size_t i = 0; i < CROWD; i++)
        close(crowd[i]);
    uint64_t start_ms = wait_now_ms();
    cr_assert(wait_until(takes_new_connections, forum, SETTLED_MS), "it does not recover: %s",
              forum_log(forum));
    uint64_t served_ms = wait_now_ms() - start_ms;
    cr_assert_lt(served_ms, ROOM_MS, "served again only after %llu ms", (unsigned long long)served_ms);
    printf("fault: descriptors: %d connections wanted in, %d fit; %.2f of a core meanwhile; served again "
           "after %llu "
           "ms\n",
           CROWD, WORKER_FDS_OVER, share, (unsigned long long)served_ms);
    cr_assert_eq(forum_process(forum, "forumd-gateway: worker"), worker, "it was restarted");
    http_close(old);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(descriptors, that_run_out_in_an_engine_hinder_no_other_and_spin_nothing)
{
    struct forum *forum = forum_start(&(struct forum_spec){.flags = quiet});
    make_subreddit(forum, make_user(forum));
    make_post(forum, "sub_1", "user_1", "T");
    make_comment(forum, "post_1", "user_1", NULL, "C"); /* all who need the engine are connected */
    pid_t posts = forum_process(forum, "forumd-engined: posts");
    unsigned port = forum_port(forum) + 3; /* of its block: 0 HTTP, then users, subreddits, posts */
    limit_fds(posts, fds_of(posts) + 5);
    int crowd[CROWD];
    for (size_t i = 0; i < CROWD; i++)
        crowd[i] = connect_to(port);
    size_t length = log_length(forum);
    double share = cpu_share(posts);
    CHECK_OK(forum_get(forum, "/api/posts/post_1"));
    make_post(forum, "sub_1", "user_1", "T");
    make_comment(forum, "post_1", "user_1", NULL, "C");
    cr_assert_lt(share, QUIET_CPU, "an engine that can accept nobody uses %.2f of a core", share);
    cr_assert_lt(log_length(forum) - length, 20000, "%.4000s", forum_log(forum) + length);
    for (size_t i = 0; i < CROWD; i++)
        close(crowd[i]);
    CHECK_NOTHING_WRONG(counters_differences(forum));
    forum_kill_and_wait_for_another(forum, "forumd-gateway: worker"); /* who connects anew is let in */
    CHECK_OK(forum_get(forum, "/api/posts/post_1"));
    printf(
        "descriptors: %d strangers at an engine with room for 5; %.2f of a core meanwhile; all are served\n",
        CROWD, share);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(descriptors, too_few_for_an_engine_to_open_its_file_are_named_as_the_reason)
{
    const char *state = keep_format("%s/few.XXXXXX", forum_run_directory());
    cr_assert(mkdtemp((char *)state));
    const char *command = keep_format(
        "head -c 32 /dev/zero > %s/mac.key; chmod 600 %s/mac.key; ulimit -n 7; exec %s posts --state-dir "
        "%s --port-base %u",
        state, state, forum_executable("forumd-engined"), state, 13800);
    struct program_result result =
        program_run((const char *[]){"/bin/sh", "-c", command, NULL}, NULL, NULL, SETTLED_MS);
    cr_assert(result.exit_code > 0, "exit code %d: %s", result.exit_code, result.output);
    cr_assert(strstr(result.output, "posts.db") || strstr(result.output, "open files"), "%s", result.output);
    cr_assert(!strstr(result.output, "broken invariant"), "%s", result.output);
    printf("fault: descriptors: an engine with 7 says: %s", result.output);
}

/* --- strangers --- */

#define STRANGERS 300

/* One that connects, says what it wants, and goes: at once, or after it was answered. */
static void be_a_stranger(unsigned port, size_t number)
{
    static const char sp[] = "\0SP\0\0\x30\0\0"; /* NNG's greeting of a REQ socket */
    char bytes[512];
    int fd = connect_to(port);
    struct timeval patience = {.tv_usec = 20000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    cr_assert(getrandom(bytes, sizeof(bytes), 0) == sizeof(bytes));
    size_t kind = number % 6;
    if (kind == 1)
        (void)!send(fd, sp, 3, MSG_NOSIGNAL); /* leaves in the middle of the greeting */
    if (kind == 2 || kind == 3)
        (void)!send(fd, sp, 8, MSG_NOSIGNAL);
    if (kind == 3 || kind == 4)
        (void)!send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
    if (kind == 5)
        (void)!send(fd, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab", 49, MSG_NOSIGNAL);
    if (number % 4 == 0)
        (void)!recv(fd, bytes, sizeof(bytes), 0);
    if (number % 3 == 0) {
        struct linger reset = {.l_onoff = 1, .l_linger = 0};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
    close(fd);
}

static double most_cpu(struct forum *forum, const char *role)
{
    pid_t pids[PROC_MAX];
    size_t count = forum_processes(forum, role, pids, PROC_MAX);
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        double share = cpu_share(pids[i]);
        most = share > most ? share : most;
    }
    return most;
}

static size_t count_in(const char *text, const char *word)
{
    size_t count = 0;
    for (; (text = strstr(text, word)); text++)
        count++;
    return count;
}

Test(strangers, on_any_port_harm_nobody_and_leave_nothing_spinning)
{
    struct forum *forum = forum_start(&(struct forum_spec){.flags = quiet});
    const char *record = keep_format("%s/strangers.record", forum_run_directory());
    size_t started = count_in(forum_log(forum), "child started");
    struct sim_load *load =
        sim_load_start(forum, &(struct sim_load_spec){.record = record, .clients = 16, .seed = 4});
    for (size_t i = 0; i < STRANGERS; i++)
        for (unsigned port = 0; port <= 6; port++) /* HTTP, then the six engines */
            be_a_stranger(forum_port(forum) + port, i + port);
    const char *said = sim_load_stop(load);
    cr_assert(strstr(said, ", 0 not answered 2xx"), "%s", said);
    double share = most_cpu(forum, "forumd-engined"), worker = most_cpu(forum, "forumd-gateway: worker");
    cr_assert_lt(share, QUIET_CPU, "an engine uses %.2f of a core", share);
    cr_assert_lt(worker, QUIET_CPU, "a worker uses %.2f of a core", worker);
    cr_assert_eq(count_in(forum_log(forum), "child started"), started, "a process was restarted: %s",
                 forum_log(forum));
    CHECK_NOTHING_WRONG(sim_load_verify(forum, record));
    CHECK_NOTHING_WRONG(counters_differences(forum));
    printf("fault: strangers: %d on each of 7 ports under load of %u writes: all answered; at rest at most "
           "%.2f of "
           "a core\n",
           STRANGERS, sim_load_recorded(record), share > worker ? share : worker);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){0});
}
