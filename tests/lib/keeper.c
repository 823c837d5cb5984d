#include "tests/lib/keeper.h"
#include "tests/lib/require.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/keep.h"
#include "tests/lib/proc.h"
#include "tests/lib/wait.h"

#define TREE_DEPTH_FDS 16
#define REMOVE_TRIES   50

struct keeper {
    pid_t pid, program;
    int owner_fd;  /* the keeper sees its end when the test closes it, or is gone */
    int status_fd; /* pid of the program, then its wait status */
    bool ended;
    int status;
};

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info, (void)kind, (void)where;
    remove(path);
    return 0;
}

void keeper_remove_tree(const char *path)
{
    /* Again when somebody who is just ending wrote into it meanwhile. */
    for (int i = 0; i < REMOVE_TRIES && access(path, F_OK) == 0; i++)
        nftw(path, remove_entry, TREE_DEPTH_FDS, FTW_DEPTH | FTW_PHYS);
}

static void kill_descendants(void)
{
    pid_t pids[PROC_MAX];
    size_t count;
    while ((count = proc_descendants(getpid(), pids, PROC_MAX)) > 0) {
        for (size_t i = 0; i < count; i++)
            kill(pids[i], SIGKILL);
        while (waitpid(-1, NULL, 0) > 0)
            ; /* orphans of the dead come to this process */
        if (errno == ECHILD)
            break;
    }
}

static void run_program(const struct keeper_spec *spec)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    int in = open("/dev/null", O_RDONLY);
    int out = open(spec->output ? spec->output : "/dev/null", O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(126);
    if (spec->directory && chdir(spec->directory) < 0)
        _exit(126);
    for (size_t i = 0; spec->env && spec->env[i]; i++)
        putenv((char *)spec->env[i]);
    close_range(3, ~0u, 0);
    execv(spec->argv[0], (char *const *)spec->argv);
    dprintf(2, "%s: %s\n", spec->argv[0], strerror(errno));
    _exit(127);
}

/* Reaps whoever ended; tells the test when it was the program. */
static void reap(pid_t program, int status_fd)
{
    pid_t pid;
    int status;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == program && write(status_fd, &status, sizeof(status)) != sizeof(status))
            return;
}

__attribute__((noreturn)) static void keep(const struct keeper_spec *spec, int owner_fd, int status_fd)
{
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, NULL);
    int signal_fd = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_NAME, "test-keeper");
    setpgid(0, 0);
    signal(SIGPIPE, SIG_IGN);

    pid_t program = spec->argv ? fork() : -1;
    if (program == 0)
        run_program(spec);
    if (write(status_fd, &program, sizeof(program)) != sizeof(program))
        _exit(1);
    struct pollfd watched[] = {{.fd = owner_fd, .events = POLLIN}, {.fd = signal_fd, .events = POLLIN}};
    while (!(watched[0].revents & (POLLIN | POLLHUP))) {
        if (poll(watched, 2, -1) < 0 && errno != EINTR)
            break;
        struct signalfd_siginfo info;
        if (read(signal_fd, &info, sizeof(info)) > 0)
            reap(program, status_fd);
    }
    kill_descendants();
    if (spec->remove)
        keeper_remove_tree(spec->remove);
    _exit(0);
}

struct keeper *keeper_start(const struct keeper_spec *spec)
{
    int owner[2], status[2];
    if (pipe2(owner, O_CLOEXEC) < 0 || pipe2(status, O_CLOEXEC) < 0)
        REQUIRE(false, "pipe: %s", strerror(errno));
    struct keeper *keeper = keep_alloc(sizeof(*keeper));
    fflush(NULL);
    keeper->pid = fork();
    if (keeper->pid == 0) {
        /* Only what it needs: another keeper's pipe held open here would keep that one waiting. */
        int kept[] = {dup2(owner[0], 60), dup2(status[1], 61),
                      spec->hold_fd >= 0 ? dup2(spec->hold_fd, 62) : -1};
        close_range(3, 59, 0);
        close_range(63, ~0u, 0);
        if (kept[2] < 0)
            close(62);
        keep(spec, 60, 61);
    }
    close(owner[0]);
    close(status[1]);
    keeper->owner_fd = owner[1];
    keeper->status_fd = status[0];
    if (keeper->pid < 0 ||
        read(keeper->status_fd, &keeper->program, sizeof(keeper->program)) != sizeof(keeper->program))
        REQUIRE(false, "no keeper: %s", strerror(errno));
    return keeper;
}

pid_t keeper_program(const struct keeper *keeper)
{
    return keeper->program;
}

pid_t keeper_pid(const struct keeper *keeper)
{
    return keeper->pid;
}

bool keeper_wait(struct keeper *keeper, unsigned timeout_ms, int *status)
{
    uint64_t deadline = wait_now_ms() + timeout_ms;
    while (!keeper->ended) {
        uint64_t now = wait_now_ms();
        struct pollfd watched = {.fd = keeper->status_fd, .events = POLLIN};
        int ready = poll(&watched, 1, now < deadline ? (int)(deadline - now) : 0);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return false;
        if (read(keeper->status_fd, &keeper->status, sizeof(keeper->status)) != sizeof(keeper->status))
            REQUIRE(false, "the keeper is gone");
        keeper->ended = true;
    }
    if (status)
        *status = keeper->status;
    return true;
}

void keeper_end(struct keeper *keeper)
{
    if (keeper->owner_fd < 0)
        return;
    close(keeper->owner_fd);
    keeper->owner_fd = -1;
    waitpid(keeper->pid, NULL, 0);
    close(keeper->status_fd);
}
