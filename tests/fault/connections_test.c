/* Many connections. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fault/flood.h"
#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/proc.h"
#include "tests/lib/wait.h"

#define IDLE_CONNECTIONS   10000
#define ACTIVE_CONNECTIONS 64
#define SPARE_FDS          500
#define BYTES_PER_IDLE     (24 * 1024)
#define WINDOW_MS          700
#define WINDOWS            3
#define WAIT_MS            30000
#define P99_SLACK_US       2000 /* of a few ms: a time slice of some other process */

struct actives {
    struct forum *forum;
    const char *post;
};

static size_t make_read(void *arg, uint64_t number, char *out, size_t max)
{
    const struct actives *actives = arg;
    (void)number;
    return (size_t)snprintf(out, max, "GET /api/posts/%s HTTP/1.1\r\nHost: forum\r\n\r\n", actives->post);
}

static int connect_to(unsigned port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0, "%s", strerror(errno));
    return fd;
}

static long metric(struct forum *forum, const char *name)
{
    struct reply *reply = forum_get(forum, "/metrics");
    CHECK_STATUS(reply, 200);
    const char *line = strstr(reply->body, keep_format("\n%s ", name));
    cr_assert(line, "no %s in /metrics", name);
    return strtol(line + 2 + strlen(name), NULL, 10);
}

static size_t workers(const struct forum *forum, pid_t out[8])
{
    return forum_processes(forum, "forumd-gateway: worker", out, 8);
}

static long workers_kb(const struct forum *forum)
{
    pid_t pids[8];
    size_t count = workers(forum, pids);
    long sum = 0;
    for (size_t i = 0; i < count; i++) {
        const char *text = keep_file(keep_format("/proc/%d/smaps_rollup", (int)pids[i]), NULL);
        const char *line = text ? strstr(text, "\nPss:") : NULL;
        cr_assert(line, "no Pss of a worker");
        sum += strtol(line + 5, NULL, 10);
    }
    return sum;
}

/* User and system, in ms. */
static uint64_t cpu_ms(pid_t pid)
{
    const char *text = keep_file(keep_format("/proc/%d/stat", (int)pid), NULL);
    unsigned long user = 0, system = 0;
    cr_assert(text && sscanf(strrchr(text, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                             &user, &system) == 2);
    return (user + system) * 1000 / (unsigned long)sysconf(_SC_CLK_TCK);
}

/* The best of some windows: what else runs on the machine only adds. */
static uint64_t best_p99_us(struct actives *actives, const char *name)
{
    uint64_t best_us = UINT64_MAX;
    for (int i = 0; i < WINDOWS; i++) {
        struct flood_result result;
        struct flood_spec spec = {.port = forum_port(actives->forum),
                                  .connections = ACTIVE_CONNECTIONS,
                                  .duration_ms = WINDOW_MS,
                                  .make = make_read,
                                  .arg = actives};
        flood_run(&spec, &result);
        flood_print(name, &result);
        cr_assert_eq(result.good, result.sent, "%" PRIu64 " of %" PRIu64 " were not served",
                     result.sent - result.good, result.sent);
        uint64_t p99_us = histogram_percentile(result.good_us, 99);
        if (p99_us < best_us)
            best_us = p99_us;
        flood_result_dispose(&result);
    }
    return best_us;
}

static struct actives actives_start(const char *name)
{
    static const char *const flags[] = {"--access-log", "off", NULL};
    struct actives actives = {.forum = forum_start(&(struct forum_spec){.name = name, .flags = flags})};
    const char *user = make_user(actives.forum);
    actives.post = make_post(actives.forum, make_subreddit(actives.forum, user), user, "a post");
    return actives;
}

static bool idle_are_open(void *arg)
{
    return metric(arg, "forumd_http_connections") >= IDLE_CONNECTIONS;
}

/* Some of them, spread over all: they were idle, not dead. */
static void check_idle_are_served(const int *fds)
{
    static const char request[] = "GET /health HTTP/1.1\r\nHost: forum\r\n\r\n";
    char answer[1024];
    for (int i = 0; i < IDLE_CONNECTIONS; i += 97) {
        cr_assert_eq(send(fds[i], request, sizeof(request) - 1, MSG_NOSIGNAL), (ssize_t)sizeof(request) - 1);
        ssize_t got = recv(fds[i], answer, sizeof(answer), 0);
        cr_assert(got > 12 && memcmp(answer, "HTTP/1.1 200", 12) == 0, "idle connection %d got %zd bytes", i,
                  got);
    }
}

Test(connections, ten_thousand_idle_ones_cost_little_and_slow_nobody)
{
    static int fds[IDLE_CONNECTIONS];
    struct rlimit limit;
    cr_assert(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    if (limit.rlim_max < IDLE_CONNECTIONS + SPARE_FDS)
        cr_skip_test("the hard limit of open files is too low for 10,000 connections");
    struct actives actives = actives_start("idle");
    limit.rlim_cur = limit.rlim_max;
    cr_assert(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    uint64_t without_us = best_p99_us(&actives, "without");
    long before_kb = workers_kb(actives.forum);
    for (int i = 0; i < IDLE_CONNECTIONS; i++)
        fds[i] = connect_to(forum_port(actives.forum));
    cr_assert(wait_until(idle_are_open, actives.forum, WAIT_MS), "not all connections were accepted");
    long bytes_each = (workers_kb(actives.forum) - before_kb) * 1024 / IDLE_CONNECTIONS;
    uint64_t with_us = best_p99_us(&actives, "with");
    printf("fault: connections: %ld bytes an idle connection; p99 %" PRIu64 " us without, %" PRIu64
           " us with them\n",
           bytes_each, without_us, with_us);
    cr_assert_leq(bytes_each, BYTES_PER_IDLE);
    cr_assert_leq(with_us, without_us * 3 / 2 + P99_SLACK_US);
    check_idle_are_served(fds);
    for (int i = 0; i < IDLE_CONNECTIONS; i++)
        close(fds[i]);
    cr_assert_eq(forum_stop(actives.forum, SIGTERM), 0);
}

/* The cap follows from the limit of open files: 128 are kept for everything else (gateway/worker.h). */
#define CAP_FILES   300
#define CAP         (CAP_FILES - 128)
#define BEYOND      40
#define SPIN_MS     1000
#define SPIN_CPU_MS 200 /* of SPIN_MS */

static bool served(int fd)
{
    static const char request[] = "GET /health HTTP/1.1\r\nHost: forum\r\n\r\n";
    struct timeval patience = {.tv_sec = 10};
    char answer[1024];
    return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
           send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(request) - 1 &&
           recv(fd, answer, sizeof(answer), 0) > 12 && memcmp(answer, "HTTP/1.1 200", 12) == 0;
}

struct spin {
    uint64_t until_ms;
};

static bool time_is_over(void *arg)
{
    return wait_now_ms() >= ((struct spin *)arg)->until_ms;
}

Test(connections, beyond_the_cap_wait_until_others_go_and_nothing_spins)
{
    static int fds[CAP + BEYOND];
    struct forum *forum = forum_start(&(struct forum_spec){.name = "cap", .workers = 1});
    struct rlimit few = {.rlim_cur = CAP_FILES, .rlim_max = CAP_FILES};
    pid_t master = forum_process(forum, "forumd-gateway: master");
    cr_assert(prlimit(master, RLIMIT_NOFILE, &few, NULL) == 0, "prlimit: %s", strerror(errno));
    forum_kill_and_wait_for_another(forum, "forumd-gateway: worker 1");
    pid_t worker = forum_process(forum, "forumd-gateway: worker 1");
    for (int i = 0; i < CAP; i++) {
        fds[i] = connect_to(forum_port(forum));
        cr_assert(served(fds[i]), "connection %d of %d is not served", i, CAP);
    }
    for (int i = CAP; i < CAP + BEYOND; i++)
        fds[i] = connect_to(forum_port(forum));
    uint64_t began_ms = cpu_ms(worker);
    struct spin spin = {.until_ms = wait_now_ms() + SPIN_MS};
    (void)!wait_until(time_is_over, &spin, SPIN_MS + 1);
    uint64_t used_ms = cpu_ms(worker) - began_ms;
    cr_assert_lt(used_ms, SPIN_CPU_MS, "%" PRIu64 " ms of CPU while nothing happened", used_ms);
    cr_assert(served(fds[0]), "one within the cap is no longer served");
    for (int i = 0; i < BEYOND; i++)
        close(fds[i]);
    for (int i = CAP; i < CAP + BEYOND; i++)
        cr_assert(served(fds[i]), "one that waited is not served");
    for (int i = BEYOND; i < CAP + BEYOND; i++)
        close(fds[i]);
    cr_assert_eq(forum_stop(forum, SIGTERM), 0);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.one_by_one = true});
}
