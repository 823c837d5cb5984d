/* The supervisor with real processes (supervised_child.c). Scripts run in the hook that comes after each
 * turn. */
#include "common/supervise.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/child.h"
#include "common/clock.h"
#include "common/fatal.h"
#include "common/limits.h"
#include "common/log.h"

#define DEADLINE_MS 20000 /* of a whole script */
#define TURN_MS     5
#define EVENTS_MAX  128

struct event {
    const struct child *child;
    enum child_state old_state, state;
    uint64_t at_ms;
};

/* One test's supervisor, what happened there, and where its script stands. */
struct scene {
    struct supervisor *supervisor;
    struct event events[EVENTS_MAX];
    size_t event_count;
    struct child *a, *b;
    bool (*script)(struct scene *scene); /* true: done, stop the supervisor */
    int step;
    pid_t pid;
    uint64_t at_ms;
    uint64_t began_ms;
    unsigned ready_calls, reload_calls, stopping_calls;
    int stop_signal;
    bool stop_sent;
};

static void on_change(void *arg, const struct child *child, enum child_state old_state)
{
    struct scene *scene = arg;
    cr_assert_lt(scene->event_count, EVENTS_MAX);
    scene->events[scene->event_count++] = (struct event){
        .child = child, .old_state = old_state, .state = child_state(child), .at_ms = clock_monotonic_ms()};
}

static void on_turn(void *arg)
{
    struct scene *scene = arg;
    cr_assert_lt(clock_monotonic_ms() - scene->began_ms, DEADLINE_MS, "the script hangs at step %d",
                 scene->step);
    if (!scene->stop_sent && (!scene->script || scene->script(scene))) {
        scene->stop_sent = true;
        kill(getpid(), scene->stop_signal);
    }
}

static void on_ready(void *arg)
{
    ((struct scene *)arg)->ready_calls++;
}

static void on_reload(void *arg)
{
    ((struct scene *)arg)->reload_calls++;
}

static void on_stopping(void *arg)
{
    ((struct scene *)arg)->stopping_calls++;
}

static void scene_open(struct scene *scene, bool (*script)(struct scene *scene))
{
    *scene = (struct scene){.script = script, .stop_signal = SIGTERM};
    log_open("test", LOG_LEVEL_ERROR);
    scene->supervisor = supervisor_new(on_change, scene);
}

static struct child_spec spec_of(const char *mode)
{
    static const char *argv[8][3];
    static size_t used;
    const char **mine = argv[used++ % ARRAY_LEN(argv)];
    mine[0] = SUPERVISED_CHILD;
    mine[1] = mode;
    mine[2] = NULL;
    /* A test that fails must not leave a deaf child behind. */
    return (struct child_spec){
        .name = mode, .argv = mine, .hang_timeout_ms = 5000, .parent_death_signal = SIGKILL};
}

static struct child *scene_add(struct scene *scene, const char *mode)
{
    struct child_spec spec = spec_of(mode);
    return supervisor_add(scene->supervisor, &spec);
}

static int scene_run(struct scene *scene, int lifeline_fd)
{
    const struct supervisor_hooks hooks = {.turn = on_turn,
                                           .all_ready = on_ready,
                                           .reload = on_reload,
                                           .stopping = on_stopping,
                                           .arg = scene,
                                           .turn_interval_ms = TURN_MS};
    scene->began_ms = clock_monotonic_ms();
    int code = supervisor_run(scene->supervisor, &hooks, lifeline_fd);
    cr_assert_eq(supervisor_count(scene->supervisor), 0);
    supervisor_free(scene->supervisor);
    return code;
}

/* The n-th (from 0) time that `child` came into `state`; NULL: not yet. */
static const struct event *find_event(const struct scene *scene, const struct child *child,
                                      enum child_state state, size_t nth)
{
    for (size_t i = 0; i < scene->event_count; i++) {
        const struct event *event = &scene->events[i];
        if (event->child == child && event->state == state && nth-- == 0)
            return event;
    }
    return NULL;
}

static bool is_gone(pid_t pid)
{
    return kill(pid, 0) != 0 && errno == ESRCH;
}

Test(restart_delay, is_none_at_first_then_doubles_up_to_its_bound)
{
    static const uint64_t wanted_ms[] = {0, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5000, 5000};
    for (unsigned failures = 0; failures < ARRAY_LEN(wanted_ms); failures++)
        cr_assert_eq(restart_delay_ms(failures), wanted_ms[failures], "after %u failures", failures);
    cr_assert_eq(restart_delay_ms(4000000000u), LIMIT_RESTART_MAX_MS);
}

Test(child_states, allow_the_documented_transitions_and_no_others)
{
    static const char *const allowed[] = {
        "stopped>starting",  "starting>running", "starting>backoff",  "starting>hung",    "starting>stopping",
        "starting>draining", "starting>stopped", "running>backoff",   "running>hung",     "running>stopping",
        "running>draining",  "running>stopped",  "backoff>starting",  "backoff>stopped",  "hung>backoff",
        "hung>stopped",      "stopping>stopped", "draining>stopping", "draining>stopped",
    };
    for (int from = 0; from < CHILD_STATE_COUNT; from++) {
        for (int to = 0; to < CHILD_STATE_COUNT; to++) {
            char text[64];
            bool wanted = false;
            snprintf(text, sizeof(text), "%s>%s", child_state_name(from), child_state_name(to));
            for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
                wanted |= strcmp(text, allowed[i]) == 0;
            cr_assert_eq(child_transition_allowed(from, to), wanted, "%s", text);
        }
    }
}

Test(notice, is_read_line_by_line_and_unknown_lines_are_skipped)
{
    struct notice notice = {0};
    char text[] = "X=1\nSTATUS=two words\n\nEXTEND_TIMEOUT_USEC=2500000\nWATCHDOG=1\nREADY=0";
    notice_parse(text, &notice);
    cr_assert(notice.alive);
    cr_assert_not(notice.ready);
    cr_assert_eq(notice.extend_ms, 2500);
    cr_assert_str_eq(notice.status, "two words");
}

static bool both_running(struct scene *scene)
{
    return child_state(scene->a) == CHILD_RUNNING && child_state(scene->b) == CHILD_RUNNING;
}

Test(supervisor, starts_all_says_so_once_and_stops_all_in_order)
{
    struct scene scene;
    scene_open(&scene, both_running);
    scene.a = scene_add(&scene, "serve");
    scene.b = scene_add(&scene, "serve");
    cr_assert_eq(scene_run(&scene, -1), 0);
    cr_assert_eq(scene.ready_calls, 1);
    cr_assert_eq(scene.stopping_calls, 1);
    cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1, "a child was left");
    cr_assert_eq(errno, ECHILD);
}

static bool kill_a_once(struct scene *scene)
{
    if (scene->step == 0 && child_state(scene->a) == CHILD_RUNNING) {
        scene->pid = child_pid(scene->a);
        scene->at_ms = clock_monotonic_ms();
        kill(scene->pid, SIGKILL);
        scene->step++;
    }
    return scene->step == 1 && child_state(scene->a) == CHILD_RUNNING && child_pid(scene->a) != scene->pid;
}

Test(supervisor, starts_a_killed_child_again_at_once)
{
    struct scene scene;
    scene_open(&scene, kill_a_once);
    scene.a = scene_add(&scene, "serve");
    cr_assert_eq(scene_run(&scene, -1), 0);
    const struct event *again = find_event(&scene, scene.a, CHILD_STARTING, 1);
    cr_assert_not_null(again);
    cr_assert_eq(again->old_state, CHILD_BACKOFF);
    cr_assert_lt(again->at_ms - scene.at_ms, 100);
    cr_assert_null(find_event(&scene, scene.a, CHILD_HUNG, 0));
}

static bool six_starts(struct scene *scene)
{
    return find_event(scene, scene->a, CHILD_STARTING, 6) && child_state(scene->b) == CHILD_RUNNING;
}

/* From start to start: the child's end, which the delay counts from, is noticed after its start in any case.
 */
static void check_backoff(const struct scene *scene)
{
    for (unsigned failures = 0; failures < 6; failures++) {
        const struct event *started = find_event(scene, scene->a, CHILD_STARTING, failures);
        const struct event *again = find_event(scene, scene->a, CHILD_STARTING, failures + 1);
        cr_assert_geq(again->at_ms - started->at_ms, restart_delay_ms(failures), "start %u came early",
                      failures);
    }
    cr_assert_null(find_event(scene, scene->b, CHILD_BACKOFF, 0), "the other child was restarted too");
}

Test(supervisor, backs_off_with_a_child_that_dies_at_each_start_and_only_with_it)
{
    struct scene scene;
    scene_open(&scene, six_starts);
    scene.a = scene_add(&scene, "die");
    scene.b = scene_add(&scene, "serve");
    cr_assert_eq(scene_run(&scene, -1), 0);
    cr_assert_eq(scene.ready_calls, 0);
    check_backoff(&scene);
}

Test(supervisor, backs_off_with_a_child_that_cannot_be_executed)
{
    struct scene scene;
    scene_open(&scene, six_starts);
    const struct child_spec spec = {.name = "missing",
                                    .argv = (const char *const[]){"/nonexistent/forumd", NULL}};
    /* It logs an error for each try, as it should. */
    cr_assert_not_null(freopen("/dev/null", "w", stderr));
    scene.a = supervisor_add(scene.supervisor, &spec);
    scene.b = scene_add(&scene, "serve");
    cr_assert_eq(scene_run(&scene, -1), 0);
    check_backoff(&scene);
}

/* A row: a child becomes ready, serves (UINT64_MAX: dies before it is ready), ends, and waits for its delay.
 */
struct life {
    uint64_t served_ms, delay_ms;
};

static void check_lives(const struct life *lives, size_t count)
{
    struct scene scene;
    scene_open(&scene, NULL);
    struct child_spec spec = spec_of("die");
    struct child *child = child_new(&spec, NULL, NULL);
    const struct child_lendings lendings = {.notify_address = "@nobody", .lifeline_fd = 0, .null_fd = 0};
    const struct notice ready = {.ready = true};
    uint64_t now_ms = 1000;
    for (size_t i = 0; i < count; i++) {
        child_start(child, &lendings, now_ms);
        if (lives[i].served_ms != UINT64_MAX)
            child_notified(child, &ready, now_ms);
        siginfo_t info;
        cr_assert_eq(waitid(P_PID, (id_t)child_pid(child), &info, WEXITED | WNOWAIT), 0);
        now_ms += lives[i].served_ms != UINT64_MAX ? lives[i].served_ms : 60000;
        child_reap(child, false, now_ms);
        cr_assert_eq(child_state(child), CHILD_BACKOFF);
        cr_assert_eq(child_deadline_ms(child) - now_ms, lives[i].delay_ms, "life %zu: %llu", i,
                     (unsigned long long)(child_deadline_ms(child) - now_ms));
        now_ms = child_deadline_ms(child);
        cr_assert(child_expire(child, now_ms));
    }
    child_stop(child, now_ms);
    child_free(child);
    supervisor_free(scene.supervisor);
}

#define CHECK_LIVES(...)                                                                                     \
    check_lives((const struct life[]){__VA_ARGS__},                                                          \
                sizeof((const struct life[]){__VA_ARGS__}) / sizeof(struct life))

Test(child, that_is_killed_again_and_again_after_a_moment_of_service_starts_at_once_each_time)
{
    struct life lives[20];
    for (size_t i = 0; i < ARRAY_LEN(lives); i++)
        lives[i] = (struct life){LIMIT_FORGIVE_MS, 0};
    check_lives(lives, ARRAY_LEN(lives));
}

Test(child, that_dies_soon_after_it_is_ready_backs_off_further_each_time)
{
    CHECK_LIVES({5, 0}, {5, 10}, {5, 20}, {5, 40}, {5, 80}, {5, 160}, {5, 320}, {5, 640}, {5, 1280},
                {5, 2560}, {5, 5000}, {5, 5000});
}

Test(child, that_dies_before_it_is_ready_backs_off_however_long_that_took)
{
    CHECK_LIVES({UINT64_MAX, 0}, {UINT64_MAX, 10}, {UINT64_MAX, 20}, {UINT64_MAX, 40});
}

Test(child, is_forgiven_one_failure_for_each_moment_that_it_served)
{
    /* Five failures; three served away; what is left of a service counts for the next, but is not saved up.
     */
    CHECK_LIVES({0, 0}, {0, 10}, {0, 20}, {0, 40}, {0, 80}, {3 * LIMIT_FORGIVE_MS, 20},
                {LIMIT_FORGIVE_MS - 1, 40}, {1, 40}, {11 * LIMIT_FORGIVE_MS - 1, 0},
                {LIMIT_FORGIVE_MS - 1, 10});
}

static bool freeze_a(struct scene *scene)
{
    if (scene->step == 0 && child_state(scene->a) == CHILD_RUNNING) {
        scene->pid = child_pid(scene->a);
        scene->at_ms = clock_monotonic_ms();
        kill(scene->pid, SIGSTOP);
        scene->step++;
    }
    return scene->step == 1 && child_state(scene->a) == CHILD_RUNNING && child_pid(scene->a) != scene->pid;
}

Test(supervisor, kills_and_restarts_a_frozen_child_when_its_watchdog_passes)
{
    struct scene scene;
    scene_open(&scene, freeze_a);
    log_open("test", LOG_LEVEL_ERROR);
    struct child_spec spec = spec_of("serve");
    spec.hang_timeout_ms = 400;
    scene.a = supervisor_add(scene.supervisor, &spec);
    scene.b = scene_add(&scene, "serve");
    cr_assert_eq(scene_run(&scene, -1), 0);
    const struct event *hung = find_event(&scene, scene.a, CHILD_HUNG, 0);
    cr_assert_not_null(hung);
    cr_assert_eq(hung->old_state, CHILD_RUNNING);
    cr_assert_gt(hung->at_ms - scene.at_ms, 100, "killed although it had fed its watchdog just before");
    cr_assert_lt(hung->at_ms - scene.at_ms, 2000);
    cr_assert_null(find_event(&scene, scene.b, CHILD_BACKOFF, 0));
}

static bool a_was_hung_twice(struct scene *scene)
{
    return find_event(scene, scene->a, CHILD_HUNG, 1) != NULL;
}

Test(supervisor, finds_a_child_hung_that_runs_but_does_not_feed_its_watchdog)
{
    struct scene scene;
    scene_open(&scene, a_was_hung_twice);
    struct child_spec spec = spec_of("mute");
    spec.hang_timeout_ms = 100;
    scene.a = supervisor_add(scene.supervisor, &spec);
    cr_assert_eq(scene_run(&scene, -1), 0);
    cr_assert_eq(find_event(&scene, scene.a, CHILD_HUNG, 0)->old_state, CHILD_RUNNING);
}

Test(supervisor, finds_a_child_hung_that_does_not_get_ready_in_time)
{
    struct scene scene;
    scene_open(&scene, a_was_hung_twice);
    struct child_spec spec = spec_of("silent");
    spec.start_timeout_ms = 100;
    scene.a = supervisor_add(scene.supervisor, &spec);
    cr_assert_eq(scene_run(&scene, -1), 0);
    cr_assert_eq(find_event(&scene, scene.a, CHILD_HUNG, 0)->old_state, CHILD_STARTING);
    cr_assert_eq(scene.ready_calls, 0);
}

static bool a_is_running(struct scene *scene)
{
    return child_state(scene->a) == CHILD_RUNNING;
}

Test(supervisor, gives_a_starting_child_the_time_that_it_asks_for)
{
    /* The child needs 200 ms and asks for them; its start timeout covers only its coming up. */
    struct scene scene;
    scene_open(&scene, a_is_running);
    struct child_spec spec = spec_of("extend");
    const struct child_lendings lendings = {.notify_address = "@nobody", .lifeline_fd = 0, .null_fd = 0};
    struct child *child = child_new(&spec, NULL, NULL);
    child_start(child, &lendings, 0);
    cr_assert_eq(child_deadline_ms(child), LIMIT_START_MS);
    child_notified(child, &(struct notice){.extend_ms = LIMIT_START_MS}, 1000);
    cr_assert_eq(child_deadline_ms(child), LIMIT_START_MS + 1000);
    child_notified(child, &(struct notice){.extend_ms = 5}, 1000);
    cr_assert_eq(child_deadline_ms(child), LIMIT_START_MS + 1000, "asking must not shorten");
    child_notified(child, &(struct notice){.extend_ms = UINT64_MAX}, 1000);
    cr_assert_eq(child_deadline_ms(child), LIMIT_EXTEND_MS + 1000, "asking is bounded");
    child_kill(child);
    siginfo_t info;
    cr_assert_eq(waitid(P_PID, (id_t)child_pid(child), &info, WEXITED | WNOWAIT), 0);
    child_reap(child, true, 2000);
    child_free(child);

    scene.a = scene_add(&scene, "extend");
    cr_assert_eq(scene_run(&scene, -1), 0);
    cr_assert_null(find_event(&scene, scene.a, CHILD_HUNG, 0));
}

Test(supervisor, stops_a_lower_rank_first_and_waits_for_it)
{
    struct scene scene;
    scene_open(&scene, both_running);
    struct child_spec engine = spec_of("serve");
    engine.stop_rank = 1;
    scene.b = supervisor_add(scene.supervisor, &engine);
    scene.a = scene_add(&scene, "slow");
    cr_assert_eq(scene_run(&scene, -1), 0);
    const struct event *gateway_stopped = find_event(&scene, scene.a, CHILD_STOPPED, 0);
    const struct event *engine_stopping = find_event(&scene, scene.b, CHILD_STOPPING, 0);
    cr_assert(gateway_stopped && engine_stopping);
    cr_assert_lt(gateway_stopped, engine_stopping, "the engine was stopped before the gateway had ended");
    cr_assert_geq(gateway_stopped->at_ms - find_event(&scene, scene.a, CHILD_STOPPING, 0)->at_ms, 150);
}

Test(supervisor, kills_a_child_that_does_not_stop_in_time_and_says_so_in_its_exit_code)
{
    struct scene scene;
    scene_open(&scene, a_is_running);
    struct child_spec spec = spec_of("deaf");
    spec.stop_timeout_ms = 100;
    scene.a = supervisor_add(scene.supervisor, &spec);
    cr_assert_eq(scene_run(&scene, -1), 1);
}

static bool interrupt_twice(struct scene *scene)
{
    if (scene->step == 0 && child_state(scene->a) == CHILD_RUNNING) {
        kill(getpid(), SIGINT);
        scene->step++;
    }
    return scene->step == 1 && child_state(scene->a) == CHILD_STOPPING;
}

Test(supervisor, kills_what_is_left_at_a_second_interrupt)
{
    struct scene scene;
    scene_open(&scene, interrupt_twice);
    scene.stop_signal = SIGINT;
    struct child_spec spec = spec_of("deaf");
    spec.stop_timeout_ms = 10 * DEADLINE_MS;
    scene.a = supervisor_add(scene.supervisor, &spec);
    cr_assert_eq(scene_run(&scene, -1), 1);
}

static bool freeze_then_stop(struct scene *scene)
{
    if (child_state(scene->a) != CHILD_RUNNING)
        return false;
    kill(child_pid(scene->a), SIGSTOP);
    return true;
}

Test(supervisor, wakes_a_frozen_child_so_that_it_can_stop_orderly)
{
    struct scene scene;
    scene_open(&scene, freeze_then_stop);
    scene.a = scene_add(&scene, "serve");
    cr_assert_eq(scene_run(&scene, -1), 0);
}

static bool replace_a(struct scene *scene)
{
    if (scene->step == 0 && child_state(scene->a) == CHILD_RUNNING) {
        scene->b = scene_add(scene, "serve");
        scene->step++;
    }
    if (scene->step == 1 && child_state(scene->b) == CHILD_RUNNING) {
        scene->pid = child_pid(scene->a);
        supervisor_retire(scene->supervisor, scene->a, DEADLINE_MS);
        cr_assert_eq(child_state(scene->a), CHILD_DRAINING);
        scene->step++;
    }
    return scene->step == 2 && supervisor_count(scene->supervisor) == 1 && is_gone(scene->pid);
}

Test(supervisor, retires_a_child_for_good_while_its_successor_serves)
{
    struct scene scene;
    scene_open(&scene, replace_a);
    scene.a = scene_add(&scene, "slow");
    cr_assert_eq(scene_run(&scene, -1), 0);
    cr_assert_null(find_event(&scene, scene.a, CHILD_BACKOFF, 0));
    const struct event *ended = find_event(&scene, scene.a, CHILD_STOPPED, 0);
    cr_assert_not_null(ended);
    cr_assert_eq(ended->old_state, CHILD_DRAINING);
}

static bool retire_deaf_a(struct scene *scene)
{
    if (scene->step == 0 && both_running(scene)) {
        supervisor_retire(scene->supervisor, scene->a, 50);
        scene->step++;
    }
    return scene->step == 1 && supervisor_count(scene->supervisor) == 1;
}

Test(supervisor, kills_a_retired_child_after_its_grace_time)
{
    struct scene scene;
    scene_open(&scene, retire_deaf_a);
    scene.a = scene_add(&scene, "deaf");
    scene.b = scene_add(&scene, "serve");
    cr_assert_eq(scene_run(&scene, -1), 0);
}

static bool hang_up(struct scene *scene)
{
    if (scene->step == 0 && child_state(scene->a) == CHILD_RUNNING) {
        kill(getpid(), SIGHUP);
        scene->step++;
    }
    return scene->reload_calls == 1;
}

Test(supervisor, reloads_on_hangup_without_touching_its_children)
{
    struct scene scene;
    scene_open(&scene, hang_up);
    scene.a = scene_add(&scene, "serve");
    cr_assert_eq(scene_run(&scene, -1), 0);
    cr_assert_null(find_event(&scene, scene.a, CHILD_BACKOFF, 0));
}

static bool cut_lifeline(struct scene *scene)
{
    if (scene->step == 0 && child_state(scene->a) == CHILD_RUNNING) {
        close(scene->pid); /* the write end */
        scene->step++;
    }
    return false;
}

Test(supervisor, ends_at_once_when_its_own_parent_is_gone)
{
    struct scene scene;
    int lifeline[2];
    scene_open(&scene, cut_lifeline);
    cr_assert_eq(pipe2(lifeline, O_CLOEXEC), 0);
    scene.pid = lifeline[1];
    struct child_spec spec = spec_of("deaf");
    spec.stop_timeout_ms = 10 * DEADLINE_MS;
    scene.a = supervisor_add(scene.supervisor, &spec);
    cr_assert_eq(scene_run(&scene, lifeline[0]), 1);
    close(lifeline[0]);
}

static bool a_reported(struct scene *scene)
{
    if (child_state(scene->a) != CHILD_RUNNING)
        return false;
    char wanted[128];
    snprintf(wanted, sizeof(wanted),
             "fds=%d null=1 group=1 blocked=0 ignored=0 restarts=0 watchdog=5000000 listen=-", scene->step);
    cr_assert_str_eq(child_status(scene->a), wanted);
    return true;
}

Test(supervisor, gives_a_child_clean_surroundings_and_only_the_descriptors_of_its_spec)
{
    struct scene scene;
    setenv("LISTEN_FDS", "3", 1);
    setenv("FORUMD_RESTARTS", "77", 1);
    signal(SIGPIPE, SIG_IGN);
    int leaked = open("/dev/null", O_RDONLY);
    int passed = open("/dev/null", O_RDONLY | O_CLOEXEC);
    cr_assert(leaked >= 0 && passed >= 0);
    scene_open(&scene, a_reported);
    scene.step = passed;
    struct child_spec spec = spec_of("report");
    spec.inherit_fds = &passed;
    spec.inherit_count = 1;
    scene.a = supervisor_add(scene.supervisor, &spec);
    cr_assert_eq(scene_run(&scene, -1), 0);
}

static void send_ready_as_a_stranger(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    cr_assert_eq(name[0], '@', "no address: %s", name);
    memcpy(address.sun_path, name, strlen(name));
    address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&address,
                        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                 7);
    close(fd);
}

static bool stranger_speaks(struct scene *scene)
{
    if (scene->step == 0 && child_status(scene->a)[0]) {
        send_ready_as_a_stranger(child_status(scene->a));
        kill(child_pid(scene->a), SIGUSR1); /* its next message comes after the stranger's */
        scene->step++;
    }
    return scene->step == 1 && strcmp(child_status(scene->a), "again") == 0;
}

Test(supervisor, ignores_messages_of_processes_that_are_not_its_children)
{
    struct scene scene;
    scene_open(&scene, stranger_speaks);
    scene.a = scene_add(&scene, "silent");
    cr_assert_eq(scene_run(&scene, -1), 0);
    cr_assert_null(find_event(&scene, scene.a, CHILD_RUNNING, 0));
}

/* What a supervisor in a process of its own shows to the test. */
struct shared {
    _Atomic pid_t child;
    _Atomic unsigned turns;
    _Atomic unsigned hung;
};

static struct shared *shared;

static void share_change(void *arg, const struct child *child, enum child_state old_state)
{
    (void)arg;
    (void)old_state;
    if (child_state(child) == CHILD_RUNNING)
        shared->child = child_pid(child);
    if (child_state(child) == CHILD_HUNG)
        shared->hung++;
}

static void share_turn(void *arg)
{
    (void)arg;
    shared->turns++;
}

static pid_t supervise_elsewhere(const char *mode, uint64_t hang_timeout_ms)
{
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(shared, MAP_FAILED);
    cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid > 0)
        return pid;
    ensure(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
    const struct supervisor_hooks hooks = {.turn = share_turn, .turn_interval_ms = TURN_MS};
    log_open("test", LOG_LEVEL_ERROR);
    struct supervisor *supervisor = supervisor_new(share_change, NULL);
    struct child_spec spec = spec_of(mode);
    spec.hang_timeout_ms = hang_timeout_ms;
    spec.parent_death_signal = 0; /* the lifeline alone */
    ensure(supervisor_add(supervisor, &spec));
    _exit(supervisor_run(supervisor, &hooks, -1));
}

#define WAIT_FOR(condition)                                                                                  \
    do {                                                                                                     \
        uint64_t until_ms = clock_monotonic_ms() + DEADLINE_MS;                                              \
        while (!(condition)) {                                                                               \
            cr_assert_lt(clock_monotonic_ms(), until_ms, "waited in vain for " #condition);                  \
            poll(NULL, 0, 2);                                                                                \
        }                                                                                                    \
    } while (0)

Test(lifeline, ends_a_child_whose_supervisor_was_killed)
{
    pid_t supervisor = supervise_elsewhere("serve", 0);
    WAIT_FOR(shared->child != 0);
    pid_t child = shared->child;
    cr_assert_eq(kill(supervisor, SIGKILL), 0);
    cr_assert_eq(waitpid(supervisor, NULL, 0), supervisor);
    int status = -1;
    WAIT_FOR(waitpid(child, &status, WNOHANG) == child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "it was killed instead of ending: %d", status);
}

Test(supervisor, does_not_hold_against_a_child_that_it_was_frozen_itself)
{
    enum { HANG_MS = 400 };
    pid_t supervisor = supervise_elsewhere("serve", HANG_MS);
    WAIT_FOR(shared->child != 0);
    pid_t child = shared->child;
    kill(supervisor, SIGSTOP);
    kill(child, SIGSTOP);
    uint64_t frozen_ms = clock_monotonic_ms();
    WAIT_FOR(clock_monotonic_ms() - frozen_ms > 3 * HANG_MS);
    unsigned turns = shared->turns;
    kill(supervisor, SIGCONT);
    WAIT_FOR(shared->turns - turns >= 4);
    kill(child, SIGCONT);
    WAIT_FOR(shared->turns - turns >= 2 * HANG_MS / TURN_MS);
    cr_assert_eq(shared->hung, 0);
    kill(supervisor, SIGTERM);
    int status;
    cr_assert_eq(waitpid(supervisor, &status, 0), supervisor);
    cr_assert_eq(status, 0);
}
