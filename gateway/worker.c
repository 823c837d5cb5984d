#include "gateway/worker.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "common/fault.h"
#include "common/lifeline.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/notify.h"
#include "common/sandbox.h"
#include "gateway/cache.h"
#include "gateway/engine_links.h"
#include "gateway/engine_pages.h"
#include "gateway/http_server.h"
#include "gateway/request.h"

#define WORKER_TURN_MS   1000 /* the loop turns that often at least */
#define SESSIONS_LOOK_MS 5

struct worker {
    const struct gateway_options *options;
    struct event_base *base;
    struct notify *notify;
    struct mac_key key;
    struct request_ids ids;
    struct metrics *metrics;
    struct rates *rates;
    struct admission *admission;
    struct known_users *users;
    struct known_keys *keys;
    struct signed_posts *signed_posts;
    struct closed_sessions *closed;
    struct token_checker *tokens;
    struct engine_pages *pages;
    struct cache *cache;
    struct engine_links *links;
    struct requests *requests;
    struct http_server *http;
    int lifeline_fd; /* -1: started by hand */
    struct event *timer, *answers, *lifeline, *terminate, *interrupt;
    uint64_t armed_ms; /* when the timer fires */
    uint64_t drain_ms; /* UINT64_MAX: serving */
    bool orphaned;
};

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    (void)fd, (void)what;
    worker->armed_ms = UINT64_MAX; /* the turn does what is due */
}

static void on_answers(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    (void)fd, (void)what;
    admission_event(worker->admission, clock_monotonic_us());
    engine_links_dispatch(worker->links);
}

static void on_lifeline(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    (void)fd, (void)what;
    log_notice("the master is gone");
    worker->orphaned = true;
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    (void)fd, (void)what;
    if (worker->drain_ms != UINT64_MAX)
        return;
    worker->drain_ms = clock_monotonic_ms();
    notify_stopping(worker->notify);
    if (worker->http == NULL) /* not yet */
        return;
    http_server_drain(worker->http, worker->drain_ms);
    log_notice("draining connections=%zu", http_server_connections(worker->http));
}

static void on_libevent_log(int severity, const char *message)
{
    if (severity >= EVENT_LOG_WARN)
        log_warn("libevent: %s", message);
}

/* As many descriptors as the system allows; returns how many connections that is. */
static size_t raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        fatal_exit(EXIT_OS, "getrlimit: %s", strerror(errno));
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_warn("the limit of open files cannot be raised: %m");
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < 2 * WORKER_SPARE_FDS)
        fatal_exit(EXIT_OS, "%llu open files are too few", (unsigned long long)limit.rlim_cur);
    rlim_t most = limit.rlim_cur - WORKER_SPARE_FDS;
    return most < LIMIT_CONNECTIONS ? (size_t)most : LIMIT_CONNECTIONS;
}

/* Our thread is the only one that touches libevent. */
static struct event_base *base_new(void)
{
    struct event_config *config = event_config_new();
    ensure(config != NULL);
    ensure(event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST) == 0);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    if (base == NULL)
        fatal_exit(EXIT_OS, "cannot make an event loop: %s", strerror(errno));
    return base;
}

static struct event *event_make(struct worker *worker, int fd, short what, event_callback_fn callback)
{
    struct event *event = event_new(worker->base, fd, what, callback, worker);
    ensure(event != NULL);
    if ((what & (EV_READ | EV_SIGNAL)) != 0)
        ensure(event_add(event, NULL) == 0);
    return event;
}

static void watch(struct worker *worker)
{
    worker->timer = event_make(worker, -1, 0, on_timer);
    worker->answers = event_make(worker, engine_links_fd(worker->links), EV_READ | EV_PERSIST, on_answers);
    worker->terminate = event_make(worker, SIGTERM, EV_SIGNAL | EV_PERSIST, on_stop);
    worker->interrupt = event_make(worker, SIGINT, EV_SIGNAL | EV_PERSIST, on_stop);
    worker->lifeline_fd = lifeline_open();
    if (worker->lifeline_fd >= 0)
        worker->lifeline = event_make(worker, worker->lifeline_fd, EV_READ, on_lifeline);
}

static struct request_services services_of(struct worker *worker)
{
    struct request_services services = {
        .options = worker->options,
        .board = engine_links_board(worker->links),
        .users = worker->users,
        .keys = worker->keys,
        .signed_posts = worker->signed_posts,
        .tokens = worker->tokens,
        .closed = worker->closed,
        .pages = worker->pages,
        .cache = worker->cache,
        .metrics = worker->metrics,
        .admission = worker->admission,
        .ids = &worker->ids,
        .rates = worker->rates,
        .started_ms = clock_monotonic_ms(),
    };
    for (int i = DOMAIN_FIRST; i < DOMAIN_COUNT; i++)
        services.engines[i] = engine_links_client(worker->links, (enum domain_id)i);
    return services;
}

static void worker_open(struct worker *worker)
{
    const struct gateway_options *options = worker->options;
    signal(SIGPIPE, SIG_IGN);
    event_set_log_callback(on_libevent_log);
    worker->notify = notify_open();
    worker->base = base_new();
    mac_key_load(options->mac_key, &worker->key);
    request_ids_open(&worker->ids);
    worker->metrics = metrics_open((int)options->metrics_fd, options->metrics_slots, options->worker_slot);
    metrics_worker_begin(worker->metrics, &(struct metrics_process){.started_ms = clock_monotonic_ms(),
                                                                    .restarts = notify_restarts()});
    worker->rates = rates_open(options, (int)options->limits_fd);
    worker->admission = admission_new(worker->metrics);
    worker->users = known_users_new();
    worker->keys = known_keys_new();
    worker->signed_posts = signed_posts_new();
    worker->closed = closed_sessions_open((int)options->closed_fd);
    worker->tokens = token_checker_new(options->token_keys);
    worker->pages = engine_pages_open(options->state_dir);
    worker->cache = cache_new(options->cache_size, worker->pages, worker->metrics);
    worker->links = engine_links_open(options->port_base, &worker->key, &worker->ids, worker->metrics,
                                      worker->closed, worker->pages);
    struct request_services services = services_of(worker);
    worker->requests = requests_new(&services);
    watch(worker);
}

/* Without them who brings a token would be told to come again: so clients wait in the socket, as long as that
 * helps. Only the first workers of a master have anything to wait for. */
static void await_sessions(struct worker *worker)
{
    const struct timeval pause = {.tv_usec = SESSIONS_LOOK_MS * 1000};
    uint64_t now_ms = clock_monotonic_ms(), until_ms = now_ms + LIMIT_SESSIONS_WAIT_MS;
    while (!closed_sessions_known(worker->closed) && now_ms < until_ms && !worker->orphaned &&
           worker->drain_ms == UINT64_MAX) {
        engine_links_turn(worker->links, now_ms);
        ensure(event_add(worker->timer, &pause) == 0);
        engine_pages_turn(worker->pages,
                          now_ms); /* what was looked at before this sleep is looked at again */
        if (event_base_loop(worker->base, EVLOOP_ONCE) < 0)
            fatal_exit(EXIT_OS, "the event loop failed: %s", strerror(errno));
        now_ms = clock_monotonic_ms();
    }
}

static void worker_listen(struct worker *worker)
{
    const struct gateway_options *options = worker->options;
    int listen_fd = (int)options->listen_fd, on = 1, unsent = HTTP_UNSENT_BYTES;
    struct http_hooks hooks;
    requests_hooks(worker->requests, &hooks);
    /* Inherited by the connections. TCP_NODELAY: an answer goes out whole, and must not wait for the client's
     * ACK of the last one. TCP_NOTSENT_LOWAT: for a client that read quickly and then stops, the kernel would
     * take megabytes of answers, which then pass for sent. */
    if (setsockopt(listen_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
        setsockopt(listen_fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent)) != 0)
        fatal_exit(EXIT_OS, "cannot use listening descriptor %d: %s", listen_fd, strerror(errno));
    size_t connections_max = raise_descriptor_limit();
    metrics_set(worker->metrics, METRIC_CONNECTIONS_MAX, (int64_t)connections_max);
    worker->http = http_server_new(worker->base, listen_fd, connections_max, &options->timeouts, &hooks,
                                   worker->metrics);
}

static void worker_close(struct worker *worker)
{
    struct event *events[] = {worker->timer, worker->answers, worker->lifeline, worker->terminate,
                              worker->interrupt};
    http_server_free(worker->http);
    engine_links_close(worker->links);
    requests_free(worker->requests);
    cache_free(worker->cache);
    engine_pages_close(worker->pages);
    known_users_free(worker->users);
    rates_close(worker->rates);
    admission_free(worker->admission);
    token_checker_free(worker->tokens);
    closed_sessions_close(worker->closed);
    known_keys_free(worker->keys);
    signed_posts_free(worker->signed_posts);
    metrics_close(worker->metrics);
    for (size_t i = 0; i < ARRAY_LEN(events); i++)
        if (events[i] != NULL)
            event_free(events[i]);
    event_base_free(worker->base);
    if (worker->lifeline_fd >= 0)
        close(worker->lifeline_fd);
    notify_close(worker->notify);
    libevent_global_shutdown();
}

static void earlier(uint64_t *ms, uint64_t candidate_ms)
{
    if (candidate_ms < *ms)
        *ms = candidate_ms;
}

/* An earlier wake-up than needed does no harm, so the timer is only moved to the front. */
static void arm(struct worker *worker, uint64_t now_ms)
{
    uint64_t next_ms = now_ms + WORKER_TURN_MS;
    uint64_t alive_ms = notify_interval_ms(worker->notify);
    if (alive_ms < WORKER_TURN_MS)
        earlier(&next_ms, now_ms + alive_ms);
    earlier(&next_ms, engine_links_next_ms(worker->links));
    earlier(&next_ms, http_server_next_ms(worker->http));
    earlier(&next_ms, requests_next_ms(worker->requests));
    if (worker->drain_ms != UINT64_MAX)
        earlier(&next_ms, worker->drain_ms + WORKER_DRAIN_MS);
    if (next_ms >= worker->armed_ms)
        return;
    uint64_t wait_ms = next_ms > now_ms ? next_ms - now_ms : 0;
    struct timeval wait = {.tv_sec = (time_t)(wait_ms / 1000),
                           .tv_usec = (suseconds_t)(wait_ms % 1000 * 1000)};
    ensure(event_add(worker->timer, &wait) == 0);
    worker->armed_ms = next_ms;
}

static bool finished(const struct worker *worker, uint64_t now_ms)
{
    if (worker->orphaned)
        return true;
    return worker->drain_ms != UINT64_MAX &&
           (http_server_connections(worker->http) == 0 || now_ms >= worker->drain_ms + WORKER_DRAIN_MS);
}

static void worker_run(struct worker *worker)
{
    uint64_t now_ms = clock_monotonic_ms();
    while (!finished(worker, now_ms)) {
        arm(worker, now_ms);
        if (event_base_loop(worker->base, EVLOOP_ONCE) < 0)
            fatal_exit(EXIT_OS, "the event loop failed: %s", strerror(errno));
        FAULT_LOOK();
        now_ms = clock_monotonic_ms();
        engine_pages_turn(worker->pages, now_ms);
        http_server_look(worker->http, now_ms);
        requests_turn(worker->requests, now_ms);
        if (engine_links_stuck(worker->links, now_ms))
            fatal_exit(EXIT_SOFTWARE,
                       "connections to engines cannot be made any more; ending for a new start");
        engine_links_turn(worker->links, now_ms);
        http_server_turn(worker->http, now_ms); /* last: answers of this turn are written in it */
        admission_turn_over(worker->admission, clock_monotonic_us());
        log_flush();
        metrics_worker_turn(worker->metrics, now_ms);
        notify_alive(worker->notify, now_ms);
    }
}

int worker_main(const struct gateway_options *options)
{
    struct worker worker = {
        .options = options, .lifeline_fd = -1, .armed_ms = UINT64_MAX, .drain_ms = UINT64_MAX};
    worker_open(&worker);
    sandbox_enter(SANDBOX_WORKER);
    await_sessions(&worker);
    worker_listen(&worker);
    log_buffering(true);
    log_notice("serving slot=%u pid=%d", options->worker_slot, (int)getpid());
    log_flush();
    notify_ready(worker.notify);
    worker_run(&worker);
    log_buffering(false);
    worker_close(&worker);
    return EXIT_SUCCESS;
}
