#include "gateway/master.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "common/lifeline.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/notify.h"
#include "common/supervise.h"
#include "gateway/closed_sessions.h"
#include "gateway/limits_page.h"
#include "gateway/listen_socket.h"
#include "gateway/metrics.h"
#include "gateway/reload.h"

#define GENERATIONS 2 /* the serving workers, and during a reload those that take over */
#define WORKERS_MAX (LIMIT_CHILDREN / GENERATIONS)
#define DRAIN_MS    15000 /* of a retired worker: idle connections are closed after 5 s, busy ones by 10 s */
/* At a stop, below the time that the master's own supervisor gives (LIMIT_STOP_MS). */
#define STOP_MS         (LIMIT_STOP_MS - 500)
#define PATIENCE_MS     5000 /* a master that was restarted waits for the port that old workers still hold */
#define STATUS_EVERY_MS 5000
#define TURN_MS         1000 /* it shows that it lives that often (metrics.h) */
#define ARGUMENTS_MAX   80
#define ARGUMENT_BYTES  24

struct master {
    const struct gateway_options *options;
    char program[PATH_MAX]; /* by its path: a reload runs what was installed meanwhile */
    unsigned workers;       /* of one generation */
    int listen_fd, metrics_fd, limits_fd, closed_fd;
    struct supervisor *supervisor;
    struct notify *notify;
    struct metrics_master *metrics;
    struct child *serving[WORKERS_MAX];
    struct child *taking_over[WORKERS_MAX]; /* during a reload */
    unsigned generation;                    /* whose slots the serving ones have */
    bool was_ready, stopping, reloading, reload_again;
    uint64_t reload_started_ms,
        reload_asking; /* of the one under way: since when, and which asking it serves */
    struct reload_file reload;
    uint64_t served_ms; /* when a worker was last seen running */
    struct metrics *counts;
    uint64_t status_ms, status_requests; /* at the last status line */
};

/* The numbers among a worker's arguments, as text. */
struct worker_arguments {
    const char *argv[ARGUMENTS_MAX];
    size_t count;
    char numbers[ARGUMENTS_MAX][ARGUMENT_BYTES];
};

static void add_text(struct worker_arguments *arguments, const char *flag, const char *value)
{
    ensure(arguments->count + 3 < ARGUMENTS_MAX);
    arguments->argv[arguments->count++] = flag;
    arguments->argv[arguments->count++] = value;
    arguments->argv[arguments->count] = NULL;
}

static void add_number(struct worker_arguments *arguments, const char *flag, unsigned value)
{
    char *text = arguments->numbers[arguments->count];
    snprintf(text, ARGUMENT_BYTES, "%u", value);
    add_text(arguments, flag, text);
}

static void add_limits(struct worker_arguments *arguments, const struct gateway_options *options)
{
    for (size_t class = 0; class < RATE_CLASS_COUNT; class ++)
        if (options->limits[class] != NULL)
            add_text(arguments, gateway_limit_flags[class], options->limits[class]);
    add_text(arguments, "--login-slowdown", gateway_login_slowdowns[options->login_slowdown]);
    if (options->trusted_proxies != NULL)
        add_text(arguments, "--trusted-proxies", options->trusted_proxies);
    add_text(arguments, "--proxy-header", gateway_proxy_headers[options->proxy_header]);
}

static struct child *start_worker(struct master *master, unsigned slot)
{
    const struct gateway_options *options = master->options;
    struct worker_arguments arguments = {.argv = {master->program}, .count = 1};
    add_number(&arguments, "--worker", slot);
    add_number(&arguments, "--listen-fd", (unsigned)master->listen_fd);
    add_number(&arguments, "--metrics-fd", (unsigned)master->metrics_fd);
    add_number(&arguments, "--closed-fd", (unsigned)master->closed_fd);
    add_number(&arguments, "--metrics-slots", GENERATIONS * master->workers);
    add_number(&arguments, "--limits-fd", (unsigned)master->limits_fd);
    add_text(&arguments, "--listen", options->listen);
    add_text(&arguments, "--auth", gateway_auth_modes[options->auth]);
    add_number(&arguments, "--port-base", options->port_base);
    if (options->state_dir != NULL)
        add_text(&arguments, "--state-dir", options->state_dir);
    add_number(&arguments, "--cache-size", options->cache_size);
    add_text(&arguments, "--mac-key", options->mac_key);
    add_text(&arguments, "--token-keys", options->token_keys);
    add_text(&arguments, "--log-level", gateway_log_levels[options->log_level]);
    add_text(&arguments, "--access-log", options->access_log ? "on" : "off");
    add_number(&arguments, "--deadline", options->deadline_ms);
    add_number(&arguments, "--head-timeout", options->timeouts.head_ms);
    add_number(&arguments, "--body-timeout", options->timeouts.body_ms);
    add_number(&arguments, "--answer-timeout", options->timeouts.answer_ms);
    add_number(&arguments, "--idle-timeout", options->timeouts.idle_ms);
    add_number(&arguments, "--hang-timeout", options->hang_timeout_ms);
    add_number(&arguments, "--slow-ms", options->slow_ms);
    if (options->cors_origins != NULL)
        add_text(&arguments, "--cors-origins", options->cors_origins);
    add_limits(&arguments, options);
    char name[32];
    snprintf(name, sizeof(name), "worker %u", slot + 1);
    int inherit[] = {master->listen_fd, master->metrics_fd, master->limits_fd, master->closed_fd};
    struct child_spec spec = {
        .name = name,
        .argv = arguments.argv,
        .inherit_fds = inherit,
        .inherit_count = ARRAY_LEN(inherit),
        .hang_timeout_ms = options->hang_timeout_ms,
        .stop_timeout_ms = STOP_MS,
    };
    return supervisor_add(master->supervisor, &spec);
}

static void begin_reload(struct master *master)
{
    /* The slots of the generation before must be free before another reload takes them. */
    if (master->reloading || supervisor_count(master->supervisor) != master->workers) {
        master->reload_again = true;
        return;
    }
    log_info("reloading: starting new workers workers=%u", master->workers);
    master->reloading = true;
    master->reload_again = false;
    master->reload_started_ms = clock_monotonic_ms();
    master->reload_asking = master->reload.state.asked;
    unsigned first_slot = (1 - master->generation) * master->workers;
    for (unsigned i = 0; i < master->workers; i++)
        master->taking_over[i] = start_worker(master, first_slot + i);
}

static void on_reload(void *arg)
{
    struct master *master = arg;
    master->reload.state.asked++;
    reload_file_write(&master->reload);
    begin_reload(master);
}

static void end_reload(struct master *master, bool served)
{
    master->reloading = false;
    master->reload.state.done = master->reload_asking;
    if (served)
        master->reload.state.served = master->reload_asking;
    reload_file_write(&master->reload);
}

/* All new workers serve: the old ones finish what they have. */
static void take_over(struct master *master)
{
    for (unsigned i = 0; i < master->workers; i++) {
        supervisor_retire(master->supervisor, master->serving[i], DRAIN_MS);
        master->serving[i] = master->taking_over[i];
        master->taking_over[i] = NULL;
    }
    master->generation = 1 - master->generation;
    log_info("reloaded: new workers serve, old ones drain");
    end_reload(master, true);
}

/* What was installed cannot serve: the old workers do so for as long as it takes. */
static void give_up_reload(struct master *master)
{
    for (unsigned i = 0; i < master->workers; i++) {
        supervisor_retire(master->supervisor, master->taking_over[i], DRAIN_MS);
        master->taking_over[i] = NULL;
    }
    log_error("reload given up: the new workers do not start, the old ones serve on");
    end_reload(master, false);
}

static void watch_reload(struct master *master, uint64_t now_ms)
{
    unsigned running = 0, restarts = 0;
    for (unsigned i = 0; i < master->workers; i++) {
        running += child_state(master->taking_over[i]) == CHILD_RUNNING;
        if (child_restarts(master->taking_over[i]) > restarts)
            restarts = child_restarts(master->taking_over[i]);
    }
    if (running == master->workers)
        take_over(master);
    else if (restarts >= LIMIT_RELOAD_TRIES || now_ms >= master->reload_started_ms + LIMIT_RELOAD_MS)
        give_up_reload(master);
}

/* A loop that only supervises proves nothing: alive is who has workers whose loops turn. */
static void tell_alive(struct master *master, uint64_t now_ms)
{
    for (unsigned i = 0; i < master->workers; i++)
        if (child_state(master->serving[i]) == CHILD_RUNNING)
            master->served_ms = now_ms;
    if (now_ms < master->served_ms + LIMIT_UNSERVED_MS)
        notify_alive(master->notify, now_ms);
}

static void tell_status(struct master *master, uint64_t now_ms)
{
    uint64_t passed_ms = now_ms - master->status_ms;
    if (passed_ms < STATUS_EVERY_MS)
        return;
    uint64_t requests = metrics_requests(master->counts);
    uint64_t more = requests > master->status_requests ? requests - master->status_requests : 0;
    int64_t refused =
        metrics_sum(master->counts, METRIC_SHED_WORKER) + metrics_sum(master->counts, METRIC_SHED_ENGINE);
    notify_status(
        master->notify, "%llu requests/s, %lld connections, %u workers, %lld requests refused so far",
        (unsigned long long)(more * 1000 / passed_ms),
        (long long)metrics_sum(master->counts, METRIC_CONNECTIONS), master->workers, (long long)refused);
    master->status_ms = now_ms;
    master->status_requests = requests;
}

static void on_turn(void *arg)
{
    struct master *master = arg;
    uint64_t now_ms = clock_monotonic_ms();
    metrics_master_turn(master->metrics, now_ms);
    if (master->stopping) /* the children are the supervisor's, to the last */
        return;
    tell_alive(master, now_ms);
    tell_status(master, now_ms);
    if (master->reloading)
        watch_reload(master, now_ms);
    if (master->reload_again)
        begin_reload(master);
}

/* What no restart cures, before anybody was ever served, ends the start; its line is in the log. */
static void on_child(void *arg, const struct child *child, enum child_state old_state)
{
    static const int incurable[] = {EXIT_USAGE, EXIT_DATA, EXIT_CONFIG};
    struct master *master = arg;
    if (master->was_ready || old_state != CHILD_STARTING || child_state(child) != CHILD_BACKOFF)
        return;
    for (size_t i = 0; i < ARRAY_LEN(incurable); i++)
        if (child_exit_code(child) == incurable[i])
            supervisor_stop(master->supervisor, "cannot_start", incurable[i]);
}

static void on_all_ready(void *arg)
{
    struct master *master = arg;
    master->was_ready = true;
    log_info("serving listen=%s workers=%u", master->options->listen, master->workers);
    notify_ready(master->notify);
}

static void on_stopping(void *arg)
{
    struct master *master = arg;
    master->stopping = true;
    notify_stopping(master->notify);
}

static int make_page(const char *name, size_t bytes)
{
    int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0)
        fatal_exit(EXIT_OS, "cannot make the page %s: %s", name, strerror(errno));
    return fd;
}

static unsigned worker_count(const struct gateway_options *options)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned count = options->workers > 0 ? options->workers : (unsigned)(cores > 0 ? cores : 1);
    return count < WORKERS_MAX ? count : WORKERS_MAX;
}

static void find_program(char *out, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", out, size - 1);
    if (length < 0)
        fatal_exit(EXIT_OS, "cannot find this program's own path: %s", strerror(errno));
    out[length] = '\0';
}

static bool was_restarted(void)
{
    return notify_restarts() > 0;
}

/* False: the parent went while the port was waited for. */
static bool master_listen(struct master *master, int lifeline_fd)
{
    const char *address = master->options->listen;
    master->listen_fd = listen_socket_open(address, was_restarted() ? PATIENCE_MS : 0, lifeline_fd);
    if (master->listen_fd < 0)
        return false;
    /* The service manager's socket may be another than --listen says. */
    if (master->options->auth == AUTH_OPEN && !listen_socket_is_loopback(master->listen_fd))
        fatal_exit(EXIT_CONFIG, "--auth open is refused: the socket's address is not a loopback address");
    if (!listen_socket_is_loopback(master->listen_fd))
        log_warn("other machines can connect, and no TLS is spoken: unless a proxy that does is in front, "
                 "passwords and "
                 "tokens can be read on the way");
    return true;
}

static uint64_t turn_interval_ms(const struct master *master)
{
    uint64_t alive_ms = notify_interval_ms(master->notify);
    return alive_ms < TURN_MS ? alive_ms : TURN_MS;
}

int master_run(const struct gateway_options *options)
{
    struct master master = {.options = options, .workers = worker_count(options), .notify = notify_open()};
    int lifeline_fd = lifeline_open();
    find_program(master.program, sizeof(master.program));
    if (!master_listen(&master, lifeline_fd)) {
        notify_close(master.notify);
        return EXIT_SUCCESS;
    }
    master.limits_fd = limits_page_make();
    master.metrics_fd = make_page("forumd-metrics", metrics_page_bytes(GENERATIONS * master.workers));
    master.metrics = metrics_master_open(
        master.metrics_fd, GENERATIONS * master.workers, master.workers,
        &(struct metrics_process){.started_ms = clock_monotonic_ms(), .restarts = notify_restarts()});
    master.closed_fd = make_page("forumd-closed-sessions", closed_sessions_page_bytes());
    master.counts = metrics_view(master.metrics_fd, GENERATIONS * master.workers);
    master.served_ms = master.status_ms = clock_monotonic_ms();
    master.supervisor = supervisor_new(on_child, &master);
    reload_file_open(&master.reload); /* now that SIGHUP is waited for */
    for (unsigned i = 0; i < master.workers; i++)
        master.serving[i] = start_worker(&master, i);
    struct supervisor_hooks hooks = {
        .reload = on_reload,
        .turn = on_turn,
        .all_ready = on_all_ready,
        .stopping = on_stopping,
        .arg = &master,
        .turn_interval_ms = turn_interval_ms(&master),
    };
    int code = supervisor_run(master.supervisor, &hooks, lifeline_fd);
    supervisor_free(master.supervisor);
    notify_close(master.notify);
    metrics_close(master.counts);
    metrics_master_close(master.metrics);
    close(master.listen_fd);
    close(master.metrics_fd);
    close(master.limits_fd);
    close(master.closed_fd);
    return code;
}
