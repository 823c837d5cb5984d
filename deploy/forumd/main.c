/* forumd: the gateway and all engines in the foreground; restarts what dies. For development and containers;
 * under systemd the units do that. */
#include <bsd/unistd.h>
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/attributes.h"
#include "common/clock.h"
#include "common/fatal.h"
#include "common/lifeline.h"
#include "common/limits.h"
#include "common/listen_address.h"
#include "common/log.h"
#include "common/notify.h"
#include "common/options.h"
#include "common/sandbox.h"
#include "common/supervise.h"
#include "common/version.h"
#include "deploy/forumd/children.h"
#include "deploy/state/keys.h"
#include "deploy/state/state_dir.h"
#include "proto/domains.h"

const char *const launcher_auth_modes[] = {
    [LAUNCHER_AUTH_OPEN] = "open", [LAUNCHER_AUTH_REQUIRED] = "required", NULL};
const char *const launcher_log_levels[] = {"error", "warn", "notice", "info", "debug", NULL};
static const char *const access_logs[] = {"auto", "on", "off", NULL};

/* How long a start may fail in a way that a restart does not cure - the processes of a launcher that was
 * killed a moment ago may still hold ports and locks. */
#define START_PATIENCE_MS 3000

struct launcher {
    const struct launcher_options *options;
    struct supervisor *supervisor;
    struct notify *notify;
    uint64_t start_ms;
    bool was_ready;
    const struct child *gateway;
};

static void parse(struct launcher_options *options, int argc, char **argv)
{
    const struct option_row rows[] = {
        {"listen", OPTION_STRING, &options->listen, 0, 0, NULL, "ADDRESS:PORT", "where clients connect"},
        {"state-dir", OPTION_STRING, &options->state_dir, 0, 0, NULL, "DIR", "where all data is"},
        {"workers", OPTION_UINT, &options->workers, 0, LIMIT_WORKERS / 2, NULL, "N",
         "gateway workers, 0: one a core"},
        {"auth", OPTION_CHOICE, &options->auth, 0, 0, launcher_auth_modes, "MODE",
         "open: anybody may act as anybody; required"},
        {"log-level", OPTION_CHOICE, &options->log_level, 0, 0, launcher_log_levels, "LEVEL",
         "error, warn, notice, info or debug"},
        {"access-log", OPTION_CHOICE, &options->access_log, 0, 0, access_logs, "WHEN",
         "one line per request: auto (at a terminal), on or off"},
        {"port-base", OPTION_UINT, &options->port_base, 1024, DOMAIN_PORT_BASE_MAX, NULL, "N",
         "engines and password processes listen on 127.0.0.1, ports N + 1 to N + 10"},
        {"deadline", OPTION_UINT, &options->deadline_ms, 50, 60000, NULL, "MS", "time a request has"},
        {"slow-ms", OPTION_UINT, &options->slow_ms, 0, 3600000, NULL, "MS",
         "a line in the log for a request that takes that long, 0: none"},
        {"hang-timeout", OPTION_UINT, &options->hang_timeout_ms, 100, 600000, NULL, "MS",
         "a process whose loop stands still that long is restarted"},
        {"cors-origins", OPTION_STRING, &options->cors_origins, 0, 0, NULL, "LIST",
         "origins whose pages may read answers, comma-separated (none)"},
        {"limit-register", OPTION_STRING, &options->limit_register, 0, 0, NULL, "LIMIT",
         "registrations of an address: COUNT/PERIOD[,burst=N][,address=N], or off"},
        {"limit-login", OPTION_STRING, &options->limit_login, 0, 0, NULL, "LIMIT", "log-ins of an address"},
        {"limit-write", OPTION_STRING, &options->limit_write, 0, 0, NULL, "LIMIT",
         "writes of a user; of an address N times that"},
        {"limit-read", OPTION_STRING, &options->limit_read, 0, 0, NULL, "LIMIT", "reads, likewise"},
        {"login-slowdown", OPTION_STRING, &options->login_slowdown, 0, 0, NULL, "WHEN",
         "after wrong passwords: auto (with --auth required), on or off"},
        {"trusted-proxies", OPTION_STRING, &options->trusted_proxies, 0, 0, NULL, "LIST",
         "addresses and networks of proxies that are believed whom they forward for"},
        {"proxy-header", OPTION_STRING, &options->proxy_header, 0, 0, NULL, "NAME",
         "where they say it: x-forwarded-for or forwarded"},
        {"password-processes", OPTION_UINT, &options->password_processes, 1, LIMIT_PASSWORD_PROCESSES, NULL,
         "N", "how many passwords are worked on at once, 64 MiB each"},
        {"cache-size", OPTION_UINT, &options->cache_size, 0, LIMIT_CACHE_MAX_BYTES, NULL, "BYTES",
         "of answers that each gateway worker keeps to give again while nothing changed; 0: none"},
        {"shards", OPTION_UINT, &options->shards, 1, 1024, NULL, "N",
         "shards per domain (1; more are refused for now)"},
    };
    if (options_parse("forumd [flags]", rows, ARRAY_LEN(rows), argc, argv) != 0)
        fatal_exit(EXIT_USAGE, "unexpected argument: %s", argv[argc - 1]);
}

static void check(const struct launcher_options *options)
{
    unsigned port = listen_address_port(options->listen);
    if (port == 0)
        fatal_exit(EXIT_USAGE, "--listen %s is not an address and port", options->listen);
    if (port >= domain_port(options->port_base, DOMAIN_FIRST) &&
        port < domain_port(options->port_base, DOMAIN_PASSWORDS) + options->password_processes)
        fatal_exit(EXIT_CONFIG, "--listen %s takes the port of an engine (--port-base %u)", options->listen,
                   options->port_base);
    if (options->shards != 1)
        fatal_exit(EXIT_CONFIG, "--shards %u: only 1 is available yet", options->shards);
    if (options->auth == LAUNCHER_AUTH_OPEN && !listen_address_is_loopback(options->listen))
        fatal_exit(
            EXIT_CONFIG,
            "--auth open lets anybody act as anybody: it is refused on %s, which is not a loopback address",
            options->listen);
}

static void on_all_ready(void *arg)
{
    struct launcher *launcher = arg;
    launcher->was_ready = true;
    const struct launcher_options *options = launcher->options;
    printf("forumd %s listening on http://%s (auth: %s; state: %s)\n", version_text, options->listen,
           options->auth == LAUNCHER_AUTH_OPEN ? "open - anybody may act as anybody"
                                               : "required - who writes needs a token",
           options->state_dir);
    if (!listen_address_is_loopback(options->listen))
        printf("WARNING: %s can be reached from other machines, and forumd speaks no TLS: unless a proxy "
               "that does "
               "is in front, passwords and tokens can be read on the way.\n",
               options->listen);
    fflush(stdout);
    notify_ready(launcher->notify);
}

/* As long as nothing ever served, such trouble ends the start; its line is in the log. A file of a newer
 * version stays one, but a port may be free in a moment. */
static void on_child(void *arg, const struct child *child, enum child_state old_state)
{
    static const struct {
        int code;
        unsigned patience_ms;
    } incurable[] = {
        {EXIT_USAGE, 0}, {EXIT_DATA, 0}, {EXIT_CONFIG, 0}, {EXIT_UNAVAILABLE, START_PATIENCE_MS}};
    struct launcher *launcher = arg;
    if (launcher->was_ready || old_state != CHILD_STARTING || child_state(child) != CHILD_BACKOFF)
        return;
    uint64_t passed_ms = clock_monotonic_ms() - launcher->start_ms;
    for (size_t i = 0; i < ARRAY_LEN(incurable); i++)
        if (child_exit_code(child) == incurable[i].code && passed_ms >= incurable[i].patience_ms)
            supervisor_stop(launcher->supervisor, "cannot_start", incurable[i].code);
}

static void on_turn(void *arg)
{
    struct launcher *launcher = arg;
    notify_alive(launcher->notify, clock_monotonic_ms());
}

/* The gateway knows how to replace its workers without dropping a connection. */
static void on_reload(void *arg)
{
    struct launcher *launcher = arg;
    if (child_state(launcher->gateway) == CHILD_RUNNING && kill(child_pid(launcher->gateway), SIGHUP) != 0)
        log_error("cannot signal the gateway error=%d", errno);
}

/* SIGHUP from a terminal means that it was closed: then the launcher ends with it. */
static bool at_a_terminal(void)
{
    return isatty(STDIN_FILENO) || isatty(STDERR_FILENO);
}

static void on_stopping(void *arg)
{
    struct launcher *launcher = arg;
    notify_stopping(launcher->notify);
}

int main(int argc, char **argv, char **environment)
{
    setproctitle_init(argc, argv, environment);
    struct launcher_options options = {
        .listen = "127.0.0.1:8080",
        .state_dir = "./state",
        .auth = LAUNCHER_AUTH_OPEN,
        .log_level = LOG_LEVEL_INFO,
        .access_log = ACCESS_LOG_AUTO,
        .port_base = DOMAIN_PORT_BASE_DEFAULT,
        .hang_timeout_ms = 2000,
        .deadline_ms = LIMIT_DEADLINE_MS,
        .cache_size = LIMIT_CACHE_BYTES,
        .slow_ms = LIMIT_SLOW_MS,
        .shards = 1,
        .password_processes = 2,
    };
    parse(&options, argc, argv);
    log_open("forumd", (enum log_level)options.log_level);
    check(&options);
    sandbox_enter(SANDBOX_SUPERVISOR);
    if (sodium_init() < 0)
        fatal_exit(EXIT_OS, "libsodium cannot start");
    state_dir_make(options.state_dir);
    int lock_fd = state_dir_lock(options.state_dir);
    (void)keys_make(options.state_dir);

    struct launcher launcher = {
        .options = &options, .notify = notify_open(), .start_ms = clock_monotonic_ms()};
    struct supervisor *supervisor = launcher.supervisor = supervisor_new(on_child, &launcher);
    launcher.gateway = children_add(supervisor, &options);
    struct supervisor_hooks hooks = {
        .reload = at_a_terminal() ? NULL : on_reload,
        .turn = on_turn,
        .all_ready = on_all_ready,
        .stopping = on_stopping,
        .arg = &launcher,
        .turn_interval_ms = notify_interval_ms(launcher.notify),
    };
    int code = supervisor_run(supervisor, &hooks, lifeline_open());
    supervisor_free(supervisor);
    notify_close(launcher.notify);
    close(lock_fd);
    return code;
}
