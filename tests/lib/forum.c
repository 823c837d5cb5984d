#include "tests/lib/forum.h"
#include "tests/lib/require.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/forum_private.h"
#include "tests/lib/keep.h"
#include "tests/lib/ports.h"
#include "tests/lib/proc.h"
#include "tests/lib/wait.h"

#define FLAGS_MAX      16
#define START_TRIES    5
#define HTTP_PORT      0 /* in the block of ports; the engines' base comes behind */
#define ENGINES_PORT   1
#define LOG_TAIL_BYTES 3000
#define EXIT_PORT_BUSY 69

struct forum {
    unsigned port; /* first of the block */
    int lock_fd;   /* -1: attached */
    const char *state, *log;
    const struct forum_spec *spec;
    struct keeper *keeper; /* NULL: attached, or stopped */
    pid_t launcher, keeper_pid;
};

const char *forum_run_directory(void)
{
    const char *directory = getenv(FORUM_RUN_VARIABLE);
    REQUIRE(directory, "this program must be started by forum_main");
    return directory;
}

const char *forum_executable(const char *name)
{
    const char *directory = getenv("FORUMD_BIN_DIR");
    const char *there = directory ? keep_format("%s/%s", directory, name) : NULL;
    return there && access(there, X_OK) == 0 ? there : keep_format("%s/%s", FORUMD_BIN_DIR, name);
}

unsigned forum_port(const struct forum *forum)
{
    return forum->port + HTTP_PORT;
}

unsigned forum_engines_port_base(const struct forum *forum)
{
    return forum->port + ENGINES_PORT - 1;
}

const char *forum_state_directory(const struct forum *forum)
{
    return forum->state;
}

const char *forum_log(const struct forum *forum)
{
    const char *text = keep_file(forum->log, NULL);
    return text ? text : "";
}

/* Its end, for messages. */
static const char *log_tail(const struct forum *forum)
{
    const char *text = forum_log(forum);
    size_t length = strlen(text);
    return length > LOG_TAIL_BYTES ? text + length - LOG_TAIL_BYTES : text;
}

pid_t forum_launcher(const struct forum *forum)
{
    return forum->launcher;
}

/* A test's requests all come from one address, in a burst; its own flags come later and win. */
static const char *const no_limits[] = {"--limit-register=off", "--limit-login=off", "--limit-write=off",
                                        "--limit-read=off", "--login-slowdown=off"};

static struct keeper *launch(const struct forum *forum, const char *const *flags, const char *output)
{
    const char *argv[12 + ARRAY_LEN(no_limits) + FLAGS_MAX] = {forum_executable("forumd")};
    size_t count = 1;
    argv[count++] = keep_format("--listen=127.0.0.1:%u", forum_port(forum));
    argv[count++] = keep_format("--port-base=%u", forum_engines_port_base(forum));
    argv[count++] = keep_format("--state-dir=%s", forum->state);
    argv[count++] = "--access-log=on";
    argv[count++] = keep_format("--workers=%u", forum->spec->workers ? forum->spec->workers : 2);
    for (size_t i = 0; i < ARRAY_LEN(no_limits); i++)
        argv[count++] = no_limits[i];
    for (size_t i = 0; flags && flags[i] && i < FLAGS_MAX; i++)
        argv[count++] = flags[i];
    return keeper_start(&(struct keeper_spec){.argv = argv,
                                              .env = forum->spec->env,
                                              .directory = forum_run_directory(),
                                              .output = output,
                                              .hold_fd = forum->lock_fd});
}

static bool is_ready(void *arg)
{
    return forum_get(arg, "/ready")->status == 200;
}

static bool is_ready_or_ended(void *arg)
{
    struct forum *forum = arg;
    return keeper_wait(forum->keeper, 0, NULL) || is_ready(forum);
}

bool forum_wait_ready(struct forum *forum, unsigned timeout_ms)
{
    return wait_until(is_ready, forum, timeout_ms);
}

/* True when it is ready; false when it ended or stayed silent. */
static bool start_once(struct forum *forum, unsigned timeout_ms)
{
    forum->keeper = launch(forum, forum->spec->flags, forum->log);
    forum->launcher = keeper_program(forum->keeper);
    forum->keeper_pid = keeper_pid(forum->keeper);
    if (wait_until(is_ready_or_ended, forum, timeout_ms) && !keeper_wait(forum->keeper, 0, NULL))
        return true;
    return false;
}

static void take_ports(struct forum *forum)
{
    forum->port = ports_take(&forum->lock_fd);
    REQUIRE(forum->port > 0, "no free ports");
}

/* Tells which tests' logs are whose: forum_main shows it when the test fails. */
static const char *log_path(const struct forum_spec *spec)
{
    const char *name = spec->name;
    if (!name && criterion_current_test)
        name = keep_format("%s.%s", criterion_current_test->category, criterion_current_test->name);
    return keep_format("%s/%s.log", forum_run_directory(), name ? name : "unnamed");
}

static const char *new_state(void)
{
    char *state = keep_format("%s/state.XXXXXX", forum_run_directory());
    REQUIRE(mkdtemp(state), "%s: %s", state, strerror(errno));
    return state;
}

static const char *const *keep_list(const char *const *list)
{
    size_t count = 0;
    while (list && list[count])
        count++;
    const char **copy = keep_alloc((count + 1) * sizeof(copy[0]));
    for (size_t i = 0; i < count; i++)
        copy[i] = list[i];
    return copy;
}

/* It is used again by forum_start_again, perhaps when the function that made it has returned. */
static const struct forum_spec *keep_spec(const struct forum_spec *spec)
{
    struct forum_spec *copy = keep_alloc(sizeof(*copy));
    if (!spec)
        return copy;
    *copy = *spec;
    copy->flags = keep_list(spec->flags);
    copy->env = spec->env ? keep_list(spec->env) : NULL;
    return copy;
}

struct forum *forum_start(const struct forum_spec *spec)
{
    struct forum *forum = keep_alloc(sizeof(*forum));
    forum->spec = keep_spec(spec);
    forum->log = log_path(forum->spec);
    forum->state = forum->spec->state ? forum->spec->state : new_state();
    for (int i = 0; i < START_TRIES; i++) {
        int status = 0;
        take_ports(forum);
        if (start_once(forum, FORUM_START_MS))
            return forum;
        bool busy = keeper_wait(forum->keeper, 0, &status) && WIFEXITED(status) &&
                    WEXITSTATUS(status) == EXIT_PORT_BUSY;
        keeper_end(forum->keeper);
        close(forum->lock_fd);
        REQUIRE(busy, "the forum did not start (wait status %d): %s", status, log_tail(forum));
    }
    REQUIRE(false, "the forum found its ports taken %d times: %s", START_TRIES, log_tail(forum));
    return NULL;
}

void forum_start_again(struct forum *forum)
{
    REQUIRE(!forum->keeper, "it runs already");
    int status = -1;
    bool started = start_once(forum, FORUM_START_MS);
    if (!started)
        (void)!keeper_wait(forum->keeper, 0, &status);
    REQUIRE(started, "the forum did not start again (wait status %d): %s", status, log_tail(forum));
}

bool forum_try_again(struct forum *forum, unsigned timeout_ms)
{
    REQUIRE(!forum->keeper, "it runs already");
    bool started = start_once(forum, timeout_ms);
    if (!started)
        forum_kill(forum);
    return started;
}

void forum_export(const struct forum *forum)
{
    setenv(FORUM_SHARED_VARIABLE,
           keep_format("%u %d %d %s %s", forum->port, (int)forum->launcher, (int)forum->keeper_pid,
                       forum->state, forum->log),
           1);
}

struct forum *forum_attach(void)
{
    static const struct forum_spec plain;
    const char *shared = getenv(FORUM_SHARED_VARIABLE);
    struct forum *forum = keep_alloc(sizeof(*forum));
    int launcher, keeper;
    char state[256], log[256];
    REQUIRE(shared &&
                sscanf(shared, "%u %d %d %255s %255s", &forum->port, &launcher, &keeper, state, log) == 5,
            "no shared forum");
    forum->launcher = launcher;
    forum->keeper_pid = keeper;
    forum->state = keep_copy(state, strlen(state));
    forum->log = keep_copy(log, strlen(log));
    forum->spec = &plain;
    forum->lock_fd = -1;
    return forum;
}

size_t forum_processes(const struct forum *forum, const char *role, pid_t *out, size_t max)
{
    pid_t pids[PROC_MAX];
    size_t found = 0, count = proc_descendants(forum->keeper_pid, pids, PROC_MAX);
    for (size_t i = 0; i < count && found < max; i++)
        if (proc_alive(pids[i]) && strstr(proc_title(pids[i]), role))
            out[found++] = pids[i];
    return found;
}

pid_t forum_process(const struct forum *forum, const char *role)
{
    pid_t pid = 0;
    REQUIRE(forum_processes(forum, role, &pid, 1) == 1, "no process \"%s\"", role);
    return pid;
}

struct successor {
    struct forum *forum;
    const char *role;
    pid_t old;
};

static bool has_successor(void *arg)
{
    struct successor *successor = arg;
    pid_t pids[PROC_MAX];
    size_t count = forum_processes(successor->forum, successor->role, pids, PROC_MAX);
    bool old_there = false;
    for (size_t i = 0; i < count; i++)
        old_there |= pids[i] == successor->old;
    return count > 0 && !old_there && is_ready(successor->forum);
}

void forum_kill_and_wait_for_another(struct forum *forum, const char *role)
{
    struct successor successor = {forum, role, forum_process(forum, role)};
    REQUIRE(kill(successor.old, SIGKILL) == 0, "kill: %s", strerror(errno));
    REQUIRE(wait_until(has_successor, &successor, FORUM_START_MS), "%s did not come back: %s", role,
            log_tail(forum));
}

const char *forum_trouble(const struct forum *forum)
{
    static const char *const signs[] = {"AddressSanitizer", "LeakSanitizer", "runtime error:",
                                        "broken invariant", "out of memory", "NNG times by the wall clock"};
    const char *text = forum_log(forum);
    for (size_t i = 0; i < ARRAY_LEN(signs); i++) {
        const char *found = strstr(text, signs[i]);
        if (!found)
            continue;
        while (found > text && found[-1] != '\n')
            found--;
        return keep_copy(found, strcspn(found, "\n"));
    }
    return NULL;
}

static bool nothing_is_left(void *arg)
{
    pid_t first;
    return proc_descendants(*(const pid_t *)arg, &first, 1) == 0;
}

int forum_stop(struct forum *forum, int signal)
{
    int status = 0;
    REQUIRE(forum->keeper, "not this process's to stop");
    REQUIRE(kill(forum->launcher, signal) == 0, "kill: %s", strerror(errno));
    REQUIRE(keeper_wait(forum->keeper, FORUM_STOP_MS, &status), "it did not stop: %s", log_tail(forum));
    /* A worker whose master was killed ends by itself, maybe a little later. */
    bool clean = wait_until(nothing_is_left, &forum->keeper_pid, FORUM_LEFT_MS);
    pid_t left = 0;
    const char *title = !clean && proc_descendants(forum->keeper_pid, &left, 1) > 0 ? proc_title(left) : "";
    keeper_end(forum->keeper);
    forum->keeper = NULL;
    REQUIRE(clean, "processes are left: %s", title);
    const char *trouble = forum_trouble(forum);
    REQUIRE(!trouble, "%s", trouble);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void forum_kill(struct forum *forum)
{
    keeper_end(forum->keeper);
    forum->keeper = NULL;
}

struct keeper *forum_launch(const struct forum *other, const char *const *flags, const char *output)
{
    struct forum *forum = keep_alloc(sizeof(*forum));
    static const struct forum_spec plain;
    if (other) {
        *forum = *other;
        forum->lock_fd = -1;
    } else {
        forum->state = new_state();
        take_ports(forum);
    }
    forum->spec = &plain;
    return launch(forum, flags, output);
}

struct reply *forum_request(const struct forum *forum, const char *method, const char *path,
                            const char *headers, const char *body)
{
    return http_send(
        forum_port(forum),
        &(struct http_request){.method = method, .path = path, .headers = headers, .body = body});
}

struct reply *forum_get(const struct forum *forum, const char *path_format, ...)
{
    char *path = NULL;
    va_list args;
    va_start(args, path_format);
    if (vasprintf(&path, path_format, args) < 0)
        abort();
    va_end(args);
    struct reply *reply = forum_request(forum, "GET", path, NULL, NULL);
    free(path);
    return reply;
}

struct reply *forum_post(const struct forum *forum, const char *path, const char *body)
{
    return forum_request(forum, "POST", path, NULL, body);
}
