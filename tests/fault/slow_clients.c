#include "tests/fault/slow_clients.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/wait.h"

#define DRIP_MS      1000
#define WEIGH_MS     1000
#define TICK_MS      5 /* so that drips are spread, not one crowd */
#define EVENTS_MAX   64
#define PIPELINED    64
#define RECEIVE_MIN  4096 /* a reader's window */
#define EARLY_MS     200
#define SINK_BACKLOG 512

struct slow {
    int fd; /* -1: not there yet */
    uint64_t opened_ms, drip_ms;
    bool is_overdue;
};

/* Shared with the process that plays them. */
struct slow_clients {
    struct slow_spec spec;
    struct slow_counts counts;
    atomic_bool over;
    pid_t pid;
    int epoll;
    struct slow clients[SLOW_CLIENTS];
};

/* Sees to it that a test that fails leaves nothing behind. */
static pid_t fork_companion(void)
{
    pid_t pid = fork();
    cr_assert(pid >= 0, "fork: %s", strerror(errno));
    if (pid == 0)
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

/* In a companion, where no assertion can be made. */
static void companion_fail(const char *what)
{
    perror(what);
    _exit(1);
}

static enum slowness slowness_of(const struct slow_clients *slows, const struct slow *slow)
{
    return (enum slowness)((slow - slows->clients) % SLOWNESSES);
}

static void send_pipelined(const struct slow_clients *slows, int fd)
{
    char one[128];
    int length =
        snprintf(one, sizeof(one), "GET %s HTTP/1.1\r\nHost: forum\r\n\r\n", slows->spec.reader_path);
    for (int i = 0; i < PIPELINED; i++)
        (void)!send(fd, one, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void slow_connect(struct slow_clients *slows, struct slow *slow)
{
    enum slowness slowness = slowness_of(slows, slow);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)slows->spec.ports[slowness]),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = slowness == SLOW_READER ? 0 : EPOLLIN, .data.ptr = slow};
    int small = RECEIVE_MIN;
    slow->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (slow->fd < 0 ||
        (slowness == SLOW_READER &&
         setsockopt(slow->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) != 0) ||
        connect(slow->fd, (struct sockaddr *)&to, sizeof(to)) != 0 ||
        epoll_ctl(slows->epoll, EPOLL_CTL_ADD, slow->fd, &event) != 0)
        companion_fail("a slow client cannot connect");
}

static void slow_open(struct slow_clients *slows, struct slow *slow)
{
    static const char *const beginnings[] = {
        [SLOW_HEAD] = "GET /api/posts/post_1 HTTP/1.1\r\nHost: forum\r\nX-Slow: ",
        [SLOW_BODY] = "POST /api/posts/create HTTP/1.1\r\nHost: forum\r\nContent-Type: application/json\r\n"
                      "Content-Length: 1000\r\n\r\n{"};
    enum slowness slowness = slowness_of(slows, slow);
    slow_connect(slows, slow);
    slow->opened_ms = slow->drip_ms = wait_now_ms();
    slow->is_overdue = false;
    if (slowness == SLOW_READER)
        send_pipelined(slows, slow->fd);
    else
        (void)!send(slow->fd, beginnings[slowness], strlen(beginnings[slowness]), MSG_NOSIGNAL);
}

/* Something came, or the connection broke; of a reader only the latter is heard. */
static bool slow_is_closed(const struct slow_clients *slows, const struct slow *slow)
{
    char bytes[2048];
    ssize_t got;
    if (slowness_of(slows, slow) == SLOW_READER)
        return true;
    while ((got = recv(slow->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
        continue;
    return got == 0 || errno != EAGAIN;
}

static void slow_closed(struct slow_clients *slows, struct slow *slow, uint64_t now_ms)
{
    enum slowness slowness = slowness_of(slows, slow);
    struct slow_counts *counts = &slows->counts;
    uint64_t lived_ms = now_ms - slow->opened_ms;
    counts->closed[slowness]++;
    counts->early[slowness] += lived_ms + EARLY_MS < slows->spec.deadlines_ms[slowness];
    if (lived_ms > counts->latest_ms[slowness])
        counts->latest_ms[slowness] = lived_ms;
    close(slow->fd);
    slow_open(slows, slow);
}

static void slow_tick(struct slow_clients *slows, struct slow *slow, uint64_t now_ms)
{
    enum slowness slowness = slowness_of(slows, slow);
    if (slowness != SLOW_READER && now_ms >= slow->drip_ms + DRIP_MS) {
        (void)!send(slow->fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        slow->drip_ms = now_ms;
    }
    if (!slow->is_overdue && now_ms > slow->opened_ms + slows->spec.deadlines_ms[slowness] + SLOW_LATE_MS) {
        slow->is_overdue = true;
        slows->counts.overdue[slowness]++;
    }
}

/* Of what /proc says the one that costs its process nothing. */
long slow_memory_kb(const struct slow_spec *spec)
{
    long sum = 0;
    for (size_t i = 0; i < spec->weighed_count; i++) {
        char path[64];
        long pages = 0;
        snprintf(path, sizeof(path), "/proc/%d/statm", (int)spec->weighed[i]);
        FILE *file = fopen(path, "re");
        if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1)
            pages = 0;
        if (file != NULL)
            (void)fclose(file);
        sum += pages * (sysconf(_SC_PAGESIZE) / 1024);
    }
    return sum;
}

static void hear(struct slow_clients *slows)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(slows->epoll, events, EVENTS_MAX, TICK_MS);
    for (int i = 0; i < count; i++)
        if (slow_is_closed(slows, events[i].data.ptr))
            slow_closed(slows, events[i].data.ptr, wait_now_ms());
}

static void play(struct slow_clients *slows)
{
    uint64_t start_ms = wait_now_ms(), tick_ms = start_ms, weigh_ms = start_ms;
    unsigned open = 0;
    while (!atomic_load(&slows->over)) {
        hear(slows);
        uint64_t now_ms = wait_now_ms();
        if (now_ms < tick_ms)
            continue;
        tick_ms = now_ms + TICK_MS;
        for (unsigned i = 0; i < open; i++)
            slow_tick(slows, &slows->clients[i], now_ms);
        while (open < SLOW_CLIENTS && open <= (now_ms - start_ms) * SLOW_CLIENTS / slows->spec.arrival_ms)
            slow_open(slows, &slows->clients[open++]);
        if (now_ms >= weigh_ms) {
            long kb = slow_memory_kb(&slows->spec);
            slows->counts.max_kb = kb > slows->counts.max_kb ? kb : slows->counts.max_kb;
            weigh_ms = now_ms + WEIGH_MS;
        }
    }
}

struct slow_clients *slow_clients_start(const struct slow_spec *spec)
{
    struct slow_clients *slows =
        mmap(NULL, sizeof(*slows), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(slows != MAP_FAILED, "mmap: %s", strerror(errno));
    slows->spec = *spec;
    pid_t pid = fork_companion();
    if (pid > 0) {
        slows->pid = pid;
        return slows;
    }
    slows->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (slows->epoll < 0)
        companion_fail("epoll_create1");
    play(slows);
    _exit(0);
}

void slow_clients_end(struct slow_clients *slows, struct slow_counts *counts)
{
    int status = -1;
    atomic_store(&slows->over, true);
    cr_assert(waitpid(slows->pid, &status, 0) == slows->pid && status == 0, "the slow clients ended with %d",
              status);
    *counts = slows->counts;
    (void)munmap(slows, sizeof(*slows));
}

/* The sink */

struct slow_sink {
    pid_t pid;
};

struct sunk {
    int fd;
    uint64_t opened_ms;
};

/* One port, and the connections on it: a ring in the order in which they came. */
struct sink_port {
    int listener;
    uint64_t deadline_ms;
    struct sunk sunk[2 * SLOW_CLIENTS];
    size_t first, count;
};

static int sink_listen(unsigned *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, SINK_BACKLOG) == 0 &&
                  getsockname(fd, (struct sockaddr *)&at, &size) == 0,
              "the sink cannot listen: %s", strerror(errno));
    *port = ntohs(at.sin_port);
    return fd;
}

static void sink_turn(struct sink_port *port, uint64_t now_ms)
{
    int fd;
    while (port->count < ARRAY_LEN(port->sunk) && (fd = accept(port->listener, NULL, NULL)) >= 0) {
        port->sunk[(port->first + port->count++) % ARRAY_LEN(port->sunk)] =
            (struct sunk){.fd = fd, .opened_ms = now_ms};
    }
    while (port->count > 0 && now_ms >= port->sunk[port->first].opened_ms + port->deadline_ms) {
        close(port->sunk[port->first].fd); /* with bytes that were not read: a reset */
        port->first = (port->first + 1) % ARRAY_LEN(port->sunk);
        port->count--;
    }
}

static void sink_serve(struct sink_port ports[SLOWNESSES])
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < SLOWNESSES; i++) {
        struct epoll_event event = {.events = EPOLLIN};
        if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, ports[i].listener, &event) != 0)
            companion_fail("the sink");
    }
    for (;;) {
        struct epoll_event events[SLOWNESSES];
        (void)epoll_wait(epoll, events, SLOWNESSES, TICK_MS);
        for (int i = 0; i < SLOWNESSES; i++)
            sink_turn(&ports[i], wait_now_ms());
    }
}

struct slow_sink *slow_sink_start(struct slow_spec *spec)
{
    static struct sink_port ports[SLOWNESSES];
    struct slow_sink *sink = calloc(1, sizeof(*sink));
    cr_assert(sink != NULL);
    for (int i = 0; i < SLOWNESSES; i++) {
        ports[i].listener = sink_listen(&spec->ports[i]);
        ports[i].deadline_ms = spec->deadlines_ms[i];
    }
    sink->pid = fork_companion();
    if (sink->pid == 0)
        sink_serve(ports);
    for (int i = 0; i < SLOWNESSES; i++)
        close(ports[i].listener);
    return sink;
}

void slow_sink_end(struct slow_sink *sink)
{
    cr_assert(kill(sink->pid, SIGKILL) == 0 && waitpid(sink->pid, NULL, 0) == sink->pid, "%s",
              strerror(errno));
    free(sink);
}
