#include "common/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fatal.h"
#include "common/limits.h"
#include "common/log.h"

#define ENVIRONMENT_OWN       4 /* variables that a child gets from here */
#define ENVIRONMENT_OWN_BYTES 160
#define OUTCOME_BYTES         48
#define QUOTED_NAME_BYTES     64

struct child {
    char *name;
    char quoted_name[QUOTED_NAME_BYTES]; /* for the log */
    char **argv;
    int *inherit_fds;
    size_t inherit_count;
    uint64_t hang_timeout_ms;
    uint64_t start_timeout_ms;
    uint64_t stop_timeout_ms;
    int stop_rank;
    int parent_death_signal;
    supervisor_watch_fn watch;
    void *watch_arg;

    enum child_state state;
    pid_t pid;
    uint64_t deadline_ms;
    uint64_t started_ms;
    uint64_t ready_ms; /* 0: this process was never RUNNING */
    unsigned starts;
    unsigned failures;    /* not yet forgotten */
    uint64_t forgiven_ms; /* service that has not made one forgotten yet; below LIMIT_FORGIVE_MS */
    int exit_code;        /* of its last process; -1: a signal ended it, or none ended yet */
    bool retired;
    bool killed;
    char status[NOTICE_STATUS_BYTES];
};

static const char *const state_names[CHILD_STATE_COUNT] = {
    [CHILD_STOPPED] = "stopped",   [CHILD_STARTING] = "starting", [CHILD_RUNNING] = "running",
    [CHILD_BACKOFF] = "backoff",   [CHILD_HUNG] = "hung",         [CHILD_STOPPING] = "stopping",
    [CHILD_DRAINING] = "draining",
};

#define TO(state) (1u << (state))
static const unsigned transitions[CHILD_STATE_COUNT] = {
    [CHILD_STOPPED] = TO(CHILD_STARTING),
    [CHILD_STARTING] = TO(CHILD_RUNNING) | TO(CHILD_BACKOFF) | TO(CHILD_HUNG) | TO(CHILD_STOPPING) |
                       TO(CHILD_DRAINING) | TO(CHILD_STOPPED),
    [CHILD_RUNNING] =
        TO(CHILD_BACKOFF) | TO(CHILD_HUNG) | TO(CHILD_STOPPING) | TO(CHILD_DRAINING) | TO(CHILD_STOPPED),
    [CHILD_BACKOFF] = TO(CHILD_STARTING) | TO(CHILD_STOPPED),
    [CHILD_HUNG] = TO(CHILD_BACKOFF) | TO(CHILD_STOPPED),
    [CHILD_STOPPING] = TO(CHILD_STOPPED),
    [CHILD_DRAINING] = TO(CHILD_STOPPING) | TO(CHILD_STOPPED),
};

const char *child_state_name(enum child_state state)
{
    ensure((unsigned)state < CHILD_STATE_COUNT);
    return state_names[state];
}

bool child_transition_allowed(enum child_state from, enum child_state to)
{
    ensure((unsigned)from < CHILD_STATE_COUNT && (unsigned)to < CHILD_STATE_COUNT);
    return transitions[from] & TO(to);
}

uint64_t restart_delay_ms(unsigned failures)
{
    if (failures == 0)
        return 0;
    uint64_t delay_ms = LIMIT_RESTART_MIN_MS;
    while (--failures > 0 && delay_ms < LIMIT_RESTART_MAX_MS)
        delay_ms *= 2;
    return delay_ms < LIMIT_RESTART_MAX_MS ? delay_ms : LIMIT_RESTART_MAX_MS;
}

/* What was logged about the transition must have been logged before: the watch function may act on the child.
 */
static void child_enter(struct child *child, enum child_state state, uint64_t deadline_ms)
{
    enum child_state old_state = child->state;
    ensure(child_transition_allowed(old_state, state));
    child->state = state;
    child->deadline_ms = deadline_ms;
    if (child->watch)
        child->watch(child->watch_arg, child, old_state);
}

static char **copy_argv(const char *const *argv)
{
    size_t count = 0;
    while (argv[count])
        count++;
    char **copy = xcalloc(count + 1, sizeof(*copy));
    for (size_t i = 0; i < count; i++)
        copy[i] = xstrdup(argv[i]);
    return copy;
}

struct child *child_new(const struct child_spec *spec, supervisor_watch_fn watch, void *watch_arg)
{
    ensure(spec->argv[0]);
    struct child *child = xcalloc(1, sizeof(*child));
    child->exit_code = -1;
    child->name = xstrdup(spec->name);
    log_quote(child->quoted_name, sizeof(child->quoted_name), spec->name);
    child->argv = copy_argv(spec->argv);
    child->inherit_fds = xcalloc(spec->inherit_count, sizeof(*child->inherit_fds));
    for (size_t i = 0; i < spec->inherit_count; i++)
        child->inherit_fds[i] = spec->inherit_fds[i];
    child->inherit_count = spec->inherit_count;
    child->hang_timeout_ms = spec->hang_timeout_ms;
    child->start_timeout_ms = spec->start_timeout_ms ? spec->start_timeout_ms : LIMIT_START_MS;
    child->stop_timeout_ms = spec->stop_timeout_ms ? spec->stop_timeout_ms : LIMIT_STOP_MS;
    child->stop_rank = spec->stop_rank;
    child->parent_death_signal = spec->parent_death_signal;
    child->watch = watch;
    child->watch_arg = watch_arg;
    child->deadline_ms = UINT64_MAX;
    return child;
}

void child_free(struct child *child)
{
    if (!child)
        return;
    ensure(child->state == CHILD_STOPPED);
    for (size_t i = 0; child->argv[i]; i++)
        free(child->argv[i]);
    free(child->argv);
    free(child->inherit_fds);
    free(child->name);
    free(child);
}

/* Variables of this process's own parent, or set anew for each child. */
static bool is_private_variable(const char *assignment)
{
    static const char *const names[] = {
        "NOTIFY_SOCKET=",  "WATCHDOG_USEC=", "WATCHDOG_PID=",    "LISTEN_FDS=",        "LISTEN_PID=",
        "LISTEN_FDNAMES=", "MAINPID=",       "FORUMD_RESTARTS=", "FORUMD_LIFELINE_FD="};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strncmp(assignment, names[i], strlen(names[i])) == 0)
            return true;
    }
    return false;
}

/* The environment to execute with; `own` is room for the variables set here. Freed by free(). */
static char **make_environment(const struct child *child, const struct child_lendings *lendings,
                               char own[ENVIRONMENT_OWN][ENVIRONMENT_OWN_BYTES])
{
    size_t count = 0;
    while (environ[count])
        count++;
    char **environment = xcalloc(count + ENVIRONMENT_OWN + 1, sizeof(*environment));
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_private_variable(environ[i]))
            environment[used++] = environ[i];
    }
    snprintf(own[0], ENVIRONMENT_OWN_BYTES, "NOTIFY_SOCKET=%s", lendings->notify_address);
    snprintf(own[1], ENVIRONMENT_OWN_BYTES, "FORUMD_LIFELINE_FD=%d", lendings->lifeline_fd);
    snprintf(own[2], ENVIRONMENT_OWN_BYTES, "FORUMD_RESTARTS=%u", child_restarts(child));
    snprintf(own[3], ENVIRONMENT_OWN_BYTES, "WATCHDOG_USEC=%llu",
             (unsigned long long)child->hang_timeout_ms * 1000);
    size_t own_count = child->hang_timeout_ms ? ENVIRONMENT_OWN : ENVIRONMENT_OWN - 1;
    for (size_t i = 0; i < own_count; i++)
        environment[used++] = own[i];
    return environment;
}

/* In the new process: all descriptors but the standard ones, the lifeline and those of the spec end at exec.
 */
static bool arrange_descriptors(const struct child *child, const struct child_lendings *lendings)
{
    if (close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC) != 0 && errno != ENOSYS && errno != EINVAL)
        return false; /* on kernels without it, what this code base opens is CLOEXEC anyway */
    if (dup2(lendings->null_fd, STDIN_FILENO) < 0 || fcntl(lendings->lifeline_fd, F_SETFD, 0) != 0)
        return false;
    for (size_t i = 0; i < child->inherit_count; i++) {
        if (fcntl(child->inherit_fds[i], F_SETFD, 0) != 0)
            return false;
    }
    return true;
}

static bool reset_signals(void)
{
    struct sigaction fresh = {.sa_handler = SIG_DFL};
    sigset_t none;
    for (int number = 1; number < NSIG; number++)
        sigaction(number, &fresh, NULL); /* fails for SIGKILL, SIGSTOP and libc's own */
    return sigemptyset(&none) == 0 && sigprocmask(SIG_SETMASK, &none, NULL) == 0;
}

NO_RETURN static void become_child(const struct child *child, const struct child_lendings *lendings,
                                   char **environment, pid_t parent)
{
    bool arranged = setpgid(0, 0) == 0 && arrange_descriptors(child, lendings) &&
                    prctl(PR_SET_PDEATHSIG, child->parent_death_signal) == 0 && reset_signals();
    if (getppid() != parent)
        _exit(EXIT_UNAVAILABLE); /* it died before the death signal was set */
    if (arranged)
        execve(child->argv[0], child->argv, environment);
    fatal_exit(EXIT_OS, "cannot execute child=%s path=%s: %s", child->quoted_name, child->argv[0],
               strerror(errno));
}

static void child_fail(struct child *child, const char *outcome, uint64_t now_ms)
{
    uint64_t delay_ms = restart_delay_ms(child->failures);
    child->failures++;
    log_warn("child ended child=%s pid=%d state=%s %s restart_in_ms=%llu", child->quoted_name,
             (int)child->pid, child_state_name(child->state), outcome, (unsigned long long)delay_ms);
    child->pid = 0;
    child->killed = false;
    child_enter(child, CHILD_BACKOFF, now_ms + delay_ms);
}

void child_start(struct child *child, const struct child_lendings *lendings, uint64_t now_ms)
{
    char own[ENVIRONMENT_OWN][ENVIRONMENT_OWN_BYTES];
    child->starts++;
    child->started_ms = now_ms;
    child->ready_ms = 0;
    child->killed = false;
    child->status[0] = '\0';
    char **environment = make_environment(child, lendings, own);
    log_flush(); /* else both processes would write what was kept */
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        become_child(child, lendings, environment, parent);
    int fork_errno = errno;
    free(environment);
    if (pid < 0) {
        char outcome[OUTCOME_BYTES];
        snprintf(outcome, sizeof(outcome), "fork_errno=%d", fork_errno);
        child_enter(child, CHILD_STARTING, UINT64_MAX);
        child_fail(child, outcome, now_ms);
        return;
    }
    (void)setpgid(pid, pid); /* whichever comes first, here or there; fails once it executed */
    child->pid = pid;
    log_info("child started child=%s pid=%d restarts=%u", child->quoted_name, (int)pid,
             child_restarts(child));
    child_enter(child, CHILD_STARTING, now_ms + child->start_timeout_ms);
}

static uint64_t hang_deadline_ms(const struct child *child, uint64_t now_ms)
{
    return child->hang_timeout_ms ? now_ms + child->hang_timeout_ms : UINT64_MAX;
}

void child_notified(struct child *child, const struct notice *notice, uint64_t now_ms)
{
    if (notice->has_status)
        snprintf(child->status, sizeof(child->status), "%s", notice->status);
    bool has_timeout =
        child->state == CHILD_STARTING || child->state == CHILD_STOPPING || child->state == CHILD_DRAINING;
    if (notice->extend_ms > 0 && has_timeout && !child->killed) {
        uint64_t extend_ms = notice->extend_ms < LIMIT_EXTEND_MS ? notice->extend_ms : LIMIT_EXTEND_MS;
        if (child->deadline_ms < now_ms + extend_ms)
            child->deadline_ms = now_ms + extend_ms;
        log_info("child asked for time child=%s pid=%d state=%s extend_ms=%llu", child->quoted_name,
                 (int)child->pid, child_state_name(child->state), (unsigned long long)extend_ms);
    }
    if (notice->ready && child->state == CHILD_STARTING) {
        child->ready_ms = now_ms;
        log_info("child ready child=%s pid=%d after_ms=%llu", child->quoted_name, (int)child->pid,
                 (unsigned long long)(now_ms - child->started_ms));
        child_enter(child, CHILD_RUNNING, hang_deadline_ms(child, now_ms));
    } else if (notice->alive && child->state == CHILD_RUNNING) {
        child->deadline_ms = hang_deadline_ms(child, now_ms);
    }
}

static void child_signal(const struct child *child, int number)
{
    /* A process that is not reaped keeps its number: this cannot hit another. */
    if (child->pid > 0)
        (void)kill(child->pid, number);
}

static void kill_group(const struct child *child)
{
    child_signal(child, SIGKILL);
    if (child->pid > 0)
        (void)kill(-child->pid, SIGKILL);
}

void child_kill(struct child *child)
{
    if (child->pid <= 0)
        return;
    child->killed = true;
    kill_group(child);
}

static void describe_outcome(const siginfo_t *info, char out[static OUTCOME_BYTES])
{
    if (info->si_code == CLD_EXITED)
        snprintf(out, OUTCOME_BYTES, "exit=%d", info->si_status);
    else
        snprintf(out, OUTCOME_BYTES, "signal=%s%s", sigabbrev_np(info->si_status) ?: "?",
                 info->si_code == CLD_DUMPED ? " core=yes" : "");
}

static void forget_failures(struct child *child, uint64_t served_ms)
{
    uint64_t total_ms = child->forgiven_ms + served_ms;
    uint64_t forgotten = total_ms / LIMIT_FORGIVE_MS;
    if (forgotten >= child->failures) {
        child->failures = 0;
        child->forgiven_ms = 0; /* service is not saved up */
        return;
    }
    child->failures -= (unsigned)forgotten;
    child->forgiven_ms = total_ms % LIMIT_FORGIVE_MS;
}

void child_reap(struct child *child, bool final, uint64_t now_ms)
{
    siginfo_t info = {0};
    char outcome[OUTCOME_BYTES];
    if (child->pid <= 0)
        return;
    if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != child->pid)
        return;
    /* What it left in its group goes too, while the number is still its own. */
    (void)kill(-child->pid, SIGKILL);
    ensure(waitpid(child->pid, NULL, 0) == child->pid);
    describe_outcome(&info, outcome);
    child->exit_code = info.si_code == CLD_EXITED ? info.si_status : -1;
    forget_failures(child, child->ready_ms > 0 ? now_ms - child->ready_ms : 0);
    if (!final && !child->retired) {
        child_fail(child, outcome, now_ms);
        return;
    }
    log_info("child stopped child=%s pid=%d %s", child->quoted_name, (int)child->pid, outcome);
    child->pid = 0;
    child_enter(child, CHILD_STOPPED, UINT64_MAX);
}

static void child_finish(struct child *child, enum child_state state, uint64_t deadline_ms)
{
    switch (child->state) {
    case CHILD_BACKOFF:
        child_enter(child, CHILD_STOPPED, UINT64_MAX);
        break;
    case CHILD_STARTING:
    case CHILD_RUNNING:
        log_info("child asked to stop child=%s pid=%d state=%s", child->quoted_name, (int)child->pid,
                 child_state_name(child->state));
        /* A stopped process would not see SIGTERM. SIGCONT goes first: behind it, it could undo the stop by
         * which a debugger or leak checker attaches to the ending process. */
        child_signal(child, SIGCONT);
        child_signal(child, SIGTERM);
        child_enter(child, state, deadline_ms);
        break;
    case CHILD_DRAINING: /* it has its SIGTERM; the earlier deadline holds */
        if (state == CHILD_STOPPING)
            child_enter(child, state, child->deadline_ms < deadline_ms ? child->deadline_ms : deadline_ms);
        break;
    case CHILD_STOPPED:
    case CHILD_HUNG:
    case CHILD_STOPPING:
        break;
    }
}

void child_stop(struct child *child, uint64_t now_ms)
{
    child_finish(child, CHILD_STOPPING, now_ms + child->stop_timeout_ms);
}

void child_retire(struct child *child, uint64_t grace_ms, uint64_t now_ms)
{
    child->retired = true;
    child_finish(child, CHILD_DRAINING, now_ms + grace_ms);
}

bool child_expire(struct child *child, uint64_t now_ms)
{
    char quoted[NOTICE_STATUS_BYTES + 2];
    if (now_ms < child->deadline_ms)
        return false;
    switch (child->state) {
    case CHILD_BACKOFF:
        return true;
    case CHILD_STARTING:
    case CHILD_RUNNING:
        log_error("child hung child=%s pid=%d state=%s status=%s", child->quoted_name, (int)child->pid,
                  child_state_name(child->state), log_quote(quoted, sizeof(quoted), child->status));
        kill_group(child);
        child_enter(child, CHILD_HUNG, UINT64_MAX);
        break;
    case CHILD_STOPPING:
    case CHILD_DRAINING:
        log_error("child killed because it did not stop in time child=%s pid=%d state=%s", child->quoted_name,
                  (int)child->pid, child_state_name(child->state));
        child_kill(child);
        child->deadline_ms = UINT64_MAX;
        break;
    case CHILD_STOPPED:
    case CHILD_HUNG:
        break;
    }
    return false;
}

void child_forgive(struct child *child, uint64_t unwatched_ms)
{
    if (child->pid > 0 && child->deadline_ms != UINT64_MAX)
        child->deadline_ms += unwatched_ms;
}

uint64_t child_deadline_ms(const struct child *child)
{
    return child->deadline_ms;
}

bool child_is_retired(const struct child *child)
{
    return child->retired;
}

bool child_was_killed(const struct child *child)
{
    return child->killed;
}

int child_stop_rank(const struct child *child)
{
    return child->stop_rank;
}

const char *child_name(const struct child *child)
{
    return child->name;
}

enum child_state child_state(const struct child *child)
{
    return child->state;
}

pid_t child_pid(const struct child *child)
{
    return child->pid;
}

int child_exit_code(const struct child *child)
{
    return child->exit_code;
}

unsigned child_restarts(const struct child *child)
{
    return child->starts > 0 ? child->starts - 1 : 0;
}

const char *child_status(const struct child *child)
{
    return child->status;
}
