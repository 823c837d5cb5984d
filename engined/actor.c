#include "engined/actor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "common/lifeline.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/notify.h"
#include "common/sandbox.h"
#include "engined/copying.h"
#include "engined/engine.h"
#include "engined/listener.h"
#include "engined/peers.h"
#include "engined/token_signer.h"

#define DRAIN_MS          1000 /* at shutdown: for answers to be read */
#define MIGRATION_MORE_MS 30000
#define STATUS_EVERY_MS   5000
#define COMMIT_BYTES      48

enum { POLL_LISTENER, POLL_PEERS, POLL_SIGNALS, POLL_LIFELINE, POLL_COUNT };

struct actor {
    const struct domain *domain;
    struct engine *engine;
    struct listener *listener;
    struct peers *peers;
    struct notify *notify;
    struct token_signer signer;
    int lock_fd, signal_fd, lifeline_fd;
    uint64_t status_ms, status_frames; /* at the last status line; 0: none yet */
    bool stop;
    int exit_code;
};

static void io_answer(void *arg, void *message, const uint8_t *bytes, size_t length)
{
    (void)arg;
    inbound_answer(message, bytes, length);
}

static void io_drop(void *arg, void *message)
{
    (void)arg;
    inbound_drop(message);
}

static void io_ask(void *arg, struct ask ask, enum domain_id to, const uint8_t *bytes, size_t length,
                   uint64_t timeout_ms)
{
    struct actor *actor = arg;
    peers_ask(actor->peers, ask, to, bytes, length, timeout_ms);
}

static void on_peer_answer(void *arg, struct ask ask, enum ask_result result, const uint8_t *bytes,
                           size_t length)
{
    struct actor *actor = arg;
    engine_answered(actor->engine, ask, result, bytes, length);
}

static void on_migrating(void *arg)
{
    struct actor *actor = arg;
    notify_extend_timeout(actor->notify, MIGRATION_MORE_MS);
    notify_alive(actor->notify, clock_monotonic_ms());
}

/* Two copies of one engine on one state directory must be impossible. Held as long as the process lives. */
static int lock_state(const char *dir, const char *name)
{
    char path[4096];
    if (snprintf(path, sizeof(path), "%s/%s.lock", dir, name) >= (int)sizeof(path))
        fatal_exit(EXIT_CONFIG, "the state directory's name is too long");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        fatal_exit(EXIT_OS, "cannot open %s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        fatal_exit(EXIT_UNAVAILABLE, "another %s engine runs on %s", name, dir);
    return fd;
}

/* Half of a restored forum beside new files would be neither. */
static void refuse_half_restored(const char *dir)
{
    char path[4096];
    if (snprintf(path, sizeof(path), "%s/" STATE_RESTORING_DIR, dir) < (int)sizeof(path) &&
        access(path, F_OK) == 0)
        fatal_exit(EXIT_DATA, "a restore into %s was not finished: run forumctl restore again", dir);
}

static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        fatal_exit(EXIT_OS, "cannot block signals: %s", strerror(errno));
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        fatal_exit(EXIT_OS, "signalfd: %s", strerror(errno));
    return fd;
}

static struct engine *open_engine(struct actor *actor, const struct actor_options *options)
{
    struct engine_options engine_options = {
        .state_dir = options->state_dir,
        .start_ms = clock_monotonic_ms(),
        .now_us = clock_monotonic_us,
        .slow_us = (uint64_t)options->slow_ms * 1000,
        .alive = on_migrating,
        .alive_arg = actor,
        .password_processes = options->password_processes,
    };
    mac_key_load(options->mac_key_path, &engine_options.key);
    while (engine_options.run == 0)
        randombytes_buf(&engine_options.run, sizeof(engine_options.run));
    if (options->token_key_path != NULL) {
        token_signer_open(&actor->signer, options->token_key_path);
        engine_options.sign = token_signer_sign;
        engine_options.open = token_signer_open_token;
        engine_options.sign_arg = &actor->signer;
    }
    engine_options.restarts = notify_restarts();
    struct engine_io io = {.answer = io_answer, .drop = io_drop, .ask = io_ask, .arg = actor};
    return engine_open(actor->domain, &engine_options, &io);
}

/* Takes what waits, up to a turn's bound; what is left keeps the descriptor readable. */
static void drain_listener(struct actor *actor)
{
    size_t frames = 0;
    while (frames < LIMIT_TURN_FRAMES) {
        struct inbound *inbound = listener_next(actor->listener);
        if (inbound == NULL)
            break;
        size_t length;
        const uint8_t *bytes = inbound_bytes(inbound, &length);
        frames += engine_receive(actor->engine, inbound, bytes, length, inbound_received_us(inbound));
    }
    engine_set_queue(actor->engine, listener_waiting(actor->listener));
}

static int poll_timeout(const struct actor *actor, uint64_t now_ms)
{
    uint64_t next_ms = engine_next_ms(actor->engine);
    uint64_t wait_ms = next_ms <= now_ms ? 0 : next_ms - now_ms;
    uint64_t watchdog_ms = notify_interval_ms(actor->notify);
    if (watchdog_ms < wait_ms)
        wait_ms = watchdog_ms;
    return wait_ms > STATUS_EVERY_MS ? STATUS_EVERY_MS : (int)wait_ms;
}

/* "12:34:56Z in 1.25 ms"; days are the journal's to tell. */
static void describe_commit(const struct engine_figures *figures, char out[static COMMIT_BYTES])
{
    time_t seconds = (time_t)(figures->committed_wall_ms / 1000);
    struct tm utc;
    char at[16];
    if (figures->committed_wall_ms == 0 || gmtime_r(&seconds, &utc) == NULL) {
        snprintf(out, COMMIT_BYTES, "none yet");
        return;
    }
    ensure(strftime(at, sizeof(at), "%H:%M:%SZ", &utc) > 0);
    snprintf(out, COMMIT_BYTES, "%s in %.2f ms", at, (double)figures->commit_us / 1000);
}

static void tell_status(struct actor *actor, uint64_t now_ms)
{
    struct engine_figures figures;
    char commit[COMMIT_BYTES];
    uint64_t passed_ms = now_ms - actor->status_ms;
    if (actor->status_ms != 0 && passed_ms < STATUS_EVERY_MS)
        return;
    engine_figures(actor->engine, &figures);
    describe_commit(&figures, commit);
    uint64_t rate = actor->status_ms == 0 ? 0 : (figures.frames - actor->status_frames) * 1000 / passed_ms;
    notify_status(actor->notify, "%llu requests/s, %zu waiting, %zu parked, %llu events, last commit %s",
                  (unsigned long long)rate, figures.waiting, figures.parked,
                  (unsigned long long)figures.events, commit);
    actor->status_ms = now_ms;
    actor->status_frames = figures.frames;
}

static void loop_turn(struct actor *actor)
{
    struct pollfd fds[POLL_COUNT] = {
        [POLL_LISTENER] = {.fd = listener_fd(actor->listener), .events = POLLIN},
        [POLL_PEERS] = {.fd = peers_fd(actor->peers), .events = POLLIN},
        [POLL_SIGNALS] = {.fd = actor->signal_fd, .events = POLLIN},
        [POLL_LIFELINE] = {.fd = actor->lifeline_fd, .events = POLLIN}, /* -1: ignored by poll */
    };
    int count = poll(fds, POLL_COUNT, poll_timeout(actor, clock_monotonic_ms()));
    if (count < 0 && errno != EINTR)
        fatal_exit(EXIT_OS, "poll: %s", strerror(errno));
    if (count > 0 && (fds[POLL_SIGNALS].revents != 0 || fds[POLL_LIFELINE].revents != 0))
        actor->stop = true;
    if (count > 0 && fds[POLL_PEERS].revents != 0)
        peers_dispatch(actor->peers);
    if (count > 0 && fds[POLL_LISTENER].revents != 0)
        drain_listener(actor);
    struct engine_time now = {.monotonic_ms = clock_monotonic_ms(), .wall_ms = clock_wall_ms()};
    engine_turn(actor->engine, now);
    if (!actor->stop && peers_stuck(actor->peers, now.monotonic_ms)) {
        log_error("connections to other engines cannot be made any more; ending for a new start");
        actor->stop = true;
        actor->exit_code = EXIT_SOFTWARE;
    }
    notify_alive(actor->notify, now.monotonic_ms);
    tell_status(actor, now.monotonic_ms);
}

/*
 * Before any thread is started, for all of them: waking this process takes the core from nobody who runs
 * (sched(7), SCHED_BATCH). A worker that has just sent a batch goes on reading requests, so that the next
 * batch is larger, and each message costs more than the frames in it. Measured on two busy cores, 64
 * connections, mixed: 109 to 97 us of CPU for a request. Where it is not allowed, the service manager may
 * have done it.
 */
static void let_batches_grow(void)
{
    const struct sched_param none = {0};
    if (sched_setscheduler(0, SCHED_BATCH, &none) != 0)
        log_debug("cannot become a batch process error=\"%s\"", strerror(errno));
}

int actor_run(const struct domain *domain, const struct actor_options *options)
{
    struct actor actor = {.domain = domain, .notify = notify_open(), .lifeline_fd = lifeline_open()};
    let_batches_grow();
    actor.signal_fd = open_signals();
    actor.lock_fd = lock_state(options->state_dir, domain_name(domain->id));
    refuse_half_restored(options->state_dir);
    actor.engine = open_engine(&actor, options);
    actor.peers = peers_open(options->port_base, on_peer_answer, &actor);
    char url[DOMAIN_URL_MAX];
    domain_url(options->port_base, domain->id, url);
    actor.listener = listener_open(url);
    sandbox_enter(SANDBOX_ENGINE);
    log_info("serving url=%s events=%llu", url, (unsigned long long)engine_head_seq(actor.engine));
    notify_ready(actor.notify);
    while (!actor.stop)
        loop_turn(&actor);
    notify_stopping(actor.notify);
    log_info("stopping");
    listener_close(actor.listener, DRAIN_MS);
    peers_close(actor.peers);
    engine_close(actor.engine);
    token_signer_close(&actor.signer);
    notify_close(actor.notify);
    close(actor.signal_fd);
    close(actor.lock_fd);
    return actor.exit_code;
}
