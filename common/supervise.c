#include "common/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/child.h"
#include "common/clock.h"
#include "common/fatal.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/notify_socket.h"

/* Notices read in one turn: a flood from outside must not keep the supervisor from its children. */
#define NOTICES_PER_TURN 256
/* A turn that comes later than that after its time: the supervisor itself was stopped or starved. */
#define OVERSLEPT_MS 250

struct supervisor {
    supervisor_watch_fn watch;
    void *watch_arg;
    struct child *children[LIMIT_CHILDREN];
    size_t count;
    struct notify_socket *notify;
    struct child_lendings lendings;
    int lifeline_write_fd; /* closes when this process ends, however it ends */
    int signal_fd;
    sigset_t old_mask;
    const struct supervisor_hooks *hooks;
    bool stopping;
    bool forced; /* a child had to be killed to stop */
    bool all_ready_told;
    unsigned interrupts;
    int stop_code; /* of supervisor_stop */
};

/* /dev/null above the standard descriptors, which are filled with it where they were closed. */
static int open_null(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
        if (fd < 0)
            fatal_exit(EXIT_OS, "cannot open /dev/null: %s", strerror(errno));
    } while (fd <= STDERR_FILENO);
    ensure(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
    return fd;
}

static int open_signals(sigset_t *old_mask)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGHUP);
    ensure(sigprocmask(SIG_BLOCK, &mask, old_mask) == 0);
    int fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        fatal_exit(EXIT_OS, "cannot open a signalfd: %s", strerror(errno));
    return fd;
}

struct supervisor *supervisor_new(supervisor_watch_fn watch, void *watch_arg)
{
    struct supervisor *supervisor = xcalloc(1, sizeof(*supervisor));
    int lifeline[2];
    supervisor->watch = watch;
    supervisor->watch_arg = watch_arg;
    supervisor->lendings.null_fd = open_null();
    if (pipe2(lifeline, O_CLOEXEC) != 0)
        fatal_exit(EXIT_OS, "cannot open the lifeline pipe: %s", strerror(errno));
    supervisor->lendings.lifeline_fd = lifeline[0];
    supervisor->lifeline_write_fd = lifeline[1];
    supervisor->notify = notify_socket_open();
    supervisor->lendings.notify_address = notify_socket_address(supervisor->notify);
    supervisor->signal_fd = open_signals(&supervisor->old_mask);
    return supervisor;
}

void supervisor_free(struct supervisor *supervisor)
{
    if (!supervisor)
        return;
    for (size_t i = 0; i < supervisor->count; i++)
        child_free(supervisor->children[i]);
    notify_socket_close(supervisor->notify);
    close(supervisor->lendings.lifeline_fd);
    close(supervisor->lifeline_write_fd);
    close(supervisor->lendings.null_fd);
    close(supervisor->signal_fd);
    ensure(sigprocmask(SIG_SETMASK, &supervisor->old_mask, NULL) == 0);
    free(supervisor);
}

struct child *supervisor_add(struct supervisor *supervisor, const struct child_spec *spec)
{
    ensure(supervisor->count < LIMIT_CHILDREN);
    struct child *child = child_new(spec, supervisor->watch, supervisor->watch_arg);
    supervisor->children[supervisor->count++] = child;
    return child;
}

void supervisor_retire(struct supervisor *supervisor, struct child *child, uint64_t grace_ms)
{
    (void)supervisor;
    child_retire(child, grace_ms, clock_monotonic_ms());
}

size_t supervisor_count(const struct supervisor *supervisor)
{
    return supervisor->count;
}

static void begin_stop(struct supervisor *supervisor, const char *reason)
{
    if (supervisor->stopping)
        return;
    supervisor->stopping = true;
    log_notice("stopping reason=%s children=%zu", reason, supervisor->count);
    if (supervisor->hooks->stopping)
        supervisor->hooks->stopping(supervisor->hooks->arg);
}

void supervisor_stop(struct supervisor *supervisor, const char *reason, int exit_code)
{
    if (!supervisor->stopping)
        supervisor->stop_code = exit_code;
    begin_stop(supervisor, reason);
}

static void kill_all(struct supervisor *supervisor)
{
    log_warn("killing what is left children=%zu", supervisor->count);
    supervisor->forced = true;
    for (size_t i = 0; i < supervisor->count; i++)
        child_kill(supervisor->children[i]);
}

static void handle_signal(struct supervisor *supervisor, uint32_t number)
{
    switch (number) {
    case SIGINT:
        if (++supervisor->interrupts > 1)
            kill_all(supervisor);
        begin_stop(supervisor, "SIGINT");
        break;
    case SIGHUP:
        if (!supervisor->hooks->reload)
            begin_stop(supervisor, "SIGHUP");
        else if (!supervisor->stopping)
            supervisor->hooks->reload(supervisor->hooks->arg);
        break;
    case SIGTERM:
        begin_stop(supervisor, "SIGTERM");
        break;
    default: /* SIGCHLD: children are looked at in each turn */
        break;
    }
}

static void read_signals(struct supervisor *supervisor)
{
    struct signalfd_siginfo info;
    while (read(supervisor->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        handle_signal(supervisor, info.ssi_signo);
}

static void read_notices(struct supervisor *supervisor, uint64_t now_ms)
{
    struct notice notice;
    for (int n = 0; n < NOTICES_PER_TURN && notify_socket_next(supervisor->notify, &notice); n++) {
        for (size_t i = 0; i < supervisor->count; i++) {
            if (notice.pid > 0 && child_pid(supervisor->children[i]) == notice.pid)
                child_notified(supervisor->children[i], &notice, now_ms);
        }
    }
}

/* The lowest rank that still has a process is asked to stop; what waits for a restart waits no more. */
static void advance_stop(struct supervisor *supervisor, uint64_t now_ms)
{
    int rank = INT_MAX;
    for (size_t i = 0; i < supervisor->count; i++) {
        struct child *child = supervisor->children[i];
        if (child_pid(child) == 0)
            child_stop(child, now_ms);
        else if (child_stop_rank(child) < rank)
            rank = child_stop_rank(child);
    }
    for (size_t i = 0; i < supervisor->count; i++) {
        struct child *child = supervisor->children[i];
        if (child_pid(child) != 0 && child_stop_rank(child) == rank)
            child_stop(child, now_ms);
    }
}

static void expire_and_start(struct supervisor *supervisor, uint64_t now_ms)
{
    for (size_t i = 0; i < supervisor->count; i++) {
        struct child *child = supervisor->children[i];
        bool is_new = child_state(child) == CHILD_STOPPED && !child_is_retired(child);
        if ((child_expire(child, now_ms) || is_new) && !supervisor->stopping)
            child_start(child, &supervisor->lendings, now_ms);
    }
}

/* Forgets children that ended for good. Not done where they end: the watch function may be up the stack. */
static void sweep(struct supervisor *supervisor)
{
    size_t kept = 0;
    for (size_t i = 0; i < supervisor->count; i++) {
        struct child *child = supervisor->children[i];
        bool finished =
            child_state(child) == CHILD_STOPPED && (child_is_retired(child) || supervisor->stopping);
        if (!finished) {
            supervisor->children[kept++] = child;
            continue;
        }
        supervisor->forced |= supervisor->stopping && child_was_killed(child);
        child_free(child);
    }
    supervisor->count = kept;
}

static bool all_running(const struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->count; i++) {
        if (child_state(supervisor->children[i]) != CHILD_RUNNING)
            return false;
    }
    return supervisor->count > 0;
}

static void run_hooks(struct supervisor *supervisor)
{
    const struct supervisor_hooks *hooks = supervisor->hooks;
    if (!supervisor->all_ready_told && !supervisor->stopping && all_running(supervisor)) {
        supervisor->all_ready_told = true;
        if (hooks->all_ready)
            hooks->all_ready(hooks->arg);
    }
    if (hooks->turn)
        hooks->turn(hooks->arg);
}

/* When the next turn must come, if nothing happens before; UINT64_MAX: never. */
static uint64_t next_turn_ms(const struct supervisor *supervisor, uint64_t now_ms)
{
    uint64_t interval_ms = supervisor->hooks->turn_interval_ms;
    uint64_t next_ms = interval_ms == 0 || interval_ms == UINT64_MAX ? UINT64_MAX : now_ms + interval_ms;
    for (size_t i = 0; i < supervisor->count; i++) {
        struct child *child = supervisor->children[i];
        bool is_new = child_state(child) == CHILD_STOPPED && !child_is_retired(child);
        uint64_t deadline_ms = is_new ? now_ms : child_deadline_ms(child);
        if (deadline_ms < next_ms)
            next_ms = deadline_ms;
    }
    return next_ms;
}

/* Waits for something to do, then takes in all that came. Clears `lifeline_fd` when the parent is gone. */
static void wait_and_read(struct supervisor *supervisor, int *lifeline_fd)
{
    struct pollfd polled[] = {
        {.fd = supervisor->signal_fd, .events = POLLIN},
        {.fd = notify_socket_fd(supervisor->notify), .events = POLLIN},
        {.fd = *lifeline_fd, .events = POLLIN},
    };
    uint64_t before_ms = clock_monotonic_ms();
    uint64_t next_ms = next_turn_ms(supervisor, before_ms);
    uint64_t wait_ms = next_ms > before_ms ? next_ms - before_ms : 0;
    int timeout_ms = next_ms == UINT64_MAX ? -1 : wait_ms < INT_MAX ? (int)wait_ms : INT_MAX;
    int ready = poll(polled, ARRAY_LEN(polled), timeout_ms);
    ensure(ready >= 0 || errno == EINTR);
    uint64_t now_ms = clock_monotonic_ms();
    if (next_ms != UINT64_MAX && now_ms > before_ms + wait_ms + OVERSLEPT_MS) {
        uint64_t unwatched_ms = now_ms - before_ms - wait_ms;
        log_warn("supervisor overslept unwatched_ms=%llu", (unsigned long long)unwatched_ms);
        for (size_t i = 0; i < supervisor->count; i++)
            child_forgive(supervisor->children[i], unwatched_ms);
    }
    /* Notices before deaths: a child that got ready and then died was ready. */
    read_notices(supervisor, now_ms);
    read_signals(supervisor);
    if (ready > 0 && polled[2].revents) {
        *lifeline_fd = -1;
        begin_stop(supervisor, "parent_gone");
        kill_all(supervisor);
    }
}

int supervisor_run(struct supervisor *supervisor, const struct supervisor_hooks *hooks, int own_lifeline_fd)
{
    supervisor->hooks = hooks;
    for (;;) {
        uint64_t now_ms = clock_monotonic_ms();
        for (size_t i = 0; i < supervisor->count; i++)
            child_reap(supervisor->children[i], supervisor->stopping, now_ms);
        if (supervisor->stopping)
            advance_stop(supervisor, now_ms);
        expire_and_start(supervisor, now_ms);
        sweep(supervisor);
        run_hooks(supervisor);
        log_flush();
        if (supervisor->stopping && supervisor->count == 0)
            break;
        wait_and_read(supervisor, &own_lifeline_fd);
    }
    log_notice("stopped forced=%s", supervisor->forced ? "yes" : "no");
    if (supervisor->stop_code != 0)
        return supervisor->stop_code;
    return supervisor->forced ? EXIT_FAILURE : EXIT_SUCCESS;
}
