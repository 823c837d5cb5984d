/*
 * One process dead, frozen or unable to start: who does not need it is served as before, who needs it waits
 * for its deadline and is then told so at once, and all goes on when it is back, without a hand.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/fault/load.h"
#include "tests/fault/victims.h"
#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/proc.h"
#include "tests/lib/wait.h"

#define CLIENTS         32 /* of each of the two loads */
#define RATE            400
#define WARM_OPERATIONS 2000 /* then the worker knows each user */
#define DEADLINE_MS     2000
#define LATE_MS         500 /* an answer that the deadline forced may come that much later on a busy machine */
#define TIMER_LATE_MS   100
#define AT_ONCE_MS      50
#define REFUSALS        200
#define BACK_MS         10000
#define WORKER_KILLS    20
#define HANG_MS         2000
#define FEED_WAIT_MS    200

static const char *const never_hung[] = {"--hang-timeout=60000", "--access-log=off", NULL};

static int compare_numbers(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* Sorts. */
static uint64_t median(uint64_t *numbers, size_t count)
{
    qsort(numbers, count, sizeof(numbers[0]), compare_numbers);
    return count > 0 ? numbers[count / 2] : 0;
}

static pid_t freeze(struct forum *forum, int victim)
{
    pid_t pid = forum_process(forum, victim_role(victim));
    cr_assert_eq(kill(pid, SIGSTOP), 0);
    return pid;
}

/* ---- the circuit ---- */

struct freezing {
    int engine;
    uint64_t frozen_us, open_us, continued_us, back_us;
};

/* What needs only this engine (and users that the worker knows); no answer is ever kept. */
static const char *path_that_needs(int engine)
{
    static const char *const paths[ENGINE_COUNT] = {
        [ENGINE_USERS] = "/api/users/user_1/public-key",
        [ENGINE_SUBREDDITS] = "/api/subreddits/sub_1",
        [ENGINE_POSTS] = "/api/posts/post_1",
        [ENGINE_COMMENTS] = "/api/comments/comment_1",
        [ENGINE_DMS] = "/api/dm/user/user_1",
        [ENGINE_FEED] = "/api/feed/user_1",
    };
    return paths[engine];
}

struct probing {
    struct forum *forum;
    int engine;
};

/* The probe makes the worker notice that has nothing to do with this engine otherwise. */
static bool circuit_is_open(void *arg)
{
    const struct probing *probing = arg;
    const char *line =
        keep_format("its requests are refused until it does engine=%s ", engine_names[probing->engine]);
    (void)!forum_get(probing->forum, "%s", path_that_needs(probing->engine));
    return strstr(forum_log(probing->forum), line);
}

static bool circuit_is_closed(void *arg)
{
    const struct probing *probing = arg;
    return strstr(forum_log(probing->forum),
                  keep_format("engine answers again engine=%s\n", engine_names[probing->engine]));
}

static void check_refused_at_once(struct forum *forum, int engine)
{
    uint64_t took_us[REFUSALS];
    for (size_t i = 0; i < REFUSALS; i++) {
        uint64_t start_us = trace_now_us();
        struct reply *reply = forum_get(forum, "%s", path_that_needs(engine));
        took_us[i] = trace_now_us() - start_us;
        CHECK_PROBLEM(reply, 503, NULL);
        cr_assert(http_header(reply, "Retry-After"), "%s", reply->head);
    }
    uint64_t middle_us = median(took_us, REFUSALS);
    printf("fault: isolation: %s frozen, circuit open: 503 after %.1f ms (median), %.1f ms (worst of %d)\n",
           engine_names[engine], (double)middle_us / 1000, (double)took_us[REFUSALS - 1] / 1000, REFUSALS);
    cr_assert_lt(middle_us, AT_ONCE_MS * 1000);
}

static struct freezing freeze_for_a_while(struct forum *forum, struct load *load, int engine)
{
    struct freezing freezing = {.engine = engine};
    struct probing probing = {forum, engine};
    pid_t pid = freeze(forum, engine);
    freezing.frozen_us = trace_now_us();
    cr_assert(wait_until(circuit_is_open, &probing, BACK_MS), "%s", forum_log(forum));
    freezing.open_us = trace_now_us();
    check_refused_at_once(forum, engine);
    cr_assert(load_wait_served(load, 1, BACK_MS));
    freezing.continued_us = trace_now_us();
    cr_assert_eq(kill(pid, SIGCONT), 0);
    cr_assert(wait_until(circuit_is_closed, &probing, BACK_MS), "%s", forum_log(forum));
    freezing.back_us = trace_now_us();
    CHECK_OK(forum_get(forum, "%s", path_that_needs(engine)));
    return freezing;
}

/* What was sent at the end of one freezing may still be under way when the next begins, and need that engine.
 */
static bool meets_another(const struct trace_request *request, const struct freezing *freezings, int engine)
{
    for (int other = 0; other < ENGINE_COUNT; other++)
        if (other != engine && (request->needs & NEEDS(other)) &&
            trace_overlaps(request, freezings[other].frozen_us, freezings[other].back_us))
            return true;
    return false;
}

/* During the freezing: who needs the engine is refused in time and, once it is known, at once; nobody else
 * is. */
static void check_freezing(const struct freezing *freezings, int engine, const struct trace *trace)
{
    const struct freezing *freezing = &freezings[engine];
    uint64_t *others_us = keep_alloc((trace->count + 1) * sizeof(uint64_t));
    const struct trace_request *slowest = NULL;
    size_t others = 0, refused = 0;
    for (size_t i = 0; i < trace->count; i++) {
        const struct trace_request *request = &trace->requests[i];
        if (!trace_overlaps(request, freezing->frozen_us, freezing->continued_us) ||
            meets_another(request, freezings, engine))
            continue;
        if (!(request->needs & NEEDS(freezing->engine))) {
            cr_assert(trace_is_good(request), "%s is frozen, and, sent %.0f ms after that: %s",
                      engine_names[freezing->engine],
                      ((double)request->sent_us - (double)freezing->frozen_us) / 1000,
                      trace_describe(request));
            if (!slowest || trace_took_us(request) > trace_took_us(slowest))
                slowest = request;
            others_us[others++] = trace_took_us(request);
        } else if (!trace_is_good(request)) {
            cr_assert_eq(request->status, 503, "%s", trace_describe(request));
            cr_assert_leq(trace_took_us(request), (DEADLINE_MS + LATE_MS) * 1000, "%s",
                          trace_describe(request));
            refused++;
        }
    }
    uint64_t middle_us = median(others_us, others);
    printf("fault: isolation: %s frozen for %.1f s: %zu requests that need it were refused, %zu others were "
           "served: %.1f ms (median); the slowest: %s\n",
           engine_names[freezing->engine], (double)(freezing->continued_us - freezing->frozen_us) / 1e6,
           refused, others, (double)middle_us / 1000, slowest ? trace_describe(slowest) : "");
    cr_assert_gt(refused, 0);
    cr_assert_gt(others, 0);
    cr_assert_lt(middle_us, AT_ONCE_MS * 1000, "the others were held up");
}

Test(isolation,
     a_frozen_engine_holds_up_only_who_needs_it_and_they_are_refused_at_once_until_it_answers_again)
{
    static const char *const flags[] = {"--users=100", "--offline=0.3", NULL};
    /* One worker: each has to get to know a user by itself, and needs the users engine for that. */
    struct forum *forum = forum_start(&(struct forum_spec){.workers = 1, .flags = never_hung});
    struct load_spec spec = {.name = "a", .clients = CLIENTS, .rate = RATE, .flags = flags};
    struct load *loads[] = {load_start(forum, &spec), NULL, NULL};
    spec.name = "b";
    loads[1] = load_start(forum, &spec);
    for (size_t i = 0; i < 2; i++)
        cr_assert(load_wait_served(loads[i], WARM_OPERATIONS, LOAD_SETUP_MS));
    struct freezing freezings[ENGINE_COUNT];
    for (int engine = 0; engine < ENGINE_COUNT; engine++)
        freezings[engine] = freeze_for_a_while(forum, loads[0], engine);
    for (size_t i = 0; i < 2; i++) {
        const struct trace *trace = load_stop(loads[i]);
        for (int engine = 0; engine < ENGINE_COUNT; engine++)
            check_freezing(freezings, engine, trace);
    }
    printf("fault: isolation: %s\n", load_verify(forum, loads));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

/* ---- what waits inside ---- */

static bool feed_is_fresh(void *arg)
{
    struct reply *reply = forum_get(arg, "/api/feed/user_1");
    return reply->status == 200 && !http_header(reply, "X-Feed-Stale");
}

/* Its page says that nothing is new. */
Test(isolation, a_feed_whose_source_is_frozen_is_shown_at_once_and_is_right)
{
    struct forum *forum = forum_start(&(struct forum_spec){.flags = never_hung});
    const char *user = make_user(forum), *subreddit = make_subreddit(forum, user);
    make_post(forum, subreddit, user, "Seen before");
    cr_assert(wait_until(feed_is_fresh, forum, BACK_MS));
    pid_t pid = freeze(forum, ENGINE_SUBREDDITS);
    uint64_t took_us[9];
    for (size_t i = 0; i < ARRAY_LEN(took_us); i++) {
        uint64_t start_us = trace_now_us();
        struct reply *reply =
            forum_get(forum, "/api/feed/%s?limit=%zu", user, i + 1); /* none that was kept */
        took_us[i] = trace_now_us() - start_us;
        CHECK_OK(reply);
        cr_assert_null(http_header(reply, "X-Feed-Stale"), "%s", reply->head);
        CHECK_TEXT(reply, "0.title", "Seen before");
    }
    uint64_t middle_us = median(took_us, ARRAY_LEN(took_us));
    printf("fault: isolation: feed of a frozen source after %.1f ms (median)\n", (double)middle_us / 1000);
    cr_assert_lt(middle_us, AT_ONCE_MS * 1000);
    cr_assert_eq(kill(pid, SIGCONT), 0);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(isolation, a_feed_whose_source_is_frozen_and_has_no_page_is_shown_after_200_ms_and_says_so)
{
    struct forum *forum = forum_start(&(struct forum_spec){.flags = never_hung});
    const char *user = make_user(forum), *subreddit = make_subreddit(forum, user);
    make_post(forum, subreddit, user, "Seen before");
    cr_assert(wait_until(feed_is_fresh, forum, BACK_MS));
    uint64_t took_us[9];
    pid_t pid = freeze(forum, ENGINE_SUBREDDITS);
    cr_assert_eq(unlink(keep_format("%s/subreddits.versions", forum_state_directory(forum))), 0);
    for (size_t i = 0; i < ARRAY_LEN(took_us); i++) {
        uint64_t start_us = trace_now_us();
        struct reply *reply = forum_get(forum, "/api/feed/%s", user);
        took_us[i] = trace_now_us() - start_us;
        CHECK_OK(reply);
        cr_assert_str_eq(http_header(reply, "X-Feed-Stale") ?: "", "subreddits", "%s", reply->head);
        CHECK_TEXT(reply, "0.title", "Seen before");
    }
    uint64_t middle_us = median(took_us, ARRAY_LEN(took_us));
    printf("fault: isolation: stale feed after %.0f ms (median)\n", (double)middle_us / 1000);
    cr_assert_lt(middle_us, (FEED_WAIT_MS + AT_ONCE_MS) * 1000);
    cr_assert_eq(kill(pid, SIGCONT), 0);
    cr_assert(wait_until(feed_is_fresh, forum, BACK_MS));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

static bool nothing_is_parked(void *arg)
{
    struct reply *reply = forum_get(arg, "/metrics");
    return reply->status == 200 && strstr(reply->body, "forumd_engine_parked{engine=\"comments\"} 0\n");
}

static bool something_is_parked(void *arg)
{
    return !nothing_is_parked(arg);
}

static const char *first_comment(const char *user)
{
    return json_body("{'post_id':'post_1','author_id':'%s','content':'First'}", user);
}

Test(isolation, a_command_that_waits_for_a_frozen_engine_s_answer_expires_and_leaves_nothing)
{
    struct forum *forum = forum_start(&(struct forum_spec){.flags = never_hung});
    const char *user = make_user(forum), *subreddit = make_subreddit(forum, user);
    make_post(forum, subreddit, user, "Not known to comments yet");
    pid_t pid = freeze(forum, ENGINE_POSTS);
    struct connection *connection = http_open(forum_port(forum));
    const char *body = first_comment(user);
    const char *request =
        keep_format("POST /api/comments/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                    "Content-Length: %zu\r\n\r\n%s",
                    strlen(body), body);
    uint64_t start_ms = wait_now_ms();
    cr_assert(http_write(connection, request, strlen(request)));
    cr_assert(wait_until(something_is_parked, forum, DEADLINE_MS));
    struct reply *reply = http_read(connection, false);
    CHECK_PROBLEM(reply, 503, NULL);
    cr_assert_geq(wait_now_ms() - start_ms, DEADLINE_MS - AT_ONCE_MS, "it did not wait");
    cr_assert_leq(wait_now_ms() - start_ms, DEADLINE_MS + LATE_MS);
    cr_assert(wait_until(nothing_is_parked, forum, DEADLINE_MS), "%s", forum_get(forum, "/metrics")->body);
    cr_assert_eq(kill(pid, SIGCONT), 0);
    cr_assert(forum_wait_ready(forum, BACK_MS));
    cr_assert_eq(json_count(forum_get(forum, "/api/posts/post_1/comments"), ""), 0,
                 "it took effect after its 503");
    CHECK_CREATED(forum_post(forum, "/api/comments/create", first_comment(user)));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

/* ---- the watchdog ---- */

struct replacing {
    struct forum *forum;
    const int *victims;
    size_t count;
    pid_t old[VICTIM_COUNT];
    uint64_t replaced_us[VICTIM_COUNT]; /* 0: not yet */
};

static bool all_are_replaced(void *arg)
{
    struct replacing *replacing = arg;
    bool all = true;
    for (size_t i = 0; i < replacing->count; i++) {
        pid_t pids[PROC_MAX];
        size_t count = forum_processes(replacing->forum, victim_role(replacing->victims[i]), pids, PROC_MAX);
        bool gone = count > 0;
        for (size_t k = 0; k < count; k++)
            gone = gone && pids[k] != replacing->old[i];
        if (gone && replacing->replaced_us[i] == 0)
            replacing->replaced_us[i] = trace_now_us();
        all = all && replacing->replaced_us[i] != 0;
    }
    return all && forum_get(replacing->forum, "/ready")->status == 200;
}

static void check_found_frozen(struct forum *forum, const int *victims, size_t count)
{
    struct replacing replacing = {.forum = forum, .victims = victims, .count = count};
    pid_t pids[PROC_MAX];
    for (size_t i = 0; i < count; i++) {
        cr_assert_gt(forum_processes(forum, victim_role(victims[i]), pids, PROC_MAX), 0);
        replacing.old[i] = pids[0];
        cr_assert_eq(kill(pids[0], SIGSTOP), 0);
    }
    uint64_t start_us = trace_now_us();
    cr_assert(wait_until(all_are_replaced, &replacing, FORUM_START_MS), "%s", forum_log(forum));
    for (size_t i = 0; i < count; i++) {
        uint64_t took_ms = (replacing.replaced_us[i] - start_us) / 1000;
        printf("fault: isolation: %s frozen: replaced after %llu ms\n", victim_name(victims[i]),
               (unsigned long long)took_ms);
        cr_assert_leq(took_ms, HANG_MS + LATE_MS, "%s", victim_name(victims[i]));
        /* It says that it is alive twice in that time, each time as late as its timer was. */
        cr_assert_geq(took_ms, HANG_MS / 2 - TIMER_LATE_MS, "%s was killed although it had just been alive",
                      victim_name(victims[i]));
    }
}

Test(watchdog, finds_a_frozen_process_of_each_kind_within_two_seconds_and_replaces_it)
{
    static const int engines[] = {ENGINE_USERS,    ENGINE_SUBREDDITS, ENGINE_POSTS,
                                  ENGINE_COMMENTS, ENGINE_DMS,        ENGINE_FEED};
    static const int worker[] = {VICTIM_WORKER}, master[] = {VICTIM_MASTER};
    struct forum *forum = forum_start(NULL);
    const char *user = make_user(forum);
    check_found_frozen(forum, engines, ARRAY_LEN(engines));
    check_found_frozen(forum, worker, 1);
    check_found_frozen(forum, master, 1);
    CHECK_OK(forum_get(forum, "/api/users/%s", user));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

/* ---- workers ---- */

struct guest { /* one kept connection */
    struct connection *connection;
    pid_t worker;
};

static struct reply *ask_health(struct connection *connection)
{
    static const char request[] = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    cr_assert(http_write(connection, request, sizeof(request) - 1));
    return http_read(connection, false);
}

static struct guest guest_of_any(const struct forum *forum)
{
    struct guest guest = {.connection = http_open(forum_port(forum))};
    struct reply *reply = ask_health(guest.connection);
    CHECK_STATUS(reply, 200);
    guest.worker = (pid_t)json_number(reply, "worker_pid");
    return guest;
}

/* When the log says that a child with this pid is ready, in ms of the wall clock's day; -1: not yet. */
static long ready_at_ms(const struct forum *forum, pid_t pid)
{
    const char *log = forum_log(forum), *sign = keep_format(" pid=%d after_ms=", (int)pid);
    const char *line = strstr(log, sign);
    int hours, minutes, seconds, ms;
    if (!line)
        return -1;
    while (line > log && line[-1] != '\n')
        line--;
    cr_assert_eq(sscanf(line, "%*d-%*d-%*dT%d:%d:%d.%dZ", &hours, &minutes, &seconds, &ms), 4, "%.80s", line);
    return ((hours * 60L + minutes) * 60 + seconds) * 1000 + ms;
}

static long wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec % 86400 * 1000 + now.tv_nsec / 1000000;
}

/* A pid among the workers that is none of these; 0: none yet. */
static pid_t new_worker(struct forum *forum, const pid_t *old, size_t old_count)
{
    pid_t pids[PROC_MAX];
    size_t count = forum_processes(forum, victim_role(VICTIM_WORKER), pids, PROC_MAX);
    for (size_t i = 0; i < count; i++) {
        bool known = false;
        for (size_t k = 0; k < old_count; k++)
            known = known || pids[i] == old[k];
        if (!known)
            return pids[i];
    }
    return 0;
}

/* Kills a worker while a guest of the other one goes on asking. Returns after how many ms another one served.
 */
static uint64_t replace_worker(struct forum *forum, uint64_t *slowest_us)
{
    pid_t old[PROC_MAX];
    size_t count = forum_processes(forum, victim_role(VICTIM_WORKER), old, PROC_MAX);
    struct guest guest = guest_of_any(forum);
    pid_t victim = old[0] == guest.worker ? old[1] : old[0];
    cr_assert_eq(count, 2);
    uint64_t until_ms = wait_now_ms() + BACK_MS;
    long killed_ms = wall_ms(), ready_ms = -1;
    pid_t fresh = 0;
    cr_assert_eq(kill(victim, SIGKILL), 0);
    for (*slowest_us = 0; ready_ms < 0;) {
        uint64_t start_us = trace_now_us();
        struct reply *reply = ask_health(guest.connection);
        uint64_t took_us = trace_now_us() - start_us;
        CHECK_STATUS(reply, 200);
        *slowest_us = took_us > *slowest_us ? took_us : *slowest_us;
        fresh = fresh ? fresh : new_worker(forum, old, count);
        ready_ms = fresh ? ready_at_ms(forum, fresh) : -1;
        cr_assert_lt(wait_now_ms(), until_ms, "no new worker: %s", forum_log(forum));
    }
    http_close(guest.connection);
    return (uint64_t)(ready_ms >= killed_ms ? ready_ms - killed_ms : ready_ms + 86400000 - killed_ms);
}

Test(worker, that_died_is_replaced_within_100_ms_and_the_others_guests_notice_nothing)
{
    struct forum *forum =
        forum_start(&(struct forum_spec){.flags = (const char *[]){"--access-log=off", NULL}});
    uint64_t replaced_ms[WORKER_KILLS], slowest_us[WORKER_KILLS], random = 1;
    for (size_t i = 0; i < WORKER_KILLS; i++) {
        replaced_ms[i] = replace_worker(forum, &slowest_us[i]);
        victim_pause_us(300000 + victim_random(&random) % 100000); /* kills that come apart, as in life */
    }
    uint64_t middle_ms = median(replaced_ms, WORKER_KILLS), middle_us = median(slowest_us, WORKER_KILLS);
    printf("fault: isolation: worker killed: another serves after %llu ms (median), %llu ms (worst of %d); "
           "the slowest "
           "request of another's guest: %.1f ms (median), %.1f ms (worst)\n",
           (unsigned long long)middle_ms, (unsigned long long)replaced_ms[WORKER_KILLS - 1], WORKER_KILLS,
           (double)middle_us / 1000, (double)slowest_us[WORKER_KILLS - 1] / 1000);
    cr_assert_lt(middle_ms, 100);
    cr_assert_lt(middle_us, AT_ONCE_MS * 1000);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

/* ---- an engine that cannot start ---- */

static void move_file(const char *from, const char *to)
{
    cr_assert(rename(from, to) == 0 || errno == ENOENT, "%s: %s", from, strerror(errno));
}

/* The running engine keeps what it has open. */
static void hide_posts(const struct forum *forum, bool hide)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    const char *directory = forum_state_directory(forum);
    const char *path = keep_format("%s/posts.db", directory);
    if (!hide)
        cr_assert_eq(rmdir(path), 0);
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        const char *shown = keep_format("%s%s", path, suffixes[i]);
        const char *hidden = keep_format("%s/hidden%s", directory, suffixes[i]);
        move_file(hide ? shown : hidden, hide ? hidden : shown);
    }
    if (hide)
        cr_assert_eq(mkdir(path, 0700), 0);
}

static bool posts_back_off(void *arg)
{
    return strstr(forum_log(arg), "child=posts") && strstr(forum_log(arg), "restart_in_ms=160");
}

static bool posts_are_shown_as(struct forum *forum, const char *state, int64_t restarts)
{
    struct reply *reply = forum_get(forum, "/ready");
    return reply->json && strcmp(json_text(reply, "engines.posts.state"), state) == 0 &&
           json_has(reply, "engines.posts.restarts") && !json_is_null(reply, "engines.posts.restarts") &&
           json_number(reply, "engines.posts.restarts") >= restarts &&
           json_flag(reply, "engines.posts.up") == (strcmp(state, "up") == 0);
}

static bool posts_are_down(void *arg)
{
    return posts_are_shown_as(arg, "down", 1);
}

static bool posts_are_silent(void *arg)
{
    return posts_are_shown_as(arg, "silent", 1);
}

static bool posts_are_up_after_many_restarts(void *arg)
{
    return posts_are_shown_as(arg, "up", 5);
}

Test(back_off, keeps_an_engine_that_cannot_start_from_nobody_else_and_ends_when_it_can)
{
    struct forum *forum = forum_start(&(struct forum_spec){
        .workers = 1, .flags = (const char *[]){"--access-log=off", "--hang-timeout=60000", NULL}});
    const char *user = make_user(forum), *subreddit = make_subreddit(forum, user);
    const char *post = make_post(forum, subreddit, user, "There");
    forum_kill_and_wait_for_another(forum, victim_role(ENGINE_POSTS));
    pid_t pid = freeze(forum, ENGINE_POSTS);
    cr_assert(wait_until(posts_are_silent, forum, BACK_MS), "%s", forum_get(forum, "/ready")->body);
    cr_assert_eq(kill(pid, SIGCONT), 0);
    cr_assert(forum_wait_ready(forum, BACK_MS));
    hide_posts(forum, true);
    cr_assert_eq(kill(pid, SIGKILL), 0);
    cr_assert(wait_until(posts_back_off, forum, BACK_MS), "%s", forum_log(forum));
    cr_assert(wait_until(posts_are_down, forum, BACK_MS), "%s", forum_get(forum, "/ready")->body);
    CHECK_PROBLEM(forum_get(forum, "/api/posts/%s", post), 503, NULL);
    CHECK_OK(forum_get(forum, "/api/users/%s", user));
    make_subreddit(forum, user);
    make_message(forum, user, make_user(forum), "Still here");
    cr_assert_eq(forum_get(forum, "/ready")->status, 503);
    hide_posts(forum, false);
    cr_assert(wait_until(posts_are_up_after_many_restarts, forum, BACK_MS), "%s",
              forum_get(forum, "/ready")->body);
    CHECK_OK(forum_get(forum, "/api/posts/%s", post));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.one_by_one = true, .timeout_s = 120});
}
