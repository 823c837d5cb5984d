/* The child of supervise_test.c: supervised_child MODE. What each mode does stands in `modes`. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "common/lifeline.h"
#include "common/notify.h"

#define SLOW_MS   200 /* how long a slow one takes: to start, to stop */
#define EXTEND_MS 10000

struct mode {
    const char *name;
    bool dies;        /* exits with 3 at once */
    bool never_ready; /* says nothing of itself */
    bool slow_start;  /* asks for more time, is ready after SLOW_MS */
    bool slow_stop;   /* takes SLOW_MS to end after SIGTERM */
    bool mute;        /* ready, but no WATCHDOG ever */
    bool deaf;        /* heeds neither SIGTERM nor the lifeline */
    bool reports;     /* its surroundings, by STATUS */
};

static const struct mode modes[] = {
    {.name = "serve"},
    {.name = "die", .dies = true},
    {.name = "silent", .never_ready = true},
    {.name = "extend", .slow_start = true},
    {.name = "slow", .slow_stop = true},
    {.name = "mute", .mute = true},
    {.name = "deaf", .deaf = true},
    {.name = "report", .reports = true},
};

static const struct mode *find_mode(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        if (strcmp(name, modes[i].name) == 0)
            return &modes[i];
    }
    fatal_exit(EXIT_USAGE, "%s: no such mode", name);
}

/* Open descriptors beyond the standard ones and the lifeline: "7,9". */
static void list_descriptors(char *out, size_t size, int lifeline_fd)
{
    size_t length = 0;
    out[0] = '\0';
    DIR *directory = opendir("/proc/self/fd");
    ensure(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        int fd = atoi(entry->d_name);
        if (fd > STDERR_FILENO && fd != dirfd(directory) && fd != lifeline_fd)
            length += (size_t)snprintf(out + length, size - length, "%s%d", length ? "," : "", fd);
    }
    closedir(directory);
}

static void describe_surroundings(char *out, size_t size)
{
    char fds[64];
    struct stat in;
    struct stat null;
    sigset_t mask;
    struct sigaction hangup;
    const char *lifeline = getenv("FORUMD_LIFELINE_FD");
    list_descriptors(fds, sizeof(fds), lifeline ? atoi(lifeline) : -1);
    ensure(fstat(STDIN_FILENO, &in) == 0 && stat("/dev/null", &null) == 0);
    ensure(sigprocmask(SIG_SETMASK, NULL, &mask) == 0 && sigaction(SIGPIPE, NULL, &hangup) == 0);
    snprintf(out, size, "fds=%s null=%d group=%d blocked=%d ignored=%d restarts=%s watchdog=%s listen=%s",
             fds, in.st_rdev == null.st_rdev, getpgrp() == getpid(), sigismember(&mask, SIGTERM),
             hangup.sa_handler == SIG_IGN, getenv("FORUMD_RESTARTS") ?: "-", getenv("WATCHDOG_USEC") ?: "-",
             getenv("LISTEN_FDS") ?: "-");
}

static int open_signals(void)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGUSR1);
    ensure(sigprocmask(SIG_BLOCK, &mask, NULL) == 0);
    int fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    ensure(fd >= 0);
    return fd;
}

static void wait_until(uint64_t deadline_ms)
{
    for (uint64_t now_ms; (now_ms = clock_monotonic_ms()) < deadline_ms;)
        poll(NULL, 0, (int)(deadline_ms - now_ms));
}

/* True: it is time to end. */
static bool serve_turn(const struct mode *mode, struct notify *notify, int signal_fd, int lifeline_fd)
{
    struct pollfd polled[] = {{.fd = signal_fd, .events = POLLIN},
                              {.fd = mode->deaf ? -1 : lifeline_fd, .events = POLLIN}};
    uint64_t interval_ms = notify_interval_ms(notify);
    poll(polled, ARRAY_LEN(polled), interval_ms < 1000 ? (int)interval_ms : 1000);
    struct signalfd_siginfo info;
    while (read(signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGUSR1)
            notify_status(notify, "again");
        else if (!mode->deaf)
            return true;
    }
    if (!mode->mute)
        notify_alive(notify, clock_monotonic_ms());
    return polled[1].revents != 0;
}

int main(int argc, char **argv)
{
    char surroundings[256];
    const struct mode *mode = find_mode(argc > 1 ? argv[1] : "");
    if (mode->dies)
        return 3;
    describe_surroundings(surroundings, sizeof(surroundings));
    char *address = xstrdup(getenv("NOTIFY_SOCKET") ?: "");
    int signal_fd = open_signals();
    int lifeline_fd = lifeline_open();
    struct notify *notify = notify_open();
    notify_status(notify, "%s", mode->reports ? surroundings : address);
    if (mode->slow_start) {
        notify_extend_timeout(notify, EXTEND_MS);
        wait_until(clock_monotonic_ms() + SLOW_MS);
    }
    if (!mode->never_ready)
        notify_ready(notify);
    while (!serve_turn(mode, notify, signal_fd, lifeline_fd))
        continue;
    if (mode->slow_stop)
        wait_until(clock_monotonic_ms() + SLOW_MS);
    notify_close(notify);
    free(address);
    return 0;
}
