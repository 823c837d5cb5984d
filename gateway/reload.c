#include "gateway/reload.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "common/limits.h"
#include "common/log.h"

#define LINE_BYTES 128
#define LINE       "master=%d asked=%" PRIu64 " done=%" PRIu64 " served=%" PRIu64 "\n"
#define SCAN       "master=%d asked=%" SCNu64 " done=%" SCNu64 " served=%" SCNu64
/* The file's changes wake the command; that the master is gone does not. */
#define LOOK_MS 100

/* False: no service manager made a directory for it. */
static bool find_path(char out[static PATH_MAX])
{
    const char *dir = getenv("RUNTIME_DIRECTORY");
    if (dir == NULL || dir[0] == '\0' || strchr(dir, ':') != NULL)
        return false;
    return snprintf(out, PATH_MAX, "%s/reload", dir) < PATH_MAX - (int)sizeof(".new");
}

void reload_file_open(struct reload_file *file)
{
    *file = (struct reload_file){.state = {.master = getpid()}};
    if (!find_path(file->path)) {
        file->path[0] = '\0';
        return;
    }
    stpcpy(stpcpy(file->temporary, file->path), ".new");
    reload_file_write(file);
}

void reload_file_write(const struct reload_file *file)
{
    const struct reload_state *state = &file->state;
    char line[LINE_BYTES];
    if (file->path[0] == '\0')
        return;
    int length =
        snprintf(line, sizeof(line), LINE, (int)state->master, state->asked, state->done, state->served);
    int fd = open(file->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool written = fd >= 0 && write(fd, line, (size_t)length) == length;
    if (!written || rename(file->temporary, file->path) != 0)
        log_warn("reloads cannot be waited for: %s is not written error=%d", file->path, errno);
    if (fd >= 0)
        close(fd);
}

bool reload_state_read(const char *path, struct reload_state *state)
{
    char line[LINE_BYTES];
    int master;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t length = read(fd, line, sizeof(line) - 1);
    close(fd);
    if (length <= 0)
        return false;
    line[length] = '\0';
    if (sscanf(line, SCAN, &master, &state->asked, &state->done, &state->served) != 4 || master <= 0)
        return false;
    state->master = master;
    return true;
}

static int watch_directory(const char *path)
{
    char copy[PATH_MAX];
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0 || inotify_add_watch(fd, dirname(strcpy(copy, path)), IN_MOVED_TO) < 0)
        fatal_exit(EXIT_OS, "cannot watch %s: %s", path, strerror(errno));
    return fd;
}

static void wait_for_change(int fd)
{
    char events[4096];
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    if (poll(&polled, 1, LOOK_MS) > 0)
        while (read(fd, events, sizeof(events)) > 0)
            ;
}

static int tell(const struct reload_state *state, uint64_t asking, uint64_t took_ms)
{
    if (state->served < asking) {
        log_error("the new workers do not start: the old ones serve on (the gateway's log says why)");
        return EXIT_SOFTWARE;
    }
    log_notice("new workers serve master=%d took_ms=%" PRIu64, (int)state->master, took_ms);
    return EXIT_SUCCESS;
}

int reload_command(void)
{
    char path[PATH_MAX];
    struct reload_state before, now;
    if (!find_path(path))
        fatal_exit(EXIT_USAGE,
                   "reload needs RUNTIME_DIRECTORY, as ExecReload= of forumd-gateway.service has it; "
                   "without, send SIGHUP");
    int watch_fd = watch_directory(path); /* first, so that no change is missed */
    if (!reload_state_read(path, &before) || kill(before.master, SIGHUP) != 0)
        fatal_exit(EXIT_UNAVAILABLE, "no gateway runs here: %s", strerror(errno));
    uint64_t start_ms = clock_monotonic_ms();
    do {
        wait_for_change(watch_fd);
        if (!reload_state_read(path, &now) || now.master != before.master || kill(before.master, 0) != 0)
            fatal_exit(EXIT_UNAVAILABLE, "the gateway ended meanwhile");
        if (now.done > before.asked)
            return tell(&now, before.asked + 1, clock_monotonic_ms() - start_ms);
    } while (clock_monotonic_ms() < start_ms + LIMIT_RELOAD_WAIT_MS);
    fatal_exit(EXIT_SOFTWARE, "the new workers do not serve after %d ms", LIMIT_RELOAD_WAIT_MS);
}
