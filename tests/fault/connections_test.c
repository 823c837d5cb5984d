/* Many connections, and clients that are slow in every way. FORUMD_SLOW_SECONDS: slow clients with the
 * deadlines that everybody has, for so long, instead of short ones. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
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

/* Slow clients */

#define SLOW_CLIENTS     300
#define SLOW_DEADLINE_MS "2000"
#define SLOW_WINDOW_MS   4500 /* each meets its deadline at least once */
#define FAST_WINDOW_MS   1500
#define SLOW_ROUNDS      3
#define FAST_RATE        0 /* each as fast as it is answered: so that what is compared is the server at work */
#define FAST_CONNECTIONS 64
#define LATE_MS          1500 /* beyond its deadline: the turn's grain, and a busy machine */
#define ARRIVAL_MS       15000 /* of all of them, and until the last deadline is noticed: with the usual ones */
#define LONG_CHARACTERS                                                                                      \
    40000 /* a post's limit: what a reader does not read, and yet as cheap to serve as others */
#define PIPELINED      64
#define BYTES_PER_SLOW (1536 * 1024) /* an answer of a megabyte, and 512 KiB read ahead (http_server.h) */
#define TICK_MS        20
#define DRIP_MS        1000
#define WEIGH_MS       1000 /* it takes the worker's memory lock for a while */

enum slowness { SLOW_HEAD, SLOW_BODY, SLOW_READER, SLOWNESSES };

static const char *const slow_names[] = {"head", "body", "reader"};

struct slow {
    int fd;
    uint64_t opened_ms, drip_ms;
    unsigned sent; /* bytes of what it sends one by one */
};

/* Shared with the process that plays the slow clients: what that costs must not hold up the fast ones. */
struct slow_world {
    struct actives actives;
    const char *long_post;
    uint64_t deadline_ms[SLOWNESSES];
    struct slow clients[SLOW_CLIENTS];
    atomic_bool over;
    uint64_t closed[SLOWNESSES], early[SLOWNESSES], overdue[SLOWNESSES], latest_ms[SLOWNESSES];
    long max_kb;
};

static enum slowness slowness_of(const struct slow_world *world, const struct slow *slow)
{
    return (enum slowness)((slow - world->clients) % SLOWNESSES);
}

static void send_pipelined(const struct slow_world *world, int fd)
{
    const char *one = keep_format("GET /api/posts/%s HTTP/1.1\r\nHost: forum\r\n\r\n", world->long_post);
    for (int i = 0; i < PIPELINED; i++)
        (void)!send(fd, one, strlen(one), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void slow_open(struct slow_world *world, struct slow *slow)
{
    static const char head[] = "GET /api/posts/post_1 HTTP/1.1\r\nHost: forum\r\nX-Slow: ";
    static const char body[] =
        "POST /api/posts/create HTTP/1.1\r\nHost: forum\r\nContent-Type: application/json\r\n"
        "Content-Length: 1000\r\n\r\n{";
    int small = 4096;
    slow->fd = connect_to(forum_port(world->actives.forum));
    slow->opened_ms = slow->drip_ms = wait_now_ms();
    switch (slowness_of(world, slow)) {
    case SLOW_HEAD:
        (void)!send(slow->fd, head, sizeof(head) - 1, MSG_NOSIGNAL);
        break;
    case SLOW_BODY:
        (void)!send(slow->fd, body, sizeof(body) - 1, MSG_NOSIGNAL);
        break;
    default:
        (void)setsockopt(slow->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
        send_pipelined(world, slow->fd);
        break;
    }
}

/* A reader finds that out by sending: reading would make it a fast one. */
static bool slow_is_closed(const struct slow_world *world, const struct slow *slow)
{
    char bytes[2048];
    if (slowness_of(world, slow) == SLOW_READER) {
        int error = 0;
        socklen_t size = sizeof(error);
        return getsockopt(slow->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == ECONNRESET;
    }
    for (;;) {
        ssize_t got = recv(slow->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            return true;
        if (got < 0)
            return false;
    }
}

static void slow_turn(struct slow_world *world, struct slow *slow, uint64_t now_ms)
{
    enum slowness slowness = slowness_of(world, slow);
    if (slow_is_closed(world, slow)) {
        uint64_t lived_ms = now_ms - slow->opened_ms;
        world->closed[slowness]++;
        world->early[slowness] += lived_ms + 200 < world->deadline_ms[slowness];
        if (lived_ms > world->latest_ms[slowness])
            world->latest_ms[slowness] = lived_ms;
        close(slow->fd);
        slow_open(world, slow);
    } else if (slowness != SLOW_READER && now_ms >= slow->drip_ms + DRIP_MS) {
        (void)!send(slow->fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        slow->drip_ms = now_ms;
    }
    world->overdue[slowness] += now_ms > slow->opened_ms + world->deadline_ms[slowness] + LATE_MS;
}

/* They come one after the other within the first deadline, not as one crowd. */
static void play_slow_clients(struct slow_world *world)
{
    uint64_t start_ms = wait_now_ms(), until_ms = start_ms, weigh_ms = start_ms;
    int open = 0;
    for (; !atomic_load(&world->over); until_ms += TICK_MS) {
        uint64_t now_ms = wait_now_ms();
        for (int i = 0; i < open; i++)
            slow_turn(world, &world->clients[i], now_ms);
        uint64_t wanted = (now_ms - start_ms) * SLOW_CLIENTS / world->deadline_ms[SLOW_HEAD] + 1;
        while (open < SLOW_CLIENTS && (uint64_t)open < wanted)
            slow_open(world, &world->clients[open++]);
        if (now_ms >= weigh_ms) {
            long kb = workers_kb(world->actives.forum);
            world->max_kb = kb > world->max_kb ? kb : world->max_kb;
            weigh_ms = now_ms + WEIGH_MS;
        }
        struct spin spin = {.until_ms = until_ms + TICK_MS};
        (void)!wait_until(time_is_over, &spin, TICK_MS);
    }
}

static pid_t start_slow_clients(struct slow_world *world)
{
    atomic_store(&world->over, false);
    pid_t pid = fork();
    cr_assert(pid >= 0, "fork: %s", strerror(errno));
    if (pid > 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    play_slow_clients(world);
    _exit(0);
}

static void end_slow_clients(struct slow_world *world, pid_t pid)
{
    int status = -1;
    atomic_store(&world->over, true);
    cr_assert(waitpid(pid, &status, 0) == pid && status == 0, "the slow clients ended with %d", status);
}

static size_t make_read_slow(void *arg, uint64_t number, char *out, size_t max)
{
    return make_read(&((struct slow_world *)arg)->actives, number, out, max);
}

static uint64_t fast_p99_us(struct slow_world *world, bool slow, unsigned duration_ms)
{
    struct flood_result result;
    struct flood_spec spec = {.port = forum_port(world->actives.forum),
                              .connections = FAST_CONNECTIONS,
                              .rate = FAST_RATE,
                              .duration_ms = duration_ms,
                              .make = make_read_slow,
                              .arg = world};
    pid_t pid = slow ? start_slow_clients(world) : 0;
    flood_run(&spec, &result);
    if (slow)
        end_slow_clients(world, pid);
    flood_print(slow ? "slow" : "alone", &result);
    cr_assert_eq(result.good, result.sent, "%" PRIu64 " of %" PRIu64 " were not served",
                 result.sent - result.good, result.sent);
    uint64_t p99_us = histogram_percentile(result.good_us, 99);
    flood_result_dispose(&result);
    return p99_us;
}

static void slow_world_start(struct slow_world *world, bool usual)
{
    static const struct {
        const char *variable;
        uint64_t usual_ms;
    } rows[] = {
        {"FORUMD_HEAD_TIMEOUT", 10000}, {"FORUMD_BODY_TIMEOUT", 20000}, {"FORUMD_ANSWER_TIMEOUT", 30000}};
    for (int i = 0; i < SLOWNESSES; i++) {
        if (!usual)
            setenv(rows[i].variable, SLOW_DEADLINE_MS, 1);
        world->deadline_ms[i] = usual ? rows[i].usual_ms : strtoul(SLOW_DEADLINE_MS, NULL, 10);
    }
    world->actives = actives_start("slow");
    const char *user = make_user(world->actives.forum);
    char *content = keep_alloc(LONG_CHARACTERS + 1);
    memset(content, 'x', LONG_CHARACTERS);
    content[LONG_CHARACTERS] = '\0';
    struct reply *made =
        forum_post(world->actives.forum, "/api/posts/create",
                   json_body("{'subreddit_id':'%s','author_id':'%s','title':'T','content':'%s'}",
                             make_subreddit(world->actives.forum, user), user, content));
    CHECK_CREATED(made);
    world->long_post = json_text(made, "post_id");
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

Test(connections, slow_clients_are_closed_by_deadline_and_cost_only_themselves)
{
    struct slow_world *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(shared != MAP_FAILED);
    const char *seconds = getenv("FORUMD_SLOW_SECONDS");
    unsigned slow_ms = seconds ? (unsigned)atoi(seconds) * 1000 + ARRIVAL_MS : SLOW_WINDOW_MS;
    int rounds = seconds ? 1 : SLOW_ROUNDS;
    uint64_t alone_us = UINT64_MAX, slow_us = UINT64_MAX;
    slow_world_start(shared, seconds != NULL);
    (void)fast_p99_us(shared, false, FAST_WINDOW_MS);
    long before_kb = workers_kb(shared->actives.forum);
    for (int i = 0; i < rounds; i++) {
        alone_us = least(alone_us, fast_p99_us(shared, false, seconds ? slow_ms / 2 : FAST_WINDOW_MS));
        slow_us = least(slow_us, fast_p99_us(shared, true, slow_ms));
    }
    for (int i = 0; i < SLOWNESSES; i++) {
        printf("fault: connections: slow %s: %" PRIu64 " closed, the last one after %" PRIu64 " ms, %" PRIu64
               " before their deadline\n",
               slow_names[i], shared->closed[i], shared->latest_ms[i], shared->early[i]);
        cr_assert_geq(shared->closed[i], SLOW_CLIENTS / SLOWNESSES);
        cr_assert_eq(shared->early[i], 0);
        cr_assert_eq(shared->overdue[i], 0, "slow ones were open %d ms after their deadline", LATE_MS);
    }
    long bytes_each = (shared->max_kb - before_kb) * 1024 / SLOW_CLIENTS;
    printf("fault: connections: p99 %" PRIu64 " us alone, %" PRIu64
           " us beside %d slow clients; %ld bytes for each\n",
           alone_us, slow_us, SLOW_CLIENTS, bytes_each);
    cr_assert_leq(slow_us, alone_us * 6 / 5 + P99_SLACK_US);
    cr_assert_leq(bytes_each, BYTES_PER_SLOW);
    cr_assert_eq(forum_stop(shared->actives.forum, SIGTERM), 0);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.one_by_one = true});
}
